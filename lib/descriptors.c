#include "lib/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

void descriptors_guard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* The lowest that is free is this one: those below are open. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EX_OSERR);
}

/* Both environments, 64 workers, the directory, the MTA's queue, the control socket and metrics. */
#define OUR_OWN 256

void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

unsigned descriptors_for_clients(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	unsigned all = (unsigned)limit.rlim_cur;
	return all > 2 * OUR_OWN ? all - OUR_OWN : all / 2;
}
