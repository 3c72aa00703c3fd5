/* The release as a whole: a listener in trouble, links that break. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "tests/unit/release_scene.h"

/* --- trouble ----------------------------------------------------------------------------- */

static void test_listener_down(void **state)
{
	static const struct server_rule rules[][2] = {
		{ { "CONNECT", NULL, 0, 6, "554 5.3.2 no service" } },
		{ { "CONNECT", NULL, 0, 6, "421 4.3.2 busy" } },
		{ { "CONNECT", NULL, 0, 6, SERVER_CLOSE } },
		{ { "CONNECT", NULL, 0, 6, "HTTP/1.1 400 Bad Request" } },
		{ { "EHLO", NULL, 0, 6, "502 5.5.1 what" } },
	};
	const char *error = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		set_up(false, rules[i]);
		scene.options.expire_us = 1; /* none of this counts */
		char name[16];
		for (int n = 0; n < 20; n++) {
			snprintf(name, sizeof name, "n%d", n);
			add(name, "1");
		}
		go();
		WAIT_FOR(totals().listener_trouble);
		assert_true(totals().trouble_since_us > 0);
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		WAIT_FOR(!totals().listener_trouble);
		assert_int_equal(server_count(scene.server), 20);
		assert_int_equal(fake_notices(scene.queue), 0);
		assert_int_equal(totals().deferred, 0);
		/* In trouble one tries at a time: the others did not storm it. */
		assert_true(server_connections(scene.server) <= 6 + 4 + 4);
		tear_down();
	}
	scene.options.listener = "nonsense";
	assert_null(release_start(NULL, &scene.options, NULL, &error));
	assert_non_null(error);
}

/* One each 100 ms; how long this machine really slept, it alone knows. */
static int64_t tries_since(int64_t began_us)
{
	return (clock_mono_us() - began_us) / (100 * CLOCK_MS);
}

static void test_no_storm(void **state)
{
	const struct server_rule rules[] = {
		{ "CONNECT", NULL, 0, 0, "554 5.3.2 no service" },
		{ NULL, NULL, 0, 0, NULL },
	};
	char name[16];

	(void)state;
	set_up(false, rules);
	scene.options.retry_min_us = scene.options.retry_max_us = 100 * CLOCK_MS;
	for (int n = 0; n < 50; n++) {
		snprintf(name, sizeof name, "n%d", n);
		add(name, "1");
	}
	int64_t began = clock_mono_us();
	go();
	clock_sleep_us(600 * CLOCK_MS);
	assert_in_range(server_connections(scene.server), 1, 5 + tries_since(began));
	tear_down();
}

