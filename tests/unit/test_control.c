/* lib/control_*.c: both ends over real sockets. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <errno.h>
#include <grp.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/control_internal.h"
#include "lib/log.h"
#include "lib/mem.h"

#define CONTENT_BYTES (1024 * 1024)

static char dir[] = "/tmp/rst-control-XXXXXX";
static char path[64], context[] = "ctx";
static struct control_server *server;
static sem_t entered, gone, go_on;
static volatile int slow_done;

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
	sem_post(&gone);
	control_end(reply, NULL);
}

static char byte_at(size_t i)
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
			piece[n++] = byte_at(i++);
		if (control_bytes(reply, piece, n) < 0)
			return;
	}
}

static void on_slow(void *given, const struct json *request, struct control_reply *reply)
{
	(void)given;
	(void)request;
	sem_post(&entered);
	sem_wait(&go_on);
	slow_done = 1;
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

static const struct control_command commands[] = { { "echo", on_echo }, { "bare", on_bare },
	{ "fail", on_fail }, { "stream", on_stream }, { "endless", on_endless },
	{ "content", on_content }, { "slow", on_slow }, { "twice", on_twice },
	{ "silent", on_silent }, { "unended", on_unended }, { NULL, NULL } };

/* --- around every test --------------------------------------------------------------------- */

static int start(void **state)
{
	const char *error = NULL;

	(void)state;
	slow_done = 0;
	server = control_serve(path, (gid_t)-1, commands, context, &error);
	if (server == NULL)
		print_error("%s\n", error);
	return server ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	control_stop(&server);
	return server == NULL && access(path, F_OK) < 0 ? 0 : -1;
}

static int make_dir(void **state)
{
	const char *error;

	(void)state;
	sem_init(&entered, 0, 0);
	sem_init(&gone, 0, 0);
	sem_init(&go_on, 0, 0);
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/s", dir);
	return log_open("test", LOG_TARGET_FILE, "/dev/null", &error);
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static struct control_client *client_open(void)
{
	const char *error = NULL;
	struct control_client *client = control_connect(path, &error);

	if (client == NULL)
		fail_msg("%s", error);
	return client;
}

static struct json *ask(struct control_client *client, const char *text)
{
	const char *error = NULL;
	struct json *request = json_parse(text, strlen(text), &error);
	struct json *reply = control_ask(client, request, &error);

	json_free(&request);
	if (reply == NULL)
		fail_msg("%s: %s", text, error);
	return reply;
}

/* --- raw: bytes as a client might send them -------------------------------------------------- */

static int raw_open(void)
{
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(control_address(path, &address));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void raw_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			return; /* refused before all was taken; the answer tells */
		data += n;
		len -= (size_t)n;
	}
}

/* One line into line_r; false at the end of the connection. */
static int raw_line(int fd, char *line_r, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && recv(fd, line_r + n, 1, 0) == 1)
		if (line_r[n++] == '\n')
			break;
	line_r[n] = '\0';
	return n > 0;
}

static void expect_raw(const char *data, size_t len, const char *reply)
{
	char line[1000];
	int fd = raw_open();

	raw_send(fd, data, len);
	assert_true(raw_line(fd, line, sizeof line));
	if (strstr(line, reply) == NULL)
		fail_msg("%s: got %s", data, line);
	close(fd);
}

static void test_requests(void **state)
{
	static const char usage[] = "\"code\":\"usage\"}\n";
	static const char good[] = "{\"v\":1,\"cmd\":\"bare\"}\n";

	(void)state;
	expect_raw(good, sizeof good - 1, "{\"v\":1,\"ok\":true}\n");
#define REFUSED(text) expect_raw(text, sizeof(text) - 1, usage)
	REFUSED("{\"cmd\":\"bare\"}\n");
	REFUSED("{\"v\":2,\"cmd\":\"bare\"}\n");
	REFUSED("{\"v\":\"1\",\"cmd\":\"bare\"}\n");
	REFUSED("{\"v\":1,\"cmd\":\"nope\"}\n");
	REFUSED("{\"v\":1,\"cmd\":3}\n");
	REFUSED("{\"v\":1}\n");
	REFUSED("[1]\n");
	REFUSED("7\n");
	REFUSED("\n");
	REFUSED("EHLO there\r\n");
	REFUSED("{\"v\":1,\"cmd\":\"bare\"\n");
	REFUSED("{\"v\":1,\"cmd\":\"bare\"}{\n");
	REFUSED("{\"v\":1,\"cmd\":\"bare\",\"cmd\":\"fail\"}\n");
	REFUSED("{\"v\":1,\0\"cmd\":\"bare\"}\n");
	REFUSED("\0\0\0\n");
	REFUSED("{\"v\":1,\"cmd\":\"ba\\u0000re\"}\n");
	REFUSED("{\"v\":1,\"cmd\":\"\xff\xfe\"}\n");
}

