/*
 * A full disk: a tmpfs of its own, in a mount namespace of its own, so nothing outside is touched.
 * Nothing acknowledged may be lost, removal must go on as far as the reserve carries it, and
 * everything works once there is space again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/holdq_internal.h"
#include "tests/unit/holdq_lab.h"

#define DISK      "size=64m"
#define WRITERS   4
#define MAX_HELD  20000
#define FEW       80
#define LEFT      (13 << 20)       /* 16 MB have to be free for new messages */
#define PAST_LOOK (150 * CLOCK_MS) /* the free space is looked at every 100 ms */

/* --- a small disk ---------------------------------------------------------------------------- */

static void disk_begin(struct lab *lab)
{
	holdq_close(&lab->queue);
	lab_remove_tree(lab->dir);
	assert_int_equal(mkdir(lab->dir, 0700), 0);
	if (mount("restante-test", lab->dir, "tmpfs", 0, DISK) != 0)
		fail_msg("cannot mount a tmpfs: %s", strerror(errno));
	strcat(lab->dir, "/queue");
	lab_open(lab);
}

static void disk_end(struct lab *lab)
{
	holdq_close(&lab->queue);
	*strrchr(lab->dir, '/') = '\0';
	assert_int_equal(umount(lab->dir), 0);
	assert_int_equal(mkdir(lab->dir, 0700) == 0 || errno == EEXIST, 1);
	lab_open(lab);
}

static char *filler(const struct lab *lab)
{
	return mem_printf("%s/../filler", lab->dir);
}

/* Somebody else takes all but `leave` bytes. */
static void fill_disk(const struct lab *lab, off_t leave)
{
	static char block[4096];
	char *path = filler(lab);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	off_t size = lseek(fd, 0, SEEK_END);
	assert_int_equal(ftruncate(fd, size > leave ? size - leave : 0), 0);
	close(fd);
	free(path);
}

static void free_disk(const struct lab *lab)
{
	char *path = filler(lab);

	unlink(path);
	free(path);
	clock_sleep_us(PAST_LOOK);
}

/* --- what is held ---------------------------------------------------------------------------- */

struct held {
	uint64_t ids[MAX_HELD];
	unsigned seeds[MAX_HELD];
	_Atomic unsigned count;
	_Atomic unsigned refused;
	_Atomic unsigned next;
	struct lab *lab;
};

static size_t size_of(unsigned seed)
{
	static const size_t sizes[] = { 500, 2000, 20000, 65536, 200000 };

	return sizes[seed % 5];
}

/* Puts until `refused` says that it was refused often enough. */
static void *put_until_full(void *context)
{
	struct held *held = context;

	while (held->refused < 40) {
		unsigned seed = held->next++, mailbox = seed % 3;
		uint64_t id;
		size_t count;
		enum holdq_result result =
			lab_put(held->lab->queue, size_of(seed), seed, &mailbox, 1, 0, &id, &count);
		if (result == HOLDQ_OK) {
			unsigned at = held->count++;
			held->ids[at] = id;
			held->seeds[at] = seed;
		} else if (result == HOLDQ_FULL) {
			held->refused++;
		} else {
			fprintf(stderr, "result %d: %s\n", result, holdq_reason());
			abort();
		}
	}
	return NULL;
}

static void check_all(struct held *held)
{
	for (unsigned i = 0; i < held->count; i++)
		if (held->ids[i] != 0 && !lab_has(held->lab->queue, held->ids[i],
						 size_of(held->seeds[i]), held->seeds[i]))
			fail_msg("lost or spoiled: message %u of %u", i, held->count);
}

static enum holdq_result remove_at(struct held *held, unsigned i)
{
	enum holdq_result result =
		holdq_remove(held->lab->queue, held->ids[i], (uint32_t[]){ 0 }, 1, NULL);

	if (result == HOLDQ_OK)
		held->ids[i] = 0;
	return result;
}

static void check_totals(struct held *held)
{
	struct holdq_totals totals;
	unsigned count = 0;

	for (unsigned i = 0; i < held->count; i++)
		count += held->ids[i] != 0;
	holdq_totals(held->lab->queue, &totals);
	assert_int_equal(totals.messages, count);
}

static void hold_some(struct held *held, unsigned count)
{
	while (held->count < count) {
		unsigned seed = held->next++;
		held->seeds[held->count] = seed;
		held->ids[held->count] = lab_put_one(held->lab->queue, size_of(seed), seed, 1);
		if (held->ids[held->count] == 0)
			fail_msg("not held: %s", holdq_reason());
		held->count++;
	}
}

/* --- tests ----------------------------------------------------------------------------------- */

static void our_own_mail_fills_the_disk(void **state)
{
	struct lab *lab = *state;
	struct held *held = mem_zalloc(sizeof(*held));

	disk_begin(lab);
	held->lab = lab;
	put_until_full(held);
	assert_true(held->count > 100);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_FULL);
	check_all(held);
	for (unsigned i = 0; i < held->count; i += 2)
		assert_int_equal(remove_at(held, i), HOLDQ_OK);
	lab_reopen(lab);
	check_all(held);
	check_totals(held);
	disk_end(lab);
	free(held);
}

