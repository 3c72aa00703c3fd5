/* dirsync/written.c: which attributes a contact had, whatever the settings name since. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "dirsync/written.h"

static const uint8_t digest[PERSON_DIGEST_SIZE] = { 1, 2, 3 };
static char dir[64];
static struct written *written;

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/restante-written-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	written_close(&written);
	return nftw(dir, forget, 8, FTW_DEPTH | FTW_PHYS);
}

static void reopen(const char *const *names, const char *run)
{
	const char *error = "";

	written_close(&written);
	written = written_open(dir, 1 << 20, run, names, &error);
	assert_string_equal(error, "");
	assert_non_null(written);
}

static void put(const char *id, uint64_t has)
{
	const char *error;

	assert_int_equal(written_put(written, id, digest, has, &error), 0);
}

static int take(void *context, const char *id, const uint8_t had[PERSON_DIGEST_SIZE], uint64_t has)
{
	str_printf(context, "%s=%llu ", id, (unsigned long long)has);
	assert_memory_equal(had, digest, sizeof(digest));
	return 0;
}

static void expect(const char *text)
{
	struct str got = STR_INIT;
	const char *error;

	assert_int_equal(written_list(written, take, &got, &error), 0);
	assert_string_equal(str_cstr(&got), text);
	str_free(&got);
}

static void commit(const char *run)
{
	const char *error;

	assert_int_equal(written_commit(written, run, "", &error), 0);
}

static void test_names_change(void **state)
{
	static const char *const first[] = { "cn", "sn", NULL };
	static const char *const other[] = { "title", "SN", NULL };
	static const char *const third[] = { "mail", "sn", "title", "cn", NULL };

	(void)state;
	reopen(first, "");
	put("anna", 1);
	put("bert", 3);
	commit("r1");
	reopen(first, "r1");
	expect("anna=1 bert=3 ");
	/* what is not written again means what it meant: sn alone has a name now */
	reopen(other, "r1");
	expect("anna=0 bert=2 ");
	put("carl", 3);
	commit("r2");
	reopen(third, "r2");
	expect("anna=8 bert=10 carl=6 ");
	reopen(first, "r2");
	expect("anna=1 bert=3 carl=2 ");
}

/* Bits reach the table before the run is committed: their names have to, too. */
static void test_a_run_that_does_not_end(void **state)
{
	static const char *const first[] = { "cn", NULL };
	static const char *const other[] = { "title", NULL };
	static const char *const third[] = { "mail", "title", NULL };
	char id[32];

	(void)state;
	reopen(first, "");
	put("anna", 1);
	commit("r1");
	reopen(other, "r1");
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "anna%d", i);
		put(i == 0 ? "anna" : id, 1);
	}
	reopen(third, "r1");
	struct str all = STR_INIT;
	const char *error;
	assert_int_equal(written_list(written, take, &all, &error), 0);
	assert_int_equal(strncmp(str_cstr(&all), "anna=2 ", 7), 0);
	str_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_run_that_does_not_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
