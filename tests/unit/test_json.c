/* lib/json.c */
#include "tests/unit/unit.h"

#include <math.h>

#include "lib/json.h"

static void check_dump(const struct json *value, const char *expected)
{
	struct str text = STR_INIT;

	json_dump(value, &text);
	assert_string_equal(str_cstr(&text), expected);
	str_free(&text);
}

static struct json *parse(const char *text)
{
	const char *error = "";
	struct json *value = json_parse(text, strlen(text), &error);

	if (value == NULL)
		fail_msg("%s: %s", text, error);
	return value;
}

static void test_build(void **state)
{
	struct json *object = json_new_object(), *list = json_new_array();

	(void)state;
	json_set_string(object, "z", "first");
	json_set_string(object, "none", NULL);
	json_set_int(object, "int", INT64_MIN);
	json_set_real(object, "real", 1.5);
	json_set_real(object, "nan", NAN);
	json_set_bool(object, "yes", true);
	json_add_string(list, "a\"b\\c\n");
	json_add(list, json_new_object());
	json_add(list, json_new_string("\xc3\xa4"));
	json_set(object, "list", list);
	json_set_string(object, "z", "again"); /* replaced, where it stands */
	check_dump(object, "{\"z\":\"again\",\"int\":-9223372036854775808,\"real\":1.5,"
			   "\"nan\":null,\"yes\":true,"
			   "\"list\":[\"a\\\"b\\\\c\\n\",{},\"\xc3\xa4\"]}");
	json_free(&object);
	assert_null(object);
	json_free(&object);
}

static void test_pretty(void **state)
{
	struct json *object = parse("{\"a\":[1],\"b\":{}}");
	struct str text = STR_INIT;

	(void)state;
	str_append_z(&text, "> ");
	json_dump_pretty(object, &text);
	assert_string_equal(str_cstr(&text), "> {\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
	str_free(&text);
	json_free(&object);
}

#define FFFD "\xef\xbf\xbd"

static void test_utf8(void **state)
{
	static const char *const pairs[][2] = {
		{ "plain", "plain" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xac", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xac" },
		{ "a\xff"
		  "b",
			"a" FFFD "b" },
		{ "\xe4", FFFD },
		{ "\xc3", FFFD },
		{ "\xe2\x82", FFFD FFFD },
		{ "\xc3\xc3\xa4", FFFD "\xc3\xa4" },
		{ "\xc0\x80", FFFD FFFD },                   /* overlong */
		{ "\xe0\x9f\xbf", FFFD FFFD FFFD },          /* overlong */
		{ "\xed\xa0\x80", FFFD FFFD FFFD },          /* surrogate */
		{ "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD }, /* above U+10FFFF */
		{ "\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD }, /* overlong */
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct json *value = json_new_string(pairs[i][0]);
		struct json *object = json_new_object();
		assert_string_equal(json_text(value), pairs[i][1]);
		json_set_int(object, pairs[i][0], 1); /* as a key, too */
		assert_int_equal(json_get_int(object, pairs[i][1], 0), 1);
		json_free(&object);
		json_free(&value);
	}
}

static void test_get(void **state)
{
	struct json *object = parse("{\"s\":\"x\",\"i\":7,\"r\":0.5,\"b\":true,\"n\":null,"
				    "\"a\":[1,\"two\"],\"e\":\"\"}");

	(void)state;
	assert_string_equal(json_get_string(object, "s"), "x");
	assert_string_equal(json_get_string(object, "e"), "");
	assert_null(json_get_string(object, "i"));
	assert_null(json_get_string(object, "n"));
	assert_null(json_get_string(object, "missing"));
	assert_int_equal(json_get_int(object, "i", -1), 7);
	assert_int_equal(json_get_int(object, "r", -1), -1);
	assert_int_equal(json_get_int(object, "s", -1), -1);
	assert_true(json_get_real(object, "r", 0) == 0.5);
	assert_true(json_get_real(object, "i", 0) == 7);
	assert_true(json_get_real(object, "s", 3) == 3);
	assert_true(json_get_bool(object, "b", false));
	assert_true(json_get_bool(object, "i", true));
	assert_int_equal(json_count(json_get(object, "a")), 2);
	assert_int_equal(json_count(object), 0);
	assert_int_equal(json_count(NULL), 0);
	assert_string_equal(json_text(json_at(json_get(object, "a"), 1)), "two");
	assert_null(json_text(json_at(json_get(object, "a"), 0)));
	assert_null(json_at(json_get(object, "a"), 2));
	json_free(&object);
	object = parse("[1]");
	assert_null(json_get(object, "s")); /* no object */
	json_free(&object);
}

static void test_parse_refused(void **state)
{
	static const char *const bad[] = { "", " ", "{", "{}x", "{} {}", "{\"a\":1,\"a\":2}",
		"{\"a\":{\"b\":1,\"b\":2}}", "[1,]", "{'a':1}", "nul", "01", "\"\xff\"", "\"a",
		"\"\\u0000\"", "99999999999999999999", "1e999", "\"\t\"" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *error = NULL;
		struct json *value = json_parse(bad[i], strlen(bad[i]), &error);
		if (value != NULL)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(strstr(error, "line 1"));
	}
	const char *error;
	assert_null(json_parse("{}\0", 3, &error)); /* NUL is a byte like others */
	char deep[5000];
	memset(deep, '[', sizeof deep);
	assert_null(json_parse(deep, sizeof deep, &error));
	assert_null(json_parse("\"a\001\n\x7f\"", 6, &error));
	for (const char *p = error; *p != '\0'; p++)
		assert_true(*p >= ' ' && *p != 0x7f);
}

static void test_round_trip(void **state)
{
	static const char *const texts[] = { "{}", "[]", "\"\"", "null", "true", "7", "-1.25",
		"{\"b\":1,\"a\":[{\"c\":\"\\u0001\xc3\xa4\"}]}" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json *value = parse(texts[i]);
		check_dump(value, texts[i]);
		json_free(&value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_parse_refused),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
