/* The release as a whole: what senders are told, and what is returned without being sent. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "lib/str.h"
#include "tests/unit/release_scene.h"

#define CONTENT "Subject: 1\r\n\r\nbody\r\n"

/* A listener that announces this and nothing else. */
static void set_up_with(bool lmtp, const char *ehlo, const struct server_rule *rules)
{
	set_up(lmtp, NULL);
	server_stop(&scene.server);
	scene.server = server_start(lmtp, ehlo, rules);
	scene.options.listener = server_listener(scene.server);
}

static void hold(const char *sender, const char *mail_params, const char *rcpts,
	const char *rcpt_params, const char *content)
{
	fake_add(scene.queue, "anna", sender, mail_params, rcpts, rcpt_params, content);
}

static void expect_in_notice(const char *text)
{
	const char *notice = fake_notice(scene.queue, NULL);

	if (strstr(notice, text) == NULL)
		fail_msg("%s is not in %s", text, notice);
}

static void expect_not_in_notice(const char *text)
{
	const char *notice = fake_notice(scene.queue, NULL);

	if (strstr(notice, text) != NULL)
		fail_msg("%s is in %s", text, notice);
}

/* --- success ----------------------------------------------------------------------------- */

/* RFC 3461 section 5.2.2 (b), (d), (e) by SMTP, 5.2.3 by LMTP. */
static void test_success(void **state)
{
	static const struct {
		const char *sender, *params;
		bool told;
	} cases[] = {
		{ "s@o", "NOTIFY=SUCCESS", true },
		{ "s@o", "NOTIFY=FAILURE,SUCCESS,DELAY", true },
		{ "s@o", "NOTIFY=FAILURE,DELAY", false },
		{ "s@o", "NOTIFY=NEVER", false },
		{ "s@o", "", false },
		{ "", "NOTIFY=SUCCESS", false },
	};

	(void)state;
	for (int lmtp = 0; lmtp < 2; lmtp++)
		for (size_t i = 0; i < COUNT(cases); i++) {
			set_up_with(lmtp != 0, "PIPELINING", NULL);
			hold(cases[i].sender, "RET=FULL ENVID=e", "anna@x", cases[i].params,
				CONTENT);
			go();
			WAIT_FOR(fake_count(scene.queue, NULL) == 0);
			assert_int_equal(fake_notices(scene.queue), cases[i].told);
			if (cases[i].told) {
				expect_in_notice(
					lmtp ? "Action: delivered\r\n" : "Action: relayed\r\n");
				expect_in_notice(lmtp ? "Status: 2.1.5\r\nRemote-MTA: dns; "
						      : "Status: 2.0.0\r\nRemote-MTA: dns; ");
				expect_in_notice("Original-Envelope-Id: e\r\n");
				expect_in_notice("text/rfc822-headers");
				expect_not_in_notice("Original-Recipient");
			}
			assert_string_equal(server_mail(scene.server, 0)->recipients, "<anna@s>");
			tear_down();
		}
}

/* Whoever announces DSN reports it himself (section 5.2.1), and hears what was asked for. */
static void test_success_is_left_to_who_has_dsn(void **state)
{
	(void)state;
	set_up_with(false, "PIPELINING\nDSN", NULL);
	hold("s@o", "RET=HDRS ENVID=e+3D", "anna+d@x", "NOTIFY=SUCCESS", CONTENT);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(fake_notices(scene.queue), 0);
	assert_string_equal(server_mail(scene.server, 0)->sender, "<s@o> RET=HDRS ENVID=e+3D");
	assert_string_equal(server_mail(scene.server, 0)->recipients,
		"<anna@s> NOTIFY=SUCCESS ORCPT=rfc822;anna+2Bd@x");
	tear_down();
}

/* --- failure ----------------------------------------------------------------------------- */

