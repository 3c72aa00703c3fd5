/* cli/logline.c and cli/trace_join.c */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <time.h>

#include "cli/logline.h"
#include "cli/trace_join.h"
#include "lib/when.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/str.h"

/* 2026-11-22T06:00:00Z */
#define NOW (INT64_C(1795327200) * CLOCK_SECOND)

static int in_utc(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void expect_line(const char *text, int64_t before_now_ms, bool coarse, const char *program,
	int pid, const char *level, const char *said)
{
	struct logline line;

	if (!logline_parse(text, NOW, &line))
		fail_msg("not understood: %s", text);
	assert_int_equal((NOW - line.time_us) / CLOCK_MS, before_now_ms);
	assert_int_equal(line.coarse, coarse);
	assert_string_equal(line.program, program);
	assert_int_equal(line.pid, pid);
	assert_string_equal(line.level, level);
	assert_string_equal(line.text, said);
}

static void test_lines(void **state)
{
	(void)state;
	expect_line("2026-11-22T05:59:59.250Z restante-milter[12] info: milter: message id=a", 750,
		false, "restante-milter", 12, "info", "milter: message id=a");
	expect_line("2026-11-22T06:59:59.250000+01:00 mx1 postfix/smtpd[3]: 4XYZ12: client=x", 750,
		false, "postfix/smtpd", 3, "", "4XYZ12: client=x");
	expect_line("2026-11-22T06:29:59+0030 mx1 restante-milter[3]: warning: milter: x id=b",
		1000, true, "restante-milter", 3, "warning", "milter: x id=b");
	expect_line("Nov 22 05:59:59 mx1 sm-mta[77]: 4AM5xyz01: from=<a@b>", 1000, true, "sm-mta",
		77, "", "4AM5xyz01: from=<a@b>");
	expect_line("Nov  1 06:00:00 mx1 dovecot: imap: error: x", INT64_C(21) * 86400000, true,
		"dovecot", 0, "", "imap: error: x");
	expect_line("Dec 31 06:00:00 mx1 postfix/qmgr[1]: A: x", INT64_C(326) * 86400000, true,
		"postfix/qmgr", 1, "", "A: x");
}

static void test_what_is_no_line(void **state)
{
	static const char *const bad[] = { "", "x", "2026-11-22", "2026-11-22T05:59:59", "Nov 22",
		"2026-11-22T05:59:59.250Zrestante-milter[12] info: x", "Nov 22 05:59:59 mx1",
		"Nov 22 05:59:59 mx1 ", "Nov 22 05:59:59 mx1 prog",
		"2026-11-22T05:59:59+9900 a b: c",
		"2026-11-22T05:59:59.250Z restante-milter[12] shout: x",
		"2026-13-22T05:59:59Z mx1 prog: x", "Nov 22 05:59:59 mx1 prog[1 x" };
	struct logline line;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (logline_parse(bad[i], NOW, &line))
			fail_msg("understood: %s", bad[i]);
}

static void test_journal(void **state)
{
	static const char record[] = "{\"__REALTIME_TIMESTAMP\":\"1795327200000001\",\"SYSLOG_"
				     "IDENTIFIER\":\"postfix/qmgr\","
				     "\"_PID\":\"7\",\"MESSAGE\":\"4XYZ12: removed\"}";
	static const char bytes[] =
		"{\"__REALTIME_TIMESTAMP\":\"1\",\"SYSLOG_IDENTIFIER\":\"restante-milter\","
		"\"SYSLOG_PID\":\"8\",\"_PID\":\"9\",\"MESSAGE\":[105,110,102,111,58,32,255,10,0,"
		"65]}";
	struct logline line;
	char *memory;

	(void)state;
	assert_true(logline_parse_journal(record, strlen(record), &line, &memory));
	assert_int_equal(line.time_us, NOW + 1);
	assert_string_equal(line.program, "postfix/qmgr");
	assert_int_equal(line.pid, 7);
	assert_string_equal(line.text, "4XYZ12: removed");
	mem_free(&memory);
	assert_true(logline_parse_journal(bytes, strlen(bytes), &line, &memory));
	assert_int_equal(line.pid, 8);
	assert_string_equal(line.level, "info");
	assert_string_equal(line.text, "\xff\n");
	mem_free(&memory);
	assert_false(logline_parse_journal("[1", 2, &line, &memory));
	assert_false(logline_parse_journal("{}", 2, &line, &memory));
	mem_free(&memory);
}

static void expect_field(const char *text, const char *key, const char *value)
{
	struct logline line = { .text = text };
	char buffer[LOGLINE_VALUE];
	const char *found = logline_value(&line, key, buffer);

	if (value == NULL)
		assert_null(found);
	else if (found == NULL)
		fail_msg("no %s in %s", key, text);
	else
		assert_string_equal(found, value);
}

/* A reply of another server stands in quotes: it cannot name an id. */
static void test_values(void **state)
{
	static const char said[] = "release: delivered id=1a.2 rcpt=a@b reply=\"250 ok id=9 to=x\" "
				   "held=1.5s";

	(void)state;
	expect_field(said, "id", "1a.2");
	expect_field(said, "rcpt", "a@b");
	expect_field(said, "reply", "250 ok id=9 to=x");
	expect_field(said, "held", "1.5s");
	expect_field(said, "to", NULL);
	expect_field(said, "i", NULL);
	expect_field("release: trouble reply=\"x id=5\"", "id", NULL);
	expect_field("id=7", "id", "7");
	expect_field("id=", "id", "");
	expect_field("a \"id=3\" id=4", "id", "4");
	expect_field("reply=\"never closed id=5", "id", NULL);
	expect_field("= =\" id=6", "id", NULL);
	expect_field("queue_id=q id=6", "id", "6");
}

static void test_values_of_the_mta(void **state)
{
	struct logline line = {
		.text = "4XYZ12: to=<a@b>, orig_to=<c@d>, to=x, to=<e@f>, relay=r"
	};
	const char *cursor = NULL;
	char buffer[LOGLINE_VALUE];

	(void)state;
	assert_string_equal(logline_mta_value(&line, "to", &cursor, buffer), "a@b");
	assert_string_equal(logline_mta_value(&line, "to", &cursor, buffer), "x");
	assert_string_equal(logline_mta_value(&line, "to", &cursor, buffer), "e@f");
	assert_null(logline_mta_value(&line, "to", &cursor, buffer));
	cursor = NULL;
	assert_string_equal(logline_mta_value(&line, "relay", &cursor, buffer), "r");
	assert_string_equal(logline_queue_id(&line, buffer), "4XYZ12");
	line.text = "4AM5xyz01: to=<a@b>,<c@d>,e, delay=1";
	cursor = NULL;
	assert_string_equal(logline_mta_value(&line, "to", &cursor, buffer), "a@b");
	assert_string_equal(logline_mta_value(&line, "to", &cursor, buffer), "c@d");
	assert_null(logline_mta_value(&line, "to", &cursor, buffer));
	line.text = "warn!: x";
	assert_null(logline_queue_id(&line, buffer));
}

static void expect_queued(const char *text, const char *id)
{
	struct logline line = { .text = text };
	char buffer[LOGLINE_VALUE];
	const char *found = logline_queued_as(&line, buffer);

	assert_true((found == NULL) == (id == NULL));
	if (id != NULL)
		assert_string_equal(found, id);
}

static void test_queued_as(void **state)
{
	(void)state;
	expect_queued("reply=\"250 2.0.0 Ok: queued as 4NEW99\"", "4NEW99");
	expect_queued("stat=Sent (4AM5xyz01 Message accepted for delivery)", "4AM5xyz01");
	expect_queued("reply=\"250 2.0.0 Saved\"", NULL);
	expect_queued("queued as ", NULL);
	expect_queued(" queued as !", NULL);
	expect_queued(" Message accepted for delivery", NULL);
}

/* --- joining ------------------------------------------------------------------------------- */

/* Two messages at once, mixed; the first is held and released, which the MTA relays once more. */
static const char *const story[] = {
	"Nov 22 05:00:00 mx1 postfix/smtpd[1]: 4AAA11: client=c[192.0.2.1]",
	"Nov 22 05:00:00 mx1 postfix/smtpd[2]: 4BBB22: client=c[192.0.2.1]",
	"Nov 22 05:00:00 mx1 postfix/cleanup[3]: 4AAA11: message-id=<one@x>",
	"Nov 22 05:00:00 mx1 postfix/cleanup[4]: 4BBB22: message-id=<two@x>",
	"2026-11-22T05:00:00.100Z restante-milter[9] info: milter: message id=5f.1 queue_id=4AAA11 "
	"from=s@x client=192.0.2.1 message_id=<one@x> rcpts=1 rewritten=0 held=1 left=0 repeated=0 "
	"number=17 new=1 mta_copy=none",
	"2026-11-22T05:00:00.101Z restante-milter[9] info: milter: message id=5f.2 queue_id=4BBB22 "
	"from=s@x client=192.0.2.1 message_id=<two@x> rcpts=1 rewritten=1 held=0 left=0 repeated=0",
	"Nov 22 05:00:01 mx1 postfix/lmtp[5]: 4BBB22: to=<b@s1>, relay=l, status=sent (250 Saved)",
	"Nov 22 05:00:09 mx1 postfix/smtpd[6]: 4CCC33: client=localhost[127.0.0.1]",
	"2026-11-22T05:00:09.500Z restante-milter[9] info: release: delivered id=5f.1 mailbox=a@y "
	"rcpt=a@y to=a@s2 held=9.400s reply=\"250 2.0.0 Ok: queued as 4CCC33\"",
	"Nov 22 05:00:09 mx1 postfix/lmtp[5]: 4CCC33: to=<a@s2>, relay=l, status=sent (250 Saved)",
	"Nov 22 05:00:10 mx1 postfix/smtpd[6]: NOQUEUE: milter-reject: RCPT from c: to=<a@y>",
	"2026-11-22T05:00:11.000Z restante-milter[9] warning: release: x reply=\"id=5f.1\"",
};

static size_t follow(struct trace *trace)
{
	struct logline line;

	while (trace_pass(trace))
		for (size_t i = 0; i < sizeof story / sizeof *story; i++)
			if (logline_parse(story[i], NOW, &line))
				trace_take(trace, &line);
	return trace_end(trace);
}

/* Numbers of the lines of a message, as in the story; -1 at the end. */
static void expect_story(const struct trace_message *message, const int *lines)
{
	size_t i = 0;

	for (; lines[i] >= 0; i++) {
		assert_true(i < message->line_count);
		assert_non_null(strstr(story[lines[i]], message->lines[i].text));
	}
	assert_int_equal(message->line_count, i);
}

static void expect_trace(const char *key, const int *lines)
{
	struct trace *trace = trace_new(key, 0, INT64_MAX);

	if (follow(trace) != 1)
		fail_msg("%s: not one message", key);
	expect_story(trace_message(trace, 0), lines);
	trace_free(&trace);
}

static const int first[] = { 0, 2, 4, 8, 7, 9, -1 }, second[] = { 1, 3, 5, 6, -1 };

static void test_whatever_names_a_message_finds_all_of_it(void **state)
{
	(void)state;
	expect_trace("5f.1", first);
	expect_trace("4AAA11", first);
	expect_trace("4CCC33", first);
	expect_trace("17", first);
	expect_trace("<one@x>", first);
	expect_trace("one@x", first);
	expect_trace("a@s2", first);
	expect_trace("5f.2", second);
	expect_trace("B@S1", second);
}

static void test_nothing_found(void **state)
{
	static const char *const keys[] = { "5f.3", "18", "nobody@x", "<>", "one", "4AAA1" };

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct trace *trace = trace_new(keys[i], 0, INT64_MAX);
		assert_int_equal(follow(trace), 0);
		trace_free(&trace);
	}
}

