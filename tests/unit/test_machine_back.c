/* The state machine on its way back: cancel, rollback, ended. */
#include "tests/unit/unit.h"

#include "tests/unit/machine_scene.h"

static void test_cancel(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "back");
	scene_expect(&scene, "over cancelled");
	scene.move.work.step = (char *)(uintptr_t) "create"; /* made or not? */
	scene_expect(&scene, "do create");
	scene.facts.mailbox_known = false; /* it is made by what the entry says */
	scene_expect(&scene, "look");
	scene.facts.mailbox_trouble = "two claim it";
	scene_expect(&scene, "trouble");
	scene_set(&scene, 1, TO_4 "back unaddress");
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = true;
	scene_expect(&scene, "over cancelled");
	assert_non_null(strstr(scene.decision.text, "was not deleted: mail is in it"));
	scene.facts.second_empty = true;
	scene_expect(&scene, "do delete-second");
}

static void test_rollback_of_a_swap(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "ask-down close back leave-mail hold-back");
	scene.scenario.close = true;
	scene.facts.held = true;
	scene_expect(&scene, "do fence");
	scene.facts.fenced = true;
	scene_expect(&scene, "do list-first");
	scene.facts.first_asked = true;
	scene_expect(&scene, "do unredirect-first");
	scene_done(&scene, "unredirect-first");
	scene.facts.first_asked = false;
	scene_expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	scene_expect(&scene, "do open");
	scene_done(&scene, "open");
	scene_expect(&scene, "do drain-back");
	scene.facts.drained = true;
	scene_expect(&scene, "do list-first"); /* right before */
	scene.facts.first_asked = true;
	scene_expect(&scene, "do swap-back");
	scene_done(&scene, "drain-back swap-back");
	scene.facts.held = scene.facts.on_assignee = scene.facts.at_target = false;
	scene.facts.on_assignor = scene.facts.at_assignor = true;
	scene_expect(&scene, "do ask-down-back");
	scene_done(&scene, "ask-down-back");
	scene_expect(&scene, "do unaddress");
	scene_done(&scene, "unaddress");
	/* what the old system has under way comes first */
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 60 * SECOND_US);
	scene.scenario.drain = 5 * SECOND_US;
	scene_expect(&scene, "wait");
	assert_int_equal(scene.decision.until_us, SCENE_NOW + 5 * SECOND_US);
	scene.now_us += 5 * SECOND_US;
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = scene.facts.second_empty = true;
	scene_expect(&scene, "do delete-second");
	/* draining was cut short: mail for it may be under way */
	scene_undone(&scene, STEP_DRAIN_BACK);
	scene_expect(&scene, "over rolled back");
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
	scene_expect(&scene, "do ask-down-back");
	scene_done(&scene, "ask-down-back");
	scene_expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "under way"));
	scene_set(&scene, 5, TURNED "back");
	scene.facts.second_asked = scene.facts.second_empty = true;
	scene_expect(&scene, "do unredirect-first");
	scene_done(&scene, "unredirect-first");
	scene_expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	scene_expect(&scene, "do unhold");
	scene.facts.held = false;
	scene_expect(&scene, "do unaddress");
	/* what was begun counts as done, also when something else was claimed since */
	scene_set(&scene, 5, TO_6 "unredirect-second back");
	scene.facts.second_asked = scene.facts.second_empty = true;
	scene_expect(&scene, "do redirect-back");
	scene.move.work.step = (char *)(uintptr_t) "redirect-first";
	scene_expect(&scene, "do unredirect-first");
	scene.move.work.step = (char *)(uintptr_t) "hold";
	scene_mark(&scene, STEP_REDIRECT_FIRST);
	scene_expect(&scene, "do unredirect-first");
	scene_set(&scene, 4, TO_5 "list back");
	scene.facts.second_asked = scene.facts.second_empty = scene.facts.held = true;
	scene_expect(&scene, "do unaddress"); /* somebody else's hold */
	scene.move.work.step = (char *)(uintptr_t) "hold";
	scene_expect(&scene, "do unhold");
	/* a hold that is not ours stays */
	scene_set(&scene, 1, TO_4 "back");
	scene.facts.held = true;
	scene_expect(&scene, "do unaddress");
}