static void test_several_at_once(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "a@s", 0, 0, "550 5.1.1 <a@s>: no a" },
		{ "RCPT", "b@s", 0, 0, "552 5.2.2 b is full" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	hold("s@o", "", "a@x b@x c@x", "ORCPT=rfc822;list@x", CONTENT);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(fake_notices(scene.queue), 1);
	assert_int_equal(totals().bounced, 2);
	expect_in_notice("Original-Recipient: rfc822; list@x\r\nFinal-Recipient: rfc822; a@x\r\n"
			 "Action: failed\r\nStatus: 5.1.1\r\n");
	expect_in_notice("Final-Recipient: rfc822; b@x\r\nAction: failed\r\nStatus: 5.2.2\r\n");
	expect_in_notice("Diagnostic-Code: smtp; 552 5.2.2 b is full\r\nLast-Attempt-Date: ");
	expect_in_notice("550 5.1.1 <a@x>: no a\r\n");
	expect_not_in_notice("a@s");
	expect_not_in_notice("c@x");
	tear_down();
}

/* Nothing of it is sent, and the word is ours: no Remote-MTA. */
static void test_returned_unsent(void **state)
{
	static const struct {
		const char *ehlo, *mail_params, *content, *status;
	} cases[] = {
		{ "SIZE 5000\n8BITMIME\nSMTPUTF8", "", NULL, "5.3.4" },
		{ "PIPELINING", "BODY=8BITMIME RET=FULL", "A: b\r\n\r\n\xc3\xbc\r\n", "5.6.3" },
		{ "8BITMIME", "BODY=BINARYMIME", CONTENT, "5.6.3" },
		{ "8BITMIME", "BODY=8BITMIME SMTPUTF8", "A: \xc3\xbc\r\n\r\n", "5.6.7" },
		{ "PIPELINING", "", "Received: 1\r\nReceived: 2\r\nReceived: 3\r\n\r\n", "5.4.6" },
	};
	struct str large = STR_INIT;

	(void)state;
	str_append_z(&large, CONTENT);
	while (large.len < 5000)
		str_append_z(&large, "more and more\r\n");
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *content = cases[i].content ? cases[i].content : large.data;
		set_up_with(false, cases[i].ehlo, NULL);
		scene.options.hop_limit = 2;
		scene.options.notice_bytes = 1000;
		hold("s@o", cases[i].mail_params, "anna@x", "", content);
		go();
		WAIT_FOR(fake_notices(scene.queue) == 1);
		assert_int_equal(totals().bounced, 1);
		expect_in_notice(cases[i].status);
		expect_not_in_notice("Remote-MTA");
		for (size_t m = 0; m < server_count(scene.server);
			m++) /* the notice, if anything */
			assert_int_equal(strncmp(server_mail(scene.server, m)->sender, "<>", 2), 0);
		tear_down();
	}
	str_free(&large);
}

