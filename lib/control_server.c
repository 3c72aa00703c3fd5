#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/control_internal.h"
#include "lib/log.h"
#include "lib/mem.h"

/* At a stop, answers under way get that long to be taken. */
#define STOP_GRACE (2 * CLOCK_SECOND)

int64_t control_idle_us = 30 * CLOCK_SECOND;

struct control_server {
	char *path;
	gid_t group;
	const struct control_command *commands;
	void *context;
	int listener;
	int wake; /* eventfd: stop */
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int clients[CONTROL_CLIENTS_MAX]; /* their sockets, -1 = free */
	unsigned count;
	bool stopping;
};

struct session {
	struct control_server *server;
	int fd;
	struct str in;
};

/* --- one client ---------------------------------------------------------------------------- */

static const struct control_command *find_command(
	const struct control_server *server, const char *name)
{
	for (const struct control_command *c = server->commands; c->name != NULL; c++)
		if (name != NULL && strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static void dispatch(
	struct control_server *server, const struct json *request, struct control_reply *reply)
{
	const char *name = json_get_string(request, "cmd");
	const struct control_command *command = find_command(server, name);

	if (json_get_int(request, "v", 0) != CONTROL_VERSION)
		control_fail(reply, "usage", "\"v\" must be %d", CONTROL_VERSION);
	else if (command == NULL)
		control_fail(reply, "usage", "no such command: %.100s", name ? name : "none given");
	else
		command->handler(server->context, request, reply);
}

/* Whether the connection can take the next request. */
static bool finish(struct control_reply *reply)
{
	if (reply->state == REPLY_NONE)
		control_fail(reply, "trouble", "the command gave no answer");
	return reply->state == REPLY_DONE && !reply->gone;
}

static bool serve_line(struct session *session, const char *line, size_t len)
{
	struct control_reply reply = { .fd = session->fd };
	const char *error;
	struct json *request = json_parse(line, len, &error);

	if (request == NULL)
		control_fail(&reply, "usage", "not JSON: %s", error);
	else
		dispatch(session->server, request, &reply);
	json_free(&request);
	return finish(&reply);
}

static void refuse(int fd, const char *code, const char *text)
{
	struct control_reply reply = { .fd = fd };

	control_fail(&reply, code, "%s", text);
}

static bool too_long(struct session *session, size_t len)
{
	if (len <= CONTROL_LINE_MAX)
		return false;
	refuse(session->fd, "usage", "request line too long");
	return true;
}

/* Serves the whole lines that are there; false: close. */
static bool serve_buffer(struct session *session)
{
	struct str *in = &session->in;
	char *start = in->data, *end = in->data + in->len, *newline;

	while ((newline = memchr(start, '\n', (size_t)(end - start))) != NULL) {
		size_t len = (size_t)(newline - start);
		if (too_long(session, len) || !serve_line(session, start, len))
			return false;
		start = newline + 1;
	}
	in->len = (size_t)(end - start);
	memmove(in->data, start, in->len);
	return !too_long(session, in->len);
}

static void serve(struct session *session)
{
	struct str *in = &session->in;
	ssize_t got;

	do {
		str_reserve(in, 4096);
		got = recv(session->fd, in->data + in->len, 4096, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		in->len += (size_t)got;
	} while (got < 0 || serve_buffer(session));
}

static void leave(struct session *session)
{
	struct control_server *server = session->server;

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (server->clients[i] == session->fd)
			server->clients[i] = -1;
	close(session->fd);
	server->count--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	str_free(&session->in);
	mem_free(&session);
}

static void *session_main(void *argument)
{
	struct session *session = argument;

	serve(session);
	leave(session);
	return NULL;
}

/* --- accepting ----------------------------------------------------------------------------- */

/* Signals are the main thread's. */
static int start_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void set_timeouts(int fd)
{
	struct timeval idle = { .tv_sec = control_idle_us / CLOCK_SECOND,
		.tv_usec = control_idle_us % CLOCK_SECOND };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
}

static void enter(struct control_server *server, int fd)
{
	struct session *session = mem_zalloc(sizeof *session);
	pthread_t thread;

	session->server = server;
	session->fd = fd;
	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (server->clients[i] < 0) {
			server->clients[i] = fd;
			break;
		}
	}
	server->count++;
	pthread_mutex_unlock(&server->lock);
	int error = start_thread(&thread, session_main, session);
	if (error == 0) {
		pthread_detach(thread);
		return;
	}
	log_error("control", "no thread for a client reason=\"%s\"", strerror(error));
	leave(session);
}

static void accept_one(struct control_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EINTR && errno != ECONNABORTED) {
			log_warning("control", "accept failed reason=\"%s\"", strerror(errno));
			clock_sleep_us(100 * CLOCK_MS);
		}
		return;
	}
	set_timeouts(fd);
	if (control_peer_allowed(fd, server->group)) {
		enter(server, fd);
		return;
	}
	log_warning("control", "peer refused, neither root nor our user nor in the socket's group");
	refuse(fd, "refused", "permission denied: only root and members of the socket's group");
	close(fd);
}

