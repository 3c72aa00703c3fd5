#define _GNU_SOURCE
#include "lib/journal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/clock.h"

#define DATAGRAM_BYTES 4096
#define FACILITY       (LOG_MAIL >> 3)
#define WAIT_US        100000
#define STALLED_US     CLOCK_SECOND

static _Atomic int64_t stalled_until_us; /* monotonic */

int journal_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval wait = { .tv_usec = WAIT_US };

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* " id=VALUE", up to the next space. */
static int find_id(const char *line, const char **id_r)
{
	const char *found = strstr(line, " id=");

	*id_r = found ? found + strlen(" id=") : "";
	return (int)strcspn(*id_r, " ");
}

/* A journal that stands still must not make each line of a mail wait. */
static int hand_over(int fd, const char *datagram, size_t len)
{
	bool stalled = clock_mono_us() < atomic_load(&stalled_until_us);

	if (send(fd, datagram, len, MSG_NOSIGNAL | (stalled ? MSG_DONTWAIT : 0)) >= 0) {
		atomic_store(&stalled_until_us, 0);
		return 0;
	}
	if (!stalled && (errno == EAGAIN || errno == EWOULDBLOCK))
		atomic_store(&stalled_until_us, clock_mono_us() + STALLED_US);
	return -1;
}

int journal_send(int fd, const char *ident, int priority, const char *line)
{
	char datagram[DATAGRAM_BYTES];
	const char *id;
	int id_len = find_id(line, &id);
	int len = snprintf(datagram, sizeof datagram,
		"MESSAGE=%s\nPRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\n"
		"SYSLOG_PID=%d\n",
		line, priority, FACILITY, ident, (int)getpid());

	if (len < 0 || len + id_len + 16 > (int)sizeof datagram) {
		errno = EMSGSIZE;
		return -1;
	}
	if (id_len > 0)
		len += sprintf(datagram + len, "RESTANTE_ID=%.*s\n", id_len, id);
	return hand_over(fd, datagram, (size_t)len);
}
