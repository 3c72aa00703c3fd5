/* lib/bdb.c: the Berkeley DB seam. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bdb.h"
#include "lib/mem.h"
#include "tests/unit/panic.h"
#include "tests/unit/spoil.h"

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

static struct bdb_env *open_env(const char *dir, const char **error_r)
{
	struct bdb_options options = { .dir = dir, .cache_bytes = 4 << 20, .sync = true };
	return bdb_env_open(&options, error_r);
}

static void open_all(struct fixture *f, unsigned flags)
{
	const char *error = "";

	f->env = open_env(f->dir, &error);
	if (f->env == NULL)
		fail_msg("%s", error);
	f->table = bdb_table_open(f->env, "t", flags, 0, &error);
	if (f->table == NULL)
		fail_msg("%s", error);
}

static void close_all(struct fixture *f)
{
	bdb_table_close(&f->table);
	bdb_env_close(&f->env);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	strcpy(f->dir, "/tmp/bdbtXXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_all(f);
	nftw(f->dir, forget, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static enum bdb_result put(
	struct fixture *f, struct bdb_txn *txn, const char *key, const char *value, unsigned flags)
{
	return bdb_put(f->table, txn, key, strlen(key), value, strlen(value), flags);
}

static void put_and_get(void **state)
{
	struct fixture *f = *state;
	struct str value = STR_INIT;
	char small[4];
	size_t len;

	open_all(f, 0);
	assert_int_equal(put(f, NULL, "a", "one", 0), BDB_OK);
	assert_int_equal(put(f, NULL, "a", "uno", 0), BDB_OK);
	assert_int_equal(put(f, NULL, "a", "two", BDB_NEW_ONLY), BDB_EXISTS);
	assert_int_equal(bdb_get(f->table, NULL, "a", 1, &value), BDB_OK);
	assert_string_equal(value.data, "uno");
	assert_int_equal(bdb_get(f->table, NULL, "b", 1, &value), BDB_NOTFOUND);
	assert_int_equal(value.len, 0);
	assert_int_equal(bdb_get_into(f->table, NULL, "a", 1, small, sizeof(small), &len), BDB_OK);
	assert_int_equal(len, 3);
	assert_int_equal(bdb_get_into(f->table, NULL, "a", 1, small, 2, &len), BDB_FAILED);
	assert_non_null(strstr(bdb_reason(), "t: read"));
	assert_int_equal(bdb_del(f->table, NULL, "a", 1), BDB_OK);
	assert_int_equal(bdb_del(f->table, NULL, "a", 1), BDB_NOTFOUND);
	str_free(&value);
}

static void large_and_empty_values(void **state)
{
	struct fixture *f = *state;
	struct str value = STR_INIT;
	char *big = mem_alloc(300000);

	open_all(f, 0);
	memset(big, 'x', 300000);
	assert_int_equal(bdb_put(f->table, NULL, "big", 3, big, 300000, 0), BDB_OK);
	assert_int_equal(bdb_put(f->table, NULL, "none", 4, NULL, 0, 0), BDB_OK);
	assert_int_equal(bdb_get(f->table, NULL, "big", 3, &value), BDB_OK);
	assert_int_equal(value.len, 300000);
	assert_memory_equal(value.data, big, 300000);
	assert_int_equal(bdb_get(f->table, NULL, "none", 4, &value), BDB_OK);
	assert_int_equal(value.len, 0);
	str_free(&value);
	free(big);
}

static void commit_and_abort(void **state)
{
	struct fixture *f = *state;
	struct str value = STR_INIT;
	struct bdb_txn *txn;

	open_all(f, 0);
	assert_int_equal(bdb_begin(f->env, 0, &txn), BDB_OK);
	assert_int_equal(put(f, txn, "gone", "1", 0), BDB_OK);
	bdb_abort(&txn);
	assert_null(txn);
	assert_int_equal(bdb_begin(f->env, BDB_NOSYNC, &txn), BDB_OK);
	assert_int_equal(put(f, txn, "kept", "1", 0), BDB_OK);
	assert_int_equal(bdb_commit(&txn), BDB_OK);
	assert_null(txn);
	assert_int_equal(bdb_log_sync(f->env), BDB_OK);
	close_all(f);
	open_all(f, 0);
	assert_int_equal(bdb_get(f->table, NULL, "gone", 4, &value), BDB_NOTFOUND);
	assert_int_equal(bdb_get(f->table, NULL, "kept", 4, &value), BDB_OK);
	str_free(&value);
}

static void cursor_walks_in_order(void **state)
{
	struct fixture *f = *state;
	struct bdb_cursor *cursor;
	struct bdb_item item;
	struct bdb_txn *txn;

	open_all(f, 0);
	put(f, NULL, "c", "3", 0);
	put(f, NULL, "a", "1", 0);
	put(f, NULL, "bb", "2", 0);
	assert_int_equal(bdb_begin(f->env, 0, &txn), BDB_OK);
	assert_int_equal(bdb_cursor_open(f->table, txn, BDB_CURSOR_WRITE, &cursor), BDB_OK);
	assert_int_equal(bdb_cursor_seek(cursor, "b", 1, &item), BDB_OK);
	assert_int_equal(item.key_len, 2);
	assert_memory_equal(item.key, "bb", 2);
	assert_int_equal(bdb_cursor_del(cursor), BDB_OK);
	assert_int_equal(bdb_cursor_next(cursor, &item), BDB_OK);
	assert_memory_equal(item.value, "3", 1);
	assert_int_equal(bdb_cursor_next(cursor, &item), BDB_NOTFOUND);
	assert_int_equal(bdb_cursor_seek(cursor, NULL, 0, &item), BDB_OK);
	assert_memory_equal(item.key, "a", 1);
	assert_int_equal(bdb_cursor_last(cursor, &item), BDB_OK);
	assert_memory_equal(item.key, "c", 1);
	bdb_cursor_close(&cursor);
	assert_int_equal(bdb_commit(&txn), BDB_OK);
	struct str value = STR_INIT;
	assert_int_equal(bdb_get(f->table, NULL, "bb", 2, &value), BDB_NOTFOUND);
	str_free(&value);
}

/* Many at once, one that is larger than what is read at once among them. */
static void walk_sees_everything(void **state)
{
	struct fixture *f = *state;
	struct bdb_cursor *cursor;
	struct bdb_item item;
	char key[16], *large = calloc(1, 1 << 20);
	int number = 0;

	open_all(f, 0);
	for (; number < 5000; number++) {
		snprintf(key, sizeof(key), "key%05d", number);
		assert_int_equal(
			bdb_put(f->table, NULL, key, 8, large, number == 4000 ? 1 << 20 : 100, 0),
			BDB_OK);
	}
	assert_int_equal(bdb_cursor_open(f->table, NULL, BDB_CURSOR_WALK, &cursor), BDB_OK);
	for (number = 0; bdb_cursor_next(cursor, &item) == BDB_OK; number++) {
		snprintf(key, sizeof(key), "key%05d", number);
		assert_int_equal(item.key_len, 8);
		assert_memory_equal(item.key, key, 8);
		assert_int_equal(item.value_len, number == 4000 ? 1 << 20 : 100);
	}
	assert_int_equal(number, 5000);
	assert_int_equal(bdb_cursor_next(cursor, &item), BDB_NOTFOUND);
	bdb_cursor_close(&cursor);
	free(large);
}

