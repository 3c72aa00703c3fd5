/* queue/notice.c: what the sender reads. tests/system parses the same text with a mail library. */
#include "tests/unit/unit.h"

#include "lib/mem.h"
#include "queue/notice.h"

static struct holdq_envelope envelope(void)
{
	return (struct holdq_envelope){ .sender = (char *)"sender@o.example",
		.mail_params = (char *)"RET=FULL ENVID=QQ+3D1",
		.client_name = (char *)"",
		.client_address = (char *)"",
		.helo = (char *)"",
		.auth_user = (char *)"",
		.queue_id = (char *)"",
		.id = (char *)"1",
		.arrived_us = 1700000000000000 };
}

static char *write_one(enum notice_kind kind, const struct holdq_envelope *e,
	const struct notice_recipient *recipients, size_t count, const char *original,
	bool complete)
{
	struct str out = STR_INIT;
	const struct notice notice = { .kind = kind,
		.hostname = "front.example",
		.remote = "mx.example",
		.envelope = e,
		.recipients = recipients,
		.count = count,
		.now_us = 1700000100000000,
		.until_us = kind == NOTICE_DELAYED ? 1700400000000000 : 0,
		.original = original,
		.original_len = strlen(original),
		.complete = complete };

	notice_write(&notice, &out);
	return str_steal(&out);
}

