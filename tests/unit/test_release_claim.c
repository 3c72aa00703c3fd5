/* Administrators change single messages while no worker has them. */
#include "tests/unit/unit.h"

#include "tests/unit/release_scene.h"

static uint8_t bert[ROUTE_UUID_BYTES], anna[ROUTE_UUID_BYTES];

static void begin(const struct server_rule *rules)
{
	set_up(false, rules);
	fake_mailbox("bert", bert);
	fake_mailbox("anna", anna);
}

/* Its mail, old and new, stays where it is, whatever wakes it; that of others goes on. */
static void test_claimed_mail_rests(void **state)
{
	(void)state;
	begin(NULL);
	go();
	assert_true(release_claim(scene.release, bert, CLOCK_SECOND));
	assert_true(release_claim(scene.release, bert, CLOCK_SECOND));
	for (int i = 0; i < 10; i++) {
		add("bert", "1");
		wake("bert");
		release_retry_now(scene.release, i % 2 ? bert : NULL);
		release_wake(scene.release, NULL);
		add("anna", "1");
	}
	WAIT_FOR(server_count(scene.server) == 10);
	release_let_go(scene.release, bert);
	add_marks("anna", 10);
	WAIT_FOR(server_count(scene.server) == 20);
	assert_int_equal(fake_count(scene.queue, "bert"), 10);
	release_let_go(scene.release, bert);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 30);
	tear_down();
}

/* In the middle of its mail the turn ends, and goes on once it is let go. */
static void test_claimed_between_two_messages(void **state)
{
	(void)state;
	begin(NULL);
	add_marks("bert", 500);
	go();
	WAIT_FOR(server_count(scene.server) > 3);
	assert_true(release_claim(scene.release, bert, 60 * CLOCK_SECOND));
	size_t sent = server_count(scene.server);
	assert_int_equal(fake_count(scene.queue, "bert"), 500 - sent);
	add("anna", "1");
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	assert_int_equal(fake_count(scene.queue, "bert"), 500 - sent);
	release_let_go(scene.release, bert);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("bert", 500);
	tear_down();
}

/* However slowly its mail goes: neither the other messages of the turn are waited for, nor the
 * moment at which the next may go. */
static void test_claimed_where_the_rate_is_low(void **state)
{
	const struct release_system slow = { .name = "b", .rate = 1 };

	(void)state;
	begin(NULL);
	scene.straight = "b";
	scene.other = server_listener(scene.server);
	scene.options.systems = &slow;
	scene.options.system_count = 1;
	for (int i = 0; i < 15; i++)
		add("bea", "1");
	add_marks("bert", 15);
	for (int i = 0; i < 15; i++)
		add("bob", "1");
	go();
	WAIT_FOR(fake_count(scene.queue, "bert") == 14);
	assert_true(release_claim(scene.release, bert, 5 * CLOCK_SECOND));
	assert_in_range(fake_count(scene.queue, "bert"), 10, 14);
	release_let_go(scene.release, bert);
	tear_down();
}

static const struct server_rule silent[] = {
	{ ".", NULL, 0, 0, SERVER_SILENT },
	{ NULL, NULL, 0, 0, NULL },
};