static void duplicates(void **state)
{
	struct fixture *f = *state;
	struct bdb_cursor *cursor;
	struct bdb_item item;

	open_all(f, BDB_DUPLICATES);
	assert_int_equal(put(f, NULL, "k", "2", 0), BDB_OK);
	assert_int_equal(put(f, NULL, "k", "1", 0), BDB_OK);
	assert_int_equal(put(f, NULL, "k", "1", 0), BDB_OK);
	assert_int_equal(put(f, NULL, "k", "1", BDB_NEW_ONLY), BDB_EXISTS);
	assert_int_equal(put(f, NULL, "k", "3", BDB_NEW_ONLY), BDB_OK);
	assert_int_equal(bdb_del_pair(f->table, NULL, "k", 1, "2", 1), BDB_OK);
	assert_int_equal(bdb_del_pair(f->table, NULL, "k", 1, "2", 1), BDB_NOTFOUND);
	assert_int_equal(bdb_cursor_open(f->table, NULL, 0, &cursor), BDB_OK);
	assert_int_equal(bdb_cursor_seek(cursor, "k", 1, &item), BDB_OK);
	assert_memory_equal(item.value, "1", 1);
	assert_int_equal(bdb_cursor_next(cursor, &item), BDB_OK);
	assert_memory_equal(item.value, "3", 1);
	assert_int_equal(bdb_cursor_next(cursor, &item), BDB_NOTFOUND);
	bdb_cursor_close(&cursor);
	assert_int_equal(bdb_del(f->table, NULL, "k", 1), BDB_OK);
}

