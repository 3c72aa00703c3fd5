/* The state machine: each row of the table in DESIGN section 6, and what can go wrong in it. */
#include "tests/unit/unit.h"

#include "tests/unit/machine_scene.h"

/* --- forward: what is next in each state after what was done ----------------------------------
 */

static const struct row {
	int state;
	const char *done;
	const char *wanted;
} rows[] = {
	{ MOVE_NEW, "", "do take" },
	{ 0, "take", "do create" },
	{ 0, "create", "do redirect-second" },
	{ 0, TO_4, "enter 1" },
	{ 1, TO_4, "do addresses" },
	{ 2, TO_4, "do addresses" },
	{ 3, TO_4, "do addresses" },
	{ 1, TO_4 "addresses", "do ask-syncs" },
	{ 1, TO_5, "enter 4" },
	{ 4, TO_5, "do list" },
	{ 5, TO_6, "do unredirect-second" },
	{ 5, TO_6 "unredirect-second", "do redirect-first" },
	{ 5, TURNED, "do drain" },
	{ 6, TO_10, "do ask-down" },
	{ 6, TO_10 "ask-down", "enter 10" },
	{ 10, TO_10 "ask-down", "idle" },
};

static void test_rows(void **state)
{
	struct scene scene;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		scene_set(&scene, rows[i].state, rows[i].done);
		scene_expect(&scene, rows[i].wanted);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int step = STEP_TAKE; step < STEPS; step++)
		assert_int_equal(step_find(step_name((enum step)step)), step);
	assert_int_equal(step_find("-"), STEP_NONE);
}

static void test_times(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "");
	scene.now_us = SCENE_NOW - SCENE_DAY - 1;
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW - SCENE_DAY);
	scene.now_us++;
	scene_expect(&scene, "do create");
	scene_set(&scene, 1, TO_4);
	scene.now_us = SCENE_NOW - 1;
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW);
	scene_set(&scene, 0, "");
	scene.move.instant_us = 0;
	scene_expect(&scene, "do create");
}

static void test_hours_and_room(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 1, TO_4);
	scene.facts.room = false;
	scene_expect(&scene, "wait");
	scene.facts.room = true;
	scene.facts.working_hours = false;
	scene.facts.hours_us = SCENE_NOW + 7;
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 7);
	/* what was begun goes on */
	scene.move.work.step = (char *)(uintptr_t) "addresses";
	scene_expect(&scene, "do addresses");
	scene_set(&scene, 5, TO_6);
	scene.facts.working_hours = scene.facts.room = false;
	scene_expect(&scene, "do unredirect-second");
}

/* --- an order that cannot be taken ------------------------------------------------------------ */

static void test_no_order(void **state)
{
	struct scene scene;

	(void)state;
	for (int at = MOVE_NEW; at <= 0; at++) {
		scene_set(&scene, at, "");
		scene.facts.scenario_fault = "not yet";
		scene_expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.mailbox_gone = true;
		scene_expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.target_known = false;
		scene_expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.at_target = true;
		scene_expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.other_open = "moving already";
		scene_expect(&scene, "over ended");
		assert_string_equal(scene.decision.text, "moving already");
		scene_set(&scene, at, "");
		scene.facts.mailbox_known = false;
		scene_expect(&scene, "look");
	}
	scene_set(&scene, MOVE_NEW, "");
	scene.move.fault = (char *)(uintptr_t) "no address";
	scene_expect(&scene, "over ended");
	scene_set(&scene, MOVE_NEW, "");
	scene.facts.mailbox_known = false;
	scene.facts.mailbox_trouble = "two claim it";
	scene_expect(&scene, "over ended");
	scene.move.state = 0;
	scene_expect(&scene, "trouble");
}

static void test_scenarios(void **state)
{
	struct scene s;

	(void)state;
	scene_set(&s, 0, "");
	assert_null(scenario_fault(&s.scenario));
	s.scenario.verify = true;
	assert_non_null(scenario_fault(&s.scenario));
	scene_set(&s, 0, "");
	s.scenario.local = true;
	assert_non_null(scenario_fault(&s.scenario));
	scene_set(&s, 0, "");
	s.scenario.integrate = true;
	assert_non_null(scenario_fault(&s.scenario));
	scene_set(&s, 0, "");
	s.scenario.diary_ahead = true;
	assert_non_null(scenario_fault(&s.scenario));
	scene_set(&s, 0, "");
	s.scenario.transfer = (char *)(uintptr_t) "mail";
	assert_non_null(scenario_fault(&s.scenario));
	assert_int_equal(scenario_time_us(&s.scenario, &s.move, MOVE_DELETED), INT64_MAX);
}

