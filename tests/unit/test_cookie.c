/* lib/cookie.c: CSNs, vectors, cookies. */
#include "tests/unit/unit.h"

#include "lib/cookie.h"

#define A1 "20261122055519.411540Z#000000#001#000000"
#define A2 "20261122055519.411541Z#000000#001#000000"
#define B1 "20261122055600.000000Z#000000#00a#000000"
#define C1 "20261122055500.000000Z#000001#fff#000000"

static struct csn_vector vector_of(const char *cookie)
{
	struct csn_vector vector;

	assert_true(cookie_parse(cookie, strlen(cookie), &vector) >= 0);
	return vector;
}

static void test_csn(void **state)
{
	static const char *const bad[] = { "", "20261122055519Z#000000#00#000000",
		"20261122055519.411540Z#000000#001#00000", A1 "0",
		"20261122055519.411540Z#000000#00A#000000",
		"2026112205551x.411540Z#000000#001#000000",
		"20261122055519,411540Z#000000#001#000000" };

	(void)state;
	assert_true(csn_valid(A1, strlen(A1)));
	assert_int_equal(csn_sid(A1), 1);
	assert_int_equal(csn_sid(C1), 0xfff);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(csn_valid(bad[i], strlen(bad[i])));
}

static void test_cookies(void **state)
{
	static const struct {
		const char *cookie;
		int count;
	} cases[] = { { "", 0 }, { "rid=000", 0 }, { "rid=000,sid=001", 0 }, { "rid=000,csn=", 0 },
		{ "rid=000,csn=" A1, 1 }, { "csn=" B1 ";" A1 ",sid=001", 2 },
		{ "rid=001,sid=001,csn=" C1 ";" A1 ";" B1 ",delcsn=" A2, 3 },
		{ "rid=000,csn=" A1 ";" A2, 1 }, { "rid=000,csn=x", -1 },
		{ "rid=000,csn=" A1 ";x", -1 }, { "rid=000,csn=" A1 " ", -1 } };
	struct csn_vector vector;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(cookie_parse(cases[i].cookie, strlen(cases[i].cookie), &vector),
			cases[i].count);
}

static void test_compose(void **state)
{
	struct csn_vector vector = vector_of("csn=" C1 ";" A2 ";" B1);
	struct str text = STR_INIT;

	(void)state;
	cookie_compose(&vector, &text);
	assert_string_equal(str_cstr(&text), "rid=000,csn=" A2 ";" B1 ";" C1);
	str_reset(&text);
	vector.count = 0;
	cookie_compose(&vector, &text);
	assert_int_equal(text.len, 0);
	str_free(&text);
}

static void test_vector_never_goes_back(void **state)
{
	struct csn_vector vector = vector_of("csn=" A2 ";" B1), old = vector_of("csn=" A1),
			  more = vector_of("csn=" A1 ";" C1);

	(void)state;
	assert_int_equal(vector_merge(&vector, &old), 0);
	assert_string_equal(vector.csn[0], A2);
	assert_int_equal(vector_merge(&vector, &more), 1);
	assert_int_equal(vector.count, 3);
	assert_string_equal(vector.csn[0], A2);
}

static void test_coverage(void **state)
{
	struct csn_vector vector = vector_of("csn=" A1 ";" B1), ours = vector_of("csn=" A2),
			  none = { .count = 0 };

	(void)state;
	assert_true(vector_covers(&vector, A1));
	assert_false(vector_covers(&vector, A2));
	assert_false(vector_covers(&vector, C1)); /* older than all, but of a server unknown */
	assert_true(vector_behind(&vector, &ours));
	assert_false(vector_behind(&ours, &ours));
	assert_true(vector_behind(&none, &ours));
	assert_false(vector_behind(&none, &none));
	assert_true(vector_newer(&vector, A2));
	assert_false(vector_newer(&ours, B1));
}

static void test_too_many_servers(void **state)
{
	struct csn_vector vector = { .count = 0 };
	char csn[CSN_LEN + 1];

	(void)state;
	for (unsigned sid = 0; sid < VECTOR_MAX; sid++) {
		snprintf(csn, sizeof(csn), "20261122055519.411540Z#000000#%03x#000000",
			sid * 3 % 0x1000);
		assert_int_equal(vector_take(&vector, csn), 1);
	}
	assert_int_equal(vector_take(&vector, C1), -1);
	for (size_t i = 1; i < vector.count; i++)
		assert_true(csn_sid(vector.csn[i - 1]) < csn_sid(vector.csn[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_csn),
		cmocka_unit_test(test_cookies), cmocka_unit_test(test_compose),
		cmocka_unit_test(test_vector_never_goes_back), cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_too_many_servers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
