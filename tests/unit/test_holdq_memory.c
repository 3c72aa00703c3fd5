/* A large message must pass through without being in memory: held and read, 50 MB. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "queue/holdq_internal.h"
#include "tests/unit/holdq_lab.h"

#define PIECE 60000
#define MB    (1 << 20)

static char piece[PIECE];

static long resident_bytes(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static uint64_t hold(struct holdq *queue, size_t bytes)
{
	static char empty[] = "";
	struct holdq_envelope envelope = { empty, empty, empty, empty, empty, empty, empty, empty,
		0 };
	struct holdq_recipient recipient = { .address = empty, .params = empty };
	struct holdq_draft *draft = holdq_draft_new(queue);
	uint64_t id;
	size_t held;

	for (size_t at = 0; at < bytes; at += PIECE)
		assert_int_equal(holdq_draft_append(draft, piece, PIECE), HOLDQ_OK);
	assert_int_equal(holdq_commit(draft, &envelope, &recipient, 1, NULL, &id, &held), HOLDQ_OK);
	holdq_draft_free(&draft);
	return id;
}

static void take(struct holdq *queue, uint64_t id)
{
	uint64_t offset = 0;
	size_t len;

	do {
		assert_int_equal(holdq_content(queue, id, offset, piece, PIECE, &len), HOLDQ_OK);
		offset += len;
	} while (len > 0);
	assert_int_equal(holdq_remove(queue, id, (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
}

static void fifty_megabytes(void **state)
{
	struct lab *lab = *state;

	for (int i = 0; i < 3; i++) /* warms the cache */
		take(lab->queue, hold(lab->queue, 10 * MB));
	long before = resident_bytes();
	uint64_t id = hold(lab->queue, 50 * MB);
	long held = resident_bytes() - before;
	take(lab->queue, id);
	long taken = resident_bytes() - before;
	print_message("warm %ld KB, held %+ld KB, taken %+ld KB\n", before / 1024, held / 1024,
		taken / 1024);
#ifndef __SANITIZE_ADDRESS__
	assert_true(held < 4 * MB);
	assert_true(taken < 4 * MB);
#endif
}

/* Chunks go one by one. */
static void wait_for_chores(struct holdq *queue)
{
	bool busy = true;

	for (int64_t until = clock_mono_us() + 20 * CLOCK_SECOND; busy && clock_mono_us() < until;
		clock_sleep_us(CLOCK_MS)) {
		pthread_mutex_lock(&queue->lock);
		busy = queue->garbage_count > 0 || queue->chore_busy;
		pthread_mutex_unlock(&queue->lock);
	}
	assert_false(busy);
}

/* What was released gives its space back to the disk. */
static void files_become_smaller(void **state)
{
	struct lab *lab = *state;
	uint64_t ids[10], kept;

	for (int i = 0; i < 10; i++)
		ids[i] = hold(lab->queue, 8 * MB);
	kept = lab_put_one(lab->queue, 700000, 5, 1);
	assert_true(bdb_table_bytes(lab->queue->chunks) > 80 * MB);
	for (int i = 0; i < 10; i++)
		take(lab->queue, ids[i]);
	wait_for_chores(lab->queue);
	holdq_shrink(lab->queue);
	assert_true(bdb_table_bytes(lab->queue->chunks) < 8 * MB);
	assert_true(lab_has(lab->queue, kept, 700000, 5));
	lab_reopen(lab);
	assert_true(lab_has(lab->queue, kept, 700000, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fifty_megabytes, lab_setup, lab_teardown),
		cmocka_unit_test_setup_teardown(files_become_smaller, lab_setup, lab_teardown),
	};

	return cmocka_run_group_tests_name("holdq_memory", tests, NULL, NULL);
}