/* --- trouble on the way ----------------------------------------------------------------------- */

static void test_mailbox_changed_by_hand(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.mailbox_gone = true;
	scene_expect(&scene, "stop");
	scene_set(&scene, 5, TO_6);
	scene.facts.on_assignor = false;
	scene_expect(&scene, "stop");
	/* swapped by hand: before state 5 nothing was fenced */
	scene_set(&scene, 4, TO_5);
	scene.facts.on_assignor = false;
	scene.facts.on_assignee = true;
	scene_expect(&scene, "stop");
	/* unheld by hand */
	scene_set(&scene, 5, TURNED);
	scene.facts.held = scene.facts.fenced = false;
	scene_expect(&scene, "do hold");
	scene.facts.held = true;
	scene_expect(&scene, "do fence");
}

/* Closed to its user by an earlier move back: opened before anybody is held. */
static void test_second_is_opened(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5 "found list ");
	scene.facts.listed = true;
	scene_expect(&scene, "do open-second");
	scene_mark(&scene, STEP_OPEN_SECOND); /* its end was not seen */
	scene_expect(&scene, "do open-second");
	scene_done(&scene, "open-second");
	scene_expect(&scene, "do hold");
	scene_set(&scene, 4, TO_5 "found list ");
	scene.facts.listed = scene.facts.action_absent[STEP_OPEN_SECOND] = true;
	scene_expect(&scene, "do hold");
	scene_set(&scene, 4, TO_5 "found list ");
	scene.facts.missing = "b@example.org";
	scene.facts.listed = true;
	scene_expect(&scene, "stop");
	scene_set(&scene, 4, TO_5 "list "); /* create has made it */
	scene.facts.listed = true;
	scene_expect(&scene, "do hold");
	scene_set(&scene, 4, TO_5 "adopted list ");
	scene.facts.listed = true;
	scene_expect(&scene, "do open-second");
}

/* An administrator's word, which neither hold nor swap writes over. */
static void test_another_state(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.listed = true;
	scene.facts.other_state = "deferred";
	scene_expect(&scene, "trouble");
	assert_non_null(strstr(scene.decision.text, "deferred"));
	scene_set(&scene, 5, TURNED); /* the hold was ours, and is not there any more */
	scene.facts.held = scene.facts.fenced = false;
	scene.facts.other_state = "deferred";
	scene_expect(&scene, "trouble");
	scene.facts.other_state = NULL;
	scene_expect(&scene, "do hold");
	scene_set(&scene, 6, TO_10 "back leave-mail");
	scene.facts.other_state = "deferred";
	scene_expect(&scene, "trouble");
	scene_set(&scene, 4, TO_5 "hold back leave-mail");
	scene.facts.other_state = "deferred";
	scene_expect(&scene, "do unaddress");
}

static void test_syncs(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.syncs = SYNC_WAITS;
	scene_expect(&scene, "wait");
	scene.facts.syncs = SYNC_REFUSED;
	scene.facts.sync_reason = "S1: no";
	scene_expect(&scene, "do ask-syncs");
	assert_string_equal(scene.decision.text, "the up sync failed: S1: no");
}

static void test_addresses_missing(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.listed = true;
	scene_expect(&scene, "do hold");
	scene.facts.missing = "b@example.org";
	scene_expect(&scene, "stop");
	assert_non_null(strstr(scene.decision.text, "b@example.org"));
	scene.facts.action_absent[STEP_LIST] = true;
	scene.facts.listed = false;
	scene_expect(&scene, "stop");
	/* stopped, or another address since: asked once more before the swap */
	for (int turned = 0; turned < 2; turned++) {
		scene_set(&scene, 5, turned ? TURNED : TO_6);
		scene.facts.listed = false;
		scene_expect(&scene, "do list");
		scene.facts.listed = true;
		scene.facts.missing = "b@example.org";
		scene_expect(&scene, "stop");
		assert_non_null(strstr(scene.decision.text, "where it is, on hold; add what"));
	}
}

