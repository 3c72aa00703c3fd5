/* The release as a whole: order, holding, notices by the clock, administration. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "lib/str.h"
#include "tests/unit/release_scene.h"

/* --- order, holding ---------------------------------------------------------------------- */

static void test_delivers_in_order(void **state)
{
	static const char *const names[] = { "anna", "bert", "carl", "dora", "emil", "fred" };
	char mark[16];

	(void)state;
	set_up(false, NULL);
	for (int i = 0; i < 100; i++)
		for (size_t n = 0; n < COUNT(names); n++) {
			snprintf(mark, sizeof mark, "%d", i);
			if (i == 50 && n == 0)
				go();
			add(names[n], mark);
		}
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 600);
	for (size_t n = 0; n < COUNT(names); n++)
		expect_order(names[n], 100);
	/* kept; on a busy machine one may be idle for so long that it is closed */
	assert_true(server_connections(scene.server) <= 20);
	assert_true(scene.max_open <= 4 + 1); /* and the one who tells where mail goes */
	assert_int_equal(totals().delivered, 600);
	const struct server_mail *mail = server_mail(scene.server, 0);
	assert_int_equal(strncmp(mail->content,
				 "Received: from helo.example (client.example "
				 "[192.0.2.1])\r\n\tby front.example (Restante) with ESMTP id M",
				 99),
		0);
	assert_non_null(strstr(mail->content, "@x>; "));
	tear_down();
}

static void test_held_until_woken(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("anna", ROUTE_HOLD, NULL);
	for (int i = 0; i < 5; i++)
		add("anna", "1");
	go();
	add("bert", "1");
	WAIT_FOR(server_count(scene.server) == 1);
	WAIT_FOR(scene.looked >= 2);
	unsigned looked = scene.looked;
	for (int i = 0; i < 100; i++) /* new mail does not make it look again */
		add("anna", "2");
	add("bert", "2");
	WAIT_FOR(server_count(scene.server) == 2);
	assert_true(scene.looked - looked <= 3);
	assert_int_equal(fake_count(scene.queue, "anna"), 105);
	say("anna", ROUTE_REWRITE, NULL);
	wake("anna");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 107);
	tear_down();
}

static void test_held_in_the_middle(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "Subject: 3", 0, 0, SERVER_SILENT },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	add_marks("anna", 9);
	scene.options.timeout_us = 1 * CLOCK_SECOND;
	go();
	WAIT_FOR(server_commands(scene.server, "DATA") == 3); /* the third is under way */
	say("anna", ROUTE_HOLD, NULL);
	WAIT_FOR(scene.unclear == 1); /* silent after the dot: reported before end */
	server_rules(scene.server, NULL);
	wake("anna");
	clock_sleep_us(150 * CLOCK_MS);
	assert_int_equal(fake_count(scene.queue, "anna"), 7);
	say("anna", ROUTE_REWRITE, NULL);
	release_wake(scene.release, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 9);
	tear_down();
}

