/* queue/reply.c, ehlo.c, params.c, dot.c, retry.c, endpoint.c, received.c */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "queue/dot.h"
#include "queue/ehlo.h"
#include "queue/endpoint.h"
#include "queue/params.h"
#include "queue/received.h"
#include "queue/reply.h"
#include "queue/retry.h"

/* Feeds text a few bytes at a time; the last result. */
static enum reply_result feed(struct reply *reply, const char *text, size_t step)
{
	size_t have = 0, at = 0, len = strlen(text), used;
	enum reply_result result = REPLY_MORE;

	memset(reply, 0, sizeof *reply);
	while (result == REPLY_MORE || result == REPLY_LINE) {
		result = reply_feed(reply, text + at, have - at, &used);
		at += used;
		if (result == REPLY_MORE && have == len)
			break;
		if (result == REPLY_MORE)
			have = have + step < len ? have + step : len;
	}
	return result;
}

static void test_reply_good(void **state)
{
	static const struct {
		const char *text;
		int code, class, subject, detail;
		unsigned lines;
		const char *kept;
	} good[] = {
		{ "250 ok\r\n", 250, 0, 0, 0, 1, "250 ok" },
		{ "250\r\n", 250, 0, 0, 0, 1, "250" },
		{ "250 \r\n", 250, 0, 0, 0, 1, "250 " },
		{ "354 go\n", 354, 0, 0, 0, 1, "354 go" },
		{ "550 5.1.1 no such user\r\n", 550, 5, 1, 1, 1, "550 5.1.1 no such user" },
		{ "550 5.1.1\r\n", 550, 5, 1, 1, 1, "550 5.1.1" },
		{ "452-4.2.2 full\r\n452 4.2.2 really\r\n", 452, 4, 2, 2, 2,
			"452 4.2.2 full 4.2.2 really" },
		{ "250-a\r\n250-b\r\n250 c\r\n", 250, 0, 0, 0, 3, "250 a b c" },
		{ "550 4.1.1 class of another kind\r\n", 550, 0, 0, 0, 1,
			"550 4.1.1 class of another kind" },
		{ "550 5.1 short\r\n", 550, 0, 0, 0, 1, "550 5.1 short" },
		{ "550 5.1.1x no\r\n", 550, 0, 0, 0, 1, "550 5.1.1x no" },
		{ "550 5.7.509 dmarc\r\n", 550, 5, 7, 509, 1, "550 5.7.509 dmarc" },
		{ "550 a\tb\001\xc3\xa9\r\n", 550, 0, 0, 0, 1, "550 a?b???" },
	};
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		for (size_t step = 1; step < 80; step += 13) {
			assert_int_equal(feed(&reply, good[i].text, step), REPLY_DONE);
			assert_int_equal(reply.code, good[i].code);
			assert_int_equal(reply.class, good[i].class);
			assert_int_equal(reply.subject, good[i].subject);
			assert_int_equal(reply.detail, good[i].detail);
			assert_int_equal(reply.lines, good[i].lines);
			assert_string_equal(reply.text, good[i].kept);
		}
}

static void test_reply_bad(void **state)
{
	static const char *const bad[] = { "\r\n", "hello\r\n", "25\r\n", "250ok\r\n", "2500 x\r\n",
		"150 no\r\n", "650 no\r\n", "099 no\r\n", "25a no\r\n", "250-a\r\n251 b\r\n",
		" 250 a\r\n", "HTTP/1.1 400 Bad Request\r\n" };
	struct reply reply;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		for (size_t step = 1; step < 40; step += 7)
			assert_int_equal(feed(&reply, bad[i], step), REPLY_BAD);
	assert_int_equal(feed(&reply, "250 never ends", 3), REPLY_MORE);

	char *line = mem_alloc(REPLY_LINE_MAX + 1);
	memset(line, 'x', REPLY_LINE_MAX);
	memcpy(line, "250 ", 4);
	memset(&reply, 0, sizeof reply);
	assert_int_equal(reply_feed(&reply, line, REPLY_LINE_MAX - 1, &used), REPLY_MORE);
	assert_int_equal(reply_feed(&reply, line, REPLY_LINE_MAX, &used), REPLY_BAD);
	line[REPLY_LINE_MAX - 1] = '\n';
	assert_int_equal(reply_feed(&reply, line, REPLY_LINE_MAX, &used), REPLY_DONE);
	assert_int_equal(strlen(reply.text), REPLY_TEXT_MAX);
	mem_free(&line);
}

