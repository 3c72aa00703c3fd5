/* lib/control_*.c: requests and replies over real sockets. */
#define _GNU_SOURCE
#include "tests/unit/control_fixture.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"

#define CONTENT_BYTES (1024 * 1024)

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
	assert_true(raw_line(fd, line, sizeof line));
	assert_non_null(strstr(line, "request line too long"));
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
	return fixture_start(state);
}

static int stop_impatient(void **state)
{
	int result = fixture_stop(state);

	control_idle_us = 30 * CLOCK_SECOND;
	return result;
}

/* --- replies ------------------------------------------------------------------------------- */

static void test_replies(void **state)
{
	struct control_client *client = fixture_client();
	struct json *reply = fixture_ask(client, "{\"cmd\":\"echo\",\"text\":\"a\\nb \xc3\xa4\"}");

	(void)state;
	assert_true(json_get_bool(reply, "ok", false));
	assert_int_equal(json_get_int(reply, "v", 0), 1);
	assert_string_equal(json_get_string(reply, "text"), "a\nb \xc3\xa4");
	assert_string_equal(json_get_string(reply, "context"), "ctx");
	json_free(&reply);
	reply = fixture_ask(client, "{\"cmd\":\"fail\"}");
	assert_false(json_get_bool(reply, "ok", true));
	assert_string_equal(json_get_string(reply, "code"), "notfound");
	assert_string_equal(json_get_string(reply, "error"), "no \"thing\" here");
	json_free(&reply);
	control_close(&client);
	assert_null(client);
}

static void test_streaming(void **state)
{
	struct control_client *client = fixture_client();
	const char *error;

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct json *reply = fixture_ask(client, "{\"cmd\":\"stream\",\"count\":1000}");
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
	struct control_client *client = fixture_client();
	char request[100], buffer[5000];
	const char *error;

	(void)state;
	snprintf(request, sizeof request, "{\"cmd\":\"content\",\"bytes\":%d}", CONTENT_BYTES);
	struct json *reply = fixture_ask(client, request);
	size_t left = (size_t)json_get_int(reply, "bytes", 0), at = 0;
	json_free(&reply);
	assert_int_equal(left, CONTENT_BYTES);
	while (left > 0) {
		ssize_t n = control_read(client, buffer, left < 5000 ? left : 5000, &error);
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], fixture_byte(at++));
		left -= (size_t)n;
	}
	reply = fixture_ask(client, "{\"cmd\":\"content\",\"bytes\":0}");
	assert_true(json_get_bool(reply, "ok", false));
	json_free(&reply);
	reply = fixture_ask(client, "{\"cmd\":\"bare\"}");
	assert_true(json_get_bool(reply, "ok", false));
	json_free(&reply);
	control_close(&client);
}

static void test_content_cut_short(void **state)
{
	struct control_client *client = fixture_client();
	struct json *reply = fixture_ask(client, "{\"cmd\":\"content\",\"bytes\":10,\"sent\":4}");
	char buffer[10];
	const char *error = NULL;

	(void)state;
	json_free(&reply);
	assert_int_equal(control_read(client, buffer, 10, &error), 4);
	assert_int_equal(control_read(client, buffer, 6, &error), -1);
	assert_non_null(strstr(error, "closed"));
	control_close(&client);
	/* more than announced: the surplus is not sent */
	client = fixture_client();
	reply = fixture_ask(client, "{\"cmd\":\"content\",\"bytes\":1000,\"sent\":2000}");
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
	struct control_client *client = fixture_client();
	struct json *reply = fixture_ask(client, "{\"cmd\":\"silent\"}");

	(void)state;
	assert_string_equal(json_get_string(reply, "code"), "trouble");
	json_free(&reply);
	control_close(&client);
	for (size_t i = 0; i < COUNT(closing); i++) {
		client = fixture_client();
		reply = fixture_ask(client, closing[i]);
		assert_true(json_get_bool(reply, "ok", false));
		json_free(&reply);
		assert_null(control_next(client, &error));
		assert_non_null(strstr(error, "closed"));
		control_close(&client);
	}
}

static void test_client_leaves(void **state)
{
	struct control_client *client = fixture_client();
	struct json *reply = fixture_ask(client, "{\"cmd\":\"endless\"}");

	(void)state;
	json_free(&reply);
	control_close(&client);
	sem_wait(&fixture_gone); /* the handler saw it; SIGPIPE would have ended us */
	fixture_serves();
}

static void test_many_clients(void **state)
{
	struct control_client *clients[CONTROL_CLIENTS_MAX];
	char line[100];
	struct timeval soon = { .tv_usec = 50000 };

	(void)state;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = fixture_client();
		struct json *reply = fixture_ask(clients[i], "{\"cmd\":\"bare\"}");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_requests),
		FIXTURE_TEST(test_deep),
		FIXTURE_TEST(test_still_open_after_refusal),
		FIXTURE_TEST(test_line_bound),
		cmocka_unit_test_setup_teardown(test_idle, start_impatient, stop_impatient),
		FIXTURE_TEST(test_replies),
		FIXTURE_TEST(test_streaming),
		FIXTURE_TEST(test_content),
		FIXTURE_TEST(test_content_cut_short),
		FIXTURE_TEST(test_faulty_handlers),
		FIXTURE_TEST(test_client_leaves),
		FIXTURE_TEST(test_many_clients),
	};

	return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