static void test_new_mail_meanwhile(void **state)
{
	(void)state;
	set_up(false, NULL);
	scene.add_more = true;
	add("anna", "1");
	go();
	WAIT_FOR(server_count(scene.server) == 2);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static void test_undecided_waits(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("anna", ROUTE_TRYAGAIN, NULL);
	say("bert", ROUTE_DEFER, NULL);
	add("anna", "1");
	add("bert", "1");
	go();
	WAIT_FOR(scene.looked > 4); /* by itself */
	assert_int_equal(server_connections(scene.server), 0);
	say("anna", ROUTE_REWRITE, NULL);
	say("bert", ROUTE_REWRITE, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

/* What is wrong with one address alone is no reason for the others to wait. */
static void test_one_address_blocks_nobody(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("long", ROUTE_TRYAGAIN, "anna");
	fake_add(scene.queue, "anna", "s@o", "", "long+detail@x", "", "Subject: 1\r\n\r\n");
	add("anna", "2");
	go();
	WAIT_FOR(server_count(scene.server) == 1);
	assert_int_equal(mark_of(0), 2);
	WAIT_FOR(fake_count(scene.queue, "anna") == 1);
	say("long", ROUTE_REWRITE, "anna");
	wake("anna");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static void test_vanished_stays(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("old", ROUTE_NOBODY, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "old@x", "", "Subject: 1\r\n\r\n");
	fake_add(scene.queue, "anna", "s@o", "", "old@x anna@x", "", "Subject: 2\r\n\r\n");
	add("anna", "3");
	go();
	WAIT_FOR(server_count(scene.server) == 2); /* the mailbox goes on without that address */
	WAIT_FOR(fake_count(scene.queue, "anna") == 2);
	say("old", ROUTE_REWRITE, NULL);
	wake("other"); /* any change may have brought it back */
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 4);
	tear_down();
}

/* An address without its mailbox falls to the catch-all: new mail may, held mail must not. */
static void test_vanished_is_not_caught(void **state)
{
	(void)state;
	for (int held = 0; held < 2; held++) {
		set_up(false, NULL);
		scene.caught = scene.gone = true;
		say("anna", held ? ROUTE_HOLD : ROUTE_REWRITE, "all");
		add("anna", "1");
		fake_add(scene.queue, "all", "s@o", "", "any@x", "", "Subject: 2\r\n\r\n");
		say("any", ROUTE_REWRITE, "all");
		go();
		WAIT_FOR(server_count(scene.server) == 1);
		WAIT_FOR(scene.looked >= 2 && totals().workers_busy == 0);
		assert_int_equal(mark_of(0), 2);
		assert_int_equal(fake_count(scene.queue, "anna"), 1);
		scene.gone = false; /* an administrator took the address off: as he wishes */
		say("anna", ROUTE_REWRITE, "all");
		wake("anna");
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		tear_down();
	}
}

static void test_rehomed(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("alias", ROUTE_HOLD, "bert");
	say("bert", ROUTE_HOLD, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "alias@x anna@x", "", "Subject: 1\r\n\r\n");
	add("bert", "2");
	go();
	WAIT_FOR(fake_count(scene.queue, "bert") == 2);
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	say("alias", ROUTE_REWRITE, "bert");
	say("bert", ROUTE_REWRITE, NULL);
	wake("bert");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 3);
	assert_int_equal(mark_of(1), 1); /* keeps its place: before what came later */
	tear_down();
}

/* Filed under a mailbox whose later mail was looked at already: still found. */
static void test_rehomed_behind(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "bert", 0, 1, "450 4.2.1 later" },
		{ ".", "Subject: 9", 0, 4, "451 4.3.0 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	say("anna", ROUTE_HOLD, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "anna@x", "", "Subject: 1\r\n\r\n");
	for (int i = 0; i < 40; i++)
		add("bert", i == 20 ? "9" : "2");
	go();
	WAIT_FOR(server_count(scene.server) >= 39);
	say("anna", ROUTE_HOLD, "bert");
	wake("anna");
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	say("anna", ROUTE_REWRITE, "bert");
	wake("bert");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 41);
	tear_down();
}

static void test_one_place_once(void **state)
{
	struct str list = STR_INIT;

	(void)state;
	set_up(false, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "anna@x Anna@x anna+d@x", "NOTIFY=NEVER",
		"Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 1);
	assert_string_equal(server_mail(scene.server, 0)->recipients,
		"<anna@s> NOTIFY=NEVER ORCPT=rfc822;anna@x");
	for (int i = 0; i < 120; i++)
		str_printf(&list, "n%d@x ", i);
	fake_add(scene.queue, "many", "s@o", "", list.data, "", "Subject: 1\r\n\r\n");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 4); /* 50 recipients at a time */
	str_free(&list);
	tear_down();
}

/* --- notices by the clock, administration ------------------------------------------------- */

static void test_delay_notice(void **state)
{
	const char *to;

	(void)state;
	set_up(false, NULL);
	scene.options.delay_notice_us = 100 * CLOCK_MS;
	say("anna", ROUTE_HOLD, NULL);
	add("anna", "1");
	fake_add(scene.queue, "anna", "quiet@o", "", "anna@x", "NOTIFY=FAILURE",
		"Subject: 2\r\n\r\n");
	fake_add(scene.queue, "anna", "", "", "anna@x", "", "Subject: 3\r\n\r\n");
	go();
	WAIT_FOR(server_count(scene.server) == 1); /* the notice, although the mailbox is held */
	const char *notice = fake_notice(scene.queue, &to);
	assert_string_equal(to, "sender@o");
	assert_non_null(strstr(notice, "Action: delayed\r\n"));
	clock_sleep_us(200 * CLOCK_MS);
	assert_int_equal(fake_notices(scene.queue), 1); /* once */
	release_stop(&scene.release);
	go();
	clock_sleep_us(200 * CLOCK_MS);
	assert_int_equal(fake_notices(scene.queue), 1); /* that was written down */
	assert_int_equal(fake_count(scene.queue, "anna"), 3);
	tear_down();
}

static void test_retry_now(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 1, "450 4.2.1 later" },
		{ "CONNECT", NULL, 0, 1, "554 no" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.retry_min_us = scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	add("anna", "1");
	go();
	WAIT_FOR(totals().listener_trouble);
	release_retry_now(scene.release, NULL);
	WAIT_FOR(totals().deferred == 1);
	assert_false(totals().listener_trouble);
	WAIT_FOR(totals().workers_busy == 0);
	release_wake(scene.release, NULL); /* says nothing about refusals */
	clock_sleep_us(50 * CLOCK_MS);
	assert_int_equal(fake_count(scene.queue, NULL), 1);
	wake("anna"); /* something about anna changed */
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static void test_other_listener(void **state)
{
	(void)state;
	set_up(false, NULL);
	struct server *second = server_start(true, NULL, NULL);
	add("anna", "1");
	go();
	WAIT_FOR(server_count(scene.server) == 1);
	scene.options.listener = server_listener(second);
	scene.options.workers = 9;
	release_configure(scene.release, &scene.options);
	add("anna", "2");
	WAIT_FOR(server_count(second) == 1);
	scene.options.workers = 1;
	release_configure(scene.release, &scene.options);
	char name[16];
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "n%d", i);
		add(name, "1");
	}
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(second), 51);
	tear_down();
	server_stop(&second);
}

