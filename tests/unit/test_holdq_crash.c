/*
 * kill -9 at random instants: a child stores and removes, and says through a pipe what was
 * acknowledged; whatever was must be there (or gone) after the next start, once, and with its
 * content; nothing may be left over. Argument: rounds (default 20).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/holdq_internal.h"
#include "tests/unit/holdq_lab.h"

#define WRITERS 6
#define SEEDS   (1U << 22)
#define STRIDE  4000 /* seeds for a round: more than it can use */

static unsigned rounds = 20;

/* One line of the child: what it knows to be so. */
struct said {
	uint64_t id;
	uint32_t seed;
	uint32_t removed;
};

struct known {
	struct said *said;
	size_t count, cap;
};

/* The size belongs to the seed, so that a message found can be checked without a word of it. */
static size_t size_of(unsigned seed)
{
	static const size_t sizes[] = { 0, 300, 2000, 2000, 30000, HOLDQ_CHUNK, 100000, 500000 };

	return sizes[seed % 8];
}

/* --- the child ------------------------------------------------------------------------------- */

struct child {
	struct holdq *queue;
	int pipe;
	_Atomic unsigned next;
};

static void say(struct child *child, uint64_t id, unsigned seed, uint32_t removed)
{
	struct said said = { id, seed, removed };

	if (write(child->pipe, &said, sizeof(said)) != sizeof(said))
		_exit(3);
}

static void *child_work(void *context)
{
	struct child *child = context;

	for (;;) {
		unsigned seed = child->next++;
		uint64_t id;
		size_t held;
		if (lab_put(child->queue, size_of(seed), seed, (unsigned[]){ seed % 5 }, 1,
			    seed + 1, &id, &held) != HOLDQ_OK ||
			held != 1)
			_exit(4);
		say(child, id, seed, 0);
		if (seed % 3 != 0)
			continue;
		say(child, id, seed, 1); /* begun: from here on it may be there or not */
		if (holdq_remove(child->queue, id, (uint32_t[]){ 0 }, 1, NULL) != HOLDQ_OK)
			_exit(5);
		say(child, id, seed, 2);
	}
	return NULL;
}

static void child_main(struct lab *lab, int pipe, unsigned first_seed)
{
	struct child child = { .pipe = pipe, .next = first_seed };
	const char *error = "";
	pthread_t threads[WRITERS];

	child.queue = holdq_open(&lab->options, &error);
	if (child.queue == NULL) {
		fprintf(stderr, "%s\n", error);
		_exit(2);
	}
	say(&child, 0, first_seed, 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, child_work, &child);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* --- the parent ------------------------------------------------------------------------------ */

static void hear(struct known *known, int pipe)
{
	struct said said;

	while (read(pipe, &said, sizeof(said)) == sizeof(said)) {
		if (said.id == 0)
			continue;
		if (known->count == known->cap) {
			known->cap = known->cap ? 2 * known->cap : 1024;
			known->said = mem_grow(known->said, known->cap, sizeof(said));
		}
		known->said[known->count++] = said;
	}
}

static void run_child(
	struct lab *lab, struct known *known, unsigned first_seed, bool opened, int64_t life_us)
{
	int ends[2], status;
	struct said ready;

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		child_main(lab, ends[1], first_seed);
	}
	close(ends[1]);
	fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
	if (opened) /* count from there; else recovery may be hit, too */
		assert_int_equal(read(ends[0], &ready, sizeof(ready)), sizeof(ready));
	clock_sleep_us(life_us);
	kill(child, SIGKILL);
	hear(known, ends[0]);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status))
		fail_msg("the child ended by itself with %d", WEXITSTATUS(status));
}

enum fate { UNKNOWN, HELD, LEAVING, GONE };

static void check_known(struct lab *lab, const struct known *known, enum fate *fates)
{
	for (size_t i = 0; i < known->count; i++)
		fates[known->said[i].seed] = HELD + known->said[i].removed;
	for (size_t i = 0; i < known->count; i++) {
		const struct said *said = &known->said[i];
		enum fate fate = fates[said->seed];
		struct holdq_message *message = NULL;
		enum holdq_result there = holdq_read(lab->queue, said->id, &message);
		holdq_message_free(&message);
		if (fate == HELD && there != HOLDQ_OK)
			fail_msg("lost: message %llu", (unsigned long long)said->id);
		if (fate == GONE && there != HOLDQ_GONE)
			fail_msg("came back: message %llu", (unsigned long long)said->id);
		if (there == HOLDQ_OK &&
			!lab_has(lab->queue, said->id, size_of(said->seed), said->seed))
			fail_msg("spoiled: message %llu", (unsigned long long)said->id);
	}
}

struct sums {
	uint64_t recipients, bytes;
};

