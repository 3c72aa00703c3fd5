#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/control_internal.h"
#include "lib/mem.h"

/* Longest reply line; the other end is trusted, memory is not endless. */
#define REPLY_MAX     (16 * 1024 * 1024)
#define REPLY_SECONDS 300

struct control_client {
	char *path;
	int fd;
	struct str in; /* received and not yet taken: from `taken` on */
	size_t taken;
};

static int fail(const char **error_r, const char *path, const char *text)
{
	static _Thread_local char reason[512];

	snprintf(reason, sizeof reason, "%s: %s", path, text);
	*error_r = reason;
	return -1;
}

static const char *connect_trouble(int error)
{
	if (error == ENOENT || error == ECONNREFUSED)
		return "nobody listens there; is the daemon running, and is this its socket?";
	if (error == EACCES)
		return "permission denied; become root or a member of the socket's group";
	return strerror(error);
}

struct control_client *control_connect(const char *path, const char **error_r)
{
	struct timeval patience = { .tv_sec = REPLY_SECONDS };
	struct sockaddr_un address;

	if (!control_address(path, &address)) {
		fail(error_r, path, "path too long for a socket");
		return NULL;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		fail(error_r, path, connect_trouble(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	struct control_client *client = mem_zalloc(sizeof *client);
	client->fd = fd;
	client->path = mem_strdup(path);
	return client;
}

void control_close(struct control_client **client)
{
	if (*client == NULL)
		return;
	close((*client)->fd);
	str_free(&(*client)->in);
	mem_free(&(*client)->path);
	mem_free(client);
}

static int send_request(struct control_client *client, struct json *request, const char **error_r)
{
	struct str line = STR_INIT;
	size_t sent = 0;
	int result = 0;

	json_set_int(request, "v", CONTROL_VERSION);
	json_dump(request, &line);
	if (line.len > CONTROL_LINE_MAX)
		result = fail(error_r, client->path, "request too long");
	str_append_c(&line, '\n');
	while (result == 0 && sent < line.len) {
		ssize_t n = send(client->fd, line.data + sent, line.len - sent, MSG_NOSIGNAL);
		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			break; /* there may be an answer to read that says why */
		else if (errno != EINTR)
			result = fail(error_r, client->path, strerror(errno));
	}
	str_free(&line);
	return result;
}

/* At least one byte more; -1 with *error_r. */
static int receive(struct control_client *client, const char **error_r)
{
	struct str *in = &client->in;
	ssize_t got;

	if (client->taken > 0) {
		in->len -= client->taken;
		memmove(in->data, in->data + client->taken, in->len);
		client->taken = 0;
	}
	str_reserve(in, 16384);
	do {
		got = recv(client->fd, in->data + in->len, 16384, 0);
	} while (got < 0 && errno == EINTR);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return fail(error_r, client->path, "the daemon closed the connection");
	if (got < 0)
		return fail(error_r, client->path,
			errno == EAGAIN ? "the daemon does not answer" : strerror(errno));
	in->len += (size_t)got;
	return 0;
}

struct json *control_next(struct control_client *client, const char **error_r)
{
	struct str *in = &client->in;
	char *newline = NULL;
	const char *fault;
	size_t seen = 0;

	while (in->len <= client->taken + seen ||
		(newline = memchr(in->data + client->taken + seen, '\n',
			 in->len - client->taken - seen)) == NULL) {
		seen = in->len - client->taken;
		if (seen > REPLY_MAX) {
			fail(error_r, client->path, "answer too long");
			return NULL;
		}
		if (receive(client, error_r) < 0)
			return NULL;
	}
	char *line = in->data + client->taken;
	struct json *reply = json_parse(line, (size_t)(newline - line), &fault);
	client->taken += (size_t)(newline - line) + 1;
	if (reply == NULL)
		fail(error_r, client->path, "the answer is not JSON; is this our daemon's socket?");
	return reply;
}

struct json *control_ask(struct control_client *client, struct json *request, const char **error_r)
{
	if (send_request(client, request, error_r) < 0)
		return NULL;
	return control_next(client, error_r);
}

ssize_t control_read(struct control_client *client, void *buffer, size_t size, const char **error_r)
{
	size_t have = client->in.len - client->taken;

	if (size == 0)
		return 0;
	if (have == 0) {
		if (receive(client, error_r) < 0)
			return -1;
		have = client->in.len - client->taken;
	}
	if (have > size)
		have = size;
	memcpy(buffer, client->in.data + client->taken, have);
	client->taken += have;
	return (ssize_t)have;
}
