#include "lib/descriptors.h"

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

void descriptors_guard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* The lowest that is free is this one: those below are open. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EX_OSERR);
}
