/* queue/outcome.c, relay.c, box.c */
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "queue/box.h"
#include "queue/outcome.h"
#include "queue/relay.h"

#define DONE    OUTCOME_DONE
#define BOUNCE  OUTCOME_BOUNCE
#define MESSAGE OUTCOME_DELAY_MESSAGE
#define MAILBOX OUTCOME_DELAY_MAILBOX

struct rule {
	enum stage stage;
	const char *reply;
	unsigned tries;
	enum outcome_action action;
	bool suspect;
};

static const struct rule rules[] = {
	/* MAIL: size is the content's fault, anything else delays the message and is odd */
	{ STAGE_MAIL, "552 too big", 1, BOUNCE, false },
	{ STAGE_MAIL, "552 5.3.4 too big", 1, BOUNCE, false },
	{ STAGE_MAIL, "554 5.3.4 too big", 1, BOUNCE, false },
	{ STAGE_MAIL, "552 5.2.3 too big", 1, BOUNCE, false },
	{ STAGE_MAIL, "552 5.7.1 no", 1, MESSAGE, true },
	{ STAGE_MAIL, "452 4.3.1 no room", 1, MESSAGE, true },
	{ STAGE_MAIL, "452 4.3.4 no room", 1, MESSAGE, true },
	{ STAGE_MAIL, "550 5.7.1 sender refused", 1, MESSAGE, true },
	{ STAGE_MAIL, "553 no", 1, MESSAGE, true },
	{ STAGE_MAIL, "530 5.7.0 STARTTLS first", 9, MESSAGE, true },
	{ STAGE_MAIL, "451 later", 9, MESSAGE, true },
	{ STAGE_MAIL, "250 ok", 1, MAILBOX, true },
	/* RCPT */
	{ STAGE_RCPT, "450 4.2.1 later", 1, MAILBOX, false },
	{ STAGE_RCPT, "451 later", 9, MAILBOX, false },
	{ STAGE_RCPT, "452 4.5.3 too many", 1, MAILBOX, false },
	{ STAGE_RCPT, "552 too many", 1, MAILBOX, false },
	{ STAGE_RCPT, "552 5.2.2 over quota", 1, BOUNCE, false },
	{ STAGE_RCPT, "550 5.1.1 nobody", 1, BOUNCE, false },
	{ STAGE_RCPT, "550 nobody", 1, BOUNCE, false },
	{ STAGE_RCPT, "551 moved", 1, BOUNCE, false },
	{ STAGE_RCPT, "553 5.1.3 syntax", 1, BOUNCE, false },
	{ STAGE_RCPT, "501 5.1.3 syntax", 1, BOUNCE, false },
	{ STAGE_RCPT, "556 5.1.10 null MX", 1, BOUNCE, false },
	{ STAGE_RCPT, "554 5.7.1 <a@b>: Relay access denied", 1, MAILBOX, true },
	{ STAGE_RCPT, "550 5.7.1 no", 5, MAILBOX, true },
	{ STAGE_RCPT, "550 relaying denied", 1, MAILBOX, true },
	{ STAGE_RCPT, "550 5.7.64 TenantAttribution; Relay Access Denied", 1, MAILBOX, true },
	{ STAGE_RCPT, "530 5.7.0 auth first", 1, MAILBOX, true },
	{ STAGE_RCPT, "503 5.5.1 MAIL first", 1, MAILBOX, true },
	{ STAGE_RCPT, "555 5.5.4 parameter", 1, MAILBOX, true },
	{ STAGE_RCPT, "250 ok", 1, MAILBOX, true },
	/* DATA and the dot: three tries for the mailbox, then the message alone */
	{ STAGE_DATA, "451 later", 1, MAILBOX, false },
	{ STAGE_DATA, "451 later", 2, MAILBOX, false },
	{ STAGE_DATA, "451 later", 3, MESSAGE, false },
	{ STAGE_DATA, "554 5.6.0 no", 1, BOUNCE, false },
	{ STAGE_DATA, "503 5.5.1 RCPT first", 1, MAILBOX, true },
	{ STAGE_DATA, "503 5.5.1 RCPT first", 3, MESSAGE, true },
	{ STAGE_DATA, "250 what", 1, MAILBOX, true },
	{ STAGE_DOT, "250 2.0.0 queued", 1, DONE, false },
	{ STAGE_DOT, "250 2.0.0 queued", 9, DONE, false },
	{ STAGE_DOT, "451 4.3.0 later", 2, MAILBOX, false },
	{ STAGE_DOT, "451 4.3.0 later", 3, MESSAGE, false },
	{ STAGE_DOT, "452 4.3.1 disk full", 4, MESSAGE, false },
	{ STAGE_DOT, "552 5.3.4 too big", 1, BOUNCE, false },
	{ STAGE_DOT, "550 5.7.1 spam", 1, BOUNCE, false },
	{ STAGE_DOT, "554 5.6.0 bad", 1, BOUNCE, false },
	{ STAGE_DOT, "354 what", 1, MAILBOX, true },
	/* 421 and broken links say nothing about the mail */
	{ STAGE_MAIL, "421 4.3.2 closing", 1, MAILBOX, true },
	{ STAGE_RCPT, "421 4.3.2 closing", 1, MAILBOX, true },
	{ STAGE_DATA, "421 4.3.2 closing", 3, MESSAGE, true },
	{ STAGE_DOT, "421 4.3.2 closing", 1, MAILBOX, true },
	{ STAGE_LOST, "connection lost", 1, MAILBOX, true },
	{ STAGE_LOST, "550 5.1.1 said while closing", 1, MAILBOX, true },
	{ STAGE_LOST, "250 ok", 3, MESSAGE, true },
	{ STAGE_UNCLEAR, "connection lost", 2, MAILBOX, true },
	{ STAGE_UNCLEAR, "250 ok", 3, MESSAGE, true },
};