static void test_fence_and_drain(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5 "list hold");
	scene.facts.held = true;
	scene_expect(&scene, "do fence");
	scene.facts.fenced = true;
	scene_expect(&scene, "enter 5");
	/* after a restart the fence is passed again, whatever was recorded */
	scene_set(&scene, 5, TURNED);
	scene.facts.fenced = false;
	scene_expect(&scene, "do fence");
	scene.facts.drained = true;
	scene_expect(&scene, "do fence");
	scene.facts.fenced = true;
	scene_expect(&scene, "do swap");
	/* the bound counts only where the assignor catches the rest */
	scene.facts.drained = false;
	scene.facts.drain_over = true;
	scene_expect(&scene, "do swap");
	scene_undone(&scene, STEP_REDIRECT_FIRST);
	scene.facts.assignor_redirects = false;
	scene_expect(&scene, "do drain");
	scene.facts.drained = true;
	scene_expect(&scene, "do swap");
}

static void test_swap_without_its_record(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 5, TURNED);
	scene.facts.held = scene.facts.on_assignor = false;
	scene.facts.on_assignee = true;
	scene_expect(&scene, "do swap");
	scene_done(&scene, "swap");
	scene_expect(&scene, "enter 6");
}

/* By hand, before the redirections were turned: they are turned all the same, in their order. */
static void test_swap_by_hand(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 5, TO_6);
	scene.facts.held = scene.facts.fenced = scene.facts.on_assignor = false;
	scene.facts.on_assignee = true;
	scene_expect(&scene, "do unredirect-second");
	scene_done(&scene, "unredirect-second");
	scene_expect(&scene, "do redirect-first");
	scene_done(&scene, "redirect-first");
	scene_expect(&scene, "do swap");
	scene_done(&scene, "swap");
	scene_expect(&scene, "enter 6");
}

static void test_without_redirections(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "create");
	scene.scenario.redirect = false;
	scene_expect(&scene, "enter 1");
	/* an earlier move may have left one there */
	scene_set(&scene, 5, "create addresses ask-syncs list hold");
	scene.scenario.redirect = false;
	scene_expect(&scene, "do unredirect-second");
	scene_done(&scene, "unredirect-second");
	scene_expect(&scene, "do drain");
	scene_set(&scene, 5, "create addresses ask-syncs list hold");
	scene.scenario.redirect = false;
	scene.facts.action_absent[STEP_UNREDIRECT_SECOND] = true;
	scene_expect(&scene, "do drain");
	scene_set(&scene, 0, "create");
	scene.facts.action_absent[STEP_REDIRECT_SECOND] = true;
	scene_expect(&scene, "enter 1");
}

static void test_absent_actions(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "");
	scene.facts.action_absent[STEP_CREATE] = true;
	scene_expect(&scene, "stop");
	assert_non_null(strstr(scene.decision.text, "actions S2.create"));
	scene_set(&scene, 6, TO_10 "ask-down");
	scene.scenario.close = true;
	scene_expect(&scene, "do close");
	scene.facts.action_absent[STEP_CLOSE] = true;
	scene_expect(&scene, "stop");
	assert_non_null(strstr(scene.decision.text, "actions S1.close"));
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_requests(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 1, TO_4);
	scene.move.request = MOVE_ASKED_PAUSE;
	scene_expect(&scene, "idle");
	scene.move.request = MOVE_ASKED_RESUME;
	scene_expect(&scene, "answer resume");
	scene.move.request = MOVE_ASKED_UNKNOWN;
	scene_expect(&scene, "answer decline");
	scene.move.request = MOVE_ASKED_NOTHING;
	scene.move.stopped = true;
	scene_expect(&scene, "idle");
	scene.move.request = MOVE_ASKED_RETRY;
	scene_expect(&scene, "answer retry");
	scene.move.request = MOVE_ASKED_CANCEL;
	scene_expect(&scene, "answer back");
	scene.move.request = MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
	scene_expect(&scene, "answer leave-mail");
	scene.move.outcome = MOVE_CANCELLED;
	scene_expect(&scene, "answer decline");
	scene.move.outcome = MOVE_OUTCOME_UNKNOWN;
	scene_expect(&scene, "idle");
}

