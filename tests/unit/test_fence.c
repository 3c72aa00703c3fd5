/* The judgement of the fence: how far the front doors are (DESIGN section 5). */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/fence.h"

#define ANNA "anna@s1.lab"

static char *none[] = { NULL };
static char anna_text[] = "anna@s1.lab";
static char bert_text[] = "bert@s1.lab";
static char list_text[] = "ANNA+list@S1.lab";
static char *anna[] = { anna_text };
static char *bert_anna[] = { bert_text, list_text };

/* state is what the entry says; only `disabled` leaves the fence. */
static struct federation_node node(
	const char *name, const char *state, uint64_t acked, uint64_t drained)
{
	struct federation_node made = { .name = (char *)(uintptr_t)name,
		.state = (char *)(uintptr_t)state,
		.disabled = strcmp(state, "disabled") == 0,
		.acked = acked,
		.drained = drained,
		.undrained = none };

	return made;
}

static struct fence_progress judge(
	struct federation_node *list, size_t count, uint64_t epoch, const char *physical)
{
	struct federation_nodes nodes = { list, count };
	struct fence_progress progress = { 0 };

	fence_look(&nodes, epoch, physical, &progress);
	return progress;
}

static void no_entry_at_all_is_refused(void **state)
{
	(void)state;
	struct fence_progress p = judge(NULL, 0, 5, ANNA);

	assert_int_equal(p.why, FENCE_WAITS_NODES);
	assert_null(p.waiting);
	assert_int_equal(p.known, 0);
	assert_int_equal(judge(NULL, 0, 5, NULL).why, FENCE_WAITS_NODES);
}

static void all_disabled_have_nothing_to_say(void **state)
{
	(void)state;
	struct federation_node list[] = { node("a", "disabled", 0, 0),
		node("b", "disabled", 9, 0) };
	struct fence_progress p = judge(list, 2, 5, ANNA);

	assert_int_equal(p.why, FENCE_WAITS_NOTHING);
	assert_int_equal(p.known, 2);
	assert_int_equal(p.nodes, 0);
}

static void acknowledgement_of_this_or_a_later_number_counts(void **state)
{
	(void)state;
	for (uint64_t acked = 0; acked < 10; acked++) {
		struct federation_node list[] = { node("a", "enabled", acked, 0) };
		struct fence_progress p = judge(list, 1, 5, NULL);

		assert_int_equal(p.why, acked >= 5 ? FENCE_WAITS_NOTHING : FENCE_WAITS_ACK);
		assert_int_equal(p.acked, acked >= 5);
		assert_int_equal(p.drained, acked >= 5);
		assert_true(acked >= 5 ? p.waiting == NULL : strcmp(p.waiting, "a") == 0);
	}
}

static void every_state_but_disabled_is_waited_for(void **state)
{
	(void)state;
	static const char *const states[] = { "enabled", "disabling", "", "asleep", "DISABLE" };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct federation_node list[] = { node("ok", "enabled", 5, 5),
			node("other", states[i], 4, 4) };
		struct fence_progress p = judge(list, 2, 5, ANNA);

		assert_int_equal(p.why, FENCE_WAITS_ACK);
		assert_string_equal(p.waiting, "other");
		assert_int_equal(p.nodes, 2);
		assert_int_equal(p.acked, 1);
	}
}

static void drained_needs_the_listing_and_an_empty_queue(void **state)
{
	(void)state;
	struct federation_node one = node("a", "enabled", 5, 4);

	assert_int_equal(judge(&one, 1, 5, ANNA).why, FENCE_WAITS_LIST);
	assert_int_equal(judge(&one, 1, 5, NULL).why, FENCE_WAITS_NOTHING);
	one.drained = 5;
	assert_int_equal(judge(&one, 1, 5, ANNA).why, FENCE_WAITS_NOTHING);
	one.drained = 6;
	one.undrained = anna;
	one.undrained_count = 1;
	struct fence_progress p = judge(&one, 1, 5, ANNA);
	assert_int_equal(p.why, FENCE_WAITS_QUEUE);
	assert_int_equal(p.acked, 1);
	assert_int_equal(p.drained, 0);
	assert_int_equal(judge(&one, 1, 5, NULL).why, FENCE_WAITS_NOTHING);
	assert_int_equal(judge(&one, 1, 5, "carla@s1.lab").why, FENCE_WAITS_NOTHING);
}

/* A listing that is older than the epoch says nothing, even when it names nobody. */
static void an_old_listing_says_nothing(void **state)
{
	(void)state;
	struct federation_node one = node("a", "enabled", 7, 4);

	assert_int_equal(judge(&one, 1, 5, ANNA).why, FENCE_WAITS_LIST);
	one.undrained = anna;
	one.undrained_count = 1;
	assert_int_equal(judge(&one, 1, 5, ANNA).why, FENCE_WAITS_LIST);
}