static void test_rules(void **state)
{
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		reply_set(&reply, rules[i].reply);
		struct outcome outcome = outcome_decide(rules[i].stage, &reply, rules[i].tries);
		if (outcome.action != rules[i].action || outcome.suspect != rules[i].suspect)
			fail_msg("%s \"%s\" try %u: action %d suspect %d",
				stage_name(rules[i].stage), rules[i].reply, rules[i].tries,
				outcome.action, outcome.suspect);
	}
}

/* Whatever the reply: only 2xx after the dot is done, and only 5xx in a transaction bounces. */
static void test_all(void **state)
{
	static const char *const enhanced[] = { "", " 4.0.0", " 5.0.0", " 5.7.1", " 5.3.4",
		" 2.0.0" };
	char text[64];
	struct reply reply;

	(void)state;
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		for (int code = 199; code < 600; code++)
			for (size_t e = 0; e < COUNT(enhanced); e++)
				for (unsigned tries = 1; tries < 5; tries++) {
					snprintf(text, sizeof text, "%d%s x", code, enhanced[e]);
					reply_set(&reply, text);
					struct outcome outcome =
						outcome_decide((enum stage)stage, &reply, tries);
					bool two = code / 100 == 2, five = code / 100 == 5;
					assert_int_equal(outcome.action == OUTCOME_DONE,
						stage == STAGE_DOT && two);
					assert_int_equal(outcome.action == OUTCOME_TROUBLE,
						stage < STAGE_MAIL);
					if (outcome.action == OUTCOME_BOUNCE)
						assert_true(five && stage >= STAGE_MAIL &&
							    stage <= STAGE_DOT);
				}
}

static void test_expired(void **state)
{
	struct outcome_clock clock = {
		.began_us = 1000, .wall_us = 6000, .mono_us = 900, .since_us = 100
	};

	(void)state;
	assert_true(outcome_expired(&clock, 5000, 800));
	assert_false(outcome_expired(&clock, 5001, 800));
	assert_false(outcome_expired(&clock, 5000, 801)); /* this process has not seen enough */
	clock.trouble_us = 1;                             /* trouble does not count */
	assert_false(outcome_expired(&clock, 5000, 800));
	clock.wall_us++;
	assert_true(outcome_expired(&clock, 5000, 800));
	clock.since_us = 200;
	assert_false(outcome_expired(&clock, 5000, 800));
	assert_true(outcome_expired(&clock, 600, 800));
	/* The wall clock was set right, years ahead: what this process saw itself counts. */
	clock.seen_all = true;
	clock.wall_us = INT64_MAX / 2;
	assert_false(outcome_expired(&clock, 700, 100));
	assert_true(outcome_expired(&clock, 699, 100));
}