/* A line of no message stands alone; the window bounds what is searched, not what is shown. */
static void test_an_address_and_its_window(void **state)
{
	struct trace *trace = trace_new("a@y", 0, INT64_MAX);

	(void)state;
	assert_int_equal(follow(trace), 2);
	expect_story(trace_message(trace, 0), first);
	expect_story(trace_message(trace, 1), (const int[]){ 10, -1 });
	trace_free(&trace);
	trace = trace_new("a@y", NOW - 3591 * CLOCK_SECOND, NOW - 3590 * CLOCK_SECOND - 1);
	assert_int_equal(follow(trace), 1);
	expect_story(trace_message(trace, 0), first);
	trace_free(&trace);
	trace = trace_new("s@x", 0, INT64_MAX);
	assert_int_equal(follow(trace), 2);
	expect_story(trace_message(trace, 0), first);
	expect_story(trace_message(trace, 1), second);
	assert_int_equal(trace_message(trace, 0)->number, 17);
	trace_free(&trace);
}

static void test_what_ties_two_makes_one(void **state)
{
	static const char *const lines[] = {
		"2026-11-22T05:00:00.100Z restante-milter[9] info: milter: recipient refused "
		"id=5f.7 "
		"to=q@y",
		"Nov 22 05:00:00 mx1 postfix/cleanup[3]: 4DDD44: message-id=<q@y>",
		"2026-11-22T05:00:00.200Z restante-milter[9] info: milter: message id=5f.7 "
		"queue_id=4DDD44",
	};
	struct trace *trace = trace_new("q@y", 0, INT64_MAX);
	struct logline line;

	(void)state;
	while (trace_pass(trace))
		for (size_t i = 0; i < 3; i++)
			if (logline_parse(lines[i], NOW, &line))
				trace_take(trace, &line);
	assert_int_equal(trace_end(trace), 1);
	assert_int_equal(trace_message(trace, 0)->line_count, 3);
	trace_free(&trace);
}

