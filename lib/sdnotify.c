#define _GNU_SOURCE
#include "lib/sdnotify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

#define SEND_SECONDS 5

static int notify_fd = -1;
static int64_t watchdog_us;

/* "/path", or "@name" in the abstract namespace. 0, or -1 for what is neither. */
static int make_address(const char *path, struct sockaddr_un *address_r, socklen_t *len_r)
{
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof(address_r->sun_path))
		return -1;
	*address_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address_r->sun_path, path, len);
	if (*path == '@')
		address_r->sun_path[0] = '\0';
	/* an abstract name ends with its length, a path with NUL */
	*len_r = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/'));
	return 0;
}

/* Connected once: later no descriptor may be left. */
static int connect_to(const char *path)
{
	struct timeval limit = { .tv_sec = SEND_SECONDS };
	struct sockaddr_un address;
	socklen_t len;
	int fd;

	if (make_address(path, &address, &len) < 0) {
		errno = EINVAL;
		return -1;
	}
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, len) == 0)
		return fd;
	close(fd);
	return -1;
}

/* 0 where it is not set, not a number, or meant for another process. */
static int64_t watchdog_wanted(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	errno = 0;
	int64_t us = strtoll(usec, &end, 10);
	return errno == 0 && end != usec && *end == '\0' && us > 0 ? us : 0;
}

void sdnotify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	sdnotify_close();
	if (path != NULL && (notify_fd = connect_to(path)) < 0)
		log_warning(
			"service", "NOTIFY_SOCKET=%s cannot be used: %s", path, strerror(errno));
	watchdog_us = notify_fd >= 0 ? watchdog_wanted() : 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void sdnotify(const char *format, ...)
{
	char text[1024];
	va_list list;

	if (notify_fd < 0)
		return;
	va_start(list, format);
	int len = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	if (send(notify_fd, text, (size_t)len, MSG_NOSIGNAL) < 0)
		log_warning("service", "the service manager was not told: %s", strerror(errno));
}

void sdnotify_reloading(void)
{
	sdnotify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
}

int64_t sdnotify_watchdog_us(void)
{
	return watchdog_us;
}

void sdnotify_close(void)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
	watchdog_us = 0;
}
