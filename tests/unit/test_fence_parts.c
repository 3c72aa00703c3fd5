/* What an acknowledgement and a drain wait for: decisions, late commits, the MTA's queue. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "milter/decisions.h"
#include "milter/lateness.h"
#include "milter/listing.h"
#include "milter/mtaqueue.h"
#include "milter/physical.h"

/* --- decisions ---------------------------------------------------------------------------------
 */

static void decisions_pass_in_any_order(void **state)
{
	struct decisions *d = decisions_new();
	uint64_t first = decisions_begin(d), second = decisions_begin(d);
	uint64_t mark = decisions_mark(d);
	uint64_t third = decisions_begin(d);
	int64_t age;

	(void)state;
	assert_false(decisions_passed(d, mark));
	decisions_end(d, second);
	assert_false(decisions_passed(d, mark));
	assert_int_equal(decisions_count(d, &age), 2);
	decisions_end(d, first);
	assert_true(decisions_passed(d, mark));
	assert_false(decisions_passed(d, decisions_mark(d)));
	decisions_end(d, third);
	assert_true(decisions_passed(d, decisions_mark(d)));
	assert_int_equal(decisions_count(d, &age), 0);
	assert_int_equal(age, 0);
	decisions_free(&d);
}

static void count_call(void *context)
{
	++*(int *)context;
}

static void a_watch_is_called_once(void **state)
{
	struct decisions *d = decisions_new();
	int calls = 0;

	(void)state;
	decisions_watch(d, decisions_mark(d), count_call, &calls);
	assert_int_equal(calls, 1);
	uint64_t one = decisions_begin(d), two = decisions_begin(d);
	decisions_watch(d, decisions_mark(d), count_call, &calls);
	decisions_end(d, two);
	assert_int_equal(calls, 1);
	uint64_t later = decisions_begin(d);
	decisions_end(d, one);
	assert_int_equal(calls, 2);
	/* one that was taken off is not told any more */
	decisions_watch(d, decisions_mark(d), count_call, &calls);
	decisions_watch(d, 0, NULL, NULL);
	decisions_end(d, later);
	assert_int_equal(calls, 2);
	decisions_free(&d);
}

struct worker {
	struct decisions *decisions;
	atomic_uint *done;
};

static void *decide_often(void *context)
{
	struct worker *w = context;

	for (int i = 0; i < 2000; i++) {
		uint64_t token = decisions_begin(w->decisions);
		atomic_fetch_add(w->done, 1);
		decisions_end(w->decisions, token);
	}
	return NULL;
}

static void decisions_of_many_threads(void **state)
{
	struct decisions *d = decisions_new();
	atomic_uint done = 0;
	struct worker w = { d, &done };
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, decide_often, &w), 0);
	for (int i = 0; i < 200; i++)
		assert_true(
			decisions_wait(d, decisions_mark(d), clock_mono_us() + 10 * CLOCK_SECOND));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(done, 8000);
	uint64_t token = decisions_begin(d);
	assert_false(decisions_wait(d, decisions_mark(d), clock_mono_us() + 5 * CLOCK_MS));
	decisions_end(d, token);
	decisions_free(&d);
}

/* --- physical addresses ------------------------------------------------------------------------
 */

static struct physical_set *set_of(const char *a, const char *b)
{
	struct physical_set *set = physical_set_new();

	physical_set_add(set, a);
	if (b != NULL)
		physical_set_add(set, b);
	physical_set_finish(set);
	return set;
}

