/* The state machine: each row of the table in DESIGN section 6, and what can go wrong in it. */
#include "tests/unit/unit.h"

#include "tests/unit/machine_scene.h"

#define TO_4   "create redirect-second "
#define TO_5   TO_4 "addresses ask-syncs "
#define TO_6   TO_5 "list hold fence "
#define TURNED TO_6 "unredirect-second redirect-first "
#define TO_10  TURNED "swap "

#define SECOND_US INT64_C(1000000)

static void expect(struct scene *scene, const char *wanted)
{
	const char *got = scene_decide(scene);

	if (strcmp(got, wanted) != 0)
		fail_msg("state %d: %s (%s) instead of %s", scene->move.state, got,
			scene->decision.text, wanted);
}

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
		expect(&scene, rows[i].wanted);
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
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW - SCENE_DAY);
	scene.now_us++;
	expect(&scene, "do create");
	scene_set(&scene, 1, TO_4);
	scene.now_us = SCENE_NOW - 1;
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW);
	scene_set(&scene, 0, "");
	scene.move.instant_us = 0;
	expect(&scene, "do create");
}

static void test_hours_and_room(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 1, TO_4);
	scene.facts.room = false;
	expect(&scene, "wait");
	scene.facts.room = true;
	scene.facts.working_hours = false;
	scene.facts.hours_us = SCENE_NOW + 7;
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 7);
	/* what was begun goes on */
	scene.move.work.step = (char *)(uintptr_t) "addresses";
	expect(&scene, "do addresses");
	scene_set(&scene, 5, TO_6);
	scene.facts.working_hours = scene.facts.room = false;
	expect(&scene, "do unredirect-second");
}

/* --- an order that cannot be taken ------------------------------------------------------------ */

static void test_no_order(void **state)
{
	struct scene scene;

	(void)state;
	for (int at = MOVE_NEW; at <= 0; at++) {
		scene_set(&scene, at, "");
		scene.facts.scenario_fault = "not yet";
		expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.mailbox_gone = true;
		expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.target_known = false;
		expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.at_target = true;
		expect(&scene, "over ended");
		scene_set(&scene, at, "");
		scene.facts.other_open = "moving already";
		expect(&scene, "over ended");
		assert_string_equal(scene.decision.text, "moving already");
		scene_set(&scene, at, "");
		scene.facts.mailbox_known = false;
		expect(&scene, "look");
	}
	scene_set(&scene, MOVE_NEW, "");
	scene.move.fault = (char *)(uintptr_t) "no address";
	expect(&scene, "over ended");
	scene_set(&scene, MOVE_NEW, "");
	scene.facts.mailbox_known = false;
	scene.facts.mailbox_trouble = "two claim it";
	expect(&scene, "over ended");
	scene.move.state = 0;
	expect(&scene, "trouble");
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

static void test_ended_with_a_second_mailbox(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 1, TO_4);
	scene.facts.mailbox_gone = true;
	expect(&scene, "answer end");
	scene_done(&scene, "end");
	scene.move.error = (char *)(uintptr_t) "gone";
	expect(&scene, "do unaddress");
	scene_done(&scene, "unaddress");
	expect(&scene, "do empty");
	scene.facts.second_asked = scene.facts.second_empty = true;
	expect(&scene, "do delete-second");
	scene_done(&scene, "delete-second");
	expect(&scene, "over ended");
	assert_string_equal(scene.decision.text, "gone");
}

static void test_mailbox_changed_by_hand(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.mailbox_gone = true;
	expect(&scene, "stop");
	scene_set(&scene, 5, TO_6);
	scene.facts.on_assignor = false;
	expect(&scene, "stop");
	/* swapped by hand: before state 5 nothing was fenced */
	scene_set(&scene, 4, TO_5);
	scene.facts.on_assignor = false;
	scene.facts.on_assignee = true;
	expect(&scene, "stop");
	/* unheld by hand */
	scene_set(&scene, 5, TURNED);
	scene.facts.held = scene.facts.fenced = false;
	expect(&scene, "do hold");
	scene.facts.held = true;
	expect(&scene, "do fence");
}

