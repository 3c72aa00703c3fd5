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
	add_marks("anna", 5);
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

/* A sender longer than an address may be here is not cut to somebody else's. */
static void test_notice_to_a_long_sender(void **state)
{
	char to[700], wanted[704];

	(void)state;
	set_up(false, NULL);
	memset(to, 'l', sizeof to);
	memcpy(to + 600, "@somewhere.example", 19);
	snprintf(wanted, sizeof wanted, "<%s>", to);
	fake_add(scene.queue, "", "", "", to, "", "Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_string_equal(server_mail(scene.server, 0)->recipients, wanted);
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

static const struct server_rule refuses_content[] = {
	{ ".", NULL, 0, 0, "451 4.3.0 cannot take this" },
	{ NULL, NULL, 0, 0, NULL },
};

/* What was refused before a hold does not count after it, whoever remembers it. */
static void test_hold_starts_over(void **state)
{
	(void)state;
	set_up(false, refuses_content);
	add("anna", "1");
	uint64_t second = add("anna", "2");
	go();
	WAIT_FOR(fake_attempts(scene.queue, second) >= 3);
	release_stop(&scene.release);
	say("anna", ROUTE_HOLD, NULL);
	unsigned looked = scene.looked;
	scene.options.retry_min_us = scene.options.retry_max_us = 300 * CLOCK_MS;
	go();
	WAIT_FOR(scene.looked > looked && totals().workers_busy == 0);
	uint32_t before = fake_attempts(scene.queue, second);
	say("anna", ROUTE_REWRITE, NULL);
	wake("anna");
	WAIT_FOR(fake_attempts(scene.queue, second) != before);
	assert_in_range(fake_attempts(scene.queue, second), 1, 2);
	tear_down();
}

/* A mailbox in transfer is not refused: what comes after it is new. */
static void test_transfer_starts_over(void **state)
{
	(void)state;
	set_up(false, refuses_content);
	uint64_t first = add("anna", "1");
	uint64_t second = add("anna", "2");
	go();
	WAIT_FOR(fake_attempts(scene.queue, second) >= 3);
	say("anna", ROUTE_DEFER, NULL);
	WAIT_FOR(fake_attempts(scene.queue, first) == 0 && fake_attempts(scene.queue, second) == 0);
	say("anna", ROUTE_REWRITE, NULL);
	server_rules(scene.server, NULL);
	wake("anna");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 2);
	tear_down();
}

/* However many step aside, and however soon they are due: each gets its turn. */
static void test_no_delay_starves(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", NULL, 0, 0, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};
	uint64_t id = 0;

	(void)state;
	set_up(false, rules);
	scene.options.retry_min_us = scene.options.retry_max_us = 1;
	for (int i = 0; i < 70; i++)
		id = fake_add(scene.queue, "", "", "", "sender@o", "", "Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) >= 3);
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
		cmocka_unit_test(test_notice_to_a_long_sender),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_hold_starts_over),
		cmocka_unit_test(test_transfer_starts_over),
		cmocka_unit_test(test_no_delay_starves),
		cmocka_unit_test(test_lmtp_each),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release refused", tests, NULL, NULL);
}
