/*
 * Both ends of the control socket (lib/control), over a real one: the bytes as requests to a
 * server, and as answers to a client.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/control_internal.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"

#define SENT_MAX 65536 /* what a socket takes without a reader */

static char folder[64], server_path[96], peer_path[96];
static struct control_server *server;
static int peer; /* listens at peer_path and is scripted */

static void do_echo(void *context, const struct json *request, struct control_reply *reply)
{
	struct json *fields = json_new_object();

	(void)context;
	json_set_string(fields, "address", json_get_string(request, "address"));
	control_ok(reply, fields);
}

static void do_stream(void *context, const struct json *request, struct control_reply *reply)
{
	int64_t count = json_get_int(request, "count", 1);

	(void)context;
	if (control_stream(reply) < 0)
		return;
	for (int64_t i = 0; i < count && i < 4; i++) {
		struct json *item = json_new_object();
		json_set_int(item, "n", i);
		if (control_item(reply, item) < 0)
			return;
	}
	control_end(reply, NULL);
}

static const struct control_command commands[] = { { "echo", do_echo }, { "stream", do_stream },
	{ NULL, NULL } };

static void leave(void)
{
	control_stop(&server);
	close(peer);
	unlink(peer_path);
	rmdir(folder);
}

static void start(void)
{
	const char *error = NULL;

	snprintf(folder, sizeof folder, "/tmp/fuzz-control-XXXXXX");
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	snprintf(server_path, sizeof server_path, "%s/s", folder);
	snprintf(peer_path, sizeof peer_path, "%s/p", folder);
	server = control_serve(server_path, (gid_t)-1, commands, NULL, &error);
	FUZZ_CHECK(server != NULL);
	peer = control_listen(peer_path, (gid_t)-1, &error);
	FUZZ_CHECK(peer >= 0);
	atexit(leave);
}

/* --- requests ------------------------------------------------------------------------------- */

static int dial(void)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	FUZZ_CHECK(fd >= 0 && control_address(server_path, &address));
	FUZZ_CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

/* Everything that the server says until it closes. */
static void exchange(const uint8_t *data, size_t size, struct str *answers)
{
	char piece[4096];
	int fd = dial();
	ssize_t got;

	FUZZ_CHECK(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fd, SHUT_WR);
	/* libFuzzer's clock interrupts it once a second */
	while ((got = recv(fd, piece, sizeof piece, 0)) > 0 || (got < 0 && errno == EINTR))
		str_append(answers, piece, got > 0 ? (size_t)got : 0);
	close(fd);
}

/* Each line is JSON, and each but those within a stream says whether it went well. */
static size_t check_answers(const struct str *answers)
{
	struct fuzz_input in = { (const uint8_t *)str_cstr(answers), answers->len };
	bool stream = false;
	size_t count = 0;

	FUZZ_CHECK(answers->len == 0 || answers->data[answers->len - 1] == '\n');
	while (in.left > 0) {
		const char *error;
		char *line = fuzz_line(&in);
		struct json *answer = json_parse(line, strlen(line), &error);
		FUZZ_CHECK(answer != NULL);
		if (!stream) {
			count++;
			FUZZ_CHECK(json_get_int(answer, "v", 0) == CONTROL_VERSION);
			FUZZ_CHECK(json_get(answer, "ok") != NULL);
			FUZZ_CHECK(json_get_bool(answer, "ok", false) ||
				   json_get_string(answer, "error") != NULL);
			stream = json_get_bool(answer, "stream", false);
		} else {
			stream = !json_get_bool(answer, "end", false);
		}
		json_free(&answer);
		free(line);
	}
	FUZZ_CHECK(!stream);
	return count;
}

static void check_server(const uint8_t *data, size_t size)
{
	struct str answers = STR_INIT;
	size_t lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	exchange(data, size, &answers);
	FUZZ_CHECK(check_answers(&answers) == lines);
	str_free(&answers);
}

/* --- answers -------------------------------------------------------------------------------- */

/* A daemon that says these bytes and goes; a client that reads all there is. */
static void check_client(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	struct control_client *client = control_connect(peer_path, &error);
	struct json *request = json_new_object(), *answer;
	size_t seen = 0, got;
	char piece[64];

	FUZZ_CHECK(client != NULL);
	int fd = accept4(peer, NULL, NULL, SOCK_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fd, SHUT_WR);
	json_set_string(request, "cmd", "echo");
	answer = control_ask(client, request, &error);
	while (answer != NULL) {
		seen++;
		/* as `restante queue show` reads content */
		got = (size_t)json_get_int(answer, "bytes", 0) % sizeof piece;
		json_free(&answer);
		if (got > 0)
			FUZZ_CHECK(control_read(client, piece, got, &error) <= (ssize_t)got);
		answer = control_next(client, &error);
	}
	FUZZ_CHECK(error != NULL && seen <= size);
	json_free(&request);
	control_close(&client);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SENT_MAX)
		return 0;
	if (server == NULL)
		start();
	check_server(data, size);
	check_client(data, size);
	return 0;
}
