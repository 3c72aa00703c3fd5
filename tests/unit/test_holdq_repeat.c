/* queue/holdq: repeats, and many that commit at once. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "queue/holdq_internal.h"
#include "tests/unit/holdq_lab.h"

#define ONE(n) ((const unsigned[]){ (n) }), 1

static struct holdq_message *read_message(struct lab *lab, uint64_t id)
{
	struct holdq_message *message = NULL;

	assert_int_equal(holdq_read(lab->queue, id, &message), HOLDQ_OK);
	return message;
}

static struct holdq_totals totals(struct lab *lab)
{
	struct holdq_totals now;

	holdq_totals(lab->queue, &now);
	return now;
}

static void repeat_is_recognised_by_recipient(void **state)
{
	struct lab *lab = *state;
	uint64_t first, id;
	size_t held;

	lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 2 }), 2, 5, &first, &held);
	assert_int_equal(
		lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 2 }), 2, 5, &id, &held), HOLDQ_OK);
	assert_int_equal(id, first);
	assert_int_equal(held, 0);
	lab_reopen(lab);
	lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 2, 3 }), 3, 5, &id, &held);
	assert_int_not_equal(id, first);
	assert_int_equal(held, 1);
	struct holdq_message *message = read_message(lab, id);
	assert_int_equal(message->count, 1);
	assert_string_equal(message->recipients[0].address, "u3@example.org");
	holdq_message_free(&message);
	lab_put(lab->queue, 100, 1, ((unsigned[]){ 3, 2, 1 }), 3, 5, &id, &held);
	assert_int_equal(held, 0);
	lab_put(lab->queue, 100, 1, ONE(1), 6, &id, &held);
	assert_int_equal(held, 1);
	lab_put(lab->queue, 100, 1, ONE(1), 0, &id, &held);
	assert_int_equal(held, 1);
	assert_int_equal(totals(lab).messages, 4);
	assert_int_equal(totals(lab).repeats, 2);
}

static void a_released_one_is_no_repeat(void **state)
{
	struct lab *lab = *state;
	uint64_t first, id;
	size_t held;

	lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 2 }), 2, 5, &first, &held);
	holdq_remove(lab->queue, first, (uint32_t[]){ 0 }, 1, NULL);
	lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 2 }), 2, 5, &id, &held);
	assert_int_equal(held, 1);
	assert_int_not_equal(id, first);
}

static void what_waits_for_release_is_found(void **state)
{
	struct lab *lab = *state;
	struct holdq_recipient who[] = { { .address = (char *)"U1@example.org" },
		{ .address = (char *)"u2@example.org" }, { .address = (char *)"u3@example.org" } };
	bool found[3] = { false, false, false };
	uint64_t first;
	size_t held;

	assert_false(holdq_has(lab->queue, lab_mailbox(1)));
	lab_put(lab->queue, 100, 1, ((unsigned[]){ 1, 2 }), 2, 5, &first, &held);
	assert_true(holdq_has(lab->queue, lab_mailbox(1)));
	assert_false(holdq_has(lab->queue, lab_mailbox(3)));
	assert_int_equal(holdq_find_repeat(lab->queue, lab_digest(5), who, 3, found), HOLDQ_OK);
	assert_true(found[0] && found[1] && !found[2]);
	holdq_remove(lab->queue, first, (uint32_t[]){ 0 }, 1, NULL);
	memset(found, 0, sizeof found);
	holdq_find_repeat(lab->queue, lab_digest(5), who, 3, found);
	assert_true(!found[0] && found[1] && !found[2]);
	assert_false(holdq_has(lab->queue, lab_mailbox(1)));
	holdq_find_repeat(lab->queue, lab_digest(6), who, 1, found);
	assert_false(found[0]);
}

struct looker {
	struct lab *lab;
	atomic_bool stop;
	atomic_uint found;
};

static void *look_for_repeats(void *context)
{
	struct looker *looker = context;
	struct holdq_recipient who = { .address = (char *)"u1@example.org" };

	for (unsigned n = 0; !looker->stop; n++) {
		bool held = false;
		holdq_find_repeat(looker->lab->queue, lab_digest(1 + n % 4), &who, 1, &held);
		looker->found += held;
	}
	return NULL;
}

/* Lookers and the writer want the same pages, the other way round. */
static void looking_for_repeats_stops_nobody(void **state)
{
	struct looker looker = { .lab = *state };
	pthread_t threads[3];
	uint64_t id;
	size_t held;

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, look_for_repeats, &looker);
	alarm(120); /* what hangs ends here */
	for (unsigned n = 0; n < 300 || looker.found == 0; n++) {
		assert_int_equal(lab_put(looker.lab->queue, 100, 1, ONE(1), 1 + n % 4, &id, &held),
			HOLDQ_OK);
		assert_int_equal(
			holdq_remove(looker.lab->queue, id, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
	}
	alarm(0);
	looker.stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void a_large_repeat_leaves_no_chunks(void **state)
{
	struct lab *lab = *state;
	uint64_t first, id;
	size_t held;

	lab_put(lab->queue, 300000, 1, ONE(1), 5, &first, &held);
	lab_put(lab->queue, 300000, 1, ONE(1), 5, &id, &held);
	assert_int_equal(held, 0);
	assert_int_equal(id, first);
	assert_true(lab_has(lab->queue, id, 300000, 1));
	lab_reopen(lab);
	assert_true(lab_has(lab->queue, id, 300000, 1));
}

struct racer {
	pthread_t thread;
	pthread_barrier_t *together;
	struct lab *lab;
	unsigned digest;
	size_t held;
};

static void *race(void *context)
{
	struct racer *racer = context;
	uint64_t id;

	pthread_barrier_wait(racer->together);
	lab_put(racer->lab->queue, 100, 1, ONE(1), racer->digest, &id, &racer->held);
	return NULL;
}

static void racing_copies_are_one(void **state)
{
	struct lab *lab = *state;
	struct racer racers[8];
	pthread_barrier_t together;

	pthread_barrier_init(&together, NULL, 8);
	for (unsigned round = 1; round <= 20; round++) {
		size_t held = 0;
		for (int i = 0; i < 8; i++) {
			racers[i] = (struct racer){
				.together = &together, .lab = lab, .digest = round
			};
			pthread_create(&racers[i].thread, NULL, race, &racers[i]);
		}
		for (int i = 0; i < 8; i++) {
			pthread_join(racers[i].thread, NULL);
			held += racers[i].held;
		}
		assert_int_equal(held, 1);
		assert_int_equal(totals(lab).messages, round);
	}
	pthread_barrier_destroy(&together);
}

static void batches_are_shared(void **state)
{
	struct lab *lab = *state;
	struct racer racers[8];
	pthread_barrier_t together;

	pthread_barrier_init(&together, NULL, 8);
	for (unsigned round = 0; round < 25; round++) {
		for (unsigned i = 0; i < 8; i++) {
			racers[i] = (struct racer){ .together = &together, .lab = lab };
			pthread_create(&racers[i].thread, NULL, race, &racers[i]);
		}
		for (unsigned i = 0; i < 8; i++)
			pthread_join(racers[i].thread, NULL);
	}
	pthread_barrier_destroy(&together);
	assert_int_equal(totals(lab).messages, 200);
	assert_true(totals(lab).batches < 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(repeat_is_recognised_by_recipient),
		TEST(a_released_one_is_no_repeat),
		TEST(what_waits_for_release_is_found),
		TEST(looking_for_repeats_stops_nobody),
		TEST(a_large_repeat_leaves_no_chunks),
		TEST(racing_copies_are_one),
		TEST(batches_are_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
