#define _GNU_SOURCE
#include "lib/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void notify_fd(int fd)
{
	if (fd < 0)
		return;
	if (write(fd, "READY\n", 6) < 0) {
		/* it went away; it does not wait for us */
	}
	close(fd);
}

int notify_pid_file(const char *path, struct str *error_r)
{
	FILE *file = fopen(path, "we");

	if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0) {
		str_printf(error_r, "%s: cannot write the pid: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}