static void clear_a_table(void **state)
{
	struct fixture *f = *state;
	struct bdb_txn *txn;
	char key[16], value[4];
	size_t len;

	open_all(f, 0);
	assert_int_equal(bdb_begin(f->env, 0, &txn), BDB_OK);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "%08d", i);
		assert_int_equal(put(f, txn, key, "v", 0), BDB_OK);
	}
	assert_int_equal(bdb_commit(&txn), BDB_OK);
	assert_int_equal(bdb_table_clear(f->table, NULL), BDB_OK);
	assert_int_equal(bdb_get_into(f->table, NULL, "00000001", 8, value, 4, &len), BDB_NOTFOUND);
}

/* --- refusals ------------------------------------------------------------------------------- */

static void one_owner(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;
	char pid[32];
	int status;

	open_all(f, 0);
	assert_null(open_env(f->dir, &error));
	snprintf(pid, sizeof(pid), "process %ld:", (long)getpid());
	assert_non_null(strstr(error, pid));
	pid_t child = fork();
	if (child == 0) /* a descriptor of its own, as any other program has */
		_exit(open_env(f->dir, &error) == NULL && strstr(error, pid) != NULL ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void modes(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[96];

	strcat(f->dir, "/new");
	open_all(f, 0);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/t.db", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close_all(f);
	nftw(f->dir, forget, 8, FTW_DEPTH | FTW_PHYS);
	*strrchr(f->dir, '/') = '\0';
}

static void no_directory(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;
	char path[96];

	snprintf(path, sizeof(path), "%s/a/b", f->dir);
	assert_null(open_env(path, &error));
	assert_non_null(strstr(error, "cannot make the directory"));
	snprintf(path, sizeof(path), "%s/file", f->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_null(open_env(path, &error));
	assert_non_null(strstr(error, "not a directory"));
}

static void damaged_table(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;

	open_all(f, 0);
	put(f, NULL, "a", "1", 0);
	close_all(f);
	spoil(f->dir, "t.db", 0, 4096);
	f->env = open_env(f->dir, &error);
	if (f->env != NULL)
		assert_null(bdb_table_open(f->env, "t", 0, 0, &error));
	assert_non_null(strstr(error, f->dir));
	assert_non_null(strstr(error, "sound copy"));
}

static void damaged_page(void **state)
{
	struct fixture *f = *state;
	char value[8];
	size_t len;

	open_all(f, 0);
	put(f, NULL, "a", "1", 0);
	close_all(f);
	spoil(f->dir, "t.db", 4096 + 100, 64);
	open_all(f, 0);
	assert_int_not_equal(bdb_get_into(f->table, NULL, "a", 1, value, 8, &len), BDB_OK);
	assert_non_null(strstr(bdb_reason(), f->dir));
}

static void damaged_log(void **state)
{
	struct fixture *f = *state;
	const char *error = NULL;

	open_all(f, 0);
	put(f, NULL, "a", "1", 0);
	close_all(f);
	spoil(f->dir, "log.0000000001", 0, 64);
	assert_null(open_env(f->dir, &error));
	assert_non_null(strstr(error, f->dir));
	assert_non_null(strstr(error, "cannot recover"));
}

/* --- crash, threads -------------------------------------------------------------------------- */

static void unsynced_commits_survive_a_crash(void **state)
{
	struct fixture *f = *state;
	char value[8];
	size_t len;
	int status;

	pid_t child = fork();
	if (child == 0) {
		struct bdb_options options = { .dir = f->dir, .cache_bytes = 4 << 20 };
		const char *error;
		f->env = bdb_env_open(&options, &error);
		f->table = bdb_table_open(f->env, "t", 0, 0, &error);
		put(f, NULL, "a", "1", 0);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	open_all(f, 0);
	assert_int_equal(bdb_get_into(f->table, NULL, "a", 1, value, 8, &len), BDB_OK);
}

#define KEYS 64

static enum bdb_result add_to_all(struct fixture *f, unsigned *seed)
{
	struct bdb_txn *txn;
	enum bdb_result result = bdb_begin(f->env, BDB_NOSYNC, &txn);

	for (int i = 0; i < KEYS && result == BDB_OK; i++) {
		char key[600], value[8];
		size_t len;
		memset(key, 'k', sizeof(key)); /* long keys: many pages, so that locks collide */
		snprintf(key, sizeof(key), "%04d", (int)(rand_r(seed) % KEYS));
		result = bdb_get_into(f->table, txn, key, sizeof(key), value, 8, &len);
		if (result == BDB_OK || result == BDB_NOTFOUND)
			result = bdb_put(f->table, txn, key, sizeof(key), "v", 1, 0);
	}
	if (result == BDB_OK)
		return bdb_commit(&txn);
	bdb_abort(&txn);
	return result;
}

static void *hammer(void *context)
{
	struct fixture *f = context;
	unsigned seed = (unsigned)(uintptr_t)&seed, done = 0;
	enum bdb_result result;

	while (done < 20) {
		result = add_to_all(f, &seed);
		if (result == BDB_OK)
			done++;
		else if (result != BDB_RETRY)
			return (void *)1;
	}
	return NULL;
}

static void deadlocks_are_retried(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];

	open_all(f, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, f), 0);
	for (int i = 0; i < 4; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

static void log_files_go(void **state)
{
	struct fixture *f = *state;
	struct bdb_options options = { f->dir, 4 << 20, 1 << 20, true };
	const char *error;
	char path[96], *value = mem_zalloc(100000);
	struct stat st;

	f->env = bdb_env_open(&options, &error);
	f->table = bdb_table_open(f->env, "t", 0, 0, &error);
	for (int i = 0; i < 30; i++)
		assert_int_equal(bdb_put(f->table, NULL, "k", 1, value, 100000, 0), BDB_OK);
	assert_int_equal(bdb_checkpoint(f->env, 0), BDB_OK);
	assert_int_equal(bdb_put(f->table, NULL, "k", 1, value, 100000, 0), BDB_OK);
	assert_int_equal(bdb_checkpoint(f->env, 0), BDB_OK);
	snprintf(path, sizeof(path), "%s/log.0000000001", f->dir);
	assert_int_not_equal(stat(path, &st), 0);
	free(value);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(put_and_get),
		TEST(large_and_empty_values),
		TEST(commit_and_abort),
		TEST(cursor_walks_in_order),
		TEST(walk_sees_everything),
		TEST(duplicates),
		TEST(clear_a_table),
		TEST(one_owner),
		TEST(modes),
		TEST(no_directory),
		TEST(damaged_table),
		TEST(damaged_page),
		TEST(damaged_log),
		TEST(unsynced_commits_survive_a_crash),
		TEST(deadlocks_are_retried),
		TEST(log_files_go),
	};

	return cmocka_run_group_tests_name("bdb", tests, NULL, NULL);
}
