#define _GNU_SOURCE
#include "queue/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define IN_BYTES (2 * REPLY_LINE_MAX)

struct link {
	pthread_mutex_t lock; /* guards fd against link_abort */
	int fd;               /* -1 = closed */
	struct tls_session *tls;
	int64_t timeout_us;
	char in[IN_BYTES];
	size_t in_at, in_end;
	char error[256];
};

struct link *link_new(void)
{
	struct link *link = mem_zalloc(sizeof *link);

	pthread_mutex_init(&link->lock, NULL);
	link->fd = -1;
	return link;
}

static int fail(struct link *link, const char *what, const char *why, const char **error_r)
{
	snprintf(link->error, sizeof link->error, "%s: %s", what, why);
	*error_r = link->error;
	return -1;
}

static void set_fd(struct link *link, int fd)
{
	pthread_mutex_lock(&link->lock);
	int old = link->fd;
	link->fd = fd;
	if (old >= 0)
		close(old);
	pthread_mutex_unlock(&link->lock);
}

void link_close(struct link *link)
{
	tls_close(&link->tls);
	set_fd(link, -1);
	link->in_at = link->in_end = 0;
}

void link_free(struct link **link)
{
	if (*link == NULL)
		return;
	link_close(*link);
	pthread_mutex_destroy(&(*link)->lock);
	mem_free(link);
}

bool link_is_open(const struct link *link)
{
	return link->fd >= 0;
}

void link_abort(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	if (link->fd >= 0)
		shutdown(link->fd, SHUT_RDWR);
	pthread_mutex_unlock(&link->lock);
}

/* 1 = ready, 0 = deadline passed. */
static int wait_for(int fd, short events, int64_t deadline_us)
{
	for (;;) {
		int64_t left = deadline_us - clock_mono_us();
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, left > 0 ? (int)((left + 999) / CLOCK_MS) : 0);
		if (n > 0)
			return 1;
		if (n == 0 && left <= 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return 1; /* the next call on it says what is wrong */
	}
}

static void set_options(int fd, int64_t timeout_us)
{
	struct timeval tv = { .tv_sec = (time_t)(timeout_us / CLOCK_SECOND),
		.tv_usec = (suseconds_t)(timeout_us % CLOCK_SECOND) };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	/* Fails on a unix socket, where it is not needed. Small writes must not wait for an ACK. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int connect_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* 0 or an errno. */
static int connect_one(struct link *link, int family, const struct sockaddr *address, socklen_t len)
{
	int64_t deadline = clock_mono_us() + link->timeout_us;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	set_fd(link, fd);
	set_options(fd, link->timeout_us);
	int error = connect(fd, address, len) < 0 ? errno : 0;
	if (error == EINPROGRESS)
		error = wait_for(fd, POLLOUT, deadline) ? connect_result(fd) : ETIMEDOUT;
	if (error == 0 && fcntl(fd, F_SETFL, 0) < 0)
		error = errno;
	if (error != 0)
		set_fd(link, -1);
	return error;
}

static int open_unix(struct link *link, const char *path, const char **error_r)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, path, strlen(path) + 1);
	int error = connect_one(link, AF_UNIX, (const struct sockaddr *)&un, sizeof un);
	return error ? fail(link, path, strerror(error), error_r) : 0;
}

static int open_inet(struct link *link, const struct endpoint *endpoint, const char **error_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list;
	int error = getaddrinfo(endpoint->host, endpoint->port, &hints, &list);

	if (error != 0)
		return fail(link, endpoint->host, gai_strerror(error), error_r);
	error = ENOENT;
	for (struct addrinfo *a = list; a != NULL && error != 0; a = a->ai_next)
		error = connect_one(link, a->ai_family, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	return error ? fail(link, endpoint->host, strerror(error), error_r) : 0;
}

int link_open(struct link *link, const struct endpoint *endpoint, int64_t timeout_us,
	const char **error_r)
{
	link_close(link);
	link->timeout_us = timeout_us;
	return endpoint->path ? open_unix(link, endpoint->path, error_r)
			      : open_inet(link, endpoint, error_r);
}

bool link_is_stale(struct link *link)
{
	if (link->in_at < link->in_end || (link->tls != NULL && tls_pending(link->tls)))
		return true;
	return wait_for(link->fd, POLLIN, 0) != 0;
}

int link_start_tls(
	struct link *link, struct tls_context *context, const char *name, const char **error_r)
{
	/* Whatever came in clear text after the reply may have been put there by anybody. */
	if (link->in_at < link->in_end)
		return fail(link, "STARTTLS", "data before the handshake", error_r);
	link->tls = tls_connect(context, link->fd, name, error_r);
	return link->tls ? 0 : -1;
}

static ssize_t send_some(struct link *link, const char *data, size_t len)
{
	if (link->tls != NULL)
		return tls_write(link->tls, data, len);
	ssize_t n = send(link->fd, data, len, MSG_NOSIGNAL);
	return n < 0 && errno == EINTR ? 0 : n;
}

int link_write(struct link *link, const char *data, size_t len, const char **error_r)
{
	while (len > 0) {
		ssize_t n = send_some(link, data, len);
		if (n < 0)
			return fail(link, "connection lost",
				errno == EAGAIN ? "timed out" : strerror(errno), error_r);
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* More bytes behind those there are. */
static int fill(struct link *link, int64_t deadline_us, const char **error_r)
{
	size_t have = link->in_end - link->in_at;
	ssize_t n;

	memmove(link->in, link->in + link->in_at, have);
	link->in_at = 0;
	link->in_end = have;
	do {
		bool ready = link->tls != NULL && tls_pending(link->tls);
		if (!ready && !wait_for(link->fd, POLLIN, deadline_us))
			return fail(link, "no reply", "timed out", error_r);
		n = link->tls ? tls_read(link->tls, link->in + have, IN_BYTES - have)
			      : recv(link->fd, link->in + have, IN_BYTES - have, 0);
	} while (n < 0 && link->tls == NULL && errno == EINTR);
	if (n == 0)
		return fail(link, "connection lost", "closed by the other side", error_r);
	if (n < 0)
		return fail(link, "connection lost", strerror(errno), error_r);
	link->in_end += (size_t)n;
	return 0;
}

int link_reply(struct link *link, int64_t deadline_us, struct reply *reply_r, link_line each,
	void *context, const char **error_r)
{
	memset(reply_r, 0, sizeof *reply_r);
	for (;;) {
		const char *data = link->in + link->in_at;
		size_t used;
		enum reply_result result =
			reply_feed(reply_r, data, link->in_end - link->in_at, &used);
		link->in_at += used;
		if (result == REPLY_BAD) {
			memset(reply_r, 0, sizeof *reply_r);
			return fail(link, "connection given up", "the reply is not SMTP", error_r);
		}
		if (result != REPLY_MORE && each != NULL)
			each(context, reply_r->lines - 1, data, used);
		if (result == REPLY_DONE)
			return 0;
		if (result == REPLY_MORE && fill(link, deadline_us, error_r) < 0)
			return -1;
	}
}