static void test_syncs(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.syncs = SYNC_WAITS;
	expect(&scene, "wait");
	scene.facts.syncs = SYNC_REFUSED;
	scene.facts.sync_reason = "S1: no";
	expect(&scene, "do ask-syncs");
	assert_string_equal(scene.decision.text, "the up sync failed: S1: no");
}

static void test_addresses_missing(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.listed = true;
	expect(&scene, "do hold");
	scene.facts.missing = "b@example.org";
	expect(&scene, "stop");
	assert_non_null(strstr(scene.decision.text, "b@example.org"));
	scene.facts.action_absent[STEP_LIST] = true;
	scene.facts.listed = false;
	expect(&scene, "stop");
}

static void test_fence_and_drain(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5 "list hold");
	scene.facts.held = true;
	expect(&scene, "do fence");
	scene.facts.fenced = true;
	expect(&scene, "enter 5");
	/* after a restart the fence is passed again, whatever was recorded */
	scene_set(&scene, 5, TURNED);
	scene.facts.fenced = false;
	expect(&scene, "do fence");
	scene.facts.drained = true;
	expect(&scene, "do fence");
	scene.facts.fenced = true;
	expect(&scene, "do swap");
	/* the bound counts only where the assignor catches the rest */
	scene.facts.drained = false;
	scene.facts.drain_over = true;
	expect(&scene, "do swap");
	scene_undone(&scene, STEP_REDIRECT_FIRST);
	scene.facts.assignor_redirects = false;
	expect(&scene, "do drain");
	scene.facts.drained = true;
	expect(&scene, "do swap");
}

static void test_swap_without_its_record(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 5, TURNED);
	scene.facts.held = scene.facts.on_assignor = false;
	scene.facts.on_assignee = true;
	expect(&scene, "do swap");
	scene_done(&scene, "swap");
	expect(&scene, "enter 6");
}

static void test_without_redirections(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "create");
	scene.scenario.redirect = false;
	expect(&scene, "enter 1");
	/* an earlier move may have left one there */
	scene_set(&scene, 5, "create addresses ask-syncs list hold");
	scene.scenario.redirect = false;
	expect(&scene, "do unredirect-second");
	scene_done(&scene, "unredirect-second");
	expect(&scene, "do drain");
	scene_set(&scene, 5, "create addresses ask-syncs list hold");
	scene.scenario.redirect = false;
	scene.facts.action_absent[STEP_UNREDIRECT_SECOND] = true;
	expect(&scene, "do drain");
	scene_set(&scene, 0, "create");
	scene.facts.action_absent[STEP_REDIRECT_SECOND] = true;
	expect(&scene, "enter 1");
}

static void test_absent_actions(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "");
	scene.facts.action_absent[STEP_CREATE] = true;
	expect(&scene, "stop");
	assert_non_null(strstr(scene.decision.text, "actions S2.create"));
	scene_set(&scene, 6, TO_10 "ask-down");
	scene.scenario.close = true;
	expect(&scene, "do close");
	scene.facts.action_absent[STEP_CLOSE] = true;
	expect(&scene, "enter 10");
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_requests(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 1, TO_4);
	scene.move.request = MOVE_ASKED_PAUSE;
	expect(&scene, "idle");
	scene.move.request = MOVE_ASKED_RESUME;
	expect(&scene, "answer resume");
	scene.move.request = MOVE_ASKED_UNKNOWN;
	expect(&scene, "answer decline");
	scene.move.request = MOVE_ASKED_NOTHING;
	scene.move.stopped = true;
	expect(&scene, "idle");
	scene.move.request = MOVE_ASKED_RETRY;
	expect(&scene, "answer retry");
	scene.move.request = MOVE_ASKED_CANCEL;
	expect(&scene, "answer back");
	scene.move.request = MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
	expect(&scene, "answer leave-mail");
	scene.move.outcome = MOVE_CANCELLED;
	expect(&scene, "answer decline");
	scene.move.outcome = MOVE_OUTCOME_UNKNOWN;
	expect(&scene, "idle");
}

