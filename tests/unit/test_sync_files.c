/* What a system's folder has besides the snapshot: its name, reports, requests seen. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirsync/folder.h"
#include "dirsync/reports.h"
#include "dirsync/runid.h"
#include "lib/clock.h"
#include "lib/mem.h"

static char dir[64];

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	const char *error = NULL;

	(void)state;
	strcpy(dir, "/tmp/restante-sync-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return folder_make(dir, "S1", &error);
}

static int tear_down(void **state)
{
	(void)state;
	nftw(dir, forget, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* --- the folder ------------------------------------------------------------------------------- */

static void expect_folder(const char *system, const char *wanted)
{
	char *path = folder_of("/state", system);

	assert_string_equal(path, wanted);
	mem_free(&path);
}

static void test_the_name_of_a_folder(void **state)
{
	(void)state;
	expect_folder("S1", "/state/s1");
	expect_folder("s1", "/state/s1");
	expect_folder("a.b-c_9", "/state/a.b-c_9");
	expect_folder("..", "/state/%2E.");
	expect_folder("../x", "/state/%2E.%2Fx");
	expect_folder("a b/\xc3\xa4", "/state/a%20b%2F%C3%A4");
}

static void test_what_a_killed_run_left_goes(void **state)
{
	const char *error = NULL;
	char *path = folder_work(dir, "S1", "up.work", &error);
	char *left = mem_printf("%s/pull.0", path);

	(void)state;
	assert_non_null(path);
	fclose(fopen(left, "w"));
	mem_free(&path);
	path = folder_work(dir, "S1", "up.work", &error);
	assert_non_null(path);
	assert_int_equal(access(left, F_OK), -1);
	mem_free(&left);
	mem_free(&path);
}

/* --- reports ---------------------------------------------------------------------------------- */

static void add(struct reports *reports, const char *kind, const char *id)
{
	const struct report report = { .kind = kind, .id = id, .text = "a \"text\"\nof two lines" };

	reports_add(reports, &report);
}

static void keep(struct reports **reports, enum reports_extent extent)
{
	const char *error = NULL;

	if (reports_keep(*reports, dir, extent, &error) < 0)
		fail_msg("%s", error);
	reports_free(reports);
}

/* The ids of all that is kept, in their order, each with a space behind it. */
static int collect(void *context, struct json *report)
{
	str_printf(context, "%s ", json_get_string(report, "id"));
	json_free(&report);
	return 0;
}

static void expect_kept(const char *wanted)
{
	struct str ids = STR_INIT;

	reports_read(dir, "S1", SYNC_UP, collect, &ids);
	assert_string_equal(str_cstr(&ids), wanted);
	str_free(&ids);
}

static void test_reports_replace_those_before(void **state)
{
	struct reports *reports = reports_new("S1", SYNC_UP);

	(void)state;
	expect_kept("");
	add(reports, "conflict", "one");
	add(reports, "conflict", "two");
	add(reports, "domain", "two");
	assert_int_equal(reports_count(reports, "conflict"), 2);
	assert_int_equal(reports_count(reports, "domain"), 1);
	assert_int_equal(reports_count(reports, "rekey"), 0);
	keep(&reports, REPORTS_WHOLE);
	expect_kept("one two two ");
	reports = reports_new("S1", SYNC_UP);
	add(reports, "conflict", "three");
	keep(&reports, REPORTS_WHOLE);
	expect_kept("three ");
}

static void test_a_delta_replaces_what_it_has_seen(void **state)
{
	struct reports *reports = reports_new("S1", SYNC_UP);

	(void)state;
	add(reports, "conflict", "one");
	add(reports, "conflict", "two");
	keep(&reports, REPORTS_WHOLE);
	reports = reports_new("S1", SYNC_UP);
	reports_seen(reports, "two");
	reports_seen(reports, "three");
	add(reports, "conflict", "three");
	keep(&reports, REPORTS_PARTIAL);
	expect_kept("three one ");
}

