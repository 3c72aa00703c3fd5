/* Release past the MTA: each destination is in trouble by itself. */
#include "tests/unit/unit.h"

#include "lib/json.h"
#include "queue/release_core.h"
#include "tests/unit/release_scene.h"

static struct server *backend;

/* Mail of "b..." goes to the backend. */
static void begin(bool lmtp, const struct server_rule *rules)
{
	set_up(false, NULL);
	backend = server_start(lmtp, NULL, rules);
	scene.straight = "b";
	scene.other = server_listener(backend);
}

static void end(void)
{
	tear_down();
	server_stop(&backend);
}

static const struct server_rule down[] = {
	{ "CONNECT", NULL, 0, 0, "554 5.3.2 no service" },
	{ NULL, NULL, 0, 0, NULL },
};

static bool backend_in_trouble(void)
{
	struct json *status = json_new_object();

	release_status(scene.release, status);
	bool trouble = json_get_bool(json_at(json_get(status, "straight"), 0), "trouble", false);
	json_free(&status);
	return trouble;
}

static void test_each_to_its_own(void **state)
{
	(void)state;
	for (int lmtp = 0; lmtp < 2; lmtp++) {
		begin(lmtp, NULL);
		for (int i = 0; i < 10; i++) {
			add("anna", "1");
			add("bert", "2");
			add("bruno", "3");
		}
		go();
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		assert_int_equal(server_count(scene.server), 10);
		assert_int_equal(server_count(backend), 20);
		WAIT_FOR(totals().delivered == 30);
		end();
	}
}

/* Not even workers: there are more mailboxes in trouble than of them. */
static void test_trouble_of_one_is_not_that_of_all(void **state)
{
	char name[16];

	(void)state;
	begin(false, down);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "b%d", i);
		add(name, "1");
	}
	go();
	WAIT_FOR(backend_in_trouble());
	for (int i = 0; i < 20; i++)
		add("anna", "1");
	WAIT_FOR(server_count(scene.server) == 20);
	assert_false(totals().listener_trouble);
	WAIT_FOR(fake_count(scene.queue, NULL) == 20);
	server_rules(backend, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(backend), 20);
	WAIT_FOR(!backend_in_trouble());
	end();
}

/* It has all of its own workers, and no more. */
static void test_one_that_never_answers(void **state)
{
	static const struct server_rule silent[] = {
		{ "RCPT", NULL, 0, 0, SERVER_SILENT },
		{ NULL, NULL, 0, 0, NULL },
	};
	char name[16];

	(void)state;
	begin(false, silent);
	scene.options.timeout_us = 3600 * CLOCK_SECOND;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "b%d", i);
		add(name, "1");
	}
	go();
	WAIT_FOR(server_connections(backend) == (int)scene.options.workers);
	for (int i = 0; i < 20; i++)
		add("anna", "1");
	WAIT_FOR(server_count(scene.server) == 20);
	assert_int_equal(server_connections(backend), scene.options.workers);
	end();
}

/* Where mail goes is told by one who does not wait for the MTA. */
static void test_an_mta_that_never_answers(void **state)
{
	static const struct server_rule silent[] = {
		{ "RCPT", NULL, 0, 0, SERVER_SILENT },
		{ NULL, NULL, 0, 0, NULL },
	};
	char name[16];

	(void)state;
	begin(false, NULL);
	server_rules(scene.server, silent);
	scene.options.timeout_us = 3600 * CLOCK_SECOND;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "a%d", i);
		add(name, "1");
	}
	go();
	WAIT_FOR(server_connections(scene.server) == (int)scene.options.workers);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "b%d", i);
		add(name, "1");
	}
	WAIT_FOR(server_count(backend) == 20);
	assert_int_equal(server_connections(scene.server), scene.options.workers);
	end();
}