/* A listener that greets and goes is in trouble like one that does not greet. */
static void test_gone_after_the_greeting(void **state)
{
	const struct server_rule rules[] = {
		{ "EHLO", NULL, 0, 0, "250 server.example\r\n421 4.3.2 closing" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.retry_min_us = scene.options.retry_max_us = 100 * CLOCK_MS;
	add("anna", "1");
	int64_t began = clock_mono_us();
	go();
	WAIT_FOR(totals().listener_trouble);
	clock_sleep_us(300 * CLOCK_MS);
	assert_in_range(server_connections(scene.server), 1, 2 + tries_since(began));
	server_rules(scene.server, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static const struct server_rule refuse[] = {
	{ "RCPT", NULL, 0, 0, "450 4.2.1 later" },
	{ NULL, NULL, 0, 0, NULL },
};

static const struct server_rule down[] = {
	{ "CONNECT", NULL, 0, 0, "554 no" },
	{ "RCPT", NULL, 0, 0, "421 4.3.2 going down" },
	{ NULL, NULL, 0, 0, NULL },
};

/* Trouble does not count towards expiry, refusals around it do. */
static void test_trouble_not_counted(void **state)
{
	(void)state;
	set_up(false, refuse);
	scene.options.expire_us = 2 * CLOCK_SECOND;
	scene.options.retry_max_us = 30 * CLOCK_MS;
	uint64_t id = add("anna", "1");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) >= 2);
	server_rules(scene.server, down);
	WAIT_FOR(totals().listener_trouble);
	clock_sleep_us(2500 * CLOCK_MS);
	assert_int_equal(totals().expired, 0);
	uint32_t attempts = fake_attempts(scene.queue, id);
	server_rules(scene.server, refuse);
	WAIT_FOR(fake_attempts(scene.queue, id) > attempts + 1); /* still there, still tried */
	WAIT_FOR(totals().expired == 1);
	tear_down();
}

/* Each span of trouble is left out once, also for what had stepped aside before it. */
static void test_trouble_left_out_once(void **state)
{
	const struct server_rule content[] = {
		{ ".", NULL, 0, 0, "451 4.3.0 cannot take this" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, content);
	scene.options.expire_us = 400 * CLOCK_MS;
	scene.options.retry_min_us = scene.options.retry_max_us = 20 * CLOCK_MS;
	uint64_t id = add("anna", "1");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) == 3);
	server_rules(scene.server, down);
	WAIT_FOR(totals().listener_trouble);
	clock_sleep_us(500 * CLOCK_MS);
	server_rules(scene.server, refuse);
	WAIT_FOR(totals().expired == 1);
	tear_down();
}

static void test_relay_denied(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", NULL, 0, 0, "554 5.7.1 <x>: Relay access denied" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.workers = 1;
	add("anna", "1");
	add("bert", "1");
	go();
	WAIT_FOR(totals().deferred >= 6);
	assert_false(totals().listener_trouble); /* two different ones are not enough */
	add("carl", "1");
	WAIT_FOR(totals().listener_trouble);
	server_rules(scene.server, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	WAIT_FOR(!totals().listener_trouble);
	assert_int_equal(server_count(scene.server), 3);
	assert_int_equal(fake_notices(scene.queue), 0);
	tear_down();
}

static void test_session_limit(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", "SIZE", 2, 1, "421 4.7.0 too many messages" },
		{ "MAIL", "SIZE", 4, 1, "421 4.7.0 too many messages" },
		{ "MAIL", "SIZE", 6, 1, SERVER_CLOSE },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	add_marks("anna", 9);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 9);
	assert_int_equal(totals().deferred, 0); /* a new connection at once */
	assert_true(server_connections(scene.server) > 1);
	tear_down();
}

static void test_link_breaks(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", NULL, 0, 1, SERVER_CLOSE },
		{ "RCPT", NULL, 0, 1, SERVER_CLOSE },
		{ "DATA", NULL, 0, 1, SERVER_CUT },
		{ "DATA", NULL, 1, 1, "garbage" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	add_marks("anna", 5);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 5); /* nothing lost, nothing twice */
	assert_int_equal(fake_notices(scene.queue), 0);
	tear_down();
}

static void test_poison(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", "poison", 0, 8, SERVER_CLOSE },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	fake_add(scene.queue, "anna", "poison@o", "", "anna@x", "", "Subject: 1\r\n\r\n");
	add("anna", "2");
	add("bert", "3");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 3);
	assert_int_equal(mark_of(2), 1); /* the one that breaks the link stops nobody else */
	tear_down();
}

/* The one case in which a message comes twice: its 2xx was lost (RFC 1047). */
static void test_lost_reply(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "Subject: 2", 0, 1, SERVER_TAKEN },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	add_marks("anna", 3);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(scene.unclear, 1);
	assert_int_equal(server_count(scene.server), 4);
	assert_int_equal(mark_of(1), 2);
	assert_int_equal(mark_of(2), 2);
	assert_int_equal(mark_of(3), 3);
	tear_down();
}

static void test_removal_fails(void **state)
{
	(void)state;
	set_up(false, NULL);
	add("anna", "1");
	add("anna", "2");
	fake_fail_removals(scene.queue, 1);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 2); /* removed later, not sent again */
	tear_down();
}

/* Whoever runs the release must hear of it: only a new start helps. */
static void test_broken_store(void **state)
{
	(void)state;
	set_up(false, NULL);
	scene.options.workers = 1;
	add("anna", "1");
	add("bert", "2");
	fake_break(scene.queue);
	go();
	WAIT_FOR(scene.broken == 1);
	clock_sleep_us(50 * CLOCK_MS);
	assert_int_equal(scene.broken, 1);
	assert_int_equal(server_count(scene.server), 1); /* none after the first */
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener_down),
		cmocka_unit_test(test_no_storm),
		cmocka_unit_test(test_gone_after_the_greeting),
		cmocka_unit_test(test_trouble_not_counted),
		cmocka_unit_test(test_trouble_left_out_once),
		cmocka_unit_test(test_relay_denied),
		cmocka_unit_test(test_session_limit),
		cmocka_unit_test(test_link_breaks),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_lost_reply),
		cmocka_unit_test(test_removal_fails),
		cmocka_unit_test(test_broken_store),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release trouble", tests, NULL, NULL);
}
