#define _GNU_SOURCE
/* What people see: widths, cuts, control characters, tables, bars, ages. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "cli/term.h"
#include "lib/when.h"
#include "lib/clock.h"
#include "lib/mem.h"

static const char *cut(const char *text, unsigned columns)
{
	static char result[256];
	struct str out = STR_INIT;

	term_cut(text, columns, &out);
	snprintf(result, sizeof(result), "%s", str_cstr(&out));
	str_free(&out);
	return result;
}

static const char *safe(const char *text)
{
	static char result[256];
	struct str out = STR_INIT;

	term_safe(text, &out);
	snprintf(result, sizeof(result), "%s", str_cstr(&out));
	str_free(&out);
	return result;
}

static void columns(void **state)
{
	(void)state;
	assert_int_equal(term_columns("anna"), 4);
	assert_int_equal(term_columns("b\xc3\xbcro"), 4);
	assert_int_equal(term_columns("\xe9\x83\xb5\xe4\xbe\xbf"), 4);
	assert_int_equal(term_columns("e\xcc\x81"), 1);
	assert_int_equal(term_columns("\xff\xfe"), 2);
	assert_int_equal(term_columns("\xc3"), 1);
}

static void cuts(void **state)
{
	(void)state;
	assert_string_equal(cut("abcdef", 6), "abcdef");
	assert_string_equal(cut("abcdef", 5), "abcd~");
	assert_string_equal(cut("b\xc3\xbcro", 3), "b\xc3\xbc~");
	assert_string_equal(cut("\xe9\x83\xb5\xe4\xbe\xbf", 3), "\xe9\x83\xb5~");
	assert_string_equal(cut("\xe9\x83\xb5\xe4\xbe\xbf", 2), "~");
	assert_string_equal(cut("abc", 0), "");
}

static void nothing_controls_the_terminal(void **state)
{
	(void)state;
	assert_string_equal(safe("a\033[31mb\r\n\tc\x7f"), "a?[31mb???c?");
	assert_string_equal(safe("\xc2\x9b"
				 "31m"),
		"?31m");
	assert_string_equal(safe("a\xe2\x80\xae"
				 "b"),
		"a?b");
	assert_string_equal(safe("\xff\xc3"), "??");
	assert_string_equal(safe("b\xc3\xbcro\xef\xbf\xbd"), "b\xc3\xbcro\xef\xbf\xbd");
}

static void bytes(void **state)
{
	(void)state;
	char text[16];

	assert_string_equal(term_bytes(text, sizeof(text), 0), "0 B");
	assert_string_equal(term_bytes(text, sizeof(text), 999), "999 B");
	assert_string_equal(term_bytes(text, sizeof(text), 1000), "1.0 KB");
	assert_string_equal(term_bytes(text, sizeof(text), 1536), "1.5 KB");
	assert_string_equal(term_bytes(text, sizeof(text), 52428800), "50 MB");
	assert_string_equal(term_bytes(text, sizeof(text), UINT64_MAX), "16 EB");
}

static void counts(void **state)
{
	(void)state;
	char text[TERM_COUNT];

	assert_string_equal(term_count(text, 0, "mailbox", "mailboxes"), "0 mailboxes");
	assert_string_equal(term_count(text, 1, "mailbox", "mailboxes"), "1 mailbox");
	assert_string_equal(term_count(text, 21, "mailbox", "mailboxes"), "21 mailboxes");
}

static void bars(void **state)
{
	(void)state;
	static const struct {
		unsigned done, all;
		const char *text;
	} cases[] = { { 0, 4, "[....] 0/4" }, { 2, 4, "[##..] 2/4" }, { 4, 4, "[####] 4/4" },
		{ 0, 0, "[....] 0/0" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str out = STR_INIT;

		term_bar(cases[i].done, cases[i].all, 4, &out);
		assert_string_equal(str_cstr(&out), cases[i].text);
		str_free(&out);
	}
}

static char *printed(const struct term *term)
{
	static const char *const headers[] = { "NAME", ">HELD", "REMARK", NULL };
	struct table *table = table_new(headers);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	table_cell(table, PAINT_GOOD, "%s", "b\xc3\xbcro");
	table_cell(table, PAINT_NONE, "%d", 7);
	table_cell(table, PAINT_NONE, "%s", "a remark that is long");
	table_cell(table, PAINT_NONE, "%s", "front1");
	table_cell(table, PAINT_NONE, "%d", 12345);
	table_cell(table, PAINT_NONE, "%s", "x\033y");
	table_print(table, term, out);
	table_free(&table);
	fclose(out);
	return text;
}

static void tables(void **state)
{
	(void)state;
	struct term pipe = { 0 }, narrow = { .width = 24 }, colour = { .colour = true };
	char *text = printed(&pipe);

	assert_string_equal(text, "NAME     HELD  REMARK\n"
				  "b\xc3\xbcro        7  a remark that is long\n"
				  "front1  12345  x?y\n");
	free(text);
	text = printed(&narrow);
	assert_non_null(strstr(text, "7  a remark~\n"));
	free(text);
	text = printed(&colour);
	assert_non_null(strstr(text, "\033[32mb\xc3\xbcro\033[0m  "));
	free(text);
}

static void instants(void **state)
{
	(void)state;
	assert_int_equal(when_csn_us("19700101000001.000002Z#000000#001#000000"), 1000002);
	assert_int_equal(
		when_csn_us("20261122053000.123456Z#000000#000#000000"), INT64_C(1795325400123456));
	assert_int_equal(when_csn_us(""), -1);
	assert_int_equal(when_csn_us("20261122053000Z"), -1);
	assert_int_equal(when_csn_us("2026112205300x.123456Z"), -1);
	assert_int_equal(when_csn_us("20261122053000.12"), -1);
	assert_int_equal(when_generalized_us("20261122053000Z"), INT64_C(1795325400000000));
	assert_int_equal(when_generalized_us("20261122053000.5Z"), INT64_C(1795325400000000));
	assert_int_equal(when_generalized_us("20261122053000+0100"), -1);
	assert_int_equal(when_generalized_us("never"), -1);
}

static void ages(void **state)
{
	(void)state;
	char text[16];
	const int64_t now = 1000000 * CLOCK_SECOND;
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = { { -5, "now" }, { 0, "now" }, { 1, "1s" }, { 119, "119s" }, { 120, "2m" },
		{ 7199, "119m" }, { 7200, "2h" }, { 172800, "2d" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			when_age(text, sizeof(text), now - cases[i].seconds * CLOCK_SECOND, now),
			cases[i].text);
	assert_string_equal(when_age(text, sizeof(text), -1, now), "never");
	assert_string_equal(when_age(text, sizeof(text), 0, now), "never");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns),
		cmocka_unit_test(cuts),
		cmocka_unit_test(nothing_controls_the_terminal),
		cmocka_unit_test(bytes),
		cmocka_unit_test(counts),
		cmocka_unit_test(bars),
		cmocka_unit_test(tables),
		cmocka_unit_test(instants),
		cmocka_unit_test(ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