/* In state 10 a move is rolled back while nothing stands in the way. */
static void test_rollback_of_a_finished_move(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.move.request = MOVE_ASKED_ROLLBACK;
	expect(&scene, "answer back");
	assert_int_equal(scene.decision.state, MOVE_SWAPPED);
	scene.facts.other_open = "x";
	expect(&scene, "answer decline");
	scene.facts.other_open = NULL;
	scene.facts.on_assignee = false;
	expect(&scene, "answer decline");
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.move.request = MOVE_ASKED_ROLLBACK;
	scene.move.work.step = (char *)(uintptr_t) "delete-old";
	expect(&scene, "answer decline");
}

/* --- backward --------------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "back");
	expect(&scene, "over cancelled");
	scene.move.work.step = (char *)(uintptr_t) "create"; /* made or not? */
	expect(&scene, "do create");
	scene_set(&scene, 1, TO_4 "back unaddress");
	expect(&scene, "do empty");
	scene.facts.second_asked = true;
	expect(&scene, "over cancelled");
	assert_non_null(strstr(scene.decision.text, "was not deleted: mail is in it"));
	scene.facts.second_empty = true;
	expect(&scene, "do delete-second");
}

static void test_rollback_refused_for_mail(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "back");
	expect(&scene, "do empty");
	scene.facts.second_asked = true;
	expect(&scene, "stop");
	scene_done(&scene, "leave-mail");
	expect(&scene, "do hold-back");
	scene_undone(&scene, STEP_LEAVE_MAIL);
	scene.facts.second_empty = true;
	expect(&scene, "do hold-back");
}

static void test_rollback_of_a_swap(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "ask-down close back leave-mail hold-back");
	scene.scenario.close = true;
	scene.facts.held = true;
	expect(&scene, "do fence");
	scene.facts.fenced = true;
	expect(&scene, "do unredirect-first");
	scene_done(&scene, "unredirect-first");
	expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	expect(&scene, "do open");
	scene_done(&scene, "open");
	expect(&scene, "do drain-back");
	scene.facts.drained = true;
	expect(&scene, "do swap-back");
	scene_done(&scene, "drain-back swap-back");
	scene.facts.held = scene.facts.on_assignee = scene.facts.at_target = false;
	scene.facts.on_assignor = scene.facts.at_assignor = true;
	expect(&scene, "do ask-down-back");
	scene_done(&scene, "ask-down-back");
	expect(&scene, "do unaddress");
	scene_done(&scene, "unaddress");
	/* what the old system has under way comes first */
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 60 * SECOND_US);
	scene.scenario.drain = 5 * SECOND_US;
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 5 * SECOND_US);
	scene.now_us += 5 * SECOND_US;
	expect(&scene, "do empty");
	scene.facts.second_asked = scene.facts.second_empty = true;
	expect(&scene, "do delete-second");
	/* draining was cut short: mail for it may be under way */
	scene_undone(&scene, STEP_DRAIN_BACK);
	expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "under way"));
}