static void recipients_reach_physical_addresses(void **state)
{
	struct physical_set *set = set_of("Anna@S1.example", "anna+box@s1.example");
	bool marks[2] = { false, false };

	(void)state;
	assert_int_equal(physical_set_count(set), 2);
	assert_true(physical_set_mark(set, "ANNA@s1.EXAMPLE", "+", NULL));
	assert_true(physical_set_mark(set, "anna+Detail@s1.example", "+", NULL));
	assert_true(physical_set_mark(set, "<anna@s1.example>", "+", NULL));
	assert_true(physical_set_mark(set, "\"anna\"@s1.example", "+", NULL));
	assert_true(physical_set_mark(set, "anna+box+more@s1.example", "+", marks));
	assert_true(marks[0] && marks[1]);
	assert_false(physical_set_mark(set, "anna+x@s1.example", "-", NULL));
	assert_true(physical_set_mark(set, "anna-x@s1.example", "+-", NULL));
	assert_false(physical_set_mark(set, "annabel@s1.example", "+", NULL));
	assert_false(physical_set_mark(set, "anna@s2.example", "+", NULL));
	assert_false(physical_set_mark(set, "+@s1.example", "+", NULL));
	assert_false(physical_set_mark(set, "not an address", "+", NULL));
	assert_false(physical_set_mark(set, "", "+", NULL));
	physical_set_free(&set);
	set = set_of("x@s1.example", "X@S1.example");
	assert_int_equal(physical_set_count(set), 1);
	physical_set_free(&set);
}

/* --- late commits ------------------------------------------------------------------------------
 */

static void answer(struct lateness *l, struct lateness_slot *slot, const char *physical)
{
	struct str list = STR_INIT;

	str_append(&list, physical, strlen(physical) + 1);
	lateness_answer(l, slot, &list);
	str_free(&list);
}

static void late_until_the_next_event(void **state)
{
	struct lateness *l = lateness_new(0);
	struct lateness_slot a = LATENESS_SLOT_INIT, b = LATENESS_SLOT_INIT;
	struct physical_set *anna = set_of("anna@s1", NULL), *emil = set_of("emil@s1", NULL);

	(void)state;
	lateness_configure(l, 60 * CLOCK_SECOND);
	assert_int_equal(lateness_until(l, NULL, "+"), 0);
	answer(l, &a, "ANNA+x@s1");
	answer(l, &b, "other@s1");
	assert_true(lateness_until(l, anna, "+") > clock_mono_us());
	assert_int_equal(lateness_until(l, emil, "+"), 0);
	assert_true(lateness_wait(l, emil, "+"));
	lateness_event(l, &a);
	assert_int_equal(lateness_until(l, anna, "+"), 0);
	assert_true(lateness_until(l, NULL, "+") != 0);
	lateness_event(l, &b);
	lateness_event(l, &b);
	assert_int_equal(lateness_until(l, NULL, "+"), 0);
	answer(l, &a, "emil@s1");
	answer(l, &a, "anna@s1");
	assert_int_equal(lateness_until(l, emil, "+"), 0);
	lateness_slot_free(l, &a);
	lateness_slot_free(l, &b);
	assert_int_equal(lateness_until(l, NULL, "+"), 0);
	physical_set_free(&anna);
	physical_set_free(&emil);
	lateness_free(&l);
}

static void late_for_so_long_at_most(void **state)
{
	struct lateness *l = lateness_new(0);
	struct lateness_slot a = LATENESS_SLOT_INIT;
	struct physical_set *anna = set_of("anna@s1", NULL);
	int64_t began = clock_mono_us();

	(void)state;
	lateness_configure(l, 50 * CLOCK_MS);
	answer(l, &a, "anna@s1");
	lateness_unclear(l, "anna@s1");
	assert_true(lateness_wait(l, anna, "+"));
	assert_true(clock_mono_us() - began >= 50 * CLOCK_MS);
	lateness_unclear(l, "emil@s1");
	assert_int_equal(lateness_until(l, anna, "+"), 0);
	lateness_slot_free(l, &a);
	physical_set_free(&anna);
	lateness_free(&l);
}

