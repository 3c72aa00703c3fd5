/* dirsync/snapshot.c: what is committed is there, whatever happens; nothing else is. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dirsync/snapshot.h"
#include "tests/unit/panic.h"

#define CACHE (4U << 20)

struct fixture {
	char dir[64];
	struct snapshot *snapshot;
};

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static struct snapshot *open_it(struct fixture *f)
{
	const char *error = NULL;

	f->snapshot = snapshot_open(f->dir, "S1", CACHE, &error);
	if (f->snapshot == NULL)
		fail_msg("%s", error);
	return f->snapshot;
}

static void reopen(struct fixture *f)
{
	snapshot_close(&f->snapshot);
	open_it(f);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/restante-snap-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	open_it(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	snapshot_close(&f->snapshot);
	nftw(f->dir, forget, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* The engine writes all of its log file, and syncs it, whenever it is opened. */
static void test_an_opening_writes_little(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[128];

	snprintf(path, sizeof path, "%s/s1/log.0000000001", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 1, 1 << 20);
}

/* --- shorthand -------------------------------------------------------------------------------- */

static const char *id_of(int number)
{
	static char text[32];

	snprintf(text, sizeof text, "id-%06d", number);
	return text;
}

static void put(struct fixture *f, int number, const char *address)
{
	struct trace trace = TRACE_INIT;
	const char *error = NULL;

	strings_add(&trace.addresses, address);
	trace.missing = (unsigned)number;
	assert_int_equal(snapshot_put(f->snapshot, id_of(number), &trace, &error), 0);
	trace_free(&trace);
}

static void begin(struct fixture *f, bool anew)
{
	const char *error = NULL;

	if (snapshot_begin(f->snapshot, anew, &error) < 0)
		fail_msg("%s", error);
}

static void commit(struct fixture *f, const char *run, const char *mark)
{
	struct snapshot_head head = { .full_us = 17,
		.full_runs = 3,
		.persons = 9,
		.pending = 6,
		.versions = 8,
		.whole_us = 5 };
	const char *error = NULL;

	str_append_z(&head.run, run);
	str_append_z(&head.parent, "before");
	str_append_z(&head.mark, mark);
	str_append_z(&head.counted, "counted");
	str_append_z(&head.settings, "settings");
	if (snapshot_commit(f->snapshot, &head, &error) < 0)
		fail_msg("%s", error);
	snapshot_head_free(&head);
}

/* Ids first to end - 1 are in it, in order, each with that address; nothing else is. */
static void expect(struct fixture *f, int first, int end, const char *address)
{
	struct trace trace = TRACE_INIT;
	const char *id, *error = NULL;
	int number = first, got;

	assert_int_equal(snapshot_walk(f->snapshot, &error), 0);
	while ((got = snapshot_next(f->snapshot, &id, &trace, &error)) == 1) {
		assert_string_equal(id, id_of(number));
		assert_int_equal(trace.missing, number);
		assert_true(strings_has(&trace.addresses, address));
		number++;
	}
	assert_int_equal(got, 0);
	assert_int_equal(number, end);
	trace_free(&trace);
}

static void expect_run(struct fixture *f, const char *run)
{
	struct snapshot_head head;

	snapshot_head(f->snapshot, &head);
	assert_string_equal(str_cstr(&head.run), run);
	snapshot_head_free(&head);
}

static void fill(struct fixture *f, int count, const char *run)
{
	begin(f, true);
	for (int i = 0; i < count; i++)
		put(f, i, run);
	commit(f, run, "mark");
}

/* --- the tests -------------------------------------------------------------------------------- */

static void test_a_new_one_is_empty(void **state)
{
	struct fixture *f = *state;

	expect_run(f, "");
	expect(f, 0, 0, "");
}

static void test_made_anew(void **state)
{
	struct fixture *f = *state;
	struct snapshot_head head;

	fill(f, 3000, "run-1");
	reopen(f);
	expect(f, 0, 3000, "run-1");
	fill(f, 2000, "run-2");
	expect(f, 0, 2000, "run-2");
	reopen(f);
	expect(f, 0, 2000, "run-2");
	snapshot_head(f->snapshot, &head);
	assert_string_equal(head.run.data, "run-2");
	assert_string_equal(head.parent.data, "before");
	assert_string_equal(head.mark.data, "mark");
	assert_string_equal(head.counted.data, "counted");
	assert_string_equal(head.settings.data, "settings");
	assert_int_equal(head.full_us, 17);
	assert_int_equal(head.full_runs, 3);
	assert_int_equal(head.persons, 9);
	assert_int_equal(head.pending, 6);
	assert_int_equal(head.versions, 8);
	assert_int_equal(head.whole_us, 5);
	snapshot_head_free(&head);
}