static void test_rollback_before_the_swap(void **state)
{
	struct scene scene;

	(void)state;
	/* swapped back, and ended before that was in the record */
	scene_set(&scene, 6,
		TO_10 "back leave-mail hold-back unredirect-first redirect-back unaddress");
	scene.facts.on_assignee = scene.facts.at_target = false;
	scene.facts.on_assignor = scene.facts.at_assignor = true;
	expect(&scene, "do ask-down-back");
	scene_done(&scene, "ask-down-back");
	expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "under way"));
	scene_set(&scene, 5, TURNED "back");
	scene.facts.second_asked = scene.facts.second_empty = true;
	expect(&scene, "do unredirect-first");
	scene_done(&scene, "unredirect-first");
	expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	expect(&scene, "do unhold");
	scene.facts.held = false;
	expect(&scene, "do unaddress");
	/* what was begun counts as done, also when something else was claimed since */
	scene_set(&scene, 5, TO_6 "unredirect-second back");
	scene.facts.second_asked = scene.facts.second_empty = true;
	expect(&scene, "do redirect-back");
	scene.move.work.step = (char *)(uintptr_t) "redirect-first";
	expect(&scene, "do unredirect-first");
	scene.move.work.step = (char *)(uintptr_t) "hold";
	scene_mark(&scene, STEP_REDIRECT_FIRST);
	expect(&scene, "do unredirect-first");
	scene_set(&scene, 4, TO_5 "list back");
	scene.facts.second_asked = scene.facts.second_empty = scene.facts.held = true;
	expect(&scene, "do unaddress"); /* somebody else's hold */
	scene.move.work.step = (char *)(uintptr_t) "hold";
	expect(&scene, "do unhold");
	/* a hold that is not ours stays */
	scene_set(&scene, 1, TO_4 "back");
	scene.facts.held = true;
	expect(&scene, "do unaddress");
}

/* What was done is undone, whatever the settings have become since. */
static void test_rollback_under_other_settings(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "ask-down close back leave-mail hold-back");
	scene.facts.held = scene.facts.fenced = true;
	scene.scenario.redirect = scene.scenario.close = false;
	scene.facts.assignor_redirects = scene.facts.assignee_redirects = false;
	expect(&scene, "do unredirect-first");
	scene.facts.action_absent[STEP_UNREDIRECT_FIRST] = true;
	expect(&scene, "stop");
	scene_done(&scene, "unredirect-first");
	expect(&scene, "do open"); /* set is nothing that they forbid */
	scene_done(&scene, "open");
	expect(&scene, "do drain-back");
	/* and what was not done is not undone */
	scene_set(&scene, 6, TO_10 "ask-down back leave-mail hold-back");
	scene_undone(&scene, STEP_REDIRECT_FIRST);
	scene.facts.held = scene.facts.fenced = scene.scenario.close = true;
	expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	expect(&scene, "do drain-back");
	/* forward, too: no redirection is left behind */
	scene_set(&scene, 5, TO_6);
	scene.scenario.redirect = scene.facts.assignee_redirects = false;
	expect(&scene, "do unredirect-second");
	scene.facts.action_absent[STEP_UNREDIRECT_SECOND] = true;
	expect(&scene, "stop");
}

/* --- who holds it ----------------------------------------------------------------------------- */

static void test_on_hold_by_somebody_else(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.listed = scene.facts.held = true;
	expect(&scene, "trouble");
	assert_non_null(strstr(scene.decision.text, "restante unhold anna@example.org"));
	scene.move.work.step = (char *)(uintptr_t) "hold"; /* whose it is nobody knows */
	expect(&scene, "do hold");
	scene_set(&scene, 6, TO_10 "back leave-mail");
	scene.facts.held = true;
	expect(&scene, "trouble");
	scene.move.work.step = (char *)(uintptr_t) "hold-back";
	expect(&scene, "do hold-back");
}

/* --- mail in the second mailbox ----------------------------------------------------------------
 */

/* It was empty when the way back began, and is not any more behind the fence. */
static void test_mail_that_came_before_the_hold(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "back hold-back");
	scene.facts.held = true;
	scene.facts.second_asked = scene.facts.second_empty = true;
	expect(&scene, "do fence");
	scene.facts.second_asked = false;
	expect(&scene, "do fence");
	scene.facts.fenced = true;
	expect(&scene, "do empty");
	scene.facts.second_asked = true;
	scene.facts.second_empty = false;
	expect(&scene, "do unhold");
	scene_done(&scene, "unhold");
	scene.facts.held = scene.facts.fenced = scene.facts.second_asked = false;
	expect(&scene, "do empty");
	scene.facts.second_asked = true;
	expect(&scene, "stop");
	scene.facts.second_empty = true;
	expect(&scene, "do hold-back");
}

