/* lib/bdb_build.c: tables that are filled once. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bdb.h"
#include "tests/unit/panic.h"
#include "tests/unit/spoil.h"

#define MANY 5000

struct fixture {
	char dir[64];
	struct bdb_env *env;
	struct bdb_table *table;
};

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void open_env(struct fixture *f)
{
	struct bdb_options options = { .dir = f->dir, .cache_bytes = 4 << 20, .sync = true };
	const char *error = NULL;

	f->env = bdb_env_open(&options, &error);
	if (f->env == NULL)
		fail_msg("%s", error);
}

static void open_table(struct fixture *f)
{
	const char *error = NULL;

	f->table = bdb_table_open(f->env, "t", BDB_EXISTING, 0, &error);
	if (f->table == NULL)
		fail_msg("%s", error);
}

static void close_all(struct fixture *f)
{
	bdb_table_close(&f->table);
	bdb_env_close(&f->env);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/restante-build-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	open_env(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close_all(f);
	nftw(f->dir, forget, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static struct bdb_build *begin(struct fixture *f)
{
	const char *error = NULL;
	struct bdb_build *build = bdb_build_begin(f->env, "t", &error);

	if (build == NULL)
		fail_msg("%s", error);
	return build;
}

/* Keys from 0 on, each with its own text as value. */
static void fill(struct bdb_build *build, unsigned count)
{
	char key[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "%08u", i);
		assert_int_equal(bdb_build_put(build, key, 8, key, 8), BDB_OK);
	}
}

static void build(struct fixture *f, unsigned count)
{
	struct bdb_build *b = begin(f);

	fill(b, count);
	assert_int_equal(bdb_build_finish(&b), BDB_OK);
	assert_null(b);
}

static void assert_there(struct fixture *f, unsigned number)
{
	char key[16], value[16];
	size_t len;

	snprintf(key, sizeof(key), "%08u", number);
	assert_int_equal(bdb_get_into(f->table, NULL, key, 8, value, sizeof(value), &len), BDB_OK);
	assert_int_equal(len, 8);
	assert_memory_equal(value, key, 8);
}

static bool is_there(const struct fixture *f, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return stat(path, &st) == 0;
}

static void test_what_was_built_is_a_table(void **state)
{
	struct fixture *f = *state;

	build(f, MANY);
	assert_false(is_there(f, "t.build"));
	open_table(f);
	for (unsigned i = 0; i < MANY; i++)
		assert_there(f, i);
}

static void test_nobody_sees_it_before(void **state)
{
	struct fixture *f = *state;
	struct bdb_build *b = begin(f);
	const char *error = NULL;

	fill(b, MANY);
	assert_false(is_there(f, "t.db"));
	assert_null(bdb_table_open(f->env, "t", BDB_EXISTING, 0, &error));
	assert_non_null(strstr(error, "t.db"));
	bdb_build_drop(&b);
	assert_null(b);
	assert_false(is_there(f, "t.db"));
	assert_false(is_there(f, "t.build"));
}

/* What a process left that was killed meanwhile. */
static void test_the_next_one_begins_anew(void **state)
{
	struct fixture *f = *state;
	char path[128];
	FILE *left;

	snprintf(path, sizeof(path), "%s/t.build", f->dir);
	left = fopen(path, "w");
	assert_non_null(left);
	fputs("half a table", left);
	fclose(left);
	build(f, 10);
	open_table(f);
	assert_there(f, 9);
}

static void test_removal(void **state)
{
	struct fixture *f = *state;
	const char *error;

	assert_int_equal(bdb_table_remove(f->env, "t"), BDB_OK);
	build(f, 10);
	open_table(f);
	bdb_table_close(&f->table);
	assert_int_equal(bdb_table_remove(f->env, "t"), BDB_OK);
	assert_false(is_there(f, "t.db"));
	assert_null(bdb_table_open(f->env, "t", BDB_EXISTING, 0, &error));
}

/* --- crashes -------------------------------------------------------------------------------- */

static void in_a_killed_process(struct fixture *f, void (*work)(struct fixture *f))
{
	int status;

	bdb_env_close(&f->env);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		open_env(f);
		work(f);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	open_env(f);
}