static void test_relay(void **state)
{
	struct relay relay = { 0 };
	bool probe;

	(void)state;
	assert_true(relay_enter(&relay, 0, &probe));
	assert_false(probe);
	assert_true(relay_failed(&relay, 100, 10, 40));
	assert_false(
		relay_failed(&relay, 101, 10, 40)); /* another worker's: not a second failure */
	assert_false(relay_enter(&relay, 109, &probe));
	assert_true(relay_enter(&relay, 110, &probe));
	assert_true(probe);
	assert_false(relay_enter(&relay, 111, &probe)); /* one at a time */
	assert_false(relay_failed(&relay, 115, 10, 40));
	assert_false(relay_enter(&relay, 134, &probe));
	assert_true(relay_enter(&relay, 135, &probe));
	relay_let_go(&relay);
	assert_true(relay_enter(&relay, 136, &probe));
	assert_int_equal(relay_clock(&relay, 140), 40);
	assert_true(relay_fine(&relay, 150));
	assert_false(relay_fine(&relay, 151));
	assert_int_equal(relay_clock(&relay, 999), 50);
	assert_true(relay_enter(&relay, 152, &probe));
	assert_false(probe);
}

static void test_suspects(void **state)
{
	struct relay relay = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(relay_suspect(&relay, 1)); /* one mailbox, however often */
	assert_false(relay_suspect(&relay, 2));
	relay_fine(&relay, 1);
	assert_false(relay_suspect(&relay, 3)); /* not in a row */
	assert_false(relay_suspect(&relay, 4));
	assert_false(relay_suspect(&relay, 3));
	assert_true(relay_suspect(&relay, 5));
	assert_true(relay_suspect(&relay, 3));
}

static void uuid_of(uint32_t n, uint8_t *uuid)
{
	memset(uuid, 0, ROUTE_UUID_BYTES);
	memcpy(uuid + 7, &n, sizeof n);
}

static void test_boxes(void **state)
{
	struct box_table table;
	uint8_t uuid[ROUTE_UUID_BYTES];
	const uint32_t many = 20000;

	(void)state;
	box_table_init(&table);
	for (uint32_t i = 0; i < many; i++) {
		uuid_of(i, uuid);
		assert_null(box_find(&table, uuid));
		box_add(&table, uuid);
	}
	assert_int_equal(table.states[BOX_RUNNABLE], many);
	for (uint32_t i = 0; i < many; i++) { /* first come, first served */
		struct box *box = box_take(&table, NULL);
		uuid_of(i, uuid);
		assert_ptr_equal(box, box_find(&table, uuid));
		if (i % 2)
			box_drop(&table, box);
		else
			box_set(&table, box, BOX_HELD, INT64_MAX);
	}
	assert_null(box_take(&table, NULL));
	size_t count = 0;
	for (struct box *box = box_next(&table, NULL); box; box = box_next(&table, box))
		count++;
	assert_int_equal(count, many / 2);
	assert_int_equal(table.states[BOX_HELD], many / 2);
	box_table_clear(&table);
}

static void test_delays(void **state)
{
	struct box_table table;
	uint8_t uuid[ROUTE_UUID_BYTES] = { 1 };

	(void)state;
	box_table_init(&table);
	struct box *box = box_add(&table, uuid);
	assert_true(box_delay_due(box) == INT64_MAX);
	for (uint64_t i = 0; i < 50; i++) {
		struct box_delay delay = { .id = (i * 37) % 50, .due_us = (int64_t)(i + 100) };
		box_delay_set(box, &delay);
		box_delay_set(box, &delay);
	}
	assert_int_equal(box->delay_count, 50);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(box->delays[i].id, i);
	assert_int_equal(box_delay_due(box), 100);
	for (uint64_t i = 0; i < 50; i++) {
		assert_non_null(box_delay_find(box, i));
		box_delay_forget(box, i);
		assert_null(box_delay_find(box, i));
	}
	assert_int_equal(box->delay_count, 0);
	box_table_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_suspects),
		cmocka_unit_test(test_boxes),
		cmocka_unit_test(test_delays),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
