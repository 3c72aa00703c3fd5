/* queue/notice.c: what the sender reads. tests/system parses the same text with a mail library. */
#include "tests/unit/unit.h"

#include "lib/mem.h"
#include "queue/notice.h"

static struct holdq_envelope envelope(void)
{
	return (struct holdq_envelope){ .sender = (char *)"sender@o.example",
		.mail_params = (char *)"RET=FULL ENVID=QQ+3D1",
		.client_name = (char *)"",
		.client_address = (char *)"192.0.2.7",
		.helo = (char *)"mail.o.example",
		.auth_user = (char *)"",
		.queue_id = (char *)"",
		.id = (char *)"5f.1",
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
	const struct notice_recipient recipient = { .address = "anna@x.example",
		.params = "ORCPT=rfc822;Anna+2Bd@x.example",
		.status = "5.1.1",
		.diagnostic = "550 5.1.1 nobody",
		.attempt_us = 1700000090000000 };
	const struct holdq_envelope e = envelope();
	char *text = write_one(NOTICE_FAILED, &e, &recipient, 1,
		"Message-ID:\r\n <m@o.example>\r\n\r\nbody\r\n", true);

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
			   "In-Reply-To: <m@o.example>\r\n"
			   "References: <m@o.example>\r\n"
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
			   "Received-From-MTA: dns; mail.o.example ([192.0.2.7])\r\n"
			   "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
			   "X-Restante-Id: 5f.1\r\n\r\n"
			   "Original-Recipient: rfc822; Anna+d@x.example\r\n"
			   "Final-Recipient: rfc822; anna@x.example\r\n"
			   "Action: failed\r\nStatus: 5.1.1\r\n"
			   "Remote-MTA: dns; mx.example\r\n"
			   "Diagnostic-Code: smtp; 550 5.1.1 nobody\r\n"
			   "Last-Attempt-Date: Tue, 14 Nov 2023 22:14:50 +0000\r\n\r\n"
			   "--%s\r\n"
			   "Content-Description: Undelivered message\r\n"
			   "Content-Type: message/rfc822\r\n\r\n"
			   "Message-ID:\r\n <m@o.example>\r\n\r\nbody\r\n\r\n"
			   "--%s--\r\n",
			mark, mark, mark, mark, mark, mark);
	assert_string_equal(text, expected);
	mem_free(&expected);
	mem_free(&text);
}

