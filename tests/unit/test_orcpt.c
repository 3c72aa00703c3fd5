/* lib/orcpt.c and lib/utf8.c: the forms of RFC 6533 section 3. */
#include "tests/unit/unit.h"

#include "lib/orcpt.h"
#include "lib/utf8.h"

#define POST "\xf0\x9f\x93\xae" /* U+1F4EE */

static void test_made_for_the_wire(void **state)
{
	static const char *const cases[][2] = {
		{ "a@x", "ORCPT=rfc822;a@x" },
		{ "a+b=c@x", "ORCPT=rfc822;a+2Bb+3Dc@x" },
		{ "b\xc3\xbc+@x", "ORCPT=utf-8;b\\x{FC}\\x{2B}@x" },
		{ "\xc3\xbc=\\ @x", "ORCPT=utf-8;\\x{FC}\\x{3D}\\x{5C}\\x{20}@x" },
		{ POST "@x", "ORCPT=utf-8;\\x{1F4EE}@x" },
		{ "b\xff@x", "" },
		{ "b\xc3@x", "" },
		{ "\xed\xa0\x80@x", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str out = STR_INIT;
		orcpt_made(cases[i][0], ORCPT_WIRE, &out);
		assert_string_equal(str_cstr(&out), cases[i][1]);
		str_free(&out);
	}
}

/* As it came where it is ASCII (RFC 3461 section 5.2.1 d); otherwise the form that is (RFC 6533).
 */
static void test_given_for_the_wire(void **state)
{
	static const char *const cases[][2] = {
		{ "ORCPT=utf-8;b\\x{FC}@x", "ORCPT=utf-8;b\\x{FC}@x" },
		{ "orcpt=RFC822;A+2Bb@x", "orcpt=RFC822;A+2Bb@x" },
		{ "ORCPT=utf-8;b\xc3\xbc\\x{2B}@x", "ORCPT=utf-8;b\\x{FC}\\x{2B}@x" },
		{ "ORCPT=x400;C+3D\xc3\xbc", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str out = STR_INIT;
		orcpt_given(cases[i][0], strlen(cases[i][0]), ORCPT_WIRE, &out);
		assert_string_equal(str_cstr(&out), cases[i][1]);
		str_free(&out);
	}
}

static void test_forms(void **state)
{
	static const struct {
		const char *value, *ascii, *utf8;
	} cases[] = {
		{ "b\\x{FC}ro@x", "b\\x{FC}ro@x", "b\xc3\xbcro@x" },
		{ "b\xc3\xbcro@x", "b\\x{FC}ro@x", "b\xc3\xbcro@x" },
		{ "\\x{1F4EE}\\x{20AC}@x", "\\x{1F4EE}\\x{20AC}@x", POST "\xe2\x82\xac@x" },
		{ "a\\x{2B}b@x", "a\\x{2B}b@x", "a+b@x" },
		/* Of no form: it stays as it is, but for what is no character in ASCII. */
		{ "\\x{D800}\\x{}@x", "\\x{D800}\\x{}@x", "\\x{D800}\\x{}@x" },
		{ "\\x{0A}@x", "\\x{0A}@x", "\\x{0A}@x" },
		{ "b\xff@x", "b\\x{FF}@x", "b\xff@x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str ascii = STR_INIT, utf8 = STR_INIT;
		orcpt_to_ascii(cases[i].value, strlen(cases[i].value), &ascii);
		orcpt_to_utf8(cases[i].value, strlen(cases[i].value), &utf8);
		assert_string_equal(str_cstr(&ascii), cases[i].ascii);
		assert_string_equal(str_cstr(&utf8), cases[i].utf8);
		str_free(&ascii);
		str_free(&utf8);
	}
}

static void test_utf8(void **state)
{
	static const char *const good[] = { "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", POST "a" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"a\xff" };
	uint32_t code = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(utf8_valid(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(utf8_valid(bad[i]));
	assert_int_equal(utf8_read(POST, &code), 4);
	assert_int_equal(code, 0x1f4ee);
	assert_true(utf8_ascii("a\x7f", 2));
	assert_false(utf8_ascii("a\x80", 2));
	assert_true(utf8_ascii("a\x80", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_for_the_wire),
		cmocka_unit_test(test_given_for_the_wire),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests_name("orcpt", tests, NULL, NULL);
}
