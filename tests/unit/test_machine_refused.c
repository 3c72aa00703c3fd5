/* What is refused: a rollback, for mail in the second mailbox or because the old one is gone; all
 * of a move whose record was changed behind its back. */
#include "tests/unit/unit.h"

#include "tests/unit/machine_scene.h"

static void ask(struct scene *scene, int at, const char *done, enum move_request request)
{
	scene_set(scene, at, done);
	scene->move.request = request;
	scene->facts.first_asked = true;
}

/* --- mail ------------------------------------------------------------------------------------- */

/* Asked before the request is answered: then nothing is to be taken back. */
static void test_mail_after_the_swap(void **state)
{
	struct scene scene;

	(void)state;
	for (int at = 6; at <= 10; at += 4) {
		ask(&scene, at, TO_10 "ask-down", MOVE_ASKED_ROLLBACK);
		scene_expect(&scene, "do empty");
		scene.facts.second_asked = true;
		scene_expect(&scene, "answer decline");
		assert_non_null(strstr(scene.decision.text, "mail is in the second mailbox"));
		assert_int_equal(scene.decision.state, 0);
		assert_false(scene.decision.stops);
		scene.facts.second_empty = true;
		scene_expect(&scene, "answer back");
		ask(&scene, at, TO_10 "ask-down", MOVE_ASKED_ROLLBACK);
		scene.facts.action_absent[STEP_EMPTY] = true;
		scene_expect(&scene, "answer decline");
		scene.facts.second_trouble = "no login";
		scene_expect(&scene, "answer decline");
		assert_non_null(strstr(scene.decision.text, "or may be, for no login"));
		scene.move.request = MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
		scene_expect(&scene, "answer leave-mail");
	}
}

/* Nobody who asked for the way back wants the swap: it goes on after a word alone. */
static void test_mail_in_state_4(void **state)
{
	struct scene scene;

	(void)state;
	ask(&scene, 4, TO_5, MOVE_ASKED_ROLLBACK);
	scene.facts.mailbox_known = false;
	scene_expect(&scene, "look");
	scene.facts.mailbox_known = true;
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = true;
	scene_expect(&scene, "answer decline");
	assert_true(scene.decision.stops);
	assert_non_null(strstr(scene.decision.text, "or retry, and the move goes on"));
	/* and what came between request and way back */
	scene.move.request = MOVE_ASKED_NOTHING;
	scene_done(&scene, "back");
	scene_expect(&scene, "answer unturn");
	assert_true(scene.decision.stops);
	scene_set(&scene, 0, "create");
	scene.move.request = MOVE_ASKED_CANCEL; /* nobody knows of it yet */
	scene_expect(&scene, "answer back");
}

/* It is given back at once, and then waits for a word. */
static void test_mail_while_it_is_held(void **state)
{
	struct scene scene;

	(void)state;
	ask(&scene, 5, TURNED, MOVE_ASKED_ROLLBACK);
	scene_expect(&scene, "answer back");
	scene.move.request = MOVE_ASKED_NOTHING;
	scene_done(&scene, "back");
	scene_expect(&scene, "do unredirect-first");
	scene_done(&scene, "unredirect-first");
	scene_expect(&scene, "do redirect-back");
	scene_done(&scene, "redirect-back");
	scene_expect(&scene, "do unhold");
	scene_done(&scene, "unhold");
	scene_expect(&scene, "do empty"); /* held by somebody else by now, who knows why */
	scene.facts.held = false;
	scene_expect(&scene, "do empty");
	scene.facts.second_asked = true;
	scene_expect(&scene, "stop");
	assert_non_null(strstr(scene.decision.text, "move it, then retry; or roll back and leave"));
	scene.facts.second_empty = true;
	scene_expect(&scene, "do unaddress");
	scene.facts.second_empty = false;
	scene_done(&scene, "leave-mail");
	scene_expect(&scene, "do unaddress");
}

/* --- the old mailbox is gone ------------------------------------------------------------------ */

