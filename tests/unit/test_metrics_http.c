/* lib/metrics_http.c: what it serves, what it refuses, and that nobody can keep it busy. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "lib/metrics_http.h"
#include "lib/str.h"

#define PATIENCE_MS 20000

static struct metrics_server *server;
static char at[64];
static uint16_t port;
static int written;

static void write_page(void *context, struct str *page)
{
	written++;
	str_printf(page, "%s 1\n", (const char *)context);
}

static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int start(void **state)
{
	const char *error = "";

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	port = free_port();
	snprintf(at, sizeof at, "127.0.0.1:%u", port);
	server = metrics_serve(at, write_page, (void *)"restante_up", &error);
	if (server == NULL)
		fail_msg("%s", error);
	written = 0;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	metrics_stop(&server);
	assert_null(server);
	return 0;
}

static int dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* All that comes until the server closes. */
static void read_all(int fd, struct str *out)
{
	char buffer[4096];

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		ssize_t got = read(fd, buffer, sizeof buffer);
		if (got <= 0)
			break;
		str_append(out, buffer, (size_t)got);
	}
	close(fd);
}

static const char *ask(const char *request, struct str *out)
{
	int fd = dial();

	str_reset(out);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	read_all(fd, out);
	return str_cstr(out);
}

#define TAIL " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void expect(const char *request, const char *status, const char *part)
{
	struct str out = STR_INIT;
	const char *said = ask(request, &out);

	if (strncmp(said, status, strlen(status)) != 0 || strstr(said, part) == NULL)
		fail_msg("%s: %s", request, said);
	str_free(&out);
}

static void test_the_page(void **state)
{
	(void)state;
	expect("GET /metrics" TAIL, "HTTP/1.1 200 ", "\r\n\r\nrestante_up 1\n");
	expect("GET /metrics" TAIL, "HTTP/1.1 200 ", "Content-Type: " METRICS_CONTENT_TYPE "\r\n");
	expect("GET /metrics?name[]=x" TAIL, "HTTP/1.1 200 ", "restante_up 1\n");
	assert_int_equal(written, 3);
}

static void test_head(void **state)
{
	struct str out = STR_INIT;
	const char *said = ask("HEAD /metrics" TAIL, &out);

	(void)state;
	assert_memory_equal(said, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(said, "Content-Length: 14\r\n"));
	assert_null(strstr(said, "restante_up"));
	str_free(&out);
}

static void test_nothing_else_is_served(void **state)
{
	(void)state;
	expect("GET /" TAIL, "HTTP/1.1 404 ", "/metrics");
	expect("GET /metrics/" TAIL, "HTTP/1.1 404 ", "");
	expect("GET /../etc/passwd" TAIL, "HTTP/1.1 404 ", "");
	expect("GET //metrics" TAIL, "HTTP/1.1 404 ", "");
	expect("DELETE /metrics" TAIL, "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n");
	expect("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
	       "5\r\n\r\nhello",
		"HTTP/1.1 405 ", "Allow: GET, HEAD\r\n");
	expect("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 404 ", "");
	assert_int_equal(written, 0);
}

/* A request that does not fit is refused, or the connection is closed: what is not done is to wait
 * for more of it. */
static void test_large_and_broken_requests(void **state)
{
	struct str request = STR_INIT, out = STR_INIT;

	(void)state;
	str_append_z(&request, "GET /metrics?");
	for (int i = 0; i < 100000; i++)
		str_append_c(&request, 'x');
	str_append_z(&request, TAIL);
	int fd = dial();
	assert_true(write(fd, request.data, request.len) > 0);
	read_all(fd, &out);
	assert_null(strstr(str_cstr(&out), " 200 "));
	assert_null(strstr(ask("nonsense\r\n\r\n", &out), " 200 "));
	expect("GET /metrics" TAIL, "HTTP/1.1 200 ", "restante_up");
	str_free(&request);
	str_free(&out);
}

/* They are let go after METRICS_SILENCE; until then the oldest one makes room for who comes. */
static void test_silent_clients_do_not_stay(void **state)
{
	int silent[METRICS_CONNECTIONS];
	struct str out = STR_INIT;

	(void)state;
	for (int i = 0; i < METRICS_CONNECTIONS; i++)
		silent[i] = dial();
	expect("GET /metrics" TAIL, "HTTP/1.1 200 ", "restante_up");
	struct pollfd last = { .fd = silent[METRICS_CONNECTIONS - 1], .events = POLLIN };
	assert_int_equal(poll(&last, 1, 0), 0);
	for (int i = 0; i < METRICS_CONNECTIONS; i++)
		read_all(silent[i], &out);
	str_free(&out);
}

/* More than may be told to go at once. */
static void test_a_crowd_of_clients_that_only_begin(void **state)
{
	int slow[4 * METRICS_CONNECTIONS];

	(void)state;
	for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
		slow[i] = dial();
		assert_int_equal(write(slow[i], "G", 1), 1);
	}
	for (int i = 0; i < 3; i++)
		expect("GET /metrics" TAIL, "HTTP/1.1 200 ", "restante_up");
	struct pollfd last = { .fd = slow[4 * METRICS_CONNECTIONS - 1], .events = POLLIN };
	assert_int_equal(poll(&last, 1, 0), 0);
	for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
		close(slow[i]);
}

static void test_an_address_that_is_taken(void **state)
{
	const char *error = "";

	(void)state;
	assert_null(metrics_serve(at, write_page, NULL, &error));
	assert_non_null(strstr(error, "Address already in use"));
	assert_non_null(strstr(error, at));
	assert_null(metrics_serve("nowhere", write_page, NULL, &error));
	assert_null(metrics_serve("example.org:80", write_page, NULL, &error));
}

static void test_stopped_and_started_again(void **state)
{
	const char *error = "";
	int open = dial();

	(void)state;
	metrics_stop(&server);
	assert_null(server);
	server = metrics_serve(at, write_page, (void *)"restante_other", &error);
	if (server == NULL)
		fail_msg("%s", error);
	expect("GET /metrics" TAIL, "HTTP/1.1 200 ", "restante_other 1\n");
	close(open);
}

static void test_ipv6(void **state)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const char *error = "";
	char six[64];

	(void)state;
	snprintf(six, sizeof six, "[::1]:%u", port);
	struct metrics_server *other = metrics_serve(six, write_page, (void *)"six", &error);
	if (other == NULL)
		fail_msg("%s", error);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	a.sin6_port = htons(port);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	struct str out = STR_INIT;
	assert_true(write(fd, "GET /metrics" TAIL, strlen("GET /metrics" TAIL)) > 0);
	read_all(fd, &out);
	assert_non_null(strstr(str_cstr(&out), "six 1\n"));
	str_free(&out);
	metrics_stop(&other);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(test_the_page),
		SERVER_TEST(test_head),
		SERVER_TEST(test_nothing_else_is_served),
		SERVER_TEST(test_large_and_broken_requests),
		SERVER_TEST(test_silent_clients_do_not_stay),
		SERVER_TEST(test_a_crowd_of_clients_that_only_begin),
		SERVER_TEST(test_an_address_that_is_taken),
		SERVER_TEST(test_stopped_and_started_again),
		SERVER_TEST(test_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