static void test_deep(void **state)
{
	struct str line = STR_INIT;

	(void)state;
	for (int i = 0; i < CONTROL_LINE_MAX - 1; i++)
		str_append_c(&line, '[');
	str_append_c(&line, '\n');
	expect_raw(line.data, line.len, "\"code\":\"usage\"");
	str_free(&line);
}

static void test_still_open_after_refusal(void **state)
{
	char line[1000];
	int fd = raw_open();
	static const char both[] =
		"garbage\n{\"v\":1,\"cmd\":\"bare\"}\n{\"v\":1,\"cmd\":\"fail\"}\n";

	(void)state;
	raw_send(fd, both, sizeof both - 1);
	raw_line(fd, line, sizeof line);
	assert_non_null(strstr(line, "usage"));
	raw_line(fd, line, sizeof line);
	assert_string_equal(line, "{\"v\":1,\"ok\":true}\n");
	raw_line(fd, line, sizeof line);
	assert_non_null(strstr(line, "notfound"));
	/* byte by byte */
	for (const char *p = both + 8; *p != '\0' && p < both + 32; p++)
		raw_send(fd, p, 1);
	raw_line(fd, line, sizeof line);
	assert_string_equal(line, "{\"v\":1,\"ok\":true}\n");
	close(fd);
}

/* A request of exactly that many bytes, its newline not counted. */
static void send_long(int fd, size_t len)
{
	struct str line = STR_INIT;

	str_append_z(&line, "{\"v\":1,\"cmd\":\"bare\",\"x\":\"");
	while (line.len < len - 2)
		str_append_c(&line, 'x');
	str_append_z(&line, "\"}\n");
	raw_send(fd, line.data, line.len);
	str_free(&line);
}

static void test_line_bound(void **state)
{
	char line[1000];
	int fd = raw_open();

	(void)state;
	send_long(fd, CONTROL_LINE_MAX);
	assert_true(raw_line(fd, line, sizeof line));
	assert_string_equal(line, "{\"v\":1,\"ok\":true}\n");
	send_long(fd, 10 * CONTROL_LINE_MAX);
	assert_true(raw_line(fd, line, sizeof line));
	assert_non_null(strstr(line, "request line too long"));
	assert_false(raw_line(fd, line, sizeof line));
	close(fd);
	fd = raw_open();
	send_long(fd, CONTROL_LINE_MAX + 1);
	raw_line(fd, line, sizeof line);
	assert_null(strstr(line, "\"ok\":true"));
	close(fd);
}

static void test_idle(void **state)
{
	char line[1000];
	int fd = raw_open();

	(void)state;
	raw_send(fd, "{\"v\":1", 6);
	assert_false(raw_line(fd, line, sizeof line)); /* closed, no answer to half a request */
	close(fd);
}

static int start_impatient(void **state)
{
	control_idle_us = 50 * CLOCK_MS;
	return start(state);
}

static int stop_impatient(void **state)
{
	int result = stop(state);

	control_idle_us = 30 * CLOCK_SECOND;
	return result;
}

/* --- replies ------------------------------------------------------------------------------- */

static void test_replies(void **state)
{
	struct control_client *client = client_open();
	struct json *reply = ask(client, "{\"cmd\":\"echo\",\"text\":\"a\\nb \xc3\xa4\"}");

	(void)state;
	assert_true(json_get_bool(reply, "ok", false));
	assert_int_equal(json_get_int(reply, "v", 0), 1);
	assert_string_equal(json_get_string(reply, "text"), "a\nb \xc3\xa4");
	assert_string_equal(json_get_string(reply, "context"), "ctx");
	json_free(&reply);
	reply = ask(client, "{\"cmd\":\"fail\"}");
	assert_false(json_get_bool(reply, "ok", true));
	assert_string_equal(json_get_string(reply, "code"), "notfound");
	assert_string_equal(json_get_string(reply, "error"), "no \"thing\" here");
	json_free(&reply);
	control_close(&client);
	assert_null(client);
}

