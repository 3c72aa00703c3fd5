/* queue/auth.c, and what EHLO says of it. */
#include "tests/unit/unit.h"

#include "queue/auth.h"

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

static void check_censored(const char *said, const char *shown)
{
	struct reply reply;

	reply_set(&reply, said);
	auth_censor(&reply, "tim", "tanstaaftanstaaf");
	assert_string_equal(reply.text, shown ? shown : said);
	assert_int_equal(reply.code, 535);
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_offered),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_what_may_be_shown),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