static void undrained_is_compared_without_case_and_subaddress(void **state)
{
	(void)state;
	struct federation_node one = node("a", "enabled", 5, 5);

	one.undrained = bert_anna;
	one.undrained_count = 2;
	assert_int_equal(judge(&one, 1, 5, "Anna@s1.LAB").why, FENCE_WAITS_QUEUE);
	assert_int_equal(judge(&one, 1, 5, "anna+x@s1.lab").why, FENCE_WAITS_QUEUE);
	assert_int_equal(judge(&one, 1, 5, "bert@s1.lab").why, FENCE_WAITS_QUEUE);
	assert_int_equal(judge(&one, 1, 5, "ann@s1.lab").why, FENCE_WAITS_NOTHING);
	assert_int_equal(judge(&one, 1, 5, "anna@s1.lab.org").why, FENCE_WAITS_NOTHING);
}

/* Two nodes, each in one of four conditions: what lags more is named, and the counts are right. */
static void two_nodes_in_every_condition(void **state)
{
	(void)state;
	static const enum fence_wait waits[] = { FENCE_WAITS_NOTHING, FENCE_WAITS_QUEUE,
		FENCE_WAITS_LIST, FENCE_WAITS_ACK };

	for (unsigned x = 0; x < 4; x++)
		for (unsigned y = 0; y < 4; y++) {
			unsigned lag[] = { x, y };
			struct federation_node list[2];

			for (unsigned i = 0; i < 2; i++) {
				list[i] = node(i == 0 ? "a" : "b", "enabled", lag[i] == 3 ? 4 : 5,
					lag[i] >= 2 ? 4 : 5);
				list[i].undrained = anna;
				list[i].undrained_count = lag[i] == 1;
			}
			struct fence_progress p = judge(list, 2, 5, ANNA);
			unsigned worst = x > y ? x : y;
			assert_int_equal(p.why, waits[worst]);
			assert_int_equal(p.acked, (x < 3) + (y < 3));
			assert_int_equal(p.drained, (x == 0) + (y == 0));
			if (worst > 0)
				assert_string_equal(p.waiting, x >= y ? "a" : "b");
			else
				assert_null(p.waiting);
		}
}

static void the_next_epoch_is_above_all_that_was_acknowledged(void **state)
{
	(void)state;
	struct federation_node list[] = { node("a", "enabled", 3, 2),
		node("b", "disabled", 9, 11) };
	struct federation_nodes nodes = { list, 2 }, empty = { NULL, 0 };

	assert_int_equal(fence_next_epoch(&empty, 0), 1);
	assert_int_equal(fence_next_epoch(&empty, 41), 42);
	assert_int_equal(fence_next_epoch(&nodes, 20), 21);
	assert_int_equal(fence_next_epoch(&nodes, 5), 12);
	nodes.count = 1;
	assert_int_equal(fence_next_epoch(&nodes, 0), 4);
}

static void raises_come_at_doubling_intervals(void **state)
{
	(void)state;
	assert_int_equal(fence_raise_interval_us(0, false), 100 * CLOCK_MS);
	assert_int_equal(fence_raise_interval_us(1, false), 100 * CLOCK_MS);
	assert_int_equal(fence_raise_interval_us(2, false), 200 * CLOCK_MS);
	assert_int_equal(fence_raise_interval_us(5, false), 1600 * CLOCK_MS);
	assert_int_equal(fence_raise_interval_us(8, false), 10 * CLOCK_SECOND);
	assert_int_equal(fence_raise_interval_us(1000, false), 10 * CLOCK_SECOND);
	assert_int_equal(fence_raise_interval_us(1, true), 10 * CLOCK_SECOND);
	assert_int_equal(fence_raise_interval_us(1000, true), 10 * CLOCK_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_entry_at_all_is_refused),
		cmocka_unit_test(all_disabled_have_nothing_to_say),
		cmocka_unit_test(acknowledgement_of_this_or_a_later_number_counts),
		cmocka_unit_test(every_state_but_disabled_is_waited_for),
		cmocka_unit_test(drained_needs_the_listing_and_an_empty_queue),
		cmocka_unit_test(an_old_listing_says_nothing),
		cmocka_unit_test(undrained_is_compared_without_case_and_subaddress),
		cmocka_unit_test(two_nodes_in_every_condition),
		cmocka_unit_test(the_next_epoch_is_above_all_that_was_acknowledged),
		cmocka_unit_test(raises_come_at_doubling_intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