static void test_too_many(void **state)
{
	struct trace *trace = trace_new("a@y", 0, INT64_MAX);
	struct logline line;
	char text[200];

	(void)state;
	while (trace_pass(trace))
		for (int i = 0; i < TRACE_MESSAGES_MAX + 3; i++) {
			snprintf(text, sizeof text,
				"2026-11-22T05:00:00.1Z restante-milter[9] info: m: x id=%d to=a@y",
				i);
			assert_true(logline_parse(text, NOW, &line));
			trace_take(trace, &line);
		}
	assert_int_equal(trace_end(trace), TRACE_MESSAGES_MAX);
	assert_true(trace_cut(trace));
	trace_free(&trace);
}

static void expect_hidden(const char *text, const char *shown)
{
	struct str out = STR_INIT;

	trace_hide(text, &out);
	assert_string_equal(str_cstr(&out), shown);
	str_free(&out);
}

static void test_secrets(void **state)
{
	(void)state;
	expect_hidden("a password=hunter2, b", "a password=(hidden), b");
	expect_hidden("PASS=\"two words\" c", "PASS=(hidden) c");
	expect_hidden("< c: AUTH PLAIN AGFubmEAcHc= x", "< c: AUTH PLAIN (hidden) x");
	expect_hidden("password=", "password=(hidden)");
	expect_hidden("password=\"open", "password=(hidden)");
	expect_hidden("message id=1", "message id=1");
}

static void test_instants(void **state)
{
	(void)state;
	assert_int_equal(when_parse("2026-11-22T06:00:00Z"), NOW);
	assert_int_equal(when_parse("2026-11-22 06:00"), NOW);
	assert_int_equal(when_parse("2026-11-22"), NOW - 6 * 3600 * CLOCK_SECOND);
	assert_int_equal(when_parse("2026-11-22x"), -1);
	assert_int_equal(when_parse("2h"), -1);
	assert_int_equal(when_parse(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_what_is_no_line),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_values_of_the_mta),
		cmocka_unit_test(test_queued_as),
		cmocka_unit_test(test_whatever_names_a_message_finds_all_of_it),
		cmocka_unit_test(test_nothing_found),
		cmocka_unit_test(test_an_address_and_its_window),
		cmocka_unit_test(test_what_ties_two_makes_one),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_instants),
	};

	return cmocka_run_group_tests(tests, in_utc, NULL);
}
