/* dirsync/rawset.c: what was added is known once, and its bytes come back. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "dirsync/rawset.h"

#define MANY 5000 /* with 100 bytes each: more than is kept in memory */

static void raw_of(unsigned number, uint8_t raw[TRACE_RAW_SIZE])
{
	/* as in a digest, all of it differs; some begin at the same place */
	uint64_t words[2] = { number / 3 + 1, number * UINT64_C(0x9e3779b97f4a7c15) + 1 };

	memcpy(raw, words, sizeof words);
}

static void bytes_of(unsigned number, char bytes[100])
{
	for (unsigned i = 0; i < 100; i++)
		bytes[i] = (char)(number + i * 7);
}

static int see(struct rawset *set, unsigned number)
{
	uint8_t raw[TRACE_RAW_SIZE];
	const char *error = NULL;
	char bytes[100];

	raw_of(number, raw);
	bytes_of(number, bytes);
	return rawset_see(set, raw, bytes, sizeof bytes, &error);
}

static void add(struct rawset *set, unsigned number)
{
	uint8_t raw[TRACE_RAW_SIZE];

	raw_of(number, raw);
	rawset_add(set, raw);
}

static bool seen(const struct rawset *set, unsigned number)
{
	uint8_t raw[TRACE_RAW_SIZE];

	raw_of(number, raw);
	return rawset_seen(set, raw);
}

static void comes_back(struct rawset *set, unsigned number)
{
	uint8_t raw[TRACE_RAW_SIZE];
	struct str bytes = STR_INIT;
	const char *error = NULL;
	char wanted[100];

	raw_of(number, raw);
	bytes_of(number, wanted);
	assert_int_equal(rawset_read(set, raw, &bytes, &error), 0);
	assert_int_equal(bytes.len, sizeof wanted);
	assert_memory_equal(bytes.data, wanted, sizeof wanted);
	str_free(&bytes);
}

static void test_known_once(void **state)
{
	struct rawset *set = rawset_new("/tmp", MANY);

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		add(set, i);
	for (unsigned i = 0; i < 2 * MANY; i += 2)
		assert_int_equal(see(set, i), i < MANY);
	for (unsigned i = 0; i < 2 * MANY; i += 2)
		assert_int_equal(see(set, i), 0);
	assert_int_equal(rawset_seen_count(set), MANY / 2);
	for (unsigned i = 0; i < 2 * MANY; i++)
		assert_int_equal(seen(set, i), i < MANY && i % 2 == 0);
	for (unsigned i = MANY; i > 0; i -= 2)
		comes_back(set, i - 2);
	rawset_free(&set);
	assert_null(set);
}

static void test_more_than_it_has_room_for(void **state)
{
	struct rawset *set = rawset_new("/tmp", 10);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add(set, i);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(see(set, i), i < 10);
	comes_back(set, 9);
	rawset_free(&set);
	set = rawset_new("/tmp", 0);
	add(set, 1);
	assert_int_equal(see(set, 1), 0);
	rawset_free(&set);
}

static void test_a_disk_that_fails(void **state)
{
	struct rawset *set = rawset_new("/nowhere/at/all", MANY);
	uint8_t raw[TRACE_RAW_SIZE];
	char *much = calloc(1, 1 << 20);
	const char *error = NULL;

	(void)state;
	raw_of(1, raw);
	rawset_add(set, raw);
	assert_int_equal(rawset_see(set, raw, much, 1 << 20, &error), -1);
	assert_string_equal(
		error, "/nowhere/at/all: cannot keep what was read: No such file or directory");
	free(much);
	rawset_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_once),
		cmocka_unit_test(test_more_than_it_has_room_for),
		cmocka_unit_test(test_a_disk_that_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