static void test_streaming(void **state)
{
	struct control_client *client = client_open();
	const char *error;

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct json *reply = ask(client, "{\"cmd\":\"stream\",\"count\":1000}");
		assert_true(json_get_bool(reply, "stream", false));
		json_free(&reply);
		for (int i = 0; i < 1000; i++) {
			reply = control_next(client, &error);
			assert_int_equal(json_get_int(reply, "number", -1), i);
			json_free(&reply);
		}
		reply = control_next(client, &error);
		assert_true(json_get_bool(reply, "end", false));
		assert_int_equal(json_get_int(reply, "count", 0), 1000);
		json_free(&reply);
	}
	control_close(&client);
}

static void test_content(void **state)
{
	struct control_client *client = client_open();
	char request[100], buffer[5000];
	const char *error;

	(void)state;
	snprintf(request, sizeof request, "{\"cmd\":\"content\",\"bytes\":%d}", CONTENT_BYTES);
	struct json *reply = ask(client, request);
	size_t left = (size_t)json_get_int(reply, "bytes", 0), at = 0;
	json_free(&reply);
	assert_int_equal(left, CONTENT_BYTES);
	while (left > 0) {
		ssize_t n = control_read(client, buffer, left < 5000 ? left : 5000, &error);
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], byte_at(at++));
		left -= (size_t)n;
	}
	reply = ask(client, "{\"cmd\":\"content\",\"bytes\":0}");
	assert_true(json_get_bool(reply, "ok", false));
	json_free(&reply);
	reply = ask(client, "{\"cmd\":\"bare\"}");
	assert_true(json_get_bool(reply, "ok", false));
	json_free(&reply);
	control_close(&client);
}

static void test_content_cut_short(void **state)
{
	struct control_client *client = client_open();
	struct json *reply = ask(client, "{\"cmd\":\"content\",\"bytes\":10,\"sent\":4}");
	char buffer[10];
	const char *error = NULL;

	(void)state;
	json_free(&reply);
	assert_int_equal(control_read(client, buffer, 10, &error), 4);
	assert_int_equal(control_read(client, buffer, 6, &error), -1);
	assert_non_null(strstr(error, "closed"));
	control_close(&client);
	/* more than announced: the surplus is not sent */
	client = client_open();
	reply = ask(client, "{\"cmd\":\"content\",\"bytes\":1000,\"sent\":2000}");
	json_free(&reply);
	char big[2000];
	size_t got = 0;
	ssize_t n;
	while ((n = control_read(client, big, sizeof big, &error)) > 0)
		got += (size_t)n;
	assert_int_equal(got, 1000);
	control_close(&client);
}

static void test_faulty_handlers(void **state)
{
	static const char *const closing[] = { "{\"cmd\":\"twice\"}", "{\"cmd\":\"unended\"}" };
	const char *error = NULL;
	struct control_client *client = client_open();
	struct json *reply = ask(client, "{\"cmd\":\"silent\"}");

	(void)state;
	assert_string_equal(json_get_string(reply, "code"), "trouble");
	json_free(&reply);
	control_close(&client);
	for (size_t i = 0; i < COUNT(closing); i++) {
		client = client_open();
		reply = ask(client, closing[i]);
		assert_true(json_get_bool(reply, "ok", false));
		json_free(&reply);
		assert_null(control_next(client, &error));
		assert_non_null(strstr(error, "closed"));
		control_close(&client);
	}
}

static void test_client_leaves(void **state)
{
	struct control_client *client = client_open();
	struct json *reply = ask(client, "{\"cmd\":\"endless\"}");

	(void)state;
	json_free(&reply);
	control_close(&client);
	sem_wait(&gone); /* the handler saw it; SIGPIPE would have ended us */
	test_replies(state);
}

static void test_many_clients(void **state)
{
	struct control_client *clients[CONTROL_CLIENTS_MAX];
	char line[100];
	struct timeval soon = { .tv_usec = 50000 };

	(void)state;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = client_open();
		struct json *reply = ask(clients[i], "{\"cmd\":\"bare\"}");
		json_free(&reply);
	}
	int fd = raw_open();
	raw_send(fd, "{\"v\":1,\"cmd\":\"bare\"}\n", 21);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	assert_int_equal(recv(fd, line, 1, 0), -1); /* waits */
	assert_int_equal(errno, EAGAIN);
	soon.tv_sec = 20;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	control_close(&clients[0]);
	assert_true(raw_line(fd, line, sizeof line));
	assert_non_null(strstr(line, "\"ok\":true"));
	close(fd);
	for (size_t i = 1; i < CONTROL_CLIENTS_MAX; i++)
		control_close(&clients[i]);
}

static void *release_slow(void *unused)
{
	(void)unused;
	clock_sleep_us(50 * CLOCK_MS);
	sem_post(&go_on);
	return NULL;
}