static void test_the_mta_in_trouble(void **state)
{
	(void)state;
	begin(true, NULL);
	server_rules(scene.server, down);
	add("anna", "1");
	add("bert", "2");
	go();
	WAIT_FOR(totals().listener_trouble);
	WAIT_FOR(server_count(backend) == 1);
	assert_false(backend_in_trouble());
	server_rules(scene.server, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	end();
}

/* It does not wait for the one that is down. */
static void test_moved_away_from_trouble(void **state)
{
	(void)state;
	begin(false, down);
	scene.options.retry_min_us = scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	add("bert", "1");
	add("bruno", "2");
	go();
	WAIT_FOR(backend_in_trouble());
	scene.straight = NULL;
	wake("bert");
	WAIT_FOR(server_count(scene.server) == 1);
	release_wake(scene.release, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(backend), 0);
	end();
}

/* The change comes while the worker still waits for the greeting. */
static void test_moved_away_while_it_was_tried(void **state)
{
	static const struct server_rule silent[] = {
		{ "CONNECT", NULL, 0, 0, SERVER_SILENT },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	begin(false, silent);
	scene.options.retry_min_us = scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	scene.options.timeout_us = 2 * CLOCK_SECOND;
	add("bert", "1");
	go();
	WAIT_FOR(server_connections(backend) == 1);
	scene.straight = NULL;
	wake("bert");
	WAIT_FOR(server_count(scene.server) == 1);
	end();
}

/* An address that belongs to another mailbox by now neither waits for the listener of the one that
 * it was held for, nor makes that one wait. */
static void test_two_places_of_one_message(void **state)
{
	static const char *const orders[] = { "anna@x bert@x", "bert@x anna@x" };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(orders); i++) {
		bool mta_down = i < COUNT(orders);

		begin(false, mta_down ? NULL : down);
		server_rules(scene.server, mta_down ? down : NULL);
		scene.options.retry_min_us = scene.options.retry_max_us = 3600 * CLOCK_SECOND;
		fake_add(scene.queue, "anna", "s@o", "", orders[i % 2], "", "Subject: 1\r\n\r\n");
		add("anna", "2");
		go();
		WAIT_FOR(mta_down ? server_count(backend) == 1 : server_count(scene.server) == 2);
		WAIT_FOR(mta_down ? totals().listener_trouble : backend_in_trouble());
		server_rules(scene.server, NULL);
		server_rules(backend, NULL);
		release_retry_now(scene.release, NULL);
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		assert_int_equal(server_count(scene.server), 2);
		assert_int_equal(server_count(backend), 1);
		end();
	}
}

static struct lane *lane_at(const char *listener)
{
	struct lane *lane = scene.release->lanes;

	while (lane != NULL && strcmp(lane->listener, listener) != 0)
		lane = lane->next;
	return lane;
}

static bool is_tried_again(const char *listener)
{
	pthread_mutex_lock(&scene.release->lock);
	const struct lane *lane = lane_at(listener);
	bool due = lane != NULL && lane->relay.trouble && clock_mono_us() > lane->relay.next_us;
	pthread_mutex_unlock(&scene.release->lock);
	return due;
}

static bool keeper_rests(void)
{
	pthread_mutex_lock(&scene.release->lock);
	bool rests = scene.release->earliest_us > clock_mono_us() + 60 * CLOCK_SECOND;
	pthread_mutex_unlock(&scene.release->lock);
	return rests;
}

/* Trouble that nobody waits for any more: nobody looks for its end again and again. */
static void test_trouble_that_is_left_behind(void **state)
{
	struct server *other = server_start(false, NULL, down);
	const char *left;

	(void)state;
	begin(false, down);
	left = scene.other;
	scene.options.retry_min_us = scene.options.retry_max_us = CLOCK_SECOND;
	add("bert", "1");
	go();
	WAIT_FOR(backend_in_trouble());
	scene.other = server_listener(other);
	scene.options.retry_min_us = scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	release_configure(scene.release, &scene.options);
	wake("bert");
	WAIT_FOR(server_connections(other) > 0);
	WAIT_FOR(is_tried_again(left));
	WAIT_FOR(keeper_rests());
	server_rules(other, NULL);
	release_retry_now(scene.release, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	end();
	server_stop(&other);
}

static void test_a_wrong_entry_waits(void **state)
{
	static const char *const wrong[] = { NULL, "nonsense", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		begin(false, NULL);
		const char *listener = scene.other;
		scene.other = wrong[i];
		add("bert", "1");
		add("anna", "1");
		go();
		WAIT_FOR(server_count(scene.server) == 1);
		WAIT_FOR(fake_count(scene.queue, NULL) == 1);
		scene.other = listener;
		WAIT_FOR(server_count(backend) == 1);
		end();
	}
}

/* Time in trouble does not count, on whichever way. */
static void test_expiry_on_another_way(void **state)
{
	static const struct server_rule refuse[] = {
		{ "RCPT", NULL, 0, 0, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	begin(false, down);
	scene.options.expire_us = 2 * CLOCK_SECOND;
	scene.options.retry_max_us = 30 * CLOCK_MS;
	server_rules(scene.server, refuse);
	uint64_t id = add("bert", "1");
	go();
	WAIT_FOR(backend_in_trouble());
	clock_sleep_us(2500 * CLOCK_MS);
	assert_int_equal(totals().expired, 0);
	scene.straight = NULL;
	wake("bert");
	WAIT_FOR(fake_attempts(scene.queue, id) >= 2);
	assert_int_equal(totals().expired, 0);
	WAIT_FOR(totals().expired == 1);
	end();
}

/* --- as many at once, and as often, as the settings say -------------------------------------- */

static const struct server_rule silent_rcpt[] = {
	{ "RCPT", NULL, 0, 0, SERVER_SILENT },
	{ NULL, NULL, 0, 0, NULL },
};

static struct release_system limits;

static void begin_limited(unsigned connections, unsigned rate, const struct server_rule *rules)
{
	begin(false, rules);
	limits = (struct release_system){ .name = "B", .connections = connections, .rate = rate };
	scene.options.systems = &limits;
	scene.options.system_count = 1;
	scene.options.timeout_us = 3600 * CLOCK_SECOND;
}

static void add_boxes(const char *letter, int count)
{
	char name[16];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%s%d", letter, i);
		add(name, "1");
	}
}

static void test_connections(void **state)
{
	static const unsigned most[] = { 1, 2, 9 }; /* fewer and more than workers */

	(void)state;
	for (size_t i = 0; i < COUNT(most); i++) {
		begin_limited(most[i], 0, silent_rcpt);
		add_boxes("b", 20);
		go();
		WAIT_FOR(server_connections(backend) == (int)most[i]);
		add_boxes("a", 20);
		WAIT_FOR(server_count(scene.server) == 20);
		assert_int_equal(server_connections(backend), most[i]);
		end();
		begin_limited(most[i], 0, NULL);
		for (int n = 0; n < 5; n++) {
			add_boxes("b", 20);
			add_boxes("a", 20);
		}
		go();
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		assert_int_equal(server_count(backend), 100);
		assert_in_range(server_most(backend), 1, most[i]);
		end();
	}
}

/* Of many workers only the one that has the session may take the next mailbox, so it must be the
 * one that wakes: else the session would end unused, and another be made. */
static void test_the_one_who_may_is_woken(void **state)
{
	(void)state;
	begin_limited(1, 0, NULL);
	go();
	for (size_t i = 1; i <= 30; i++) {
		add_boxes(i % 3 ? "b" : "a", 1);
		WAIT_FOR(server_count(backend) + server_count(scene.server) == i);
	}
	assert_int_equal(server_most(backend), 1);
	assert_int_equal(server_count(backend), 20);
	WAIT_FOR(totals().delivered == 30);
	end();
}

/* However slow this machine is, it is never faster than that. */
static void test_rate(void **state)
{
	int64_t began = clock_mono_us();

	(void)state;
	begin_limited(0, 20, NULL);
	for (int n = 0; n < 4; n++)
		add_boxes("b", 5);
	add_boxes("a", 20); /* is not slowed down */
	go();
	WAIT_FOR(server_count(backend) == 20);
	assert_true(clock_mono_us() - began >= 19 * CLOCK_SECOND / 20);
	assert_int_equal(server_count(scene.server), 20);
	end();
}

static void test_limits_are_changed(void **state)
{
	struct release_system other = { .name = "b", .connections = 3 };

	(void)state;
	begin_limited(1, 1, silent_rcpt);
	add_boxes("b", 20);
	go();
	WAIT_FOR(server_connections(backend) == 1);
	scene.options.systems = &other;
	release_configure(scene.release, &scene.options);
	WAIT_FOR(server_connections(backend) == 3);
	scene.options.system_count = 0;
	release_configure(scene.release, &scene.options);
	WAIT_FOR(server_connections(backend) == 4);
	end();
}

/* A password that cannot be read, or may not be sent, is trouble; nothing is sent. */
static void test_no_password(void **state)
{
	static const struct release_system wrong[] = {
		{ .name = "b",
			.auth_user = "u",
			.password_file = "/nonexistent",
			.auth_in_clear = true },
		{ .name = "b",
			.auth_user = "u",
			.password_file = "/dev/null",
			.auth_in_clear = true },
		{ .name = "b", .ca_file = "/nonexistent" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		begin(false, NULL);
		scene.options.systems = &wrong[i];
		scene.options.system_count = 1;
		scene.tls = wrong[i].ca_file ? RELEASE_TLS_VERIFY : RELEASE_TLS_NONE;
		add("bert", "1");
		add("anna", "1");
		go();
		WAIT_FOR(backend_in_trouble());
		WAIT_FOR(server_count(scene.server) == 1);
		assert_int_equal(server_connections(backend), 0);
		scene.options.system_count = 0;
		scene.tls = RELEASE_TLS_NONE;
		release_configure(scene.release, &scene.options);
		release_wake(scene.release, NULL);
		WAIT_FOR(server_count(backend) == 1);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_to_its_own),
		cmocka_unit_test(test_trouble_of_one_is_not_that_of_all),
		cmocka_unit_test(test_one_that_never_answers),
		cmocka_unit_test(test_an_mta_that_never_answers),
		cmocka_unit_test(test_the_mta_in_trouble),
		cmocka_unit_test(test_moved_away_from_trouble),
		cmocka_unit_test(test_moved_away_while_it_was_tried),
		cmocka_unit_test(test_two_places_of_one_message),
		cmocka_unit_test(test_trouble_that_is_left_behind),
		cmocka_unit_test(test_a_wrong_entry_waits),
		cmocka_unit_test(test_expiry_on_another_way),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_the_one_who_may_is_woken),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_limits_are_changed),
		cmocka_unit_test(test_no_password),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release straight", tests, NULL, NULL);
}
