/* queue/auth.c, queue/smtp_auth.c, and what EHLO says of them. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "queue/auth.h"
#include "queue/smtp.h"
#include "tests/unit/smtp_server.h"

static struct ehlo offers(const char *line)
{
	struct ehlo ehlo = { 0 };

	ehlo_line(&ehlo, line, strlen(line));
	return ehlo;
}

static void test_what_is_offered(void **state)
{
	static const struct {
		const char *line;
		enum auth_way way;
	} lines[] = {
		{ "250-AUTH PLAIN LOGIN\r\n", AUTH_PLAIN },
		{ "250 AUTH LOGIN CRAM-MD5 PLAIN\r\n", AUTH_PLAIN },
		{ "250-auth login\r\n", AUTH_LOGIN },
		{ "250-AUTH=LOGIN\r\n", AUTH_LOGIN },
		{ "250-AUTH CRAM-MD5 GSSAPI\r\n", AUTH_NONE },
		{ "250-AUTH PLAINER XLOGIN\r\n", AUTH_NONE },
		{ "250-AUTHPLAIN\r\n", AUTH_NONE },
		{ "250-AUTH\r\n", AUTH_NONE },
		{ "250-AUTH \r\n", AUTH_NONE },
		{ "AUTH PLAIN", AUTH_PLAIN },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct ehlo ehlo = offers(lines[i].line);
		if (auth_choose(&ehlo) != lines[i].way)
			fail_msg("%s", lines[i].line);
	}
}

static void expect(enum auth_way way, unsigned step, const char *password, const char *wanted)
{
	struct str line = STR_INIT;

	assert_int_equal(auth_line(way, step, "tim", password, &line), wanted != NULL);
	if (wanted != NULL)
		assert_string_equal(str_cstr(&line), wanted);
	auth_forget(&line);
	assert_null(line.data);
}

static void test_what_is_sent(void **state)
{
	(void)state;
	/* RFC 4616 section 4 */
	expect(AUTH_PLAIN, 0, "tanstaaftanstaaf", "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n");
	expect(AUTH_PLAIN, 0, "ab", "AUTH PLAIN AHRpbQBhYg==\r\n");
	expect(AUTH_PLAIN, 0, "abc", "AUTH PLAIN AHRpbQBhYmM=\r\n");
	expect(AUTH_PLAIN, 1, "ab", NULL);
	expect(AUTH_LOGIN, 0, "ab", "AUTH LOGIN\r\n");
	expect(AUTH_LOGIN, 1, "ab", "dGlt\r\n");
	expect(AUTH_LOGIN, 2, "\xc3\xa9\xff?>", "w6n/Pz4=\r\n");
	expect(AUTH_LOGIN, 3, "ab", NULL);
}

static void check_censored_of(const char *password, const char *said, const char *shown)
{
	struct reply reply;

	reply_set(&reply, said);
	auth_censor(&reply, "tim", password);
	assert_string_equal(reply.text, shown ? shown : said);
	assert_int_equal(reply.code, 535);
}

static void check_censored(const char *said, const char *shown)
{
	check_censored_of("tanstaaftanstaaf", said, shown);
}

static void test_what_may_be_shown(void **state)
{
	const char *hidden = "535 5.7.8 (it repeats the password)";

	(void)state;
	check_censored("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", NULL);
	check_censored("535 5.7.8 no such user tim", NULL);
	check_censored("535 5.7.8 what is AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm", hidden);
	check_censored("535 5.7.8 what is AHRpbQB0YW5zdG", hidden);
	check_censored("535 5.7.8 what is dGFuc3RhYWZ0YW5zdGFhZg==", hidden);
	check_censored("535 5.7.8 not TanStaaftanstaaf", hidden);
	check_censored("535 not tanstaaftanstaaf", "535 5.0.0 (it repeats the password)");
	check_censored_of("gr\xc3\xbcner tee", "535 5.7.8 not gr\xc3\xbcner tee", hidden);
	check_censored_of("gr\xfcner tee", "535 5.7.8 not gr\xfcner Tee", hidden);
}

/* --- in a session ------------------------------------------------------------------------------
 */

static char secret[] = "tanstaaftanstaaf";

struct session {
	struct server *server;
	struct smtp *smtp;
	struct smtp_settings settings;
	struct answer failure;
};

