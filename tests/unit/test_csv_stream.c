/* Comma-separated values in pieces (lib/csv_stream): what is read, and what is not complete. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "lib/csv_stream.h"
#include "lib/str.h"

static void show(struct str *said, uint64_t line, const char *const *fields, size_t count)
{
	str_printf(said, "%u:", (unsigned)line);
	for (size_t i = 0; i < count; i++)
		str_printf(said, "%s%s", i > 0 ? "|" : "", fields[i]);
	str_append_c(said, '\n');
}

static int header(void *context, const char *const *names, size_t count, const char **error_r)
{
	if (strcmp(names[0], "refuse") == 0) {
		*error_r = "refused";
		return -1;
	}
	show(context, 0, names, count);
	return 0;
}

static int row(void *context, uint64_t line, const char *const *fields, size_t count)
{
	show(context, line, fields, count);
	return strcmp(fields[0], "stop") == 0 ? -1 : 0;
}

/* Every row on a line of its own, names of columns as line 0; "LINE!error" where it fails. */
static bool read_in(char separator, const char *text, size_t len, size_t piece, struct str *said)
{
	struct csv_sink sink = { said, header, row };
	struct csv_stream *stream = csv_stream_new(separator, &sink);
	const char *error = NULL;
	int done = 0;

	for (size_t at = 0; at < len && done == 0; at += piece)
		done = csv_stream_feed(
			stream, text + at, len - at < piece ? len - at : piece, &error);
	if (done == 0)
		done = csv_stream_end(stream, &error);
	if (done != 0) {
		str_printf(said, "%u!%s\n", (unsigned)csv_stream_line(stream),
			error != NULL ? error : "stopped");
		assert_int_equal(csv_stream_feed(stream, "a\n", 2, &error), -1);
		assert_int_equal(csv_stream_end(stream, &error), -1);
	}
	bool marked = csv_stream_marked(stream);
	csv_stream_free(&stream);
	return marked;
}

static void expect_bytes(char separator, const char *text, size_t len, const char *expected)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 1 << 20 };

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct str said = STR_INIT;

		read_in(separator, text, len, pieces[i], &said);
		assert_string_equal(str_cstr(&said), expected);
		str_free(&said);
	}
}

static void expect(const char *text, const char *expected)
{
	expect_bytes(',', text, strlen(text), expected);
}

static void rows(void **state)
{
	(void)state;
	expect("id,mail\n", "0:id|mail\n");
	expect("id,mail\na,a@x\nb,\n,c\n", "0:id|mail\n2:a|a@x\n3:b|\n4:|c\n");
	expect("id,mail\r\na,a@x\r\n", "0:id|mail\n2:a|a@x\n");
	expect("\xef\xbb\xbf\"id\",mail\na,b\n", "0:id|mail\n2:a|b\n");
	expect("id,mail\n\na,b\n  \n\n", "0:id|mail\n3:a|b\n");
	expect(" id , mail\t\n a b , c\n", "0:id|mail\n2:a b|c\n");
	expect("id\n#1\n# end\n#end 1\n", "0:id\n2:#1\n3:# end\n4:#end 1\n");
	expect("id,mail,\na,b,\n", "0:id|mail|\n2:a|b|\n");
	expect_bytes(';', "a;b,c\n1;2\n", 10, "0:a|b,c\n2:1|2\n");
	expect_bytes('\t', "a\tb\n1\t \n\t2\n", 11, "0:a|b\n2:1|\n3:|2\n");
}

static void quotes(void **state)
{
	(void)state;
	expect("id,n\n\"a\",\"b \"\"c\"\" d\"\n", "0:id|n\n2:a|b \"c\" d\n");
	expect("id,n\na,\"b\r\nc\"\nd,e\n", "0:id|n\n2:a|b\r\nc\n4:d|e\n");
	expect("id,n\na, \" b \" \n\"\",\"\"\n", "0:id|n\n2:a| b \n3:|\n");
	expect("id,n\na,b \"c\" d\n", "0:id|n\n2:a|b \"c\" d\n");
	expect("id,n\na,\"b\"c\n",
		"0:id|n\n2!there is something behind a closing quote; a quote in a field is "
		"written twice\n");
	expect("id,n\na,\"b\nc,d\n", "0:id|n\n2!a quote is not closed: truncated\n");
}

