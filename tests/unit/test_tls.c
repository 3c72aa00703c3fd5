/* lib/tls.c against openssl s_server, with certificates made for the occasion. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/str.h"
#include "lib/tls.h"

static char dir[] = "/tmp/rst-tls-XXXXXX";
static char ca_file[64];

/* --- certificates and servers ---------------------------------------------------------------- */

/* The openssl command, its standard streams on in, out and /dev/null; its process id. */
static pid_t run_openssl(const char *arguments, int in, int out)
{
	char command[2000];
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(in >= 0 ? in : null, 0);
		dup2(out >= 0 ? out : null, 1);
		dup2(null, 2);
		snprintf(command, sizeof command, "cd %s && exec openssl %s", dir, arguments);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int openssl(const char *format, const char *a, const char *b)
{
	char arguments[1500];
	int status;

	snprintf(arguments, sizeof arguments, format, a, b);
	if (waitpid(run_openssl(arguments, -1, -1), &status, 0) < 0)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int make_certificates(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
	if (openssl("req -x509 " NEW_KEY "-keyout ca.key -out ca.pem -subj /CN=test%s%s -days 2",
		    "", "") < 0)
		return -1;
	if (openssl("req -x509 " NEW_KEY "-CA ca.pem -CAkey ca.key -keyout good.key -out good.pem "
		    "-subj /CN=s1.example -days 2 "
		    "-addext subjectAltName=DNS:%s,IP:%s",
		    "s1.example", "127.0.0.1") < 0)
		return -1;
	/* Expired since yesterday: only x509 takes a negative number of days everywhere. */
	if (openssl("req " NEW_KEY "-keyout old.key -out old.csr -subj /CN=s1.example "
		    "-addext subjectAltName=DNS:%s%s",
		    "s1.example", "") < 0)
		return -1;
	return openssl("x509 -req -in old.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
		       "-copy_extensions copy -days -1 -out old.pem%s%s",
		"", "");
}

static int remove_certificates(void **state)
{
	static const char *const names[] = { "ca.key", "ca.pem", "ca.srl", "good.key", "good.pem",
		"old.key", "old.csr", "old.pem" };
	char path[100];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

struct server {
	pid_t pid;
	int to, from; /* what it is told to send; what it received */
	uint16_t port;
};

/* Its first line tells that it listens ("ACCEPT 127.0.0.1:12345"). */
static uint16_t read_port(int fd)
{
	char text[1000];
	size_t n = 0;

	while (n + 1 < sizeof text && read(fd, text + n, 1) == 1) {
		text[++n] = '\0';
		char *line = strstr(text, "ACCEPT ");
		if (line != NULL && text[n - 1] == '\n')
			return (uint16_t)atoi(strrchr(line, ':') + 1);
	}
	return 0;
}

static struct server serve(const char *certificate, const char *options)
{
	struct server server;
	int in[2], out[2];
	char arguments[500];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	snprintf(arguments, sizeof arguments,
		"s_server -accept 127.0.0.1:0 -cert %s.pem -key %s.key -naccept 1 %s", certificate,
		certificate, options);
	server.pid = run_openssl(arguments, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	server.to = in[1];
	server.from = out[0];
	server.port = read_port(server.from);
	assert_int_not_equal(server.port, 0);
	return server;
}

static void end(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	close(server->to);
	close(server->from);
}

static int dial(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static struct tls_context *context_new(const char *ca, bool verify)
{
	struct tls_options options = { .ca_file = ca, .verify = verify };
	const char *error = NULL;
	struct tls_context *context = tls_context_new(&options, &error);

	if (context == NULL)
		fail_msg("%s", error);
	return context;
}

/* --- tests --------------------------------------------------------------------------------- */

/* expected: NULL = it connects, else what the error says. */
static void check_handshake(const char *certificate, const char *options, const char *ca,
	bool verify, const char *name, const char *expected)
{
	struct server server = serve(certificate, options);
	struct tls_context *context = context_new(ca, verify);
	int fd = dial(server.port);
	const char *error = "";
	struct tls_session *session = tls_connect(context, fd, name, &error);

	if ((session != NULL) != (expected == NULL))
		fail_msg("%s as %s: %s", certificate, name, error);
	if (expected != NULL && (strstr(error, expected) == NULL || strstr(error, name) == NULL))
		fail_msg("%s as %s: expected %s, got %s", certificate, name, expected, error);
	tls_close(&session);
	assert_null(session);
	close(fd);
	tls_context_free(&context);
	end(&server);
}

static void test_names(void **state)
{
	(void)state;
	check_handshake("good", "", ca_file, true, "s1.example", NULL);
	check_handshake("good", "", ca_file, true, "127.0.0.1", NULL);
	check_handshake("good", "", ca_file, true, "s2.example",
		"ostname mismatch; connect by a name that stands in it");
	check_handshake("good", "", ca_file, true, "127.0.0.2",
		"IP address mismatch; connect by a name that stands in it");
	check_handshake("good", "", ca_file, false, "s2.example", NULL);
}

static void test_chain(void **state)
{
	(void)state;
	check_handshake(
		"old", "", ca_file, true, "s1.example", "certificate has expired; renew it there");
	check_handshake("old", "", ca_file, false, "s1.example", NULL);
	/* the system's certificates do not know ours */
	check_handshake("good", "", NULL, true, "s1.example", "the file of trusted ones");
	check_handshake("good", "", "", false, "s1.example", NULL);
}

static void test_versions(void **state)
{
	(void)state;
	check_handshake("good", "-tls1_2", ca_file, true, "s1.example", NULL);
	check_handshake("good", "-tls1_3", ca_file, true, "s1.example", NULL);
	check_handshake("good", "-tls1_1 -cipher DEFAULT:@SECLEVEL=0", ca_file, true, "s1.example",
		"TLS with");
}

/* What is too old for the one is good enough for the other. */
static void test_minimum(void **state)
{
	struct tls_options options = { .ca_file = ca_file, .verify = true, .minimum = TLS_1_3 };
	static const char *const offers[] = { "-tls1_2", "-tls1_3" };

	(void)state;
	for (size_t i = 0; i < COUNT(offers); i++) {
		struct server server = serve("good", offers[i]);
		const char *error = "";
		struct tls_context *context = tls_context_new(&options, &error);
		int fd = dial(server.port);
		struct tls_session *session = tls_connect(context, fd, "s1.example", &error);
		assert_int_equal(session != NULL, i == 1);
		if (session == NULL)
			assert_non_null(strstr(error, "version that is new enough"));
		tls_close(&session);
		close(fd);
		tls_context_free(&context);
		end(&server);
	}
}

static void test_sni(void **state)
{
	(void)state;
	check_handshake("good",
		"-servername s1.example -servername_fatal -cert2 good.pem "
		"-key2 good.key",
		ca_file, true, "s1.example", NULL);
	check_handshake("good",
		"-servername other.example -servername_fatal -cert2 good.pem "
		"-key2 good.key",
		ca_file, true, "s1.example", "unrecognized name");
}

static void read_until(int fd, const char *mark)
{
	char text[40000];
	size_t n = 0;
	ssize_t got = 1;

	text[0] = '\0';
	while (strstr(text, mark) == NULL) {
		assert_true(n + 1 < sizeof text);
		got = read(fd, text + n, sizeof text - n - 1);
		assert_true(got > 0);
		n += (size_t)got;
		text[n] = '\0';
	}
}

static void test_talk(void **state)
{
	struct server server = serve("good", "");
	struct tls_context *context = context_new(ca_file, true);
	int fd = dial(server.port);
	const char *error;
	struct tls_session *session = tls_connect(context, fd, "s1.example", &error);
	struct str big = STR_INIT;
	char buffer[100];

	(void)state;
	assert_non_null(session);
	assert_int_equal(tls_write(session, "EHLO there\n", 11), 11);
	read_until(server.from, "EHLO there\n");
	assert_int_equal(write(server.to, "250 fine\n", 9), 9);
	assert_int_equal(tls_read(session, buffer, 4), 4);
	assert_memory_equal(buffer, "250 ", 4);
	assert_true(tls_pending(session));
	assert_int_equal(tls_read(session, buffer, sizeof buffer), 5);
	assert_memory_equal(buffer, "fine\n", 5);
	assert_false(tls_pending(session));
	while (big.len < 30000)
		str_append_z(&big, "0123456789");
	str_append_z(&big, "END");
	assert_int_equal(tls_write(session, big.data, big.len), big.len);
	read_until(server.from, "0123456789END");
	assert_int_equal(tls_write(session, "", 0), 0);
	str_free(&big);
	tls_close(&session);
	close(fd);
	tls_context_free(&context);
	end(&server);
}

/* The peer is gone: -1 for both, and no SIGPIPE. */
static void test_peer_dies(void **state)
{
	struct server server = serve("good", "");
	struct tls_context *context = context_new(ca_file, true);
	int fd = dial(server.port);
	const char *error;
	struct tls_session *session = tls_connect(context, fd, "s1.example", &error);
	char block[16384] = "";
	int64_t deadline = clock_mono_us() + 20 * CLOCK_SECOND;

	(void)state;
	assert_non_null(session);
	end(&server);
	while (tls_write(session, block, sizeof block) > 0)
		assert_true(clock_mono_us() < deadline);
	assert_int_equal(tls_write(session, block, sizeof block), -1);
	assert_int_equal(tls_read(session, block, sizeof block), -1);
	tls_close(&session);
	close(fd);
	tls_context_free(&context);
}

/* Something else listens: no TLS, or nothing at all. */
static void check_pair(const char *greeting, bool closed, const char *expected)
{
	struct tls_context *context = context_new(ca_file, true);
	struct timeval soon = { .tv_usec = 50000 };
	const char *error = "";
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	assert_int_equal(write(pair[1], greeting, strlen(greeting)), strlen(greeting));
	if (closed)
		close(pair[1]);
	assert_null(tls_connect(context, pair[0], "s1.example", &error));
	if (strstr(error, expected) == NULL)
		fail_msg("expected %s, got %s", expected, error);
	if (!closed)
		close(pair[1]);
	close(pair[0]);
	tls_context_free(&context);
}

static void test_no_tls(void **state)
{
	(void)state;
	check_pair("220 mx.example ESMTP\r\n", false, "wrong version number");
	check_pair("", false, "no answer in time");
	check_pair("", true, "s1.example: ");
}

static void expect_no_context(const struct tls_options *options, const char *what)
{
	const char *error = NULL;

	assert_null(tls_context_new(options, &error));
	assert_non_null(strstr(error, what));
}

static void test_files(void **state)
{
	char cert[100], key[100], other[100];

	(void)state;
	snprintf(cert, sizeof cert, "%s/good.pem", dir);
	snprintf(key, sizeof key, "%s/good.key", dir);
	snprintf(other, sizeof other, "%s/old.key", dir);
	expect_no_context(
		&(struct tls_options){ .ca_file = "/nowhere.pem", .verify = true }, "/nowhere.pem");
	expect_no_context(&(struct tls_options){ .ca_file = key, .verify = true }, key);
	expect_no_context(&(struct tls_options){ .cert_file = "/nowhere.pem" }, "/nowhere.pem");
	expect_no_context(&(struct tls_options){ .cert_file = cert }, cert);
	expect_no_context(&(struct tls_options){ .cert_file = cert, .key_file = other }, other);
}

static void test_client_certificate(void **state)
{
	char cert[100], key[100];
	const char *error = NULL;

	(void)state;
	snprintf(cert, sizeof cert, "%s/good.pem", dir);
	snprintf(key, sizeof key, "%s/good.key", dir);
	for (int with = 0; with < 2; with++) {
		struct server server = serve("good", "-Verify 1 -verify_return_error "
						     "-CAfile ca.pem");
		struct tls_options options = { .ca_file = ca_file,
			.cert_file = with ? cert : NULL,
			.key_file = with ? key : NULL,
			.verify = true };
		struct tls_context *context = tls_context_new(&options, &error);
		int fd = dial(server.port);
		char c;
		assert_non_null(context);
		struct tls_session *session = tls_connect(context, fd, "s1.example", &error);
		/* With TLS 1.3 the refusal comes after the client's part of the handshake. */
		assert_non_null(session);
		assert_int_equal(write(server.to, "x\n", 2), 2);
		assert_int_equal(tls_read(session, &c, 1), with ? 1 : -1);
		tls_close(&session);
		close(fd);
		tls_context_free(&context);
		end(&server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_minimum),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_talk),
		cmocka_unit_test(test_peer_dies),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_client_certificate),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