static void build_and_change(struct fixture *f)
{
	build(f, MANY);
	open_table(f);
	assert_int_equal(bdb_put(f->table, NULL, "changed", 7, "yes", 3, 0), BDB_OK);
	assert_int_equal(bdb_del(f->table, NULL, "00000007", 8), BDB_OK);
}

/* The log knows the pages from the first change after the build on only. */
static void test_changes_of_a_built_table_are_recovered(void **state)
{
	struct fixture *f = *state;
	char value[16];
	size_t len;

	in_a_killed_process(f, build_and_change);
	open_table(f);
	assert_there(f, 0);
	assert_there(f, MANY - 1);
	assert_int_equal(bdb_get_into(f->table, NULL, "changed", 7, value, 16, &len), BDB_OK);
	assert_int_equal(
		bdb_get_into(f->table, NULL, "00000007", 8, value, 16, &len), BDB_NOTFOUND);
}

static void change_and_build_anew(struct fixture *f)
{
	build_and_change(f);
	bdb_table_close(&f->table);
	assert_int_equal(bdb_table_remove(f->env, "t"), BDB_OK);
	build(f, 10);
	open_table(f);
}

/* The log of the earlier table is not applied to the one that has its name now. */
static void test_the_log_of_another_table_of_that_name(void **state)
{
	struct fixture *f = *state;
	char value[16];
	size_t len;

	in_a_killed_process(f, change_and_build_anew);
	open_table(f);
	for (unsigned i = 0; i < 10; i++)
		assert_there(f, i);
	assert_int_equal(bdb_get_into(f->table, NULL, "changed", 7, value, 16, &len), BDB_NOTFOUND);
	assert_int_equal(
		bdb_get_into(f->table, NULL, "00000011", 8, value, 16, &len), BDB_NOTFOUND);
}

static void build_change_and_remove(struct fixture *f)
{
	build_and_change(f);
	bdb_table_close(&f->table);
	assert_int_equal(bdb_table_remove(f->env, "t"), BDB_OK);
}

static void test_the_log_of_a_removed_table(void **state)
{
	struct fixture *f = *state;

	in_a_killed_process(f, build_change_and_remove);
	assert_false(is_there(f, "t.db"));
	build(f, 10);
	open_table(f);
	assert_there(f, 9);
}

static void test_a_damaged_page_is_told(void **state)
{
	struct fixture *f = *state;
	char value[16];
	size_t len;

	build(f, 10);
	spoil(f->dir, "t.db", 4096 + 100, 64);
	open_table(f);
	assert_int_not_equal(bdb_get_into(f->table, NULL, "00000001", 8, value, 16, &len), BDB_OK);
}

/* A table that is being built has no environment that would say where errors go. */
static void test_a_disk_that_takes_nothing(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;
	struct rlimit limit, none;
	int said[2], keep = dup(STDERR_FILENO);
	char text[512];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(pipe2(said, O_CLOEXEC | O_NONBLOCK), 0);
	signal(SIGXFSZ, SIG_IGN);
	dup2(said[1], STDERR_FILENO);
	setrlimit(RLIMIT_FSIZE, &none);
	struct bdb_build *build = bdb_build_begin(f->env, "t", &error);
	setrlimit(RLIMIT_FSIZE, &limit);
	dup2(keep, STDERR_FILENO);
	close(keep);
	assert_null(build);
	assert_non_null(strstr(error, "File too large"));
	assert_int_equal(read(said[0], text, sizeof text), -1);
	close(said[0]);
	close(said[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_built_is_a_table),
		TEST(test_nobody_sees_it_before),
		TEST(test_the_next_one_begins_anew),
		TEST(test_removal),
		TEST(test_changes_of_a_built_table_are_recovered),
		TEST(test_the_log_of_another_table_of_that_name),
		TEST(test_the_log_of_a_removed_table),
		TEST(test_a_damaged_page_is_told),
		TEST(test_a_disk_that_takes_nothing),
	};

	return cmocka_run_group_tests_name("bdb_build", tests, NULL, NULL);
}
