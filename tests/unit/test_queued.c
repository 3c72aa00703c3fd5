/* The drain: who has mail in the MTA's queue, told epoch by epoch and to a node that leaves. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/drain.h"
#include "milter/queued.h"

/* --- a directory and an MTA ------------------------------------------------------------------ */

static struct {
	const char *held[4], *others[4];
	bool broken;
	unsigned walks;
} directory;

static int each(const char *const *list, replica_held_callback callback, void *context)
{
	uint8_t uuid[16] = { 0 };
	int stop = 0;

	directory.walks++;
	if (directory.broken)
		return -1;
	for (; *list != NULL && stop == 0; list++)
		stop = callback(context, uuid, *list);
	return stop;
}

int replica_each_held(struct replica *replica, replica_held_callback callback, void *context)
{
	(void)replica;
	return each(directory.held, callback, context);
}

int replica_each_mailbox(struct replica *replica, replica_held_callback callback, void *context)
{
	int stop = each(directory.held, callback, context);

	(void)replica;
	return stop != 0 ? stop : each(directory.others, callback, context);
}

struct bed {
	char dir[40];
	char command[160]; /* shows what stands in the file `queue`, and counts in the file `runs`
			    */
	struct lateness *lateness;
};

static void put(struct bed *bed, const char *recipient)
{
	char path[60];

	snprintf(path, sizeof path, "%s/queue", bed->dir);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	if (recipient != NULL)
		fprintf(file, "{\"recipients\":[{\"address\":\"%s\"}]}\n", recipient);
	fclose(file);
}

static long runs(const struct bed *bed)
{
	char path[60];
	long size;

	snprintf(path, sizeof path, "%s/runs", bed->dir);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return 0;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	fclose(file);
	return size;
}

static int set_up(void **state)
{
	struct bed *bed = mem_zalloc(sizeof *bed);

	memset(&directory, 0, sizeof directory);
	directory.held[0] = "anna@s1.test";
	directory.others[0] = "emil@s1.test";
	log_set_level(LOG_LEVEL_ERROR);
	strcpy(bed->dir, "/tmp/restante-queued-XXXXXX");
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->command, sizeof bed->command, "printf . >>%s/runs; cat %s/queue", bed->dir,
		bed->dir);
	put(bed, NULL);
	bed->lateness = lateness_new(0);
	*state = bed;
	return 0;
}

static int tear_down(void **state)
{
	struct bed *bed = *state;
	char path[60];

	lateness_free(&bed->lateness);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", bed->dir, i ? "runs" : "queue");
		unlink(path);
	}
	assert_int_equal(rmdir(bed->dir), 0);
	mem_free(&bed);
	return 0;
}

/* --- one look -------------------------------------------------------------------------------- */

static struct queued queued_of(const struct bed *bed)
{
	return (struct queued){ .lateness = bed->lateness,
		.each = replica_each_held,
		.command = bed->command,
		.timeout_us = 20 * CLOCK_SECOND,
		.delimiters = "+" };
}

/* How many, -1 where nothing is known; the first of them into first_r. */
static int find(const struct queued *queued, char *first_r)
{
	struct str error = STR_INIT;
	struct physical_set *found;
	int count = -1;

	if (queued_find(queued, &found, &error) == 0) {
		count = (int)physical_set_count(found);
		strcpy(first_r, count ? physical_set_at(found, 0) : "");
	} else {
		snprintf(first_r, 200, "%s", str_cstr(&error));
		assert_null(found);
	}
	physical_set_free(&found);
	str_free(&error);
	return count;
}

static void whose_mail_is_queued(void **state)
{
	struct queued queued = queued_of(*state);
	char first[200];

	assert_int_equal(find(&queued, first), 0);
	put(*state, "emil@s1.test");
	assert_int_equal(find(&queued, first), 0);
	put(*state, "ANNA+box@S1.test");
	assert_int_equal(find(&queued, first), 1);
	assert_string_equal(first, "anna@s1.test");
	queued.delimiters = "-";
	assert_int_equal(find(&queued, first), 0);
	queued.each = replica_each_mailbox;
	put(*state, "emil-box-more@s1.test");
	assert_int_equal(find(&queued, first), 1);
	assert_string_equal(first, "emil@s1.test");
}

static void an_empty_queue_needs_no_reading(void **state)
{
	struct queued queued = queued_of(*state);
	char first[200];

	assert_int_equal(find(&queued, first), 0);
	/* whether anybody is held at all */
	assert_int_equal(directory.walks, 1);
	directory.held[0] = NULL;
	queued.command = "false";
	assert_int_equal(find(&queued, first), 0);
}

/* As Postfix does when a file goes from incoming to active meanwhile. */
static void what_one_listing_misses_the_next_one_shows(void **state)
{
	struct bed *bed = *state;
	struct queued queued = queued_of(bed);
	char command[240], first[200];

	put(bed, "anna@s1.test");
	queued.command = command;
	for (int missing = 1; missing <= 4; missing++) {
		snprintf(command, sizeof command,
			"printf . >>%s/runs; [ $(wc -c <%s/runs) -eq %d ] || cat %s/queue",
			bed->dir, bed->dir, missing, bed->dir);
		assert_int_equal(find(&queued, first), 1);
	}
}

