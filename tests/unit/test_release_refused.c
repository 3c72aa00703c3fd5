/* The release as a whole: what the listener refuses. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "tests/unit/release_scene.h"

/* --- refusals ---------------------------------------------------------------------------- */

static void test_recipient_later(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 4, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 5; i++)
		add("anna", (const char *[]){ "1", "2", "3", "4", "5" }[i]);
	add("bert", "1");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 5); /* the mailbox waited as one */
	assert_int_equal(totals().deferred, 4);
	tear_down();
}

static void test_message_steps_aside(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "Subject: 2", 0, 5, "451 4.3.0 cannot take this" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 4; i++)
		add("anna", (const char *[]){ "1", "3", "2", "4" }[i]);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 4);
	assert_int_equal(mark_of(0), 1);
	assert_int_equal(mark_of(1), 3);
	assert_int_equal(mark_of(2), 4); /* after three tries the others go ahead */
	assert_int_equal(mark_of(3), 2);
	assert_int_equal(totals().deferred, 5);
	tear_down();
}

/* Twice as long each time; what stepped aside is left alone when the mailbox starts over. */
static void test_backoff_grows(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 0, "450 4.2.1 later" },
		{ "MAIL", "odd@o", 0, 0, "550 5.7.1 no" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	uint64_t id = add("anna", "1");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) >= 3);
	clock_sleep_us(600 * CLOCK_MS);
	assert_true(fake_attempts(scene.queue, id) <= 6); /* 20, 40, 80, 160, 320 ms */
	release_stop(&scene.release);
	scene.options.retry_min_us = 3600 * CLOCK_SECOND;
	say("old", ROUTE_NOBODY, NULL);
	fake_add(scene.queue, "bert", "s@o", "", "old@x", "", "Subject: 1\r\n\r\n");
	id = fake_add(scene.queue, "bert", "odd@o", "", "bert@x", "", "Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) == 1);
	unsigned looked = scene.looked;
	wake("other");
	WAIT_FOR(scene.looked > looked);
	assert_int_equal(fake_attempts(scene.queue, id), 1);
	wake("bert");
	WAIT_FOR(fake_attempts(scene.queue, id) == 2);
	tear_down();
}

static void test_sender_refused(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", "evil@o", 0, 3, "550 5.7.1 not you" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	fake_add(scene.queue, "anna", "evil@o", "", "anna@x", "", "Subject: 1\r\n\r\n");
	add("anna", "2");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(mark_of(0), 2);
	assert_int_equal(mark_of(1), 1);
	assert_int_equal(fake_notices(scene.queue), 0);
	tear_down();
}

static void test_bounces(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 0, "550 5.1.1 nobody here" },
		{ NULL, NULL, 0, 0, NULL },
	};
	const char *to;

	(void)state;
	set_up(false, rules);
	fake_add(scene.queue, "anna", "sender@o", "RET=HDRS ENVID=e+3D1", "anna@x",
		"ORCPT=rfc822;anna+40x", "Subject: secret\r\n\r\nbody\r\n");
	fake_add(scene.queue, "anna", "", "", "anna@x", "", "Subject: 2\r\n\r\n");
	fake_add(
		scene.queue, "anna", "never@o", "", "anna@x", "NOTIFY=NEVER", "Subject: 3\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(totals().bounced, 3);
	assert_int_equal(fake_notices(scene.queue), 1);
	const char *notice = fake_notice(scene.queue, &to);
	assert_string_equal(to, "sender@o");
	assert_non_null(strstr(notice, "Original-Envelope-Id: e=1\r\n"));
	assert_non_null(strstr(notice, "Original-Recipient: rfc822; anna@x\r\n"));
	assert_non_null(strstr(notice, "Final-Recipient: rfc822; anna@x\r\n"));
	assert_non_null(strstr(notice, "Action: failed\r\nStatus: 5.1.1\r\n"));
	assert_non_null(strstr(notice, "Diagnostic-Code: smtp; 550 5.1.1 nobody here\r\n"));
	assert_null(strstr(notice, "body\r\n"));
	assert_int_equal(server_count(scene.server), 1); /* the notice itself */
	const struct server_mail *mail = server_mail(scene.server, 0);
	assert_int_equal(strncmp(mail->sender, "<> ", 3), 0);
	assert_string_equal(mail->recipients, "<sender@o>");
	assert_string_equal(mail->content, notice);
	tear_down();
}

static void test_notice_refused(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", NULL, 0, 0, "550 5.1.1 nobody here" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	add("anna", "1");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0); /* no notice about a notice */
	assert_int_equal(fake_notices(scene.queue), 1);
	assert_int_equal(server_count(scene.server), 0);
	tear_down();
}

static void test_expires(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 0, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.expire_us = 300 * CLOCK_MS;
	uint64_t id = add("anna", "1");
	fake_age(scene.queue, id, clock_wall_us() - 3600 * CLOCK_SECOND); /* held: does not count */
	int64_t began = clock_mono_us();
	go();
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	assert_true(clock_mono_us() - began >= 300 * CLOCK_MS);
	assert_int_equal(totals().expired, 1);
	assert_true(totals().deferred >= 3);
	assert_non_null(strstr(fake_notice(scene.queue, NULL), "Status: 4.4.7\r\n"));
	tear_down();
}

static void test_lmtp_each(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "b@s", 0, 1, "452 4.2.2 full" },
		{ ".", "c@s", 0, 0, "550 5.2.1 closed" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(true, rules);
	fake_add(scene.queue, "all", "s@o", "", "a@x b@x c@x", "", "Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(totals().delivered, 3); /* a, b and the notice about c */
	assert_int_equal(totals().bounced, 1);
	for (size_t i = 0; i < server_count(scene.server); i++)
		assert_null(strstr(server_mail(scene.server, i)->recipients, "c@s"));
	assert_int_equal(server_count(scene.server), 3);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipient_later),
		cmocka_unit_test(test_message_steps_aside),
		cmocka_unit_test(test_backoff_grows),
		cmocka_unit_test(test_sender_refused),
		cmocka_unit_test(test_bounces),
		cmocka_unit_test(test_notice_refused),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_lmtp_each),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release refused", tests, NULL, NULL);
}