/* The connections of the process before are unknown. */
static void everything_may_be_late_after_a_start(void **state)
{
	struct lateness *l = lateness_new(40 * CLOCK_MS);
	struct physical_set *anna = set_of("anna@s1", NULL);
	int64_t began = clock_mono_us();

	(void)state;
	assert_true(lateness_until(l, anna, "+") > began);
	assert_true(lateness_wait(l, anna, "+"));
	assert_true(clock_mono_us() - began >= 39 * CLOCK_MS);
	assert_int_equal(lateness_until(l, anna, "+"), 0);
	lateness_interrupt(l);
	assert_false(lateness_wait(l, anna, "+"));
	physical_set_free(&anna);
	lateness_free(&l);
}

static void *clear_slot(void *context)
{
	void **both = context;

	lateness_event(both[0], both[1]);
	return NULL;
}

static void an_event_ends_the_wait(void **state)
{
	struct lateness *l = lateness_new(0);
	struct lateness_slot a = LATENESS_SLOT_INIT;
	struct physical_set *anna = set_of("anna@s1", NULL);
	void *both[2] = { l, &a };
	pthread_t thread;

	(void)state;
	lateness_configure(l, 600 * CLOCK_SECOND);
	answer(l, &a, "anna@s1");
	assert_int_equal(pthread_create(&thread, NULL, clear_slot, both), 0);
	assert_true(lateness_wait(l, anna, "+"));
	pthread_join(thread, NULL);
	lateness_slot_free(l, &a);
	physical_set_free(&anna);
	lateness_free(&l);
}

/* --- the MTA's queue ---------------------------------------------------------------------------
 */

static void collect(void *context, const char *recipient, bool cut)
{
	struct str *seen = context;

	assert_false(cut);
	str_printf(seen, "%s|", recipient);
}

#define FILE_1                                                                                     \
	"{\"queue_name\": \"active\", \"queue_id\": \"4h\", \"arrival_time\": 17, "                \
	"\"message_size\": "                                                                       \
	"5, \"forced_expire\": false, \"sender\": \"a@b\", \"recipients\": [{\"address\": "        \
	"\"x@s1\"}, "                                                                              \
	"{\"address\": \"\\\"q \\u00fc\\\"@s1\", \"delay_reason\": \"no\"}]}\n"
#define FILE_2 "{\"queue_id\":\"5\",\"recipients\":[]}\n"

static long parse(const char *text, size_t step, struct str *seen, const char **error_r)
{
	struct mtaqueue *q = mtaqueue_new(collect, seen);
	size_t len = strlen(text);
	long files = 0;

	str_reset(seen);
	for (size_t at = 0; at < len && files == 0; at += step)
		files = mtaqueue_feed(q, text + at, len - at < step ? len - at : step, error_r);
	if (files == 0)
		files = mtaqueue_finish(q, error_r);
	mtaqueue_free(&q);
	return files;
}

static void listings_in_pieces(void **state)
{
	struct str seen = STR_INIT;
	const char *error;

	(void)state;
	for (size_t step = 1; step < 400; step += 13) {
		assert_int_equal(parse(FILE_1 FILE_2 FILE_1, step, &seen, &error), 3);
		assert_int_equal(strncmp(str_cstr(&seen), "x@s1|", 5), 0);
	}
	assert_int_equal(parse("", 1, &seen, &error), 0);
	assert_int_equal(parse("\n\r\n", 1, &seen, &error), 0);
	assert_int_equal(
		parse("{\"recipients\":[{\"address\":\"b\xc3\xbc\xff@x\"}]}\n", 7, &seen, &error),
		1);
	assert_string_equal(str_cstr(&seen), "b???@x|");
	str_free(&seen);
}

static void what_is_no_listing(void **state)
{
	static const char *const bad[] = {
		"postqueue: fatal: Queue report unavailable - mail system is down\n",
		"{\"recipients\":[{\"address\":\"x@s1\"}]}",
		"{\"queue_id\":\"1\"}\n",
		"{\"recipients\":[{\"delay_reason\":\"x\"}]}\n",
		"{\"recipients\":[{\"address\":3}]}\n",
		"[]\n",
		"{\"recipients\":[{\"address\":\"x@s1\"}]} {}\n",
	};
	struct str seen = STR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *error = NULL;
		assert_int_equal(parse(bad[i], 5, &seen, &error), -1);
		assert_non_null(error);
	}
	str_free(&seen);
}