/* Waits for room; false once the server stops. */
static bool has_room(struct control_server *server)
{
	pthread_mutex_lock(&server->lock);
	while (server->count >= CONTROL_CLIENTS_MAX && !server->stopping)
		pthread_cond_wait(&server->changed, &server->lock);
	bool go = !server->stopping;
	pthread_mutex_unlock(&server->lock);
	return go;
}

static void *acceptor_main(void *argument)
{
	struct control_server *server = argument;

	while (has_room(server)) {
		struct pollfd fds[] = { { server->listener, POLLIN, 0 },
			{ server->wake, POLLIN, 0 } };
		if (poll(fds, 2, -1) > 0 && fds[0].revents != 0 && fds[1].revents == 0)
			accept_one(server);
	}
	return NULL;
}

/* --- start and stop ------------------------------------------------------------------------ */

static gid_t group_of(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? status.st_gid : (gid_t)-1;
}

static void free_server(struct control_server *server)
{
	close(server->listener);
	if (server->wake >= 0)
		close(server->wake);
	unlink(server->path);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	mem_free(&server->path);
	mem_free(&server);
}

struct control_server *control_serve(const char *path, gid_t group,
	const struct control_command *commands, void *context, const char **error_r)
{
	int fd = control_listen(path, group, error_r);

	if (fd < 0)
		return NULL;
	struct control_server *server = mem_zalloc(sizeof *server);
	*server = (struct control_server){ .path = mem_strdup(path),
		.group = group_of(path),
		.commands = commands,
		.context = context,
		.listener = fd,
		.wake = eventfd(0, EFD_CLOEXEC) };
	memset(server->clients, 0xff, sizeof server->clients);
	pthread_mutex_init(&server->lock, NULL);
	clock_cond_init(&server->changed);
	if (server->wake >= 0 && start_thread(&server->acceptor, acceptor_main, server) == 0)
		return server;
	*error_r = "control socket: no thread or descriptor for it";
	free_server(server);
	return NULL;
}

static void shut_clients(struct control_server *server, int how)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (server->clients[i] >= 0)
			shutdown(server->clients[i], how);
}

void control_stop(struct control_server **server_p)
{
	struct control_server *server = *server_p;
	uint64_t one = 1;

	if (server == NULL)
		return;
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	if (write(server->wake, &one, sizeof one) < 0)
		log_error("control", "cannot wake its thread reason=\"%s\"", strerror(errno));
	pthread_join(server->acceptor, NULL);
	pthread_mutex_lock(&server->lock);
	/* No further requests; then no further answers to those who do not take them. */
	shut_clients(server, SHUT_RD);
	int64_t deadline = clock_mono_us() + STOP_GRACE;
	while (server->count > 0 &&
		clock_cond_wait_until(&server->changed, &server->lock, deadline) == 0)
		;
	shut_clients(server, SHUT_RDWR);
	while (server->count > 0)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
	free_server(server);
	*server_p = NULL;
}