/* In state 10 a move is rolled back while nothing stands in the way. */
static void test_rollback_of_a_finished_move(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.move.request = MOVE_ASKED_ROLLBACK;
	scene.facts.first_asked = scene.facts.second_asked = scene.facts.second_empty = true;
	scene_expect(&scene, "answer back");
	assert_int_equal(scene.decision.state, MOVE_SWAPPED);
	scene.facts.other_open = "x";
	scene_expect(&scene, "answer decline");
	scene.facts.other_open = NULL;
	scene.facts.on_assignee = false;
	scene_expect(&scene, "answer decline");
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.move.request = MOVE_ASKED_ROLLBACK;
	scene.move.work.step = (char *)(uintptr_t) "delete-old";
	scene_expect(&scene, "answer decline");
	/* somebody deleted it: the address would lead nowhere */
	for (int at = 6; at <= 10; at += 4) {
		scene_set(&scene, at, TO_10 "ask-down");
		scene.move.request = MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
		scene.facts.first_asked = true;
		scene_expect(&scene, "answer leave-mail");
		scene.move.old_gone = true;
		scene_expect(&scene, "answer decline");
	}
}

/* --- the old mailbox -------------------------------------------------------------------------- */

static void test_deletion(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.scenario.delete = SCENE_DAY;
	scene.move.reached_us[MOVE_SWAPPED] = SCENE_NOW;
	scene_expect(&scene, "wait"); /* mail may be in a queue still */
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 5 * SCENE_DAY);
	scene_done(&scene, "drain");
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + SCENE_DAY);
	scene.scenario.delete = 7 * SCENE_DAY;
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 7 * SCENE_DAY);
	scene.now_us += 7 * SCENE_DAY;
	scene_expect(&scene, "stop"); /* no data was transferred */
	scene.move.may_delete = true;
	scene_expect(&scene, "do delete-old");
	scene.facts.working_hours = false;
	scene_expect(&scene, "wait");
	scene.facts.working_hours = true;
	scene.facts.moves_back = true;
	scene_expect(&scene, "stop");
	scene.facts.at_assignor = true;
	scene_expect(&scene, "over moved back");
	scene.facts.mailbox_gone = true;
	scene_expect(&scene, "stop");
	scene_done(&scene, "delete-old");
	scene_expect(&scene, "enter 13"); /* a contact of what? */
	/* also after a restart it is made of the mailbox's entry */
	scene.facts.mailbox_gone = scene.facts.mailbox_known = false;
	scene_expect(&scene, "look");
	scene.facts.mailbox_trouble = "two claim it";
	scene_expect(&scene, "trouble");
	scene.facts.mailbox_known = true;
	scene_expect(&scene, "do contact");
	scene_done(&scene, "contact");
	scene_expect(&scene, "enter 13");
}

/* Without a deletion, too: dirsync must see the mailbox in the old one again. */
static void test_moved_back(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.facts.returned = true;
	scene_expect(&scene, "over moved back");
	scene_done(&scene, "close"); /* its user is to get in again */
	scene_expect(&scene, "do open");
	scene_done(&scene, "delete-old");
	scene_expect(&scene, "over moved back");
	scene_undone(&scene, STEP_CLOSE);
	scene.move.state = MOVE_DELETED;
	scene_expect(&scene, "over moved back");
}

static void test_purge(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 13, "delete-old contact");
	scene_expect(&scene, "idle");
	scene.scenario.retention = SCENE_DAY;
	scene_expect(&scene, "idle"); /* the old mailbox was not seen gone */
	scene.move.old_gone = true;
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + SCENE_DAY);
	scene.now_us += SCENE_DAY;
	scene_expect(&scene, "do purge");
	scene_set(&scene, 1, "back outcome");
	scene.scenario.retention = 1;
	scene.move.outcome = MOVE_CANCELLED;
	scene.now_us += SCENE_DAY;
	scene_expect(&scene, "do purge");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_hours_and_room),
		cmocka_unit_test(test_no_order),
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_mailbox_changed_by_hand),
		cmocka_unit_test(test_second_is_opened),
		cmocka_unit_test(test_another_state),
		cmocka_unit_test(test_syncs),
		cmocka_unit_test(test_addresses_missing),
		cmocka_unit_test(test_fence_and_drain),
		cmocka_unit_test(test_swap_without_its_record),
		cmocka_unit_test(test_swap_by_hand),
		cmocka_unit_test(test_without_redirections),
		cmocka_unit_test(test_absent_actions),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_rollback_of_a_finished_move),
		cmocka_unit_test(test_deletion),
		cmocka_unit_test(test_moved_back),
		cmocka_unit_test(test_purge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