static void expect(enum notice_kind kind, const char *mail_params, const char *original,
	bool complete, const char *there, const char *absent)
{
	const struct notice_recipient recipient = { .address = "anna@x.example",
		.params = "",
		.status = "4.2.1",
		.diagnostic = "",
		.until_us = 1700400000000000 };
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

static void test_long_reply(void **state)
{
	char reply[512];
	const struct notice_recipient recipient = {
		.address = "a@x", .params = "", .status = "5.0.0", .diagnostic = reply
	};
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
	const struct notice_recipient recipient = { .address = "c\r\nX-Evil: 1@x",
		.params = "ORCPT=rfc\r\nX-Evil:2;c@x",
		.status = "5.1.1",
		.diagnostic = "550 no\r\nX-Evil: 5" };
	struct holdq_envelope e = envelope();

	(void)state;
	e.sender = (char *)"s@o>\r\nX-Evil: 3\r\n\r\n<";
	e.mail_params = (char *)"ENVID=e\r\nX-Evil:4";
	e.helo = (char *)"h\r\nX-Evil: 6";
	e.client_address = (char *)"\r\nX-Evil: 7";
	e.id = (char *)"\r\nX-Evil: 8";
	char *text = write_one(
		NOTICE_FAILED, &e, &recipient, 1, "Message-ID: <\rX-Evil: 9@h>\r\n\r\n", true);
	char *returned = strstr(text, "Content-Description: Undelivered");
	assert_non_null(returned);
	*returned = '\0';
	assert_null(strstr(text, "\r\nX-Evil"));
	assert_null(strstr(text, "\rX-Evil"));
	assert_null(strstr(text, "\r\n>\r\n"));
	mem_free(&text);
}

static char *write_failed(const struct notice_recipient *recipients, size_t count,
	const char *remote, const char *hostname, const char *original)
{
	const struct holdq_envelope e = envelope();
	struct str out = STR_INIT;
	const struct notice notice = { .kind = NOTICE_FAILED,
		.hostname = hostname,
		.remote = remote,
		.envelope = &e,
		.recipients = recipients,
		.count = count,
		.now_us = 1700000100000000,
		.original = original,
		.original_len = strlen(original),
		.complete = true };

	notice_write(&notice, &out);
	return str_steal(&out);
}

/* RFC 3464 sections 2.3.5, 2.3.6; RFC 3461 sections 6.3 (b), 9.3. */
static void test_who_says_so(void **state)
{
	static const struct {
		const char *remote, *hostname, *diagnostic;
		bool own;
		const char *there, *absent;
	} cases[] = {
		{ "mx.example", "f.example", "550 no", false, "Remote-MTA: dns; mx.example\r\n",
			"x-" },
		{ "192.0.2.1", "f.example", "550 no", false, "Remote-MTA: dns; [192.0.2.1]\r\n",
			NULL },
		{ "2001:db8::1", "f.example", "550 no", false,
			"Remote-MTA: dns; [IPv6:2001:db8::1]\r\n", NULL },
		{ "mx.example", "f.example", "554 5.6.7 no", true,
			"Diagnostic-Code: smtp; 554 5.6.7 no\r\n", "Remote-MTA" },
		{ "mx.example", "f.example", "silent", true,
			"Diagnostic-Code: x-restante; silent\r\n", "Remote-MTA" },
		{ "", "f.example", "", false, "Reporting-MTA: dns; f.example\r\n", "Remote-MTA" },
		{ "", "front", "", false, "Reporting-MTA: x-local-hostname; front\r\n",
			"dns; front" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct notice_recipient recipient = { .address = "a@x",
			.params = "",
			.status = "5.0.0",
			.diagnostic = cases[i].diagnostic,
			.own = cases[i].own };
		char *text = write_failed(
			&recipient, 1, cases[i].remote, cases[i].hostname, "A: b\r\n\r\n");
		if (strstr(text, cases[i].there) == NULL ||
			(cases[i].absent && strstr(text, cases[i].absent)))
			fail_msg("%zu: %s", i, text);
		mem_free(&text);
	}
}

static void test_veil(void **state)
{
	static const char *const cases[][4] = {
		{ "550 5.1.1 <Anna@S2.lab>: who is anna@s2.lab", "anna@s2.lab", "a@x",
			"550 5.1.1 <a@x>: who is a@x" },
		{ "550 no", "anna@s2.lab", "a@x", "550 no" },
		{ "550 anna@s2", "anna@s2.lab", "a@x", "550 anna@s2" },
		{ "550 anna@s2.lab", "anna@s2.lab", "\xc3\xbc+@x", "550 \\x{FC}\\x{2B}@x" },
		{ "550 anna@s2.lab", "anna@s2.lab", "a\r\n@x", "550 a??@x" },
		{ "550 x", "", "a@x", "550 x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str out = STR_INIT;
		notice_veil(cases[i][0], cases[i][1], cases[i][2], &out);
		assert_string_equal(str_cstr(&out), cases[i][3]);
		str_free(&out);
	}
}

static size_t times(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

/* A group of fields for each, in one report; without ORCPT no Original-Recipient. */
static void test_several_recipients(void **state)
{
	const struct notice_recipient recipients[] = {
		{ .address = "a@x", .params = "", .status = "5.1.1", .diagnostic = "550 a" },
		{ .address = "b@x",
			.params = "ORCPT=rfc822;B@x",
			.status = "5.2.2",
			.diagnostic = "552 b" },
		{ .address = "c@x",
			.params = "NOTIFY=FAILURE",
			.status = "4.4.7",
			.diagnostic = "" },
	};
	char *text = write_failed(recipients, 3, "mx.example", "f.example", "A: b\r\n\r\n");

	(void)state;
	assert_int_equal(times(text, "\r\n\r\nFinal-Recipient: rfc822; "), 2);
	assert_non_null(strstr(text, "\r\n\r\nOriginal-Recipient: rfc822; B@x\r\n"
				     "Final-Recipient: rfc822; b@x\r\nAction: failed\r\n"
				     "Status: 5.2.2\r\n"));
	assert_int_equal(times(text, "Action: failed\r\n"), 3);
	assert_int_equal(times(text, "Reporting-MTA: "), 1);
	assert_int_equal(times(text, "Diagnostic-Code: "), 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(times(text, (const char *[]){ "\r\n  <a@x>\r\n    550 a\r\n",
						     "\r\n  <b@x>\r\n    552 b\r\n",
						     "\r\n  <c@x>\r\n\r\n" }[i]),
			1);
	mem_free(&text);
}

static void test_what_it_answers(void **state)
{
	static const struct {
		const char *original, *wanted;
	} cases[] = {
		{ "message-id: <1@x>\r\n\r\n", "In-Reply-To: <1@x>\r\nReferences: <1@x>\r\n" },
		{ "A: b\r\n\r\nMessage-ID: <1@x>\r\n", NULL },
		{ "Message-ID: 1@x\r\n\r\n", NULL },
		{ "Message-ID: <1 2@x>\r\n\r\n", NULL },
		{ "Message-ID: <1@x\r\n>\r\n\r\n", NULL },
		{ "Message-ID: <\xc3\xbc@x>\r\n\r\n", NULL },
		{ "Message-ID: <>\r\n\r\n", NULL },
		{ "Message-ID:", NULL },
		{ "Message-ID: <1@x", NULL },
	};
	const struct notice_recipient recipient = {
		.address = "a@x", .params = "", .status = "5.0.0", .diagnostic = ""
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = write_failed(&recipient, 1, "", "f.example", cases[i].original);
		if (cases[i].wanted ? strstr(text, cases[i].wanted) == NULL
				    : strstr(text, "In-Reply-To") != NULL)
			fail_msg("%zu: %s", i, text);
		mem_free(&text);
	}
}

/* It does not occur in the message, even if somebody knew the microsecond. */
static void test_boundary(void **state)
{
	const char *guess = "--restante-60a241e142100.60a24181e4000.0.0\r\n";
	const struct notice_recipient recipient = {
		.address = "a@x", .params = "", .status = "5.0.0", .diagnostic = ""
	};
	struct str original = STR_INIT;

	(void)state;
	char *plain = write_failed(&recipient, 1, "", "f.example", "A: b\r\n\r\n");
	assert_int_equal(times(plain, guess), 3); /* the guess is right */
	str_printf(&original, "A: b\r\n\r\n%s", guess);
	char *text = write_failed(&recipient, 1, "", "f.example", original.data);
	assert_int_equal(times(text, guess), 1);
	assert_int_equal(times(text, "\r\n--restante-60a241e142100.60a24181e4000.0.1\r\n"), 3);
	mem_free(&plain);
	mem_free(&text);
	str_free(&original);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_whole_text),
		cmocka_unit_test(test_what_is_returned),
		cmocka_unit_test(test_who_says_so),
		cmocka_unit_test(test_veil),
		cmocka_unit_test(test_several_recipients),
		cmocka_unit_test(test_what_it_answers),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_long_reply),
		cmocka_unit_test(test_injects_nothing),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
