/* Comma-separated values, as spreadsheets and people write them. */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/csv.h"

/* Every record on a line of its own: "LINE:field|field". What fails is "LINE!reason". */
static void expect(const char *text, const char *expected)
{
	struct csv csv;
	struct str said = STR_INIT;
	const char *error = NULL;
	int count;

	csv_begin(&csv, text, strlen(text));
	while ((count = csv_next(&csv, &error)) > 0) {
		str_printf(&said, "%u:", csv.line);
		for (int i = 0; i < count; i++)
			str_printf(&said, "%s%s", i > 0 ? "|" : "", csv_field(&csv, (size_t)i));
		str_append_c(&said, '\n');
	}
	if (count < 0)
		str_printf(&said, "%u!%s\n", csv.line, error);
	assert_string_equal(str_cstr(&said), expected);
	assert_int_equal(csv_next(&csv, &error), 0);
	str_free(&said);
	csv_end(&csv);
}

static void records(void **state)
{
	(void)state;
	expect("", "");
	expect("a,b,c\n", "1:a|b|c\n");
	expect("a,b\r\nc,d", "1:a|b\n2:c|d\n");
	expect("a,,\n,\n", "1:a||\n2:|\n");
	expect("\xef\xbb\xbf"
	       "a\n",
		"1:a\n");
	expect("a\rb\n", "1:a\rb\n");
}

static void idle_lines(void **state)
{
	(void)state;
	expect("\n\n  \n# no\n   # no\na\n\n#end", "6:a\n");
	expect("a # b\n", "1:a # b\n");
}

static void blanks(void **state)
{
	(void)state;
	expect("  a b ,\tc\t\n", "1:a b|c\n");
	expect(" \" a \" , b\n", "1: a |b\n");
}

static void quotes(void **state)
{
	(void)state;
	expect("\"a,b\",\"c \"\"d\"\"\"\n", "1:a,b|c \"d\"\n");
	expect("\"a\nb\",c\nd\n", "1:a\nb|c\n3:d\n");
	expect("a\"b,c\n", "1:a\"b|c\n");
	expect("\"\",\"\"\n", "1:|\n");
	expect("x\n\"a\n", "1:x\n2!a quote is not closed\n");
	expect("\"a\"b\n", "1!there is something behind a closing quote\n");
}

static void too_much(void **state)
{
	char text[CSV_FIELDS_MAX + 2];
	struct csv csv;
	const char *error;

	(void)state;
	memset(text, ',', sizeof(text));
	csv_begin(&csv, text, CSV_FIELDS_MAX - 1);
	assert_int_equal(csv_next(&csv, &error), CSV_FIELDS_MAX);
	assert_string_equal(csv_field(&csv, CSV_FIELDS_MAX), "");
	csv_end(&csv);
	csv_begin(&csv, text, CSV_FIELDS_MAX);
	assert_int_equal(csv_next(&csv, &error), -1);
	csv_end(&csv);
	csv_begin(&csv, "a\0b", 3);
	assert_int_equal(csv_next(&csv, &error), -1);
	assert_string_equal(error, "there is a NUL in it");
	csv_end(&csv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(idle_lines),
		cmocka_unit_test(blanks),
		cmocka_unit_test(quotes),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