static void test_reply_lines(void **state)
{
	struct reply reply = { 0 };
	size_t used;

	(void)state;
	for (int i = 0; i < REPLY_LINES_MAX; i++)
		assert_int_equal(reply_feed(&reply, "250-x\r\n", 7, &used), REPLY_LINE);
	assert_int_equal(reply_feed(&reply, "250 x\r\n", 7, &used), REPLY_BAD);
}

/* Whatever comes: within bounds, and a good reply has a code. */
static void test_reply_random(void **state)
{
	static const char alphabet[] = "0123456789.-- \r\n\n\nabc\xff";
	char data[400];
	uint32_t x = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct reply reply = { 0 };
		size_t at = 0, used, len = 0;
		while (len < sizeof data) {
			x = x * 1664525u + 1013904223u;
			data[len++] = alphabet[(x >> 16) % (sizeof alphabet - 1)];
		}
		if (round % 2)
			memcpy(data, "250-5.1.1 x\n250 ", 16);
		enum reply_result result;
		do {
			result = reply_feed(&reply, data + at, len - at, &used);
			at += used;
			assert_true(at <= len && strlen(reply.text) <= REPLY_TEXT_MAX);
		} while (result == REPLY_LINE);
		if (result == REPLY_DONE)
			assert_in_range(reply.code, 200, 599);
	}
}

static void test_reply_status(void **state)
{
	char status[12];
	struct reply reply;

	(void)state;
	reply_set(&reply, "550 5.1.1 nobody");
	assert_string_equal(reply_status(&reply, status, sizeof status), "5.1.1");
	reply_set(&reply, "554 no");
	assert_string_equal(reply_status(&reply, status, sizeof status), "5.0.0");
	reply_set(&reply, "connection lost");
	assert_int_equal(reply.code, 0);
	assert_string_equal(reply_status(&reply, status, sizeof status), "4.4.2");
}

static void test_ehlo(void **state)
{
	static const char *const lines[] = { "250-PIPELINING\r\n", "250-size 1000\r\n",
		"250-SMTPUTF8\r\n", "250-DSN\r\n", "250-8BITMIME\r\n", "250 STARTTLS\r\n" };
	struct ehlo ehlo = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		ehlo_line(&ehlo, lines[i], strlen(lines[i]));
	assert_true(ehlo.pipelining && ehlo.size && ehlo.utf8 && ehlo.dsn && ehlo.eightbit &&
		    ehlo.starttls);
	assert_int_equal(ehlo.limit, 1000);

	static const char *const odd[] = { "250-PIPELININGS\r\n", "250-PIPELININ\r\n",
		"250-SIZE\r\n", "250-SIZE x\r\n", "250-SIZE 99999999999999999999999\r\n",
		"250-\r\n", "250", "", "250-DSNX y\r\n", "250-XSIZE 5\r\n" };
	struct ehlo none = { 0 };
	for (size_t i = 0; i < COUNT(odd); i++)
		ehlo_line(&none, odd[i], strlen(odd[i]));
	assert_false(none.pipelining || none.dsn);
	assert_true(none.size);
	assert_int_equal(none.limit, 0);
}

static void test_params(void **state)
{
	const char *params = "BODY=8BITMIME SMTPUTF8 ret=HDRS ENVID=a+3Db NOTIFY=SUCCESS,delay";
	const char *value;
	struct str out = STR_INIT;
	size_t len;

	(void)state;
	assert_true(params_get(params, "RET", &value, &len));
	assert_int_equal(len, 4);
	assert_memory_equal(value, "HDRS", 4);
	assert_true(params_has(params, "SMTPUTF8"));
	assert_false(params_has(params, "SMTPUTF"));
	assert_false(params_has(params, "HDRS"));
	assert_true(params_lists(params, "NOTIFY", "DELAY"));
	assert_true(params_lists(params, "NOTIFY", "SUCCESS"));
	assert_false(params_lists(params, "NOTIFY", "FAILURE"));
	assert_false(params_lists("", "NOTIFY", "FAILURE"));
	params_copy(params, "ENVID", &out);
	params_copy(params, "SMTPUTF8", &out);
	params_copy(params, "ORCPT", &out);
	assert_string_equal(str_cstr(&out), " ENVID=a+3Db SMTPUTF8");
	str_free(&out);
}

static void stuff(const char *text, size_t step, struct str *out)
{
	struct dot dot = DOT_INIT;
	size_t len = strlen(text);

	str_reset(out);
	for (size_t at = 0; at < len; at += step)
		dot_stuff(&dot, text + at, len - at < step ? len - at : step, out);
	dot_end(&dot, out);
}