static void whole(void **state)
{
	(void)state;
	expect("id,n\na,b\n# end 1\n", "0:id|n\n2:a|b\n");
	expect("id,n\r\n# end 0\r\n\r\n", "0:id|n\n");
	expect("id,n,m\n# end 0,,\n", "0:id|n|m\n");
	expect("id,n\na,b\n# end 2\n",
		"0:id|n\n2:a|b\n3!\"# end 2\" does not agree with the 1 rows before it: "
		"something is missing\n");
	expect("id,n\n# end 0\na,b\n", "0:id|n\n3!there is something behind \"# end COUNT\"\n");
	expect("# end 0\n", "0:# end 0\n");
	expect("", "1!it is empty; the first line must name the columns\n");
	expect("\n\n", "3!it is empty; the first line must name the columns\n");
}

/* Every proper beginning of a marked file is incomplete, or lacks the mark. */
static void truncated(void **state)
{
	static const char text[] = "id,n,m\na,b,c\nd,\"e\n,f\",g\n# end 2\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct str said = STR_INIT;
		bool marked = read_in(',', text, len, 1024, &said);
		bool between = len == 7 || len == 13 || len == 24;

		assert_false(marked);
		assert_int_equal(strchr(str_cstr(&said), '!') == NULL, between);
		str_free(&said);
	}
	expect("id,n\na,b", "0:id|n\n2!the last line has no end: truncated\n");
	expect("id,n\na,b\nc\n", "0:id|n\n2:a|b\n3!this row has 1 fields, but there are 2 columns: "
				 "cut off, or a separator in it is not in quotes\n");
	expect("id,n\na,b,c\n",
		"0:id|n\n2!this row has 3 fields, but there are 2 columns: cut off, "
		"or a separator in it is not in quotes\n");
}

static void encodings(void **state)
{
	(void)state;
	expect("id,name\na,M\xc3\xbcller\n", "0:id|name\n2:a|M\xc3\xbcller\n");
	expect("id,name\na,b\nc,M\xfcller\n",
		"0:id|name\n2:a|b\n3!column 2, name is not UTF-8; write the file in UTF-8\n");
	expect("id,na\xe4me\n", "1!column 2 is not UTF-8; write the file in UTF-8\n");
	expect("\xef\xbbid\n", "1!this is not UTF-8; write the file in UTF-8\n");
	expect_bytes(',', "\xff\xfei\0d\0\n\0", 8, "1!this is UTF-16; write it in UTF-8\n");
	expect_bytes(',', "id\na\0b\n", 7, "0:id\n2!there is a NUL in it; write UTF-8\n");
	expect("id,n\na\rb,c\r", "0:id|n\n2!there is a CR without LF\n");
}

static void header_and_stop(void **state)
{
	(void)state;
	expect("refuse,b\nc,d\n", "1!refused\n");
	expect("id,n\nstop,a\nb,c\n", "0:id|n\n2:stop|a\n2!stopped\n");
}

static void too_large(void **state)
{
	struct str text = STR_INIT, said = STR_INIT;

	(void)state;
	str_append_z(&text, "id,n\na,\"");
	while (text.len < CSV_ROW_MAX + 100)
		str_append_z(&text, "0123456789\n");
	read_in(',', text.data, text.len, 65536, &said);
	assert_string_equal(said.data,
		"0:id|n\n2!a row is larger than 1 MB; is a quote not closed, "
		"or are the line ends no LF?\n");
	str_reset(&text);
	str_reset(&said);
	for (int i = 0; i < CSV_COLUMNS_MAX; i++)
		str_append_z(&text, "a,");
	str_append_c(&text, '\n');
	read_in(',', text.data, text.len, 65536, &said);
	assert_string_equal(said.data, "1!there are more than 1024 columns\n");
	str_free(&text);
	str_free(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(quotes),
		cmocka_unit_test(whole),
		cmocka_unit_test(truncated),
		cmocka_unit_test(encodings),
		cmocka_unit_test(header_and_stop),
		cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
