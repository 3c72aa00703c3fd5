/* dirsync/strings.c: sets of texts with one form. */
#include "tests/unit/unit.h"

#include "dirsync/strings.h"

static void expect(const struct strings *set, const char *const *wanted, size_t count)
{
	size_t i = 0;

	assert_int_equal(set->count, count);
	for (const char *t = strings_first(set); t != NULL; t = strings_next(set, t), i++)
		assert_string_equal(t, wanted[i]);
	assert_int_equal(i, count);
}

static void empty(void **state)
{
	struct strings set = STRINGS_INIT, other = STRINGS_INIT;

	(void)state;
	assert_null(strings_first(&set));
	assert_false(strings_has(&set, ""));
	assert_false(strings_remove(&set, "a"));
	assert_true(strings_equal(&set, &other));
	strings_reset(&set);
	strings_free(&set);
}

static void sorted_and_once(void **state)
{
	static const char *const wanted[] = { "a", "ab", "b", "\303\274" };
	struct strings set = STRINGS_INIT;

	(void)state;
	assert_true(strings_add(&set, "b"));
	assert_true(strings_add(&set, "\303\274"));
	assert_true(strings_add(&set, "a"));
	assert_true(strings_add(&set, "ab"));
	assert_false(strings_add(&set, "ab"));
	expect(&set, wanted, 4);
	assert_true(strings_has(&set, "ab"));
	assert_false(strings_has(&set, "abc"));
	strings_free(&set);
}

static void removing(void **state)
{
	static const char *const wanted[] = { "b" };
	struct strings set = STRINGS_INIT;

	(void)state;
	strings_add(&set, "a");
	strings_add(&set, "b");
	strings_add(&set, "c");
	assert_true(strings_remove(&set, "c"));
	assert_true(strings_remove(&set, "a"));
	assert_false(strings_remove(&set, "a"));
	expect(&set, wanted, 1);
	assert_true(strings_remove(&set, "b"));
	assert_null(strings_first(&set));
	strings_free(&set);
}

/* Whatever the order of adding, and whatever was in between. */
static void one_form(void **state)
{
	struct strings one = STRINGS_INIT, other = STRINGS_INIT;

	(void)state;
	strings_add(&one, "x");
	strings_add(&one, "y");
	strings_add(&other, "y");
	strings_add(&other, "z");
	assert_false(strings_equal(&one, &other));
	strings_add(&other, "x");
	strings_remove(&other, "z");
	assert_true(strings_equal(&one, &other));
	strings_free(&one);
	strings_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(sorted_and_once),
		cmocka_unit_test(removing),
		cmocka_unit_test(one_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