static void test_dot(void **state)
{
	static const char *const cases[][2] = {
		{ "", ".\r\n" },
		{ ".", "..\r\n.\r\n" },
		{ "a\r\n", "a\r\n.\r\n" },
		{ "a", "a\r\n.\r\n" },
		{ ".a\r\n..b\r\nc.\r\n", "..a\r\n...b\r\nc.\r\n.\r\n" },
		{ "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n" },
		{ "a\n.\nb\r\n", "a\n..\nb\r\n.\r\n" },
		{ "a\n", "a\n\r\n.\r\n" },
		{ "a\r", "a\r\r\n.\r\n" },
		{ "\r\n\r\n", "\r\n\r\n.\r\n" },
	};
	struct str out = STR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step < 20; step++) {
			stuff(cases[i][0], step, &out);
			assert_string_equal(str_cstr(&out), cases[i][1]);
		}
	str_free(&out);
}

static void test_retry(void **state)
{
	(void)state;
	assert_int_equal(retry_delay(10, 100, 1), 10);
	assert_int_equal(retry_delay(10, 100, 2), 20);
	assert_int_equal(retry_delay(10, 100, 4), 80);
	assert_int_equal(retry_delay(10, 100, 5), 100);
	assert_int_equal(retry_delay(10, 100, 4000000000u), 100);
	assert_int_equal(retry_delay(10, 5, 1), 5);
	assert_int_equal(retry_delay(10, 100, 0), 10);
}

static void test_endpoint(void **state)
{
	static const struct {
		const char *text;
		bool lmtp;
		const char *path, *host, *port;
	} good[] = {
		{ "smtp:127.0.0.1:10025", false, NULL, "127.0.0.1", "10025" },
		{ "LMTP:[::1]:24", true, NULL, "::1", "24" },
		{ "mx.example:25", false, NULL, "mx.example", "25" },
		{ "lmtp:unix:/run/lmtp", true, "/run/lmtp", NULL, NULL },
		{ "unix:/run/smtp", false, "/run/smtp", NULL, NULL },
	};
	static const char *const bad[] = { "", "smtp:", "smtp:host", "smtp:host:", "smtp:host:0",
		"smtp:host:65536", "smtp:host:smtp", "smtp::25", "unix:run", "lmtp:unix:" };
	struct endpoint endpoint;
	const char *error = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(endpoint_parse(good[i].text, &endpoint, &error), 0);
		assert_int_equal(endpoint.lmtp, good[i].lmtp);
		if (good[i].path != NULL) {
			assert_string_equal(endpoint.path, good[i].path);
		} else {
			assert_null(endpoint.path);
			assert_string_equal(endpoint.host, good[i].host);
			assert_string_equal(endpoint.port, good[i].port);
		}
		endpoint_clear(&endpoint);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		error = NULL;
		assert_int_equal(endpoint_parse(bad[i], &endpoint, &error), -1);
		assert_non_null(error);
		endpoint_clear(&endpoint);
	}
}

static void test_received(void **state)
{
	struct holdq_envelope envelope = { .sender = (char *)"s@x",
		.mail_params = (char *)"",
		.client_name = (char *)"mx.example",
		.client_address = (char *)"2001:db8::1",
		.helo = (char *)"me (evil)\r\nX: y",
		.auth_user = (char *)"",
		.queue_id = (char *)"",
		.id = (char *)"4711",
		.arrived_us = 1700000000000000 };
	struct str out = STR_INIT;

	(void)state;
	received_write(&envelope, "front.example", "anna@example.org", &out);
	assert_string_equal(str_cstr(&out),
		"Received: from me??evil???X:?y (mx.example [IPv6:2001:db8::1])\r\n"
		"\tby front.example (Restante) with ESMTP id 4711\r\n"
		"\tfor <anna@example.org>; Tue, 14 Nov 2023 22:13:20 +0000\r\n");
	str_reset(&out);
	envelope.helo = envelope.client_address = (char *)"";
	envelope.auth_user = (char *)"anna";
	envelope.mail_params = (char *)"SMTPUTF8";
	received_write(&envelope, "front.example", NULL, &out);
	assert_string_equal(str_cstr(&out),
		"Received: by front.example (Restante) with UTF8SMTPA id 4711\r\n"
		"\t; Tue, 14 Nov 2023 22:13:20 +0000\r\n");
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_good),
		cmocka_unit_test(test_reply_bad),
		cmocka_unit_test(test_reply_lines),
		cmocka_unit_test(test_reply_random),
		cmocka_unit_test(test_reply_status),
		cmocka_unit_test(test_ehlo),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_dot),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_received),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