/* Nothing was applied: who claimed an address claims it still. */
static void test_an_undone_run_forgets_no_claim(void **state)
{
	const struct report claim = { .kind = "conflict", .id = "two", .address = "a@example.org" };
	struct reports *reports = reports_new("S1", SYNC_UP);

	(void)state;
	add(reports, "conflict", "one");
	add(reports, "conflict", "two");
	add(reports, "domain", "four");
	keep(&reports, REPORTS_WHOLE);
	for (int again = 0; again < 2; again++) {
		reports = reports_new("S1", SYNC_UP);
		add(reports, "rekey", "three");
		add(reports, "conflict", "one");
		reports_add(reports, &claim);
		keep(&reports, REPORTS_UNDONE);
		expect_kept("three one two two ");
	}
	reports = reports_new("S1", SYNC_UP);
	keep(&reports, REPORTS_WHOLE);
	expect_kept("");
}

static void test_too_many_reports_are_counted(void **state)
{
	struct reports *reports = reports_new("S1", SYNC_UP);
	struct str ids = STR_INIT;

	(void)state;
	for (int i = 0; i < REPORTS_MAX + 5; i++)
		add(reports, "conflict", "x");
	assert_int_equal(reports_count(reports, "conflict"), REPORTS_MAX + 5);
	keep(&reports, REPORTS_WHOLE);
	reports_read(dir, "S1", SYNC_UP, collect, &ids);
	assert_int_equal(ids.len, 2 * REPORTS_MAX);
	str_free(&ids);
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_since_when_a_request_is_known(void **state)
{
	int64_t before = clock_wall_us(), first;

	(void)state;
	assert_int_equal(runid_asked(dir, "S1", SYNC_UP, 0, 0), 0);
	first = runid_asked(dir, "S1", SYNC_UP, 7, 0);
	assert_true(first >= before && first <= clock_wall_us());
	assert_int_equal(runid_asked(dir, "S1", SYNC_UP, 7, 0), first);
	assert_true(runid_asked(dir, "S1", SYNC_UP, 8, 0) > first);
	assert_true(runid_asked(dir, "S1", SYNC_DOWN, 7, 0) > first);
	/* the earliest of what is known for certain */
	assert_int_equal(runid_asked(dir, "S1", SYNC_DOWN, 7, first - 5), first - 5);
	assert_int_equal(runid_asked(dir, "S1", SYNC_DOWN, 7, first), first - 5);
	assert_int_equal(runid_asked(dir, "S1", SYNC_DOWN, 7, 0), first - 5);
	assert_int_equal(runid_asked(dir, "S1", SYNC_DOWN, 9, first - 5), first - 5);
	/* not in our future */
	assert_true(runid_asked(dir, "S1", SYNC_DOWN, 10, INT64_MAX) <= clock_wall_us());
}

static void test_when_a_request_was_made_at_the_latest(void **state)
{
	const char *then = "20261123020121.250000Z#000000#001#000000",
		   *now = "20261123020122.750000Z#000000#001#000000",
		   *other = "20261123020122.750000Z#000000#002#000000";

	(void)state;
	/* whatever the server's clock shows, that was 1.5 s before */
	assert_int_equal(runid_latest(then, now, 7000000), 5500000);
	assert_int_equal(runid_latest(now, now, 7000000), 7000000);
	/* a clock that was turned back, another server's, none */
	assert_int_equal(runid_latest(now, then, 7000000), 0);
	assert_int_equal(runid_latest(then, other, 7000000), 0);
	assert_int_equal(runid_latest("", now, 7000000), 0);
	assert_int_equal(runid_latest(then, "20261123020122Z", 7000000), 0);
}

static void test_the_name_of_a_run(void **state)
{
	struct str id = STR_INIT;

	(void)state;
	runid_new(INT64_C(1795361400) * CLOCK_SECOND, &id);
	assert_int_equal(strncmp(id.data, "20261122T153000Z-", 17), 0);
	assert_int_equal(id.len, 21);
	str_free(&id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_name_of_a_folder),
		cmocka_unit_test_setup_teardown(
			test_what_a_killed_run_left_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_reports_replace_those_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_delta_replaces_what_it_has_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_undone_run_forgets_no_claim, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_too_many_reports_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_since_when_a_request_is_known, set_up, tear_down),
		cmocka_unit_test(test_when_a_request_was_made_at_the_latest),
		cmocka_unit_test(test_the_name_of_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