/* One that is on its way cannot be had, and nothing is left of the attempt. */
static void test_too_late(void **state)
{
	(void)state;
	begin(silent);
	scene.options.timeout_us = CLOCK_SECOND;
	add("bert", "1");
	go();
	WAIT_FOR(release_busy(scene.release));
	WAIT_FOR(server_commands(scene.server, "DATA") == 1);
	assert_false(release_claim(scene.release, bert, 50 * CLOCK_MS));
	assert_true(release_claim(scene.release, anna, 50 * CLOCK_MS));
	release_let_go(scene.release, anna);
	server_rules(scene.server, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static enum holdq_result give_back(uint64_t id, const uint32_t *numbers, size_t count, size_t *told)
{
	struct holdq_message *message;

	assert_int_equal(holdq_read(scene.queue, id, &message), HOLDQ_OK);
	enum holdq_result result = release_return(
		scene.release, message, numbers, count, "550 5.7.1 not here any more", told);
	holdq_message_free(&message);
	return result;
}

static void test_returned(void **state)
{
	static const uint32_t first[] = { 0 }, both[] = { 1, 0 };
	const char *to;
	size_t told;

	(void)state;
	begin(NULL);
	say("bert", ROUTE_HOLD, NULL);
	uint64_t id = fake_add(scene.queue, "bert", "writer@o", "ENVID=e", "bert@x bert+two@x", "",
		"Subject: 1\r\n\r\nbody\r\n");
	uint64_t quiet = fake_add(scene.queue, "bert", "writer@o", "", "bert@x", "NOTIFY=NEVER",
		"Subject: 2\r\n\r\nbody\r\n");
	go();
	WAIT_FOR(strcmp(release_waits(scene.release, bert), "held") == 0);
	assert_true(release_claim(scene.release, bert, CLOCK_SECOND));
	assert_int_equal(give_back(id, first, 1, &told), HOLDQ_OK);
	assert_int_equal(told, 1);
	assert_int_equal(give_back(quiet, first, 1, &told), HOLDQ_OK);
	assert_int_equal(told, 0);
	assert_int_equal(fake_notices(scene.queue), 1);
	const char *notice = fake_notice(scene.queue, &to);
	assert_string_equal(to, "writer@o");
	assert_non_null(strstr(notice, "Action: failed"));
	assert_non_null(strstr(notice, "Status: 5.7.1"));
	assert_non_null(strstr(notice, "550 5.7.1 not here any more"));
	assert_non_null(strstr(notice, "bert@x"));
	assert_null(strstr(notice, "bert+two@x"));
	assert_int_equal(fake_count(scene.queue, "bert"), 1);
	assert_int_equal(totals().bounced, 2);
	release_let_go(scene.release, bert);
	WAIT_FOR(server_count(scene.server) == 1); /* the notice, and nothing else */
	assert_string_equal(server_mail(scene.server, 0)->recipients, "<writer@o>");
	fake_fail_removals(scene.queue, 1);
	assert_int_equal(give_back(id, both, 1, &told), HOLDQ_FAILED);
	assert_int_equal(totals().bounced, 2);
	tear_down();
}

/* It goes to the MTA as it stands, without a look-up, each address once. */
static void test_redirected(void **state)
{
	static const uint32_t two[] = { 0, 2 };

	(void)state;
	begin(NULL);
	say("bert", ROUTE_HOLD, NULL);
	uint64_t id =
		fake_add(scene.queue, "bert", "writer@o", "", "bert@x bert+two@x bert+three@x",
			"ORCPT=rfc822;bert@y", "Subject: 1\r\n\r\nbody\r\n");
	go();
	WAIT_FOR(strcmp(release_waits(scene.release, bert), "held") == 0);
	assert_true(release_claim(scene.release, bert, CLOCK_SECOND));
	unsigned looked = scene.looked;
	assert_int_equal(
		holdq_readdress(scene.queue, id, two, 2, holdq_redirected, "else@where"), HOLDQ_OK);
	release_rewind(scene.release, holdq_redirected);
	WAIT_FOR(fake_count(scene.queue, NULL) == 1);
	assert_int_equal(scene.looked, looked);
	assert_int_equal(server_count(scene.server), 1);
	assert_string_equal(
		server_mail(scene.server, 0)->recipients, "<else@where> ORCPT=rfc822;bert@y");
	assert_int_equal(totals().delivered, 2);
	release_let_go(scene.release, bert);
	tear_down();
}

/* To a mailbox that is on its way out already: what it has passed comes before the rest. */
static void test_redirected_to_one_that_runs(void **state)
{
	static const uint32_t first[] = { 0 };

	(void)state;
	begin(NULL);
	say("bert", ROUTE_HOLD, NULL);
	uint64_t id = fake_add(
		scene.queue, "bert", "writer@o", "", "bert@x", "", "Subject: 1\r\n\r\nbody\r\n");
	add_marks("anna", 500);
	go();
	WAIT_FOR(server_count(scene.server) > 3);
	assert_true(release_claim(scene.release, bert, CLOCK_SECOND));
	assert_int_equal(holdq_readdress(scene.queue, id, first, 1, anna, "anna@x"), HOLDQ_OK);
	int64_t began = clock_mono_us();
	release_rewind(scene.release, anna);
	release_let_go(scene.release, bert);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_true(
		clock_mono_us() - began < 25 * CLOCK_SECOND); /* the safety net comes after 30 */
	assert_int_equal(server_count(scene.server), 501);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claimed_mail_rests),
		cmocka_unit_test(test_claimed_between_two_messages),
		cmocka_unit_test(test_claimed_where_the_rate_is_low),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_redirected),
		cmocka_unit_test(test_redirected_to_one_that_runs),
	};

	scene_quiet();
	return cmocka_run_group_tests_name("release claim", tests, NULL, NULL);
}