static void nothing_is_known(void **state)
{
	struct queued queued = queued_of(*state);
	char text[200];

	directory.broken = true;
	assert_int_equal(find(&queued, text), -1);
	assert_string_equal(text, "the replica cannot be read");
	directory.broken = false;
	queued.command = "false";
	assert_int_equal(find(&queued, text), -1);
	assert_non_null(strstr(text, "status was 1"));
	lateness_interrupt(queued.lateness);
	assert_int_equal(find(&queued, text), -1);
	assert_string_equal(text, "");
}

static void only_their_late_commits_are_waited_for(void **state)
{
	struct queued queued = queued_of(*state);
	char first[200];
	int64_t began = clock_mono_us();

	lateness_configure(queued.lateness, 600 * CLOCK_SECOND);
	lateness_unclear(queued.lateness, "emil@s1.test");
	assert_int_equal(find(&queued, first), 0);
	lateness_configure(queued.lateness, 300 * CLOCK_MS);
	lateness_unclear(queued.lateness, "Anna+x@s1.test");
	assert_int_equal(find(&queued, first), 0);
	assert_true(clock_mono_us() - began >= 300 * CLOCK_MS);
	assert_true(clock_mono_us() - began < 300 * CLOCK_SECOND);
}

/* --- the drain's thread ---------------------------------------------------------------------- */

static atomic_uint calls;

static void settings(void *context, char **command_r, int64_t *timeout_us_r, char **delimiters_r)
{
	*command_r = mem_strdup(((struct bed *)context)->command);
	*timeout_us_r = 20 * CLOCK_SECOND;
	*delimiters_r = mem_strdup("+");
}

static void ready(void *context)
{
	(void)context;
	atomic_fetch_add(&calls, 1);
}

static struct drain *start(struct bed *bed)
{
	struct drain_hooks hooks = { bed, settings, ready };

	calls = 0;
	return drain_start(NULL, bed->lateness, &hooks);
}

static struct drain_report wait_report(struct drain *drain)
{
	int64_t deadline = clock_mono_us() + 20 * CLOCK_SECOND;
	struct drain_report report;

	while (!drain_take(drain, &report)) {
		assert_true(clock_mono_us() < deadline);
		clock_sleep_us(CLOCK_MS);
	}
	return report;
}

static void wait_left(struct drain *drain)
{
	int64_t deadline = clock_mono_us() + 20 * CLOCK_SECOND;

	while (!drain_left(drain)) {
		assert_true(clock_mono_us() < deadline);
		clock_sleep_us(CLOCK_MS);
	}
}

static void expect_report(struct drain *drain, uint64_t epoch, const char *undrained)
{
	struct drain_report report = wait_report(drain);

	assert_int_equal(report.epoch, epoch);
	assert_int_equal(report.count, undrained != NULL);
	if (undrained != NULL)
		assert_string_equal(report.undrained[0], undrained);
	drain_report_free(&report);
}

static void epochs(void **state)
{
	struct bed *bed = *state;
	struct drain *drain = start(bed);

	drain_epoch(drain, 5);
	expect_report(drain, 5, NULL);
	put(bed, "anna+x@s1.test");
	drain_epoch(drain, 6);
	expect_report(drain, 6, "anna@s1.test");
	/* what is queued later came by another way */
	directory.held[1] = "bert@s1.test";
	put(bed, "bert@s1.test");
	expect_report(drain, 6, NULL);
	/* a directory that was restored counts on from a smaller number */
	drain_epoch(drain, 2);
	expect_report(drain, 2, "bert@s1.test");
	drain_stop(&drain);
}

static void leaving_waits_for_mail_of_every_mailbox(void **state)
{
	struct bed *bed = *state;
	struct drain *drain = start(bed);

	put(bed, "emil@s1.test");
	/* beside an epoch that is done */
	drain_epoch(drain, 5);
	expect_report(drain, 5, NULL);
	long before = runs(bed);
	drain_leave(drain, true);
	while (runs(bed) < before + 4)
		clock_sleep_us(CLOCK_MS);
	assert_false(drain_left(drain));
	put(bed, "somebody@elsewhere.test");
	wait_left(drain);
	drain_leave(drain, false);
	assert_false(drain_left(drain));
	before = runs(bed);
	put(bed, "emil@s1.test");
	drain_leave(drain, true);
	while (runs(bed) < before + 2)
		clock_sleep_us(CLOCK_MS);
	assert_false(drain_left(drain));
	drain_stop(&drain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whose_mail_is_queued),
		TEST(an_empty_queue_needs_no_reading),
		TEST(what_one_listing_misses_the_next_one_shows),
		TEST(nothing_is_known),
		TEST(only_their_late_commits_are_waited_for),
		TEST(epochs),
		TEST(leaving_waits_for_mail_of_every_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
