/* queue/offer.c, queue/scan.c: what of a message goes to a system that offers this or that. */
#include "tests/unit/unit.h"

#include "queue/offer.h"
#include "queue/params.h"
#include "queue/quoted.h"

/* --- the content ----------------------------------------------------------------------------- */

static struct scan scanned(const char *text, size_t piece)
{
	struct scan scan = SCAN_INIT;
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += piece)
		scan_feed(&scan, text + at, len - at < piece ? len - at : piece);
	return scan;
}

/* However it is cut. */
static void test_scan(void **state)
{
	static const struct {
		const char *text;
		unsigned received;
		bool header_8bit, body_8bit, in_body;
	} cases[] = {
		{ "", 0, false, false, false },
		{ "Received: a\r\n\tReceived: b\r\nRECEIVED:c\r\n\r\nReceived: d\r\n", 2, false,
			false, true },
		{ "X-Received: a\r\nReceived-SPF: b\r\nReceive: c\r\n Received: d\r\n", 0, false,
			false, false },
		{ "Subject: \xc3\xbc\r\n\r\nb\r\n", 0, true, false, true },
		{ "Subject: s\r\n\r\n\xc3\xbc\r\n", 0, false, true, true },
		{ "Subject: s\n\n\xff", 0, false, true, true },
		{ "\r\n\xff", 0, false, true, true },
		{ "x\nReceived: a\r\n\r\n", 1, false, false, true },
		{ "a\rReceived: b\r\n\rReceived: c\r\n", 0, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t piece = 1; piece < 40; piece++) {
			const struct scan scan = scanned(cases[i].text, piece);
			assert_int_equal(scan.received, cases[i].received);
			assert_int_equal(scan.header_8bit, cases[i].header_8bit);
			assert_int_equal(scan.body_8bit, cases[i].body_8bit);
			assert_int_equal(scan.in_body, cases[i].in_body);
		}
}

/* --- refusals -------------------------------------------------------------------------------- */

static const struct ehlo everything = { .eightbit = true, .utf8 = true, .dsn = true, .size = true };
static const struct ehlo nothing;

#define ASCII       "A: b\r\n\r\nc\r\n"
#define HEADER_8BIT "A: \xc3\xbc\r\n\r\nc\r\n"
#define BODY_8BIT   "A: b\r\n\r\n\xc3\xbc\r\n"

static const char *refusal(
	const struct ehlo *ehlo, const char *sender, const char *params, const char *content)
{
	const struct offer_mail mail = {
		.sender = sender, .params = params, .bytes = 1000, .hop_limit = 2
	};
	const struct scan scan = scanned(content, 100);
	const char *text = offer_refusal(ehlo, &mail, &scan);

	return text ? text : "";
}

static void test_refusals(void **state)
{
	static const struct {
		const char *sender, *params, *content, *by_nothing, *by_everything;
	} cases[] = {
		{ "s@x", "", ASCII, "", "" },
		{ "", "", ASCII, "", "" },
		/* RFC 6152: not declared as 8-bit, it goes as it came; declared but 7-bit, too. */
		{ "s@x", "", BODY_8BIT, "", "" },
		{ "s@x", "BODY=7BIT", BODY_8BIT, "", "" },
		{ "s@x", "BODY=8BITMIME", ASCII, "", "" },
		{ "s@x", "BODY=8BITMIME", BODY_8BIT, "554 5.6.3 ", "" },
		{ "s@x", "body=8bitmime RET=HDRS", HEADER_8BIT, "554 5.6.3 ", "" },
		/* RFC 3030: to nobody, since nothing here can send it. */
		{ "s@x", "BODY=BINARYMIME", ASCII, "554 5.6.3 ", "554 5.6.3 " },
		/* RFC 6531 section 3.6: needed only where something is not ASCII. */
		{ "s@x", "SMTPUTF8", ASCII, "", "" },
		{ "s@x", "SMTPUTF8 BODY=8BITMIME", HEADER_8BIT, "554 5.6.7 ", "" },
		{ "\xc3\xbc@x", "SMTPUTF8", ASCII, "554 5.6.7 ", "" },
		{ "s@x", "SMTPUTF8 BODY=8BITMIME", BODY_8BIT, "554 5.6.3 ", "" },
		/* Nothing that could be a command of its own. */
		{ "s@x>\r\nRSET", "", ASCII, "553 5.1.7 ", "553 5.1.7 " },
		/* RFC 5321 section 6.3. */
		{ "s@x", "", "Received: a\r\nReceived: b\r\n\r\n", "", "" },
		{ "s@x", "", "Received: a\r\nReceived: b\r\nReceived: c\r\n\r\n", "554 5.4.6 ",
			"554 5.4.6 " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *by_nothing =
			refusal(&nothing, cases[i].sender, cases[i].params, cases[i].content);
		const char *by_everything =
			refusal(&everything, cases[i].sender, cases[i].params, cases[i].content);
		if (strncmp(by_nothing, cases[i].by_nothing, 10) != 0 ||
			strncmp(by_everything, cases[i].by_everything, 10) != 0)
			fail_msg("%zu: \"%s\", \"%s\"", i, by_nothing, by_everything);
	}
}

static void test_size(void **state)
{
	struct ehlo ehlo = { .size = true, .limit = 1000 };

	(void)state;
	assert_string_equal(refusal(&ehlo, "s@x", "", ASCII), "");
	ehlo.limit = 999;
	assert_int_equal(strncmp(refusal(&ehlo, "s@x", "", ASCII), "552 5.3.4 ", 10), 0);
	ehlo.limit = 0; /* RFC 1870 section 4: no limit is in force */
	assert_string_equal(refusal(&ehlo, "s@x", "", ASCII), "");
}

static void test_hops_without_a_limit(void **state)
{
	const struct offer_mail mail = { .sender = "s@x", .params = "" };
	const struct scan scan = { .received = 1000000, .in_body = true };

	(void)state;
	assert_null(offer_refusal(&nothing, &mail, &scan));
}

static void test_recipients(void **state)
{
	(void)state;
	assert_null(offer_refuses_recipient(&nothing, "a@x"));
	assert_null(offer_refuses_recipient(&everything, "\xc3\xbc@x"));
	assert_int_equal(
		strncmp(offer_refuses_recipient(&nothing, "\xc3\xbc@x"), "553 5.6.7 ", 10), 0);
	assert_int_equal(
		strncmp(offer_refuses_recipient(&everything, "a\n@x"), "553 5.1.3 ", 10), 0);
}

/* --- parameters ------------------------------------------------------------------------------ */

static void expect_mail(const struct ehlo *ehlo, const char *params, bool utf8, const char *wanted)
{
	const struct offer_mail mail = { .sender = "s@x", .params = params, .bytes = 7 };
	struct str out = STR_INIT;

	offer_mail_params(ehlo, &mail, utf8, &out);
	assert_string_equal(str_cstr(&out), wanted);
	str_free(&out);
}

static void test_mail_params(void **state)
{
	const struct ehlo dsn = { .dsn = true }, eightbit = { .eightbit = true },
			  utf8 = { .utf8 = true };
	const char *all = "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+3Db AUTH=<> X-OWN";

	(void)state;
	expect_mail(&nothing, all, false, "");
	expect_mail(&dsn, all, false, " RET=HDRS ENVID=a+3Db");
	expect_mail(&eightbit, all, false, " BODY=8BITMIME");
	expect_mail(&utf8, all, false, " SMTPUTF8");
	expect_mail(&everything, all, false, " SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+3Db");
	expect_mail(&everything, "", false, " SIZE=7");
	expect_mail(&everything, "", true, " SIZE=7 SMTPUTF8");
	expect_mail(&everything, "SMTPUTF8", true, " SIZE=7 SMTPUTF8");
	expect_mail(&everything, "ENVID=a\rb", false, " SIZE=7");
}

static void expect_rcpt(
	const struct ehlo *ehlo, const char *params, const char *original, const char *wanted)
{
	struct str out = STR_INIT;

	offer_rcpt_params(ehlo, params, original, &out);
	assert_string_equal(str_cstr(&out), wanted);
	str_free(&out);
}

static void test_rcpt_params(void **state)
{
	const struct ehlo dsn = { .dsn = true };
	const char *both = "NOTIFY=SUCCESS,DELAY X=1 orcpt=rfc822;O@x";

	(void)state;
	expect_rcpt(&nothing, both, "a@x", "");
	expect_rcpt(&dsn, both, "a@x", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;O@x");
	expect_rcpt(&dsn, "NOTIFY=NEVER", "A+b@x", " NOTIFY=NEVER ORCPT=rfc822;A+2Bb@x");
	expect_rcpt(&dsn, "", "a@x", " ORCPT=rfc822;a@x");
	expect_rcpt(&dsn, "", NULL, "");
	expect_rcpt(&dsn, "", "\xff@x", "");
	expect_rcpt(&dsn, "ORCPT=rfc822;a\nb", "a@x", "");
	/* RFC 6533 section 3. */
	expect_rcpt(&dsn, "ORCPT=utf-8;\xc3\xbc@x", NULL, " ORCPT=utf-8;\\x{FC}@x");
	expect_rcpt(&everything, "ORCPT=utf-8;\xc3\xbc@x", NULL, " ORCPT=utf-8;\xc3\xbc@x");
	expect_rcpt(&dsn, "ORCPT=utf-8;\xc3\xbc\n@x", NULL, " ORCPT=utf-8;\\x{FC}\\x{0A}@x");
	expect_rcpt(&dsn, "", "\xc3\xbc@x", " ORCPT=utf-8;\\x{FC}@x");
}

static void test_two_that_become_one(void **state)
{
	static const char *const cases[][3] = {
		{ "", "", NULL },
		{ "NOTIFY=NEVER", "NOTIFY=NEVER", NULL },
		{ "NOTIFY=FAILURE ORCPT=rfc822;a", "NOTIFY=FAILURE ORCPT=rfc822;b", NULL },
		{ "NOTIFY=DELAY,FAILURE", "", NULL },
		{ "", "NOTIFY=NEVER", NULL },
		{ "NOTIFY=NEVER ORCPT=rfc822;a", "ORCPT=rfc822;b",
			"NOTIFY=FAILURE,DELAY ORCPT=rfc822;b" },
		{ "NOTIFY=NEVER", "NOTIFY=SUCCESS", "NOTIFY=SUCCESS" },
		{ "ORCPT=rfc822;a", "NOTIFY=SUCCESS ORCPT=rfc822;b",
			"NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a" },
		{ "NOTIFY=DELAY", "NOTIFY=success", "NOTIFY=SUCCESS,DELAY" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str joined = STR_INIT;
		const char *got = params_join(cases[i][0], cases[i][1], &joined);
		if (cases[i][2] == NULL)
			assert_null(got);
		else
			assert_string_equal(got, cases[i][2]);
		str_free(&joined);
	}
}

/* --- quoted-printable ------------------------------------------------------------------------ */

static void test_quoted(void **state)
{
	static const char *const cases[][2] = {
		{ "a=b\r\n", "a=3Db\r\n" },
		{ "gr\xc3\xbc\xc3\x9f\r\n", "gr=C3=BC=C3=9F\r\n" },
		{ "end \r\n\t\r\nlast ", "end=20\r\n=09\r\nlast=20" },
		{ "a\rb\nc\r\n", "a=0Db=0Ac\r\n" },
		{ "a b\tc\r\n\r\n", "a b\tc\r\n\r\n" },
	};
	struct str out = STR_INIT, line = STR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		str_reset(&out);
		quoted_write(cases[i][0], strlen(cases[i][0]), &out);
		assert_string_equal(str_cstr(&out), cases[i][1]);
	}
	for (int i = 0; i < 200; i++)
		str_append_z(&line, i % 3 ? "x" : "\xc3");
	str_reset(&out);
	quoted_write(line.data, line.len, &out);
	for (const char *p = out.data, *end; (end = strstr(p, "\r\n")) != NULL; p = end + 2)
		assert_true(end - p <= QUOTED_LINE && end[-1] == '=');
	str_free(&line);
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_hops_without_a_limit),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_mail_params),
		cmocka_unit_test(test_rcpt_params),
		cmocka_unit_test(test_two_that_become_one),
		cmocka_unit_test(test_quoted),
	};

	return cmocka_run_group_tests_name("offer", tests, NULL, NULL);
}
