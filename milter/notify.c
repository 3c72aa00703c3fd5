#define _GNU_SOURCE
#include "milter/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_supervisor(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path == NULL || (*path != '/' && *path != '@') ||
		strlen(path) >= sizeof address.sun_path)
		return;
	strcpy(address.sun_path, path);
	if (*path == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody is there to be told when it fails. */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

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
