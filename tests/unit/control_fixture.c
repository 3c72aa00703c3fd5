#define _GNU_SOURCE
#include "tests/unit/control_fixture.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

char fixture_dir[] = "/tmp/rst-control-XXXXXX";
char fixture_path[64];
struct control_server *fixture_server;
sem_t fixture_entered, fixture_gone, fixture_go_on;
volatile int fixture_slow_done;

static char context[] = FIXTURE_CONTEXT;

/* --- handlers ------------------------------------------------------------------------------ */

static void on_echo(void *given, const struct json *request, struct control_reply *reply)
{
	struct json *fields = json_new_object();

	json_set_string(fields, "text", json_get_string(request, "text"));
	json_set_string(fields, "context", given);
	control_ok(reply, fields);
}

static void on_bare(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	control_ok(reply, NULL);
}

static void on_fail(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	control_fail(reply, "notfound", "no \"%s\" here", "thing");
}

static void on_stream(void *given, const struct json *request, struct control_reply *reply)
{
	int64_t count = json_get_int(request, "count", 0);
	struct json *sum = json_new_object();

	(void)given;
	control_stream(reply);
	for (int64_t i = 0; i < count; i++) {
		struct json *item = json_new_object();
		json_set_int(item, "number", i);
		control_item(reply, item);
	}
	json_set_int(sum, "count", count);
	control_end(reply, sum);
}

static void on_endless(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	control_stream(reply);
	while (control_item(reply, json_new_string("more")) == 0)
		;
	sem_post(&fixture_gone);
	control_end(reply, NULL);
}

char fixture_byte(size_t i)
{
	return (char)(i * 7 + i / 256);
}

static void on_content(void *given, const struct json *request, struct control_reply *reply)
{
	size_t bytes = (size_t)json_get_int(request, "bytes", 0);
	size_t sent = (size_t)json_get_int(request, "sent", (int64_t)bytes);
	char piece[1000];

	(void)given;
	control_content(reply, NULL, bytes);
	for (size_t i = 0; i < sent;) {
		size_t n = 0;
		while (n < sizeof piece && i < sent)
			piece[n++] = fixture_byte(i++);
		if (control_bytes(reply, piece, n) < 0)
			return;
	}
}

static void on_slow(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	sem_post(&fixture_entered);
	sem_wait(&fixture_go_on);
	fixture_slow_done = 1;
	control_ok(reply, NULL);
}

static void on_twice(void *given, const struct json *request, struct control_reply *reply)
{
	on_bare(given, request, reply);
	on_echo(given, request, reply);
}

static void on_silent(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	(void)reply;
}

static void on_unended(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	control_stream(reply);
}

const struct control_command fixture_commands[] = { { "echo", on_echo }, { "bare", on_bare },
	{ "fail", on_fail }, { "stream", on_stream }, { "endless", on_endless },
	{ "content", on_content }, { "slow", on_slow }, { "twice", on_twice },
	{ "silent", on_silent }, { "unended", on_unended }, { NULL, NULL } };

/* --- around every test --------------------------------------------------------------------- */

int fixture_start(void **state)
{
	const char *error = NULL;

	(void)state;
	fixture_slow_done = 0;
	fixture_server = control_serve(fixture_path, (gid_t)-1, fixture_commands, context, &error);
	if (fixture_server == NULL)
		print_error("%s\n", error);
	return fixture_server ? 0 : -1;
}

int fixture_stop(void **state)
{
	(void)state;
	control_stop(&fixture_server);
	return fixture_server == NULL && access(fixture_path, F_OK) < 0 ? 0 : -1;
}

int fixture_make(void **state)
{
	const char *error;

	(void)state;
	sem_init(&fixture_entered, 0, 0);
	sem_init(&fixture_gone, 0, 0);
	sem_init(&fixture_go_on, 0, 0);
	if (mkdtemp(fixture_dir) == NULL)
		return -1;
	snprintf(fixture_path, sizeof fixture_path, "%s/s", fixture_dir);
	return log_open("test", LOG_TARGET_FILE, "/dev/null", &error);
}

int fixture_remove(void **state)
{
	(void)state;
	return rmdir(fixture_dir);
}

struct control_client *fixture_client(void)
{
	const char *error = NULL;
	struct control_client *client = control_connect(fixture_path, &error);

	if (client == NULL)
		fail_msg("%s", error);
	return client;
}

struct json *fixture_ask(struct control_client *client, const char *text)
{
	const char *error = NULL;
	struct json *request = json_parse(text, strlen(text), &error);
	struct json *reply = control_ask(client, request, &error);

	json_free(&request);
	if (reply == NULL)
		fail_msg("%s: %s", text, error);
	return reply;
}

void fixture_serves(void)
{
	struct control_client *client = fixture_client();
	struct json *reply = fixture_ask(client, "{\"cmd\":\"bare\"}");

	assert_true(json_get_bool(reply, "ok", false));
	json_free(&reply);
	control_close(&client);
}

/* --- raw ----------------------------------------------------------------------------------- */

int raw_open(void)
{
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(control_address(fixture_path, &address));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

void raw_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			return; /* refused before all was taken; the answer tells */
		data += n;
		len -= (size_t)n;
	}
}

int raw_line(int fd, char *line_r, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && recv(fd, line_r + n, 1, 0) == 1)
		if (line_r[n++] == '\n')
			break;
	line_r[n] = '\0';
	return n > 0;
}