/* A deletion whose end nobody saw is tried again: the step asks by itself. */
static void test_mail_that_came_before_the_deletion(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5 "back unaddress");
	scene.move.work.step = (char *)(uintptr_t) "delete-second";
	expect(&scene, "do delete-second");
	scene.facts.second_asked = true;
	expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "mail is in it; it redirects to anna@s1.test"));
	scene_undone(&scene, STEP_REDIRECT_SECOND);
	expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "it does not redirect"));
}

static void test_create_refused(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "back");
	scene.move.work.step = (char *)(uintptr_t) "create";
	expect(&scene, "do create");
	scene.facts.create_refused = "no room";
	expect(&scene, "over cancelled");
	assert_non_null(strstr(scene.decision.text, "look there: no room"));
}

/* --- the old mailbox -------------------------------------------------------------------------- */

static void test_deletion(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.scenario.delete = SCENE_DAY;
	scene.move.reached_us[MOVE_SWAPPED] = SCENE_NOW;
	expect(&scene, "wait"); /* mail may be in a queue still */
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 5 * SCENE_DAY);
	scene_done(&scene, "drain");
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + SCENE_DAY);
	scene.scenario.delete = 7 * SCENE_DAY;
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 7 * SCENE_DAY);
	scene.now_us += 7 * SCENE_DAY;
	expect(&scene, "stop"); /* no data was transferred */
	scene.move.may_delete = true;
	expect(&scene, "do delete-old");
	scene.facts.working_hours = false;
	expect(&scene, "wait");
	scene.facts.working_hours = true;
	scene.facts.moves_back = true;
	expect(&scene, "stop");
	scene.facts.at_assignor = true;
	expect(&scene, "over moved back");
	scene.facts.mailbox_gone = true;
	expect(&scene, "stop");
	scene_done(&scene, "delete-old");
	expect(&scene, "do contact");
	scene_done(&scene, "contact");
	expect(&scene, "enter 13");
}

/* Without a deletion, too: dirsync must see the mailbox in the old one again. */
static void test_moved_back(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 10, TO_10 "ask-down");
	scene.facts.returned = true;
	expect(&scene, "over moved back");
	scene.move.state = MOVE_DELETED;
	expect(&scene, "over moved back");
}

static void test_purge(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 13, "delete-old contact");
	expect(&scene, "idle");
	scene.scenario.retention = SCENE_DAY;
	expect(&scene, "idle"); /* the old mailbox was not seen gone */
	scene.move.old_gone = true;
	expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + SCENE_DAY);
	scene.now_us += SCENE_DAY;
	expect(&scene, "do purge");
	scene_set(&scene, 1, "back outcome");
	scene.scenario.retention = 1;
	scene.move.outcome = MOVE_CANCELLED;
	scene.now_us += SCENE_DAY;
	expect(&scene, "do purge");
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
		cmocka_unit_test(test_ended_with_a_second_mailbox),
		cmocka_unit_test(test_mailbox_changed_by_hand),
		cmocka_unit_test(test_syncs),
		cmocka_unit_test(test_addresses_missing),
		cmocka_unit_test(test_fence_and_drain),
		cmocka_unit_test(test_swap_without_its_record),
		cmocka_unit_test(test_without_redirections),
		cmocka_unit_test(test_absent_actions),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_rollback_of_a_finished_move),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_rollback_refused_for_mail),
		cmocka_unit_test(test_rollback_of_a_swap),
		cmocka_unit_test(test_rollback_before_the_swap),
		cmocka_unit_test(test_rollback_under_other_settings),
		cmocka_unit_test(test_on_hold_by_somebody_else),
		cmocka_unit_test(test_mail_that_came_before_the_hold),
		cmocka_unit_test(test_mail_that_came_before_the_deletion),
		cmocka_unit_test(test_create_refused),
		cmocka_unit_test(test_deletion),
		cmocka_unit_test(test_moved_back),
		cmocka_unit_test(test_purge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