static void begin(struct session *s, const char *ehlo, const struct server_rule *rules)
{
	const char *error;

	memset(s, 0, sizeof *s);
	s->server = server_start(false, ehlo, rules);
	s->smtp = smtp_new();
	s->settings.hostname = "test.example";
	s->settings.timeout_us = 5 * CLOCK_SECOND;
	s->settings.auth_user = "tim";
	s->settings.password = secret;
	assert_int_equal(
		endpoint_parse(server_listener(s->server), &s->settings.endpoint, &error), 0);
}

static void end(struct session *s)
{
	smtp_quit(s->smtp);
	smtp_free(&s->smtp);
	server_stop(&s->server);
	endpoint_clear(&s->settings.endpoint);
}

static void test_session(void **state)
{
	static const struct {
		const char *ehlo;
		struct server_rule rules[4];
		int code; /* 0 = it works */
		const char *heard;
	} cases[] = {
		{ "PIPELINING\nAUTH PLAIN LOGIN", { { NULL, NULL, 0, 0, NULL } }, 0,
			"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\n" },
		{ "AUTH LOGIN",
			{ { "AUTH", "LOGIN", 0, 0, "334 VXNlcm5hbWU6" },
				{ "AUTH", "dGlt", 0, 0, "334 UGFzc3dvcmQ6" } },
			0, "AUTH LOGIN\ndGlt\ndGFuc3RhYWZ0YW5zdGFhZg==\n" },
		{ "AUTH PLAIN", { { "AUTH", NULL, 0, 0, "535 5.7.8 no, AHRpbQB0YW5zdGFhZnRh" } },
			535, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\n" },
		{ "AUTH LOGIN", { { "AUTH", "LOGIN", 0, 0, "535 5.7.8 no" } }, 535,
			"AUTH LOGIN\n" },
		{ "AUTH LOGIN",
			{ { "AUTH", "LOGIN", 0, 0, "334 VXNlcm5hbWU6" },
				{ "AUTH", "dGlt", 0, 0, "334 UGFzc3dvcmQ6" },
				{ "AUTH", "dGFu", 0, 0, "334 and now" } },
			334, "AUTH LOGIN\ndGlt\ndGFuc3RhYWZ0YW5zdGFhZg==\n" },
		{ "AUTH PLAIN", { { "AUTH", NULL, 0, 0, SERVER_CLOSE } }, -1,
			"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\n" },
	};
	struct session s;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int code = cases[i].code;
		begin(&s, cases[i].ehlo, cases[i].rules);
		s.settings.auth_in_clear = true;
		assert_int_equal(smtp_open(s.smtp, &s.settings, &s.failure), code ? -1 : 0);
		assert_string_equal(server_heard(s.server), cases[i].heard);
		assert_int_equal(smtp_is_open(s.smtp), code == 0);
		if (code != 0) {
			assert_int_equal(s.failure.stage, STAGE_AUTH);
			assert_int_equal(s.failure.reply.code, code > 0 ? code : 0);
			assert_null(strstr(s.failure.reply.text, "AHRp"));
		}
		end(&s);
	}
}

/* The password is not sent where anybody could read it, nor to one who does not ask for it. */
static void test_not_tried(void **state)
{
	static const struct {
		const char *ehlo;
		bool in_clear;
		const char *why;
	} cases[] = {
		{ "AUTH PLAIN LOGIN", false, "has no TLS" },
		{ "PIPELINING", true, "is offered" },
		{ "AUTH CRAM-MD5", true, "is offered" },
		/* TLS that fails is no excuse */
		{ "STARTTLS\nAUTH PLAIN", false, "has no TLS" },
	};
	const struct tls_options encrypt = { .verify = false };
	const char *error;
	struct session s;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		begin(&s, cases[i].ehlo, NULL);
		s.settings.auth_in_clear = cases[i].in_clear;
		s.settings.tls = tls_context_new(&encrypt, &error);
		assert_int_equal(smtp_open(s.smtp, &s.settings, &s.failure), -1);
		assert_int_equal(s.failure.stage, STAGE_AUTH);
		assert_non_null(strstr(s.failure.reply.text, cases[i].why));
		assert_string_equal(server_heard(s.server), "");
		tls_context_free(&s.settings.tls);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_offered),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_what_may_be_shown),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_not_tried),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
