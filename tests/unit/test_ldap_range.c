/* lib/ldap_stream_entry.c: values that Active Directory hands out in parts. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "lib/ldap_stream_internal.h"

static const struct {
	const char *name;
	size_t bare;
	long end;
} ranges[] = {
	{ "member", 6, -1 },
	{ "member;range=0-1499", 6, 1499 },
	{ "member;Range=1500-2999", 6, 2999 },
	{ "member;range=3000-*", 6, -1 },
	{ "member;binary;range=0-0", 6, 0 },
	{ "member;range=0-9;binary", 6, 9 },
	{ "cn;lang-de", 2, -1 },
	{ "cn;", 2, -1 },
	{ ";range=0-9", 0, 9 },
	{ "member;range=", 6, -1 },
	/* none that could be gone on from */
	{ "member;range=x", 6, -2 },
	{ "member;range=5", 6, -2 },
	{ "member;range=5-", 6, -2 },
	{ "member;range=5-4", 6, -2 },
	{ "member;range=5-9x", 6, -2 },
	{ "member;range=-5-9", 6, -2 },
	{ "member;range=0-99999999999999999999", 6, -2 },
	{ "member;range=0000000000000000000000000000000000000000000000000-9", 6, -2 },
};

static void test_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ranges); i++) {
		size_t len = strlen(ranges[i].name), bare;
		/* exactly as long: a sanitizer sees what is read past it */
		char *copy = memcpy(malloc(len), ranges[i].name, len);

		assert_int_equal(stream_range_end(copy, len, &bare), ranges[i].end);
		assert_int_equal(bare, ranges[i].bare);
		free(copy);
	}
}

static void test_value(void **state)
{
	static const struct ldap_value values[] = { { "mail", "a", 1 }, { "Mail", "b", 1 },
		{ "uid", "c", 1 } };
	const struct ldap_stream_entry entry = { .dn = "", .values = values, .count = 3 };

	(void)state;
	assert_string_equal(ldap_stream_value(&entry, "MAIL")->data, "a");
	assert_string_equal(ldap_stream_value(&entry, "uid")->data, "c");
	assert_null(ldap_stream_value(&entry, "cn"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_value) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