/* What was done is undone, whatever the settings have become since. */
static void test_rollback_under_other_settings(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "ask-down close back leave-mail hold-back");
	scene.facts.held = scene.facts.fenced = scene.facts.first_asked = true;
	scene.scenario.redirect = scene.scenario.close = false;
	scene.facts.assignor_redirects = scene.facts.assignee_redirects = false;
	scene_expect(&scene, "do unredirect-first");
	scene.facts.action_absent[STEP_UNREDIRECT_FIRST] = true;
	scene_expect(&scene, "stop");
	scene_done(&scene, "unredirect-first");
	scene_expect(&scene, "do open"); /* set is nothing that they forbid */
	scene_done(&scene, "open");
	scene_expect(&scene, "do drain-back");
	/* and what was not done is not undone */
	scene_set(&scene, 6, TO_10 "ask-down back leave-mail hold-back");
	scene_undone(&scene, STEP_REDIRECT_FIRST);
	scene.facts.held = scene.facts.fenced = scene.scenario.close = true;
	scene.facts.first_asked = true;
	scene_expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	scene_expect(&scene, "do drain-back");
	/* forward, too: no redirection is left behind */
	scene_set(&scene, 5, TO_6);
	scene.scenario.redirect = scene.facts.assignee_redirects = false;
	scene_expect(&scene, "do unredirect-second");
	scene.facts.action_absent[STEP_UNREDIRECT_SECOND] = true;
	scene_expect(&scene, "stop");
}

/* --- who holds it ----------------------------------------------------------------------------- */

static void test_on_hold_by_somebody_else(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5);
	scene.facts.listed = scene.facts.held = true;
	scene_expect(&scene, "trouble");
	assert_non_null(strstr(scene.decision.text, "restante unhold anna@example.org"));
	scene.move.work.step = (char *)(uintptr_t) "hold"; /* whose it is nobody knows */
	scene_expect(&scene, "do hold");
	scene_set(&scene, 6, TO_10 "back leave-mail");
	scene.facts.held = true;
	scene_expect(&scene, "trouble");
	scene.move.work.step = (char *)(uintptr_t) "hold-back";
	scene.facts.first_asked = true;
	scene_expect(&scene, "do hold-back");
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
	scene_expect(&scene, "do fence");
	scene.facts.second_asked = false;
	scene_expect(&scene, "do fence");
	scene.facts.fenced = true;
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = true;
	scene.facts.second_empty = false;
	scene_expect(&scene, "do unhold");
	scene_done(&scene, "unhold");
	scene.facts.held = scene.facts.fenced = scene.facts.second_asked = false;
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = true;
	scene_expect(&scene, "answer unturn");
	assert_non_null(strstr(scene.decision.text, "mail is in the second mailbox"));
	assert_int_equal(scene.decision.state, 0);
	scene.move.reached_us[MOVE_COMPLETE] = SCENE_NOW;
	scene_expect(&scene, "answer unturn");
	assert_int_equal(scene.decision.state, MOVE_COMPLETE);
	assert_false(scene.decision.stops);
	scene.facts.second_empty = true;
	scene_expect(&scene, "do list-first");
}

/* A deletion whose end nobody saw is tried again: the step asks by itself. */
static void test_mail_that_came_before_the_deletion(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 4, TO_5 "back unaddress");
	scene.move.work.step = (char *)(uintptr_t) "delete-second";
	scene_expect(&scene, "do delete-second");
	scene.facts.second_asked = true;
	scene_expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "mail is in it; it redirects to anna@s1.test"));
	scene_undone(&scene, STEP_REDIRECT_SECOND);
	scene_expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text, "it does not redirect"));
}

/* An earlier move left it there, with its addresses and its mail. */
static void test_rollback_of_a_move_back(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(
		&scene, 5, TURNED "adopted leave-mail back unredirect-first redirect-back unhold");
	scene.facts.held = false;
	scene_expect(&scene, "over rolled back");
	assert_non_null(strstr(scene.decision.text,
		"an earlier move left it there; it redirects to anna@s1.test"));
}

static void test_create_refused(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 0, "back");
	scene.move.work.step = (char *)(uintptr_t) "create";
	scene_expect(&scene, "do create");
	scene.facts.create_refused = "no room";
	scene_expect(&scene, "over cancelled");
	assert_non_null(strstr(scene.decision.text, "look there: no room"));
}

static void test_ended_with_a_second_mailbox(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 1, TO_4);
	scene.facts.mailbox_gone = true;
	scene_expect(&scene, "answer end");
	scene_done(&scene, "end");
	scene.move.error = (char *)(uintptr_t) "gone";
	scene_expect(&scene, "do unaddress");
	scene_done(&scene, "unaddress");
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = scene.facts.second_empty = true;
	scene_expect(&scene, "do delete-second");
	scene_done(&scene, "delete-second");
	scene_expect(&scene, "over ended");
	assert_string_equal(scene.decision.text, "gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_rollback_of_a_swap),
		cmocka_unit_test(test_rollback_before_the_swap),
		cmocka_unit_test(test_rollback_under_other_settings),
		cmocka_unit_test(test_on_hold_by_somebody_else),
		cmocka_unit_test(test_mail_that_came_before_the_hold),
		cmocka_unit_test(test_mail_that_came_before_the_deletion),
		cmocka_unit_test(test_rollback_of_a_move_back),
		cmocka_unit_test(test_create_refused),
		cmocka_unit_test(test_ended_with_a_second_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