static void a_line_without_end(void **state)
{
	struct str seen = STR_INIT;
	struct mtaqueue *q = mtaqueue_new(collect, &seen);
	const char *error;
	char *block = malloc(1 << 20);
	int done = 0;

	(void)state;
	memset(block, ' ', 1 << 20);
	for (int i = 0; i < 32 && done == 0; i++)
		done = mtaqueue_feed(q, block, 1 << 20, &error);
	assert_int_equal(done, -1);
	free(block);
	mtaqueue_free(&q);
	str_free(&seen);
}

static long list(const char *command, int64_t timeout_us, struct str *seen, struct str *error)
{
	str_reset(seen);
	return listing_run(command, timeout_us, NULL, collect, seen, error);
}

static void commands_that_list(void **state)
{
	struct str seen = STR_INIT, error = STR_INIT;
	const int64_t long_enough = 20 * CLOCK_SECOND;

	(void)state;
	assert_int_equal(
		list("echo '{\"recipients\":[{\"address\":\"a@b\"}]}'", long_enough, &seen, &error),
		1);
	assert_string_equal(str_cstr(&seen), "a@b|");
	assert_int_equal(list("true", long_enough, &seen, &error), 0);
	assert_int_equal(list("false", long_enough, &seen, &error), -1);
	assert_non_null(strstr(error.data, "status was 1"));
	assert_int_equal(list("(echo oh; echo mail system is down) >&2; exit 69", long_enough,
				 &seen, &error),
		-1);
	assert_string_equal(str_cstr(&error), "its exit status was 69: mail system is down");
	assert_int_equal(list("kill -9 $$", long_enough, &seen, &error), -1);
	assert_non_null(strstr(error.data, "signal 9"));
	assert_int_equal(list("/nonexistent/postqueue -j", long_enough, &seen, &error), -1);
	assert_true(error.len > 0);
	assert_int_equal(list("echo no listing", long_enough, &seen, &error), -1);
	assert_int_equal(list("", long_enough, &seen, &error), -1);
	str_free(&seen);
	str_free(&error);
}

static void commands_that_hang(void **state)
{
	struct str seen = STR_INIT, error = STR_INIT;
	atomic_bool cancelled = true;
	int64_t began = clock_mono_us();

	(void)state;
	assert_int_equal(list("sleep 60", 50 * CLOCK_MS, &seen, &error), -1);
	assert_non_null(strstr(error.data, "too long"));
	assert_int_equal(list("sleep 60 | cat", 50 * CLOCK_MS, &seen, &error), -1);
	/* closes its output and goes on */
	assert_int_equal(list("exec >&-; sleep 60", 50 * CLOCK_MS, &seen, &error), -1);
	assert_int_equal(
		listing_run("sleep 60", 60 * CLOCK_SECOND, &cancelled, collect, &seen, &error), -1);
	assert_true(clock_mono_us() - began < 20 * CLOCK_SECOND);
	str_free(&seen);
	str_free(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions_pass_in_any_order),
		cmocka_unit_test(a_watch_is_called_once),
		cmocka_unit_test(decisions_of_many_threads),
		cmocka_unit_test(recipients_reach_physical_addresses),
		cmocka_unit_test(late_until_the_next_event),
		cmocka_unit_test(late_for_so_long_at_most),
		cmocka_unit_test(everything_may_be_late_after_a_start),
		cmocka_unit_test(an_event_ends_the_wait),
		cmocka_unit_test(listings_in_pieces),
		cmocka_unit_test(what_is_no_listing),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(commands_that_list),
		cmocka_unit_test(commands_that_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