static void test_stop_waits(void **state)
{
	char line[100];
	int fd = raw_open(), idle = raw_open();
	pthread_t releaser;

	raw_send(fd, "{\"v\":1,\"cmd\":\"slow\"}\n", 21);
	sem_wait(&entered);
	pthread_create(&releaser, NULL, release_slow, NULL);
	control_stop(&server);
	assert_int_equal(slow_done, 1);
	assert_true(raw_line(fd, line, sizeof line));
	assert_non_null(strstr(line, "\"ok\":true"));
	assert_false(raw_line(idle, line, sizeof line));
	pthread_join(releaser, NULL);
	close(fd);
	close(idle);
	assert_int_equal(start(state), 0);
}

/* A client that takes nothing does not keep the server from stopping. */
static void test_stop_despite_stuck_client(void **state)
{
	int fd = raw_open();
	char c;

	raw_send(fd, "{\"v\":1,\"cmd\":\"endless\"}\n", 24);
	assert_int_equal(recv(fd, &c, 1, 0), 1);
	control_stop(&server);
	sem_wait(&gone);
	close(fd);
	assert_int_equal(start(state), 0);
}

/* --- the path ------------------------------------------------------------------------------ */

static void expect_no_server(const char *where, const char *what)
{
	const char *error = NULL;
	struct control_server *second = control_serve(where, (gid_t)-1, commands, NULL, &error);

	assert_null(second);
	assert_non_null(strstr(error, what));
	assert_non_null(strstr(error, where));
}

static void test_path(void **state)
{
	char other[200];
	struct stat status;
	FILE *file;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	expect_no_server(path, "in use");
	test_replies(state); /* still the first one's */
	snprintf(other, sizeof other, "%s/no/s", dir);
	expect_no_server(other, "directory does not exist");
	memset(other, 'x', 150);
	other[150] = '\0';
	expect_no_server(other, "too long");
	snprintf(other, sizeof other, "%s/file", dir);
	file = fopen(other, "w");
	fclose(file);
	expect_no_server(other, "in use");
	assert_int_equal(unlink(other), 0); /* it was left alone */
}

static void test_stale(void **state)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	control_stop(&server);
	assert_true(control_address(path, &address));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd); /* as a killed daemon leaves it */
	assert_int_equal(start(state), 0);
	test_replies(state);
}

static void test_no_daemon(void **state)
{
	const char *error = NULL;

	(void)state;
	assert_null(control_connect("/tmp/rst-nobody-there/s", &error));
	assert_non_null(strstr(error, "is the daemon running"));
}

/* 0 = served, 1 = refused: what a process of that user and group sees. */
static int ask_as(uid_t uid, gid_t gid, gid_t more)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		const char *error;
		struct json *request = json_new_object();
		if (setgroups(more != (gid_t)-1, &more) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
			_exit(2);
		struct control_client *client = control_connect(path, &error);
		json_set_string(request, "cmd", "bare");
		struct json *reply = client ? control_ask(client, request, &error) : NULL;
		if (reply == NULL)
			_exit(3);
		if (json_get_bool(reply, "ok", false))
			_exit(0);
		const char *code = json_get_string(reply, "code");
		_exit(code != NULL && strcmp(code, "refused") == 0 ? 1 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Other users can only be tried by root; anybody else tries its own. */
static void test_peers(void **state)
{
	const gid_t group = 54321;
	const char *error;

	(void)state;
	if (geteuid() != 0) {
		test_replies(state);
		return;
	}
	control_stop(&server);
	server = control_serve(path, group, commands, context, &error);
	assert_non_null(server);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0); /* whatever the mode of the file lets through */
	assert_int_equal(ask_as(0, 0, (gid_t)-1), 0);
	assert_int_equal(ask_as(65534, 65534, (gid_t)-1), 1);
	assert_int_equal(ask_as(65534, 65534, group + 1), 1);
	assert_int_equal(ask_as(65534, group, (gid_t)-1), 0);
	assert_int_equal(ask_as(65534, 65534, group), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests),
		TEST(test_deep),
		TEST(test_still_open_after_refusal),
		TEST(test_line_bound),
		cmocka_unit_test_setup_teardown(test_idle, start_impatient, stop_impatient),
		TEST(test_replies),
		TEST(test_streaming),
		TEST(test_content),
		TEST(test_content_cut_short),
		TEST(test_faulty_handlers),
		TEST(test_client_leaves),
		TEST(test_many_clients),
		TEST(test_stop_waits),
		TEST(test_stop_despite_stuck_client),
		TEST(test_path),
		TEST(test_stale),
		TEST(test_no_daemon),
		TEST(test_peers),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
