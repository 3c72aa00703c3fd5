/* lib/synclist.c: what a guard stops a sync for, as one word. */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/synclist.h"

static void test_there_and_back(void **state)
{
	struct str list = STR_INIT, kind = STR_INIT;
	const char *at;
	uint64_t number;

	(void)state;
	sync_list_add(&list, SYNC_LIST_DELETIONS, 500);
	sync_list_add(&list, SYNC_LIST_REKEYED, 0);
	sync_list_add(&list, SYNC_LIST_LOST "cn;x=a, b", 6);
	assert_string_equal(str_cstr(&list), "deletions:500,lost/cn%3bx%3da%2c%20b:6");
	assert_true(sync_list_is_one(str_cstr(&list)));
	at = str_cstr(&list);
	assert_true(sync_list_next(&at, &kind, &number));
	assert_string_equal(str_cstr(&kind), "deletions");
	assert_int_equal(number, 500);
	assert_true(sync_list_next(&at, &kind, &number));
	assert_string_equal(str_cstr(&kind), "lost/cn;x=a, b");
	assert_int_equal(number, 6);
	assert_false(sync_list_next(&at, &kind, &number));
	assert_int_equal(sync_list_number(str_cstr(&list), "LOST/cn;x=a, B"), 6);
	assert_int_equal(sync_list_number(str_cstr(&list), "lost/cn"), 0);
	assert_int_equal(sync_list_total(str_cstr(&list)), 506);
	str_free(&list);
	str_free(&kind);
}

/* What is read back ends where an outcome goes on; as an approval it must be the list alone. */
static void test_its_end(void **state)
{
	(void)state;
	assert_int_equal(sync_list_number("deletions:5; deletions:7", "deletions"), 5);
	assert_int_equal(sync_list_total("deletions:5 rekeyed:7"), 5);
	assert_int_equal(sync_list_total(NULL), 0);
	assert_int_equal(sync_list_number(NULL, "deletions"), 0);
	assert_false(sync_list_is_one("deletions:5; x"));
	assert_true(sync_list_is_one("deletions:5,unheard-of:7"));
}

static void test_what_is_none(void **state)
{
	static const char *const none[] = { "", "500", ":", ":5", "deletions",
		"deletions:", "deletions:x", "deletions:5,", ",deletions:5", "deletions:5,500",
		"deletions=5", "deletions:5x", "deletions:-5", "deletions: 5", "lost/%1b:5",
		"lost/%zz:5", "deletions:99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		if (sync_list_is_one(none[i]))
			fail_msg("\"%s\" is taken for a list", none[i]);
	}
	assert_int_equal(sync_list_total("500"), 0);
}

static void test_words(void **state)
{
	struct str words = STR_INIT;

	(void)state;
	sync_list_words("deletions:1,rekeyed:2,lost/cn:3,other:4", &words);
	assert_string_equal(str_cstr(&words),
		"1 deletion, 2 mailboxes with another id, 3 entries that lost cn, 4 of other");
	str_free(&words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_its_end),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