/* What was released gives its space back, however small the files are: nothing else makes room. */
static void an_empty_queue_takes_mail_again(void **state)
{
	struct lab *lab = *state;
	uint64_t ids[FEW];
	int64_t deadline = clock_mono_us() + 120 * CLOCK_SECOND;

	disk_begin(lab);
	for (unsigned i = 0; i < FEW; i++)
		ids[i] = lab_put_one(lab->queue, 60000, i, 1);
	lab_reopen(lab); /* all of it is in the files now, not in memory alone */
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(
			holdq_remove(lab->queue, ids[i], (uint32_t[]){ 0 }, 1, NULL), HOLDQ_OK);
	fill_disk(lab, LEFT);
	clock_sleep_us(PAST_LOOK);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_FULL);
	while (holdq_room(lab->queue, NULL) != HOLDQ_OK) {
		assert_true(clock_mono_us() < deadline);
		clock_sleep_us(PAST_LOOK);
	}
	assert_int_not_equal(lab_put_one(lab->queue, 500, 1, 1), 0);
	disk_end(lab);
}

/* To give space back takes space, too, for the log: what is held survives it wherever that ends,
 * and nothing is tried where it could only take the last of what removals need. */
static void a_full_disk_is_no_place_to_move_things(void **state)
{
	static const off_t leave[] = { 0, 64 << 10, 256 << 10, 1 << 20, 4 << 20 };
	struct lab *lab = *state;

	for (size_t i = 0; i < sizeof(leave) / sizeof(leave[0]); i++) {
		struct held *held = mem_zalloc(sizeof(*held));
		unsigned gone = 0;

		disk_begin(lab);
		held->lab = lab;
		hold_some(held, 150);
		lab_reopen(lab); /* all of it is in the files now */
		while (gone < 140)
			assert_int_equal(remove_at(held, gone++), HOLDQ_OK);
		fill_disk(lab, leave[i]);
		clock_sleep_us(PAST_LOOK);
		holdq_shrink(lab->queue);
		holdq_shrink(lab->queue);
		assert_false(lab->queue->broken);
		assert_false(lab->queue->shrink_in_vain);
		check_all(held);
		assert_int_equal(remove_at(held, gone), HOLDQ_OK);
		free_disk(lab);
		holdq_shrink(lab->queue);
		hold_some(held, 160);
		lab_reopen(lab);
		check_all(held);
		check_totals(held);
		disk_end(lab);
		free(held);
	}
}

/* The disk fills within the time for which the free space is taken as known. */
static void somebody_fills_the_disk(void **state)
{
	struct lab *lab = *state;
	struct held *held = mem_zalloc(sizeof(*held));
	pthread_t threads[WRITERS];

	for (unsigned round = 0; round < 4; round++) {
		memset(held, 0, sizeof(*held));
		disk_begin(lab);
		held->lab = lab;
		for (int i = 0; i < WRITERS; i++)
			pthread_create(&threads[i], NULL, put_until_full, held);
		while (held->count < 60 + 40 * round)
			clock_sleep_us(CLOCK_MS);
		fill_disk(lab, round * 50000);
		for (int i = 0; i < WRITERS; i++)
			pthread_join(threads[i], NULL);
		check_all(held);
		free_disk(lab);
		assert_int_not_equal(lab_put_one(lab->queue, 100000, 1, 1), 0);
		assert_int_equal(remove_at(held, 0), HOLDQ_OK);
		lab_reopen(lab);
		check_all(held);
		disk_end(lab);
	}
	free(held);
}

static void removal_from_a_full_disk(void **state)
{
	struct lab *lab = *state;
	struct held *held = mem_zalloc(sizeof(*held));
	unsigned i = 0;

	disk_begin(lab);
	held->lab = lab;
	hold_some(held, 150);
	fill_disk(lab, 0);
	clock_sleep_us(PAST_LOOK);
	assert_int_equal(holdq_room(lab->queue, NULL), HOLDQ_FULL);
	while (i < 20) /* the reserve carries these */
		assert_int_equal(remove_at(held, i++), HOLDQ_OK);
	fill_disk(lab, 0); /* somebody takes what the reserve gave */
	while (i < 140 && remove_at(held, i) == HOLDQ_OK)
		i++;
	check_all(held);
	free_disk(lab);
	while (i < 140)
		assert_int_equal(remove_at(held, i++), HOLDQ_OK);
	lab_reopen(lab);
	check_all(held);
	check_totals(held);
	disk_end(lab);
	free(held);
}

/* A crash with a full disk: the start needs space, and the reserve gives it. */
static void start_with_a_full_disk(void **state)
{
	struct lab *lab = *state;
	struct held *held = mem_zalloc(sizeof(*held));
	int ends[2], status;

	disk_begin(lab);
	holdq_close(&lab->queue);
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		held->lab = lab;
		lab_open(lab);
		hold_some(held, 100);
		fill_disk(lab, 0);
		_exit(write(ends[1], held, sizeof(*held)) == sizeof(*held) ? 0 : 1);
	}
	close(ends[1]);
	for (size_t at = 0; at < sizeof(*held);) {
		ssize_t n = read(ends[0], (char *)held + at, sizeof(*held) - at);
		assert_true(n > 0);
		at += (size_t)n;
	}
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	lab_open(lab);
	held->lab = lab;
	check_all(held);
	check_totals(held);
	disk_end(lab);
	free(held);
}

static int own_namespace(void)
{
	int flags = CLONE_NEWNS | (geteuid() != 0 ? CLONE_NEWUSER : 0);

	if (unshare(flags) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		fprintf(stderr,
			"no mount namespace (%s): run as root, or with user namespaces allowed\n",
			strerror(errno));
		return -1;
	}
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(our_own_mail_fills_the_disk),
		TEST(an_empty_queue_takes_mail_again),
		TEST(a_full_disk_is_no_place_to_move_things),
		TEST(somebody_fills_the_disk),
		TEST(removal_from_a_full_disk),
		TEST(start_with_a_full_disk),
	};

	if (own_namespace() != 0)
		return 1;
	return cmocka_run_group_tests_name("holdq_full", tests, NULL, NULL);
}