static int add_mailbox(void *context, const struct holdq_mailbox *mailbox)
{
	struct sums *sums = context;

	sums->recipients += mailbox->recipients;
	sums->bytes += mailbox->bytes;
	return 0;
}

/* What the tables hold together agrees with the totals. */
static void check_counts(struct lab *lab)
{
	struct holdq_totals totals;
	struct sums sums = { 0, 0 };
	uint64_t ids[4096], bytes = 0;
	size_t count;

	holdq_totals(lab->queue, &totals);
	count = holdq_all_ids(lab->queue, 0, ids, 4096);
	assert_true(count < 4096);
	for (size_t i = 0; i < count; i++) {
		struct holdq_message *message;
		assert_int_equal(holdq_read(lab->queue, ids[i], &message), HOLDQ_OK);
		bytes += message->bytes;
		holdq_message_free(&message);
	}
	holdq_each_mailbox(lab->queue, add_mailbox, &sums);
	assert_int_equal(totals.messages, count);
	assert_int_equal(totals.recipients, count);
	assert_int_equal(totals.bytes, bytes);
	assert_int_equal(sums.recipients, count);
	assert_int_equal(sums.bytes, bytes);
}

static size_t count_records(struct bdb_table *table, struct bdb_table *owners)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	size_t count = 0, len;
	uint8_t value[8];

	assert_int_equal(bdb_cursor_open(table, NULL, 0, &cursor), BDB_OK);
	enum bdb_result result = bdb_cursor_seek(cursor, NULL, 0, &item);
	for (; result == BDB_OK; result = bdb_cursor_next(cursor, &item)) {
		count++;
		if (owners != NULL)
			assert_int_equal(
				bdb_get_into(owners, NULL, item.key, 8, value, 8, &len), BDB_OK);
	}
	bdb_cursor_close(&cursor);
	return count;
}

/* Once the sweep has done its work. */
static void check_no_orphans(struct lab *lab)
{
	struct holdq_totals totals;
	size_t left = 1;

	holdq_totals(lab->queue, &totals);
	for (int64_t until = clock_mono_us() + 20 * CLOCK_SECOND;
		left > 0 && clock_mono_us() < until; clock_sleep_us(CLOCK_MS)) {
		pthread_mutex_lock(&lab->queue->lock);
		left = lab->queue->garbage_count + lab->queue->chore_busy;
		pthread_mutex_unlock(&lab->queue->lock);
	}
	assert_int_equal(left, 0);
	count_records(lab->queue->chunks, lab->queue->large);
	assert_int_equal(
		count_records(lab->queue->content, NULL) + count_records(lab->queue->large, NULL),
		totals.messages);
	assert_int_equal(count_records(lab->queue->digests, NULL), totals.messages);
	assert_int_equal(count_records(lab->queue->recipients, NULL), totals.recipients);
	assert_int_equal(count_records(lab->queue->index, NULL), totals.recipients);
}

/* Every few rounds the queue is emptied, so that a long run stays within bounds. */
static void empty(struct lab *lab)
{
	uint64_t ids[64];
	size_t count;

	while ((count = holdq_all_ids(lab->queue, 0, ids, 64)) > 0)
		for (size_t i = 0; i < count; i++)
			assert_int_equal(
				holdq_remove(lab->queue, ids[i], (uint32_t[]){ 0 }, 1, NULL),
				HOLDQ_OK);
}

static void nothing_acknowledged_is_lost(void **state)
{
	struct lab *lab = *state;
	struct known known = { NULL, 0, 0 };
	enum fate *fates = mem_zalloc(SEEDS * sizeof(*fates));
	unsigned seed = (unsigned)clock_wall_us(), stored = 0;

	print_message("seed %u\n", seed);
	holdq_close(&lab->queue);
	for (unsigned i = 0; i < rounds; i++) {
		run_child(
			lab, &known, i * STRIDE, i % 4 != 3, 1 + rand_r(&seed) % (150 * CLOCK_MS));
		lab_open(lab);
		check_known(lab, &known, fates);
		check_counts(lab);
		check_no_orphans(lab);
		if (i % 4 == 3) {
			stored += (unsigned)known.count;
			empty(lab);
			known.count = 0;
		}
		holdq_close(&lab->queue);
	}
	print_message("%u rounds, %u acknowledgements\n", rounds, stored);
	assert_true(stored > rounds);
	lab_open(lab);
	free(known.said);
	free(fates);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			nothing_acknowledged_is_lost, lab_setup, lab_teardown),
	};

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds < 4 || rounds > SEEDS / STRIDE) {
		fprintf(stderr, "usage: %s [ROUNDS], 4 to %u\n", argv[0], SEEDS / STRIDE);
		return 2;
	}
	return cmocka_run_group_tests_name("holdq_crash", tests, NULL, NULL);
}