static void test_stop_is_bounded(void **state)
{
	static const struct server_rule rules[][2] = {
		{ { "CONNECT", NULL, 0, 0, SERVER_SILENT } },
		{ { "DATA", NULL, 0, 0, SERVER_SILENT } },
		{ { ".", NULL, 0, 0, SERVER_SILENT } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		set_up(false, rules[i]);
		scene.options.timeout_us = 300 * CLOCK_SECOND;
		scene.options.stop_us = 200 * CLOCK_MS;
		add("anna", "1");
		go();
		WAIT_FOR(server_connections(scene.server) == 1);
		if (i > 0)
			WAIT_FOR(release_busy(scene.release));
		int64_t began = clock_mono_us();
		release_stop(&scene.release);
		assert_true(clock_mono_us() - began < 30 * CLOCK_SECOND);
		assert_int_equal(fake_count(scene.queue, NULL), 1);
		tear_down();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivers_in_order),
		cmocka_unit_test(test_held_until_woken),
		cmocka_unit_test(test_held_in_the_middle),
		cmocka_unit_test(test_new_mail_meanwhile),
		cmocka_unit_test(test_undecided_waits),
		cmocka_unit_test(test_one_address_blocks_nobody),
		cmocka_unit_test(test_vanished_stays),
		cmocka_unit_test(test_vanished_is_not_caught),
		cmocka_unit_test(test_rehomed),
		cmocka_unit_test(test_rehomed_behind),
		cmocka_unit_test(test_one_place_once),
		cmocka_unit_test(test_delay_notice),
		cmocka_unit_test(test_retry_now),
		cmocka_unit_test(test_other_listener),
		cmocka_unit_test(test_stop_is_bounded),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
