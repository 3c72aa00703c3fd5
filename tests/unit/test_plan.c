/* What an end of message does to the envelope, against a model of the MTA's (TRAPS 1, 2, 6). */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "milter/plan.h"

#define MAX 4

static struct plan_recipient recipient(
	const char *argument, const char *key, enum route_verdict verdict, const char *physical)
{
	return (struct plan_recipient){ argument, key, physical, verdict, false };
}

/* The MTA's list after the changes: deletions byte by byte and first, then additions. */
struct mta_list {
	const char *addresses[2 * MAX];
	size_t count;
};

static void apply(const struct plan_recipient *r, size_t count, const struct plan_step *steps,
	struct mta_list *list)
{
	list->count = 0;
	for (size_t i = 0; i < count; i++) {
		bool gone = false;
		for (size_t j = 0; j < count; j++)
			gone |= steps[j].del && strcmp(r[j].argument, r[i].argument) == 0;
		if (!gone)
			list->addresses[list->count++] = r[i].key;
	}
	for (size_t i = 0; i < count; i++)
		if (steps[i].add)
			list->addresses[list->count++] = r[i].physical;
}

static unsigned occurrences(const struct mta_list *list, const char *address)
{
	unsigned n = 0;

	for (size_t i = 0; i < list->count; i++)
		n += strcasecmp(list->addresses[i], address) == 0;
	return n;
}

static void what_waits_in_the_queue_is_not_added(void **state)
{
	struct plan_recipient r[] = {
		recipient("<A@x>", "a@x", ROUTE_REWRITE, "a@s1"),
		recipient("<a@x>", "a@x", ROUTE_REWRITE, "a@s1"),
		recipient("<b@x>", "b@x", ROUTE_REWRITE, "b@s1"),
	};
	struct plan_step steps[MAX];
	struct mta_list list;
	struct plan plan;

	(void)state;
	r[0].waits = r[1].waits = true;
	plan_make(r, 3, false, steps, &plan);
	apply(r, 3, steps, &list);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.addresses[0], "b@s1");
	assert_int_equal(plan.repeated, 2);
	assert_int_equal(plan.held, 0);
}

static void one_of_each_verdict(void **state)
{
	struct plan_recipient r[] = {
		recipient("<A@x>", "a@x", ROUTE_REWRITE, "a@s1"),
		recipient("<b@x>", "b@x", ROUTE_HOLD, ""),
		recipient("<c@y>", "c@y", ROUTE_LEAVE, ""),
		recipient("<d@x>", "d@x", ROUTE_NOBODY, ""),
	};
	struct plan_step steps[MAX];
	struct plan plan;

	(void)state;
	plan_make(r, 4, false, steps, &plan);
	assert_int_equal(plan.refused, REPLY_NONE);
	assert_true(steps[0].del && steps[0].add && !steps[0].hold);
	assert_true(steps[1].del && !steps[1].add && steps[1].hold);
	assert_false(steps[2].del || steps[2].add || steps[2].hold);
	assert_false(steps[3].del || steps[3].add || steps[3].hold);
	assert_int_equal(plan.deleted, 2);
	assert_int_equal(plan.added, 1);
	assert_int_equal(plan.held, 1);
	assert_int_equal(plan.left, 2);
}

static void trap_2_two_spellings(void **state)
{
	struct plan_recipient r[] = {
		recipient("<X@a.test>", "x@a.test", ROUTE_REWRITE, "x@s1"),
		recipient("<x@a.test>", "x@a.test", ROUTE_REWRITE, "x@s1"),
		recipient("<x@a.test>", "x@a.test", ROUTE_REWRITE, "x@s1"),
	};
	struct plan_step steps[MAX];
	struct plan plan;

	(void)state;
	plan_make(r, 3, false, steps, &plan);
	assert_int_equal(plan.deleted, 2);
	assert_int_equal(plan.added, 1);
	r[0].verdict = r[1].verdict = r[2].verdict = ROUTE_HOLD;
	plan_make(r, 3, false, steps, &plan);
	assert_int_equal(plan.deleted, 2);
	assert_int_equal(plan.held, 1);
}

static void two_addresses_of_one_mailbox(void **state)
{
	struct plan_recipient r[] = {
		recipient("<a@x>", "a@x", ROUTE_REWRITE, "Box@s1"),
		recipient("<b@x>", "b@x", ROUTE_REWRITE, "box@S1"),
	};
	struct plan_step steps[MAX];
	struct plan plan;

	(void)state;
	plan_make(r, 2, false, steps, &plan);
	assert_int_equal(plan.deleted, 2);
	assert_int_equal(plan.added, 1);
}

static void the_physical_address_is_a_recipient_already(void **state)
{
	struct plan_recipient r[] = {
		recipient("<a@x>", "a@x", ROUTE_REWRITE, "box@s1"),
		recipient("<Box@s1>", "box@s1", ROUTE_LEAVE, ""),
	};
	struct plan_step steps[MAX];
	struct plan plan;

	(void)state;
	plan_make(r, 2, false, steps, &plan);
	assert_true(steps[0].del && !steps[0].add);
	assert_false(steps[1].del);
}