static void test_hops_within_the_limit(void **state)
{
	(void)state;
	set_up(false, NULL);
	scene.options.hop_limit = 2;
	hold("s@o", "", "anna@x", "", "Received: 1\r\nReceived: 2\r\n\r\nReceived: 3\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(totals().delivered, 1);
	tear_down();
}

/* Recipients that lead to one place become one: what either of them asked for goes on. */
static void test_two_at_one_place(void **state)
{
	static const struct {
		const char *first, *second, *rcpt;
	} cases[] = {
		{ "NOTIFY=NEVER", "NOTIFY=SUCCESS",
			"<anna@s> NOTIFY=SUCCESS ORCPT=rfc822;anna+2B2@x" },
		{ "NOTIFY=FAILURE ORCPT=rfc822;a", "NOTIFY=SUCCESS",
			"<anna@s> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a" },
		{ "NOTIFY=NEVER", "NOTIFY=NEVER", "<anna@s> NOTIFY=NEVER ORCPT=rfc822;anna+2B1@x" },
		{ "", "NOTIFY=NEVER", "<anna@s> ORCPT=rfc822;anna+2B1@x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		set_up(false, NULL);
		uint64_t id =
			fake_add(scene.queue, "anna", "s@o", "", "anna+1@x anna+2@x", "", CONTENT);
		fake_params(scene.queue, id, 0, cases[i].first);
		fake_params(scene.queue, id, 1, cases[i].second);
		go();
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		assert_string_equal(server_mail(scene.server, 0)->recipients, cases[i].rcpt);
		tear_down();
	}
}

static const struct server_rule refuses[] = {
	{ "RCPT", "anna", 0, 0, "550 5.1.1 no" },
	{ NULL, NULL, 0, 0, NULL },
};

static void test_how_much_is_returned(void **state)
{
	static const struct {
		uint64_t notice_bytes;
		const char *mail_params;
		bool whole;
	} cases[] = {
		{ sizeof CONTENT - 1, "RET=FULL", true },
		{ sizeof CONTENT - 2, "RET=FULL", false },
		{ 65536, "RET=HDRS", false },
		{ 65536, "", true },
		{ 0, "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		set_up(false, refuses);
		scene.options.notice_bytes = cases[i].notice_bytes;
		hold("s@o", cases[i].mail_params, "anna@x", "", CONTENT);
		go();
		WAIT_FOR(fake_notices(scene.queue) == 1);
		expect_in_notice("Subject: 1\r\n");
		if (cases[i].whole)
			expect_in_notice("\r\n\r\nbody\r\n");
		else
			expect_not_in_notice("body");
		tear_down();
	}
}

/* --- delay ------------------------------------------------------------------------------- */

static void test_delay_of_what_was_refused(void **state)
{
	static const struct {
		const char *reply, *status;
	} cases[] = {
		{ "450 4.2.2 full", "Status: 4.2.2\r\nRemote-MTA: " },
		{ "450 later", "Status: 4.0.0\r\nRemote-MTA: " },
		{ "550 5.7.1 relaying denied", "Status: 4.0.0\r\nRemote-MTA: " },
		{ "354 out of step", "Status: 4.0.0\r\nRemote-MTA: " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct server_rule rules[] = {
			{ "RCPT", "anna", 0, 0, cases[i].reply },
			{ NULL, NULL, 0, 0, NULL },
		};
		set_up(false, rules);
		scene.options.delay_notice_us = 200 * CLOCK_MS;
		hold("s@o", "RET=FULL", "anna@x", "NOTIFY=DELAY", CONTENT);
		go();
		WAIT_FOR(fake_notices(scene.queue) == 1);
		expect_in_notice("Action: delayed\r\n");
		expect_in_notice(cases[i].status);
		expect_in_notice(cases[i].reply);
		expect_in_notice("Will-Retry-Until: ");
		expect_in_notice("text/rfc822-headers");
		tear_down();
	}
}

/* While it is held nobody was asked, and it does not expire. */
static void test_delay_of_what_is_held(void **state)
{
	(void)state;
	set_up(false, NULL);
	scene.options.delay_notice_us = 50 * CLOCK_MS;
	say("anna", ROUTE_HOLD, NULL);
	hold("s@o", "", "anna@x anna+1@x anna+2@x", "", CONTENT);
	go();
	WAIT_FOR(fake_notices(scene.queue) == 1);
	expect_in_notice("Final-Recipient: rfc822; anna@x\r\nAction: delayed\r\nStatus: 4.2.1\r\n");
	expect_in_notice("Final-Recipient: rfc822; anna+1@x\r\n");
	expect_in_notice("Final-Recipient: rfc822; anna+2@x\r\n");
	expect_not_in_notice("Remote-MTA");
	expect_not_in_notice("Diagnostic-Code");
	expect_not_in_notice("Will-Retry-Until");
	tear_down();
}

/* No room for the notice: later, and then once. */
static void test_delay_without_room(void **state)
{
	(void)state;
	set_up(false, NULL);
	scene.options.delay_notice_us = 40 * CLOCK_MS;
	say("anna", ROUTE_HOLD, NULL);
	hold("s@o", "", "anna@x", "", CONTENT);
	fake_fail_removals(scene.queue, 3);
	go();
	WAIT_FOR(fake_notices(scene.queue) == 1);
	clock_sleep_us(100 * CLOCK_MS);
	assert_int_equal(fake_notices(scene.queue), 1);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_success_is_left_to_who_has_dsn),
		cmocka_unit_test(test_two_at_one_place),
		cmocka_unit_test(test_several_at_once),
		cmocka_unit_test(test_returned_unsent),
		cmocka_unit_test(test_hops_within_the_limit),
		cmocka_unit_test(test_how_much_is_returned),
		cmocka_unit_test(test_delay_of_what_was_refused),
		cmocka_unit_test(test_delay_of_what_is_held),
		cmocka_unit_test(test_delay_without_room),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release notices", tests, NULL, NULL);
}