static void test_gone_before(void **state)
{
	struct scene scene;

	(void)state;
	for (int at = 6; at <= 10; at += 4) {
		ask(&scene, at, TO_10 "ask-down", MOVE_ASKED_ROLLBACK_LEAVE_MAIL);
		scene.facts.first_asked = false;
		scene_expect(&scene, "do list-first");
		scene.facts.first_asked = true;
		scene.facts.first_gone = "no such account";
		scene_expect(&scene, "answer decline");
		assert_non_null(
			strstr(scene.decision.text, "anna@s1.test on S1, is gone: no such"));
		scene.facts.action_absent[STEP_LIST_FIRST] = true;
		scene_expect(&scene, "answer leave-mail");
	}
}

/* The second mailbox redirects to it by now, and is held. */
static void test_gone_meanwhile(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "ask-down close back leave-mail hold-back");
	scene_expect(&scene, "do list-first"); /* released by somebody, and to be held again */
	scene.facts.held = scene.facts.fenced = scene.facts.drained = true;
	scene.facts.first_asked = true;
	scene.facts.first_gone = "no such account";
	scene_expect(&scene, "do unhold");
	scene_done(&scene, "unredirect-first redirect-back open");
	scene_expect(&scene, "do unredirect-again");
	scene_done(&scene, "unredirect-again");
	scene_expect(&scene, "do unhold");
	scene_done(&scene, "unhold");
	scene.facts.held = false;
	scene_expect(&scene, "answer unturn");
	assert_non_null(strstr(scene.decision.text, "is gone: no such account"));
	/* up syncs tell it as well */
	scene_set(&scene, 6, TO_10 "ask-down back leave-mail hold-back");
	scene.facts.held = scene.facts.fenced = true;
	scene.facts.action_absent[STEP_LIST_FIRST] = scene.move.old_gone = true;
	scene_expect(&scene, "do unhold");
}

static void test_what_is_undone(void **state)
{
	struct scene scene;

	(void)state;
	scene_set(&scene, 6, TO_10 "close back hold-back");
	assert_true(step_unturned(&scene.move, STEP_BACK));
	assert_true(step_unturned(&scene.move, STEP_HOLD_BACK));
	assert_false(step_unturned(&scene.move, STEP_SWAP));
	assert_false(step_unturned(&scene.move, STEP_REDIRECT_FIRST));
	assert_false(step_unturned(&scene.move, STEP_CLOSE));
	scene_mark(&scene, STEP_UNREDIRECT_FIRST);
	scene_done(&scene, "open");
	assert_true(step_unturned(&scene.move, STEP_REDIRECT_FIRST));
	assert_true(step_unturned(&scene.move, STEP_CLOSE));
}

/* --- the record was changed ------------------------------------------------------------------- */

static void test_altered(void **state)
{
	static const char *const changed[] = { "S3 m anna@example.org", "S2 n anna@example.org",
		"S2 m bert@example.org" };
	struct scene scene;

	(void)state;
	for (size_t i = 0; i < COUNT(changed); i++) {
		scene_set(&scene, 5, TO_6);
		scene.move.made = (char *)(uintptr_t) "s2 m anna@example.org";
		scene_expect(&scene, "do unredirect-second");
		scene.move.made = (char *)(uintptr_t)changed[i];
		scene_expect(&scene, "stop");
		assert_non_null(strstr(scene.decision.text, changed[i]));
		assert_non_null(strstr(scene.decision.text, "`S2 m anna@example.org`"));
		scene.move.request = MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
		scene_expect(&scene, "answer decline");
		assert_true(scene.decision.stops);
		scene.move.request = MOVE_ASKED_NOTHING;
		scene_done(&scene, "back"); /* nothing of another's is undone, either */
		scene_expect(&scene, "stop");
		scene_set(&scene, 10, TO_10 "ask-down");
		scene.move.made = (char *)(uintptr_t)changed[i];
		scene_expect(&scene, "stop");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_after_the_swap),
		cmocka_unit_test(test_mail_in_state_4),
		cmocka_unit_test(test_mail_while_it_is_held),
		cmocka_unit_test(test_gone_before),
		cmocka_unit_test(test_gone_meanwhile),
		cmocka_unit_test(test_what_is_undone),
		cmocka_unit_test(test_altered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