static void test_wanted(void **state)
{
	static const struct {
		const char *params;
		bool failed, delayed, success;
	} cases[] = {
		{ "", true, true, false },
		{ "ORCPT=rfc822;a@b", true, true, false },
		{ "NOTIFY=NEVER", false, false, false },
		{ "notify=failure", true, false, false },
		{ "NOTIFY=DELAY", false, true, false },
		{ "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a@b", true, true, true },
		{ "NOTIFY=SUCCESS", false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *p = cases[i].params;
		assert_int_equal(notice_wanted(NOTICE_FAILED, "s@o", p), cases[i].failed);
		assert_int_equal(notice_wanted(NOTICE_DELAYED, "s@o", p), cases[i].delayed);
		assert_int_equal(notice_wanted(NOTICE_RELAYED, "s@o", p), cases[i].success);
		assert_int_equal(notice_wanted(NOTICE_DELIVERED, "s@o", p), cases[i].success);
		for (int kind = NOTICE_FAILED; kind <= NOTICE_DELIVERED; kind++)
			assert_false(notice_wanted((enum notice_kind)kind, "", p));
	}
}

static void test_whole_text(void **state)
{
	const struct notice_recipient recipient = { "anna@x.example",
		"ORCPT=rfc822;Anna+2Bd@x.example", "5.1.1", "550 5.1.1 nobody" };
	const struct holdq_envelope e = envelope();
	char *text =
		write_one(NOTICE_FAILED, &e, &recipient, 1, "Subject: s\r\n\r\nbody\r\n", true);

	(void)state;
	char *boundary = strstr(text, "boundary=\"");
	assert_non_null(boundary);
	char mark[80];
	snprintf(mark, sizeof mark, "%.*s", (int)strcspn(boundary + 10, "\""), boundary + 10);
	char *expected =
		mem_printf("From: Mail Delivery System <MAILER-DAEMON@front.example>\r\n"
			   "To: <sender@o.example>\r\n"
			   "Subject: Undelivered mail returned to sender\r\n"
			   "Date: Tue, 14 Nov 2023 22:15:00 +0000\r\n"
			   "Message-ID: <%s@front.example>\r\n"
			   "Auto-Submitted: auto-replied\r\n"
			   "MIME-Version: 1.0\r\n"
			   "Content-Type: multipart/report; report-type=delivery-status;\r\n"
			   "\tboundary=\"%s\"\r\n\r\n"
			   "This is a MIME-encapsulated message.\r\n\r\n"
			   "--%s\r\n"
			   "Content-Description: Notification\r\n"
			   "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
			   "This is the mail system at front.example.\r\n\r\n"
			   "Your message could not be delivered to the recipients below.\r\n\r\n"
			   "  <anna@x.example>\r\n    550 5.1.1 nobody\r\n\r\n"
			   "--%s\r\n"
			   "Content-Description: Delivery report\r\n"
			   "Content-Type: message/delivery-status\r\n\r\n"
			   "Original-Envelope-Id: QQ=1\r\n"
			   "Reporting-MTA: dns; front.example\r\n"
			   "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n"
			   "Original-Recipient: rfc822; Anna+d@x.example\r\n"
			   "Final-Recipient: rfc822; anna@x.example\r\n"
			   "Action: failed\r\nStatus: 5.1.1\r\n"
			   "Remote-MTA: dns; mx.example\r\n"
			   "Diagnostic-Code: smtp; 550 5.1.1 nobody\r\n\r\n"
			   "--%s\r\n"
			   "Content-Description: Undelivered message\r\n"
			   "Content-Type: message/rfc822\r\n\r\n"
			   "Subject: s\r\n\r\nbody\r\n\r\n"
			   "--%s--\r\n",
			mark, mark, mark, mark, mark, mark);
	assert_string_equal(text, expected);
	mem_free(&expected);
	mem_free(&text);
}

static void expect(enum notice_kind kind, const char *mail_params, const char *original,
	bool complete, const char *there, const char *absent)
{
	const struct notice_recipient recipient = { "anna@x.example", "", "4.2.1", "" };
	struct holdq_envelope e = envelope();

	e.mail_params = (char *)mail_params;
	char *text = write_one(kind, &e, &recipient, 1, original, complete);
	if (strstr(text, there) == NULL || (absent && strstr(text, absent)))
		fail_msg("%s", text);
	mem_free(&text);
}

static void test_what_is_returned(void **state)
{
	const char *original = "Subject: s\r\nX: y\r\n\r\nsecret\r\n";

	(void)state;
	expect(NOTICE_FAILED, "", original, true, "secret\r\n", "rfc822-headers");
	expect(NOTICE_FAILED, "RET=FULL", original, true, "secret\r\n", "rfc822-headers");
	expect(NOTICE_FAILED, "RET=HDRS", original, true, "rfc822-headers", "secret");
	expect(NOTICE_FAILED, "RET=FULL", original, false, "rfc822-headers", "secret");
	expect(NOTICE_DELAYED, "RET=FULL", original, true, "rfc822-headers", "secret");
	expect(NOTICE_RELAYED, "RET=FULL", original, true, "Action: relayed\r\n", "secret");
	expect(NOTICE_DELIVERED, "RET=FULL", original, true, "Action: delivered\r\n", "secret");
	/* Cut in the middle of a header line: up to the last whole one. */
	expect(NOTICE_FAILED, "", "Subject: s\r\nX-Half", false, "\r\n\r\nSubject: s\r\n\r\n--",
		"X-Half");
	expect(NOTICE_FAILED, "", "", true, "Content-Type: message/rfc822\r\n\r\n\r\n", NULL);
	expect(NOTICE_DELAYED, "", original, true,
		"Will-Retry-Until: Sun, 19 Nov 2023 13:20:00 +0000\r\n", "Diagnostic-Code");
}

static void test_not_ascii(void **state)
{
	const struct notice_recipient recipient = { "\xc3\xa9lan+x@x.example", "", "5.1.1",
		"550 no" };
	struct holdq_envelope e = envelope();
	const char *original = "Subject: \xc3\xa9\r\n\r\nb\r\n";

	(void)state;
	char *text = write_one(NOTICE_FAILED, &e, &recipient, 1, original, true);
	assert_non_null(strstr(text, "Final-Recipient: utf-8; \\x{E9}lan\\x{2B}x@x.example\r\n"));
	assert_non_null(strstr(text, "Content-Transfer-Encoding: 8bit\r\n"));
	mem_free(&text);
	struct notice notice = { .envelope = &e,
		.original = original,
		.original_len = strlen(original),
		.complete = true };
	assert_string_equal(notice_mail_params(&notice), "BODY=8BITMIME");
	notice.original_len = 8;
	assert_string_equal(notice_mail_params(&notice), "");
	e.sender = (char *)"\xc3\xa9@o";
	assert_string_equal(notice_mail_params(&notice), "BODY=8BITMIME SMTPUTF8");
}

static void test_long_reply(void **state)
{
	char reply[512];
	const struct notice_recipient recipient = { "a@x", "", "5.0.0", reply };
	const struct holdq_envelope e = envelope();

	(void)state;
	for (size_t i = 0; i < sizeof reply - 1; i++)
		reply[i] = i % 9 == 8 ? ' ' : 'w';
	reply[sizeof reply - 1] = '\0';
	char *text = write_one(NOTICE_FAILED, &e, &recipient, 1, "A: b\r\n\r\n", true);
	for (const char *p = text, *end; *p != '\0'; p = end + 2) {
		end = strstr(p, "\r\n");
		assert_non_null(end);
		assert_true(end - p < 120);
	}
	mem_free(&text);
}

/* The envelope comes from outside: none of it becomes a header field of the notice. */
static void test_injects_nothing(void **state)
{
	const struct notice_recipient recipient = { "c\r\nX-Evil: 1@x", "ORCPT=rfc\r\nX-Evil:2;c@x",
		"5.1.1", "550 no" };
	struct holdq_envelope e = envelope();

	(void)state;
	e.sender = (char *)"s@o>\r\nX-Evil: 3\r\n\r\n<";
	e.mail_params = (char *)"ENVID=e\r\nX-Evil:4";
	char *text = write_one(NOTICE_FAILED, &e, &recipient, 1, "A: b\r\n\r\n", true);
	assert_null(strstr(text, "\r\nX-Evil"));
	assert_null(strstr(text, "\r\n>\r\n"));
	mem_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_whole_text),
		cmocka_unit_test(test_what_is_returned),
		cmocka_unit_test(test_not_ascii),
		cmocka_unit_test(test_long_reply),
		cmocka_unit_test(test_injects_nothing),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