static void one_that_calls_for_4xx_stops_all(void **state)
{
	static const struct {
		enum route_verdict verdict;
		bool reentry;
		enum reply reply;
	} cases[] = {
		{ ROUTE_DEFER, false, REPLY_DEFER },
		{ ROUTE_TRYAGAIN, false, REPLY_TRYAGAIN },
		{ ROUTE_LEAVE, true, REPLY_CIRCLE },
		{ ROUTE_NOBODY, true, REPLY_TRYAGAIN },
	};
	struct plan_step steps[MAX];
	struct plan plan;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct plan_recipient r[] = {
			recipient("<a@x>", "a@x", ROUTE_HOLD, ""),
			recipient("<b@x>", "b@x", cases[i].verdict, ""),
		};
		plan_make(r, 2, cases[i].reentry, steps, &plan);
		assert_int_equal(plan.refused, cases[i].reply);
		assert_int_equal(plan.refused_by, 1);
		assert_int_equal(plan.held + plan.deleted + plan.added, 0);
	}
}

/* One decided before the flip, one after: it must not be held and sent. */
static void spellings_on_both_sides_of_a_flip(void **state)
{
	struct plan_recipient r[] = {
		recipient("<X@a>", "x@a", ROUTE_REWRITE, "x@s1"),
		recipient("<x@a>", "x@a", ROUTE_HOLD, ""),
		recipient("<y@a>", "y@a", ROUTE_REWRITE, "x@s1"),
	};
	struct plan_step steps[MAX];
	struct plan plan;

	(void)state;
	plan_make(r, 3, false, steps, &plan);
	assert_int_equal(plan.held, 0);
	assert_int_equal(plan.added, 1);
	assert_int_equal(plan.deleted, 3);
}

/* The followers' targets must not swallow somebody else's. */
static void a_follower_does_not_stand_for_another(void **state)
{
	struct plan_recipient r[] = {
		recipient("<X@a>", "x@a", ROUTE_REWRITE, "old@s1"),
		recipient("<x@a>", "x@a", ROUTE_REWRITE, "new@s2"),
		recipient("<z@a>", "z@a", ROUTE_REWRITE, "new@s2"),
	};
	struct plan_step steps[MAX];
	struct plan plan;
	struct mta_list list;

	(void)state;
	plan_make(r, 3, false, steps, &plan);
	apply(r, 3, steps, &list);
	assert_int_equal(occurrences(&list, "new@s2"), 1);
	assert_int_equal(occurrences(&list, "old@s1"), 1);
}

/* --- every combination -------------------------------------------------------------------------
 */

static const struct plan_recipient kinds[] = {
	{ "<X@a>", "x@a", "p@s1", ROUTE_REWRITE, false },
	{ "<x@a>", "x@a", "p@s1", ROUTE_REWRITE, false },
	{ "<alias@a>", "alias@a", "P@s1", ROUTE_REWRITE, false },
	{ "<q@a>", "q@a", "q@s2", ROUTE_REWRITE, false },
	{ "<h@a>", "h@a", "", ROUTE_HOLD, false },
	{ "<H@a>", "h@a", "", ROUTE_HOLD, false },
	{ "<p@s1>", "p@s1", "", ROUTE_LEAVE, false },
	{ "<P@S1>", "p@s1", "", ROUTE_LEAVE, false },
	{ "<gone@a>", "gone@a", "", ROUTE_NOBODY, false },
};
#define KINDS (sizeof kinds / sizeof *kinds)

static void check_combination(const struct plan_recipient *r, size_t count)
{
	struct plan_step steps[MAX];
	struct plan plan;
	struct mta_list list;

	plan_make(r, count, false, steps, &plan);
	apply(r, count, steps, &list);
	for (size_t i = 0; i < count; i++) {
		unsigned held = 0;
		for (size_t j = 0; j < count; j++)
			held += steps[j].hold && strcmp(r[j].key, r[i].key) == 0;
		switch (r[i].verdict) {
		case ROUTE_REWRITE:
			assert_true(occurrences(&list, r[i].physical) >= 1);
			assert_int_equal(occurrences(&list, r[i].key), 0);
			break;
		case ROUTE_HOLD:
			assert_int_equal(held, 1);
			assert_int_equal(occurrences(&list, r[i].key), 0);
			break;
		default: assert_true(occurrences(&list, r[i].key) >= 1); assert_int_equal(held, 0);
		}
	}
	for (size_t i = 0; i < count; i++)
		if (steps[i].add)
			assert_int_equal(occurrences(&list, r[i].physical), 1);
}

static void every_combination(void **state)
{
	struct plan_recipient r[MAX];

	(void)state;
	for (size_t n = 0; n < KINDS * KINDS * KINDS * KINDS; n++) {
		size_t rest = n;
		for (size_t i = 0; i < MAX; i++, rest /= KINDS)
			r[i] = kinds[rest % KINDS];
		for (size_t count = 1; count <= MAX; count++)
			check_combination(r, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_in_the_queue_is_not_added),
		cmocka_unit_test(one_of_each_verdict),
		cmocka_unit_test(trap_2_two_spellings),
		cmocka_unit_test(two_addresses_of_one_mailbox),
		cmocka_unit_test(the_physical_address_is_a_recipient_already),
		cmocka_unit_test(one_that_calls_for_4xx_stops_all),
		cmocka_unit_test(spellings_on_both_sides_of_a_flip),
		cmocka_unit_test(a_follower_does_not_stand_for_another),
		cmocka_unit_test(every_combination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