static void test_changed(void **state)
{
	struct fixture *f = *state;
	struct trace trace = TRACE_INIT;
	const char *error = NULL;

	fill(f, 10, "run");
	begin(f, false);
	put(f, 10, "run");
	assert_int_equal(snapshot_drop(f->snapshot, id_of(0), &error), 0);
	assert_int_equal(snapshot_drop(f->snapshot, "never there", &error), 0);
	commit(f, "run-2", "");
	reopen(f);
	expect(f, 1, 11, "run");
	expect_run(f, "run-2");
	assert_int_equal(snapshot_get(f->snapshot, id_of(5), &trace, &error), 1);
	assert_int_equal(trace.missing, 5);
	assert_int_equal(snapshot_get(f->snapshot, id_of(0), &trace, &error), 0);
	trace_free(&trace);
}

static void test_what_is_not_committed_does_not_count(void **state)
{
	struct fixture *f = *state;

	fill(f, 10, "run");
	for (int anew = 0; anew < 2; anew++) {
		begin(f, anew);
		put(f, anew ? 0 : 11, "other");
		snapshot_abort(f->snapshot);
		expect(f, 0, 10, "run");
		begin(f, anew);
		put(f, anew ? 0 : 11, "other");
		reopen(f);
		expect(f, 0, 10, "run");
		expect_run(f, "run");
	}
}

static void test_the_old_one_is_read_while_the_new_one_is_made(void **state)
{
	struct fixture *f = *state;
	struct trace trace = TRACE_INIT;
	const char *id, *error = NULL;
	int count = 0;

	fill(f, 500, "run");
	begin(f, true);
	assert_int_equal(snapshot_walk(f->snapshot, &error), 0);
	while (snapshot_next(f->snapshot, &id, &trace, &error) == 1)
		assert_int_equal(snapshot_put(f->snapshot, id_of(count++), &trace, &error), 0);
	commit(f, "run-2", "");
	expect(f, 0, 500, "run");
	trace_free(&trace);
}

/* A child that changes it in both ways until it is killed: what is there is the last run or the one
 * that it began with, whole. */
static void change_for_ever(struct fixture *f)
{
	open_it(f);
	for (int round = 0;; round++) {
		char run[32];
		snprintf(run, sizeof run, "run-%d", round);
		begin(f, round % 2 == 0);
		for (int i = 0; i < 300; i++)
			put(f, i, run);
		commit(f, run, "");
	}
}

static void test_killed_at_any_instant(void **state)
{
	struct fixture *f = *state;
	struct snapshot_head head;

	fill(f, 300, "run");
	for (int round = 0; round < 10; round++) {
		snapshot_close(&f->snapshot);
		pid_t pid = fork();
		if (pid == 0)
			change_for_ever(f);
		usleep(20000 + 7000 * (unsigned)round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		open_it(f);
		snapshot_head(f->snapshot, &head);
		assert_true(head.run.len > 0);
		expect(f, 0, 300, head.run.data);
		snapshot_head_free(&head);
	}
}

static void table_path(const struct fixture *f, char *path, size_t size)
{
	snprintf(path, size, "%s/s1/traces.db", f->dir);
}

static void test_a_damaged_one_counts_as_none(void **state)
{
	struct fixture *f = *state;
	char path[128];

	fill(f, 100, "run");
	snapshot_close(&f->snapshot);
	table_path(f, path, sizeof path);
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "not a table", 11), 11);
	close(fd);
	open_it(f);
	expect_run(f, "");
	fill(f, 5, "again");
	reopen(f);
	expect(f, 0, 5, "again");
}

static void test_damage_found_while_reading(void **state)
{
	struct fixture *f = *state;
	struct trace trace = TRACE_INIT;
	const char *id, *error = NULL;
	char path[128], junk[4096];
	int got;

	fill(f, 3000, "run");
	snapshot_close(&f->snapshot);
	table_path(f, path, sizeof path);
	memset(junk, 0x5a, sizeof junk);
	int fd = open(path, O_WRONLY);
	for (int page = 3; page < 40; page++)
		assert_int_equal(pwrite(fd, junk, sizeof junk, page * 4096), sizeof junk);
	close(fd);
	f->snapshot = snapshot_open(f->dir, "S1", CACHE, &error);
	assert_non_null(f->snapshot);
	/* on opening, or on reading */
	if (snapshot_walk(f->snapshot, &error) == 0) {
		while ((got = snapshot_next(f->snapshot, &id, &trace, &error)) == 1)
			;
		struct snapshot_head head;
		snapshot_head(f->snapshot, &head);
		assert_true(got == -1 || head.run.len == 0);
		snapshot_head_free(&head);
	}
	trace_free(&trace);
	reopen(f);
	expect_run(f, "");
	expect(f, 0, 0, "");
}

static void test_one_in_use_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;

	fill(f, 10, "run");
	pid_t pid = fork();
	if (pid == 0)
		_exit(snapshot_open(f->dir, "S1", CACHE, &error) == NULL &&
					strstr(error, "in use") != NULL
				? 0
				: 1);
	int status;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	reopen(f);
	expect(f, 0, 10, "run");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_new_one_is_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_opening_writes_little, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_not_committed_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_old_one_is_read_while_the_new_one_is_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_at_any_instant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_damaged_one_counts_as_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage_found_while_reading, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_in_use_is_left_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
