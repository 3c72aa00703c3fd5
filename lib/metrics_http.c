#define _GNU_SOURCE
#include "lib/metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

#define PATH          "/metrics"
#define REQUEST_BYTES 8192 /* memory of one connection: request line and header fields */
#define STACK_BYTES   (256u << 10)
#define BACKLOG       16
#define LEAVING       8 /* connections that were told to go, and are not gone yet */

struct metrics_server {
	struct MHD_Daemon *daemon;
	metrics_writer writer;
	void *context;
	/* of the daemon's thread, oldest first: */
	struct MHD_Connection *open[METRICS_CONNECTIONS];
	size_t open_count;
};

/* --- requests ------------------------------------------------------------------------------ */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, struct str *body,
	const char *header, const char *value)
{
	size_t len = body->len;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, str_steal(body), MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, header, value);
	enum MHD_Result queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
	const char *path, const char *method, const char *version, const char *upload,
	size_t *upload_size, void **request)
{
	struct metrics_server *server = context;
	struct str body = STR_INIT;

	(void)version, (void)upload, (void)upload_size, (void)request;
	if (strcmp(path, PATH) != 0) {
		str_append_z(&body, "Only " PATH " is here.\n");
		return answer(connection, MHD_HTTP_NOT_FOUND, &body, MHD_HTTP_HEADER_CONTENT_TYPE,
			"text/plain");
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		str_append_z(&body, "Only GET and HEAD are understood.\n");
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &body, MHD_HTTP_HEADER_ALLOW,
			"GET, HEAD");
	}
	server->writer(server->context, &body);
	return answer(
		connection, MHD_HTTP_OK, &body, MHD_HTTP_HEADER_CONTENT_TYPE, METRICS_CONTENT_TYPE);
}

/* --- connections --------------------------------------------------------------------------- */

static void forget(struct metrics_server *server, const struct MHD_Connection *connection)
{
	for (size_t i = 0; i < server->open_count; i++)
		if (server->open[i] == connection) {
			memmove(server->open + i, server->open + i + 1,
				(--server->open_count - i) * sizeof *server->open);
			return;
		}
}

/* The server closes it when it sees that nothing more can come. */
static void send_away(struct metrics_server *server, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	forget(server, connection);
	if (info != NULL)
		shutdown(info->connect_fd, SHUT_RDWR);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **unused,
	enum MHD_ConnectionNotificationCode what)
{
	struct metrics_server *server = context;

	(void)unused;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		forget(server, connection);
		return;
	}
	if (server->open_count == METRICS_CONNECTIONS)
		send_away(server, server->open[0]);
	server->open[server->open_count++] = connection;
}

/* What clients do wrong is their affair. */
__attribute__((format(printf, 2, 0))) static void on_log(
	void *unused, const char *format, va_list args)
{
	char text[256];

	(void)unused;
	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("metrics", "%s", text);
}

/* --- the socket ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int fail(const char **error_r, const char *format, ...)
{
	static _Thread_local char reason[256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	*error_r = reason;
	return -1;
}

static struct addrinfo *resolve(const char *listen, const char **error_r)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(listen, ':');
	size_t brackets =
		listen[0] == '[' && colon != NULL && colon > listen + 1 && colon[-1] == ']';
	struct addrinfo *found = NULL;

	if (colon == NULL) {
		fail(error_r, "%s: there is no port", listen);
		return NULL;
	}
	char *host = mem_strndup(listen + brackets, (size_t)(colon - listen) - 2 * brackets);
	int fault = getaddrinfo(host, colon + 1, &hints, &found);
	mem_free(&host);
	if (fault != 0)
		fail(error_r, "%s: %s", listen, gai_strerror(fault));
	return fault == 0 ? found : NULL;
}

static int open_socket(const char *listen_at, const char **error_r)
{
	struct addrinfo *address = resolve(listen_at, error_r);
	int on = 1;

	if (address == NULL)
		return -1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd >= 0 && address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	bool bound = fd >= 0 && bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
		     listen(fd, BACKLOG) == 0;
	int saved = errno;
	freeaddrinfo(address);
	if (bound)
		return fd;
	if (fd >= 0)
		close(fd);
	return fail(error_r, "%s: %s", listen_at, strerror(saved));
}

/* --- start and stop ------------------------------------------------------------------------ */

static struct MHD_Daemon *start(struct metrics_server *server, int fd)
{
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, METRICS_CONNECTIONS + LEAVING, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, METRICS_SILENCE, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_BYTES, NULL },
		{ MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, NULL },
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	/* The logger first: it is to hear of what comes after it. */
	return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_ARRAY, options,
		MHD_OPTION_END);
}

struct metrics_server *metrics_serve(
	const char *listen_at, metrics_writer writer, void *context, const char **error_r)
{
	int fd = open_socket(listen_at, error_r);

	if (fd < 0)
		return NULL;
	struct metrics_server *server = mem_zalloc(sizeof *server);
	server->writer = writer;
	server->context = context;
	server->daemon = start(server, fd);
	if (server->daemon != NULL)
		return server;
	close(fd);
	mem_free(&server);
	fail(error_r, "%s: libmicrohttpd cannot serve there", listen_at);
	return NULL;
}

void metrics_stop(struct metrics_server **server)
{
	if (*server == NULL)
		return;
	MHD_stop_daemon((*server)->daemon); /* closes the socket, too */
	mem_free(server);
}
