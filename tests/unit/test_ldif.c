/* LDIF (lib/ldif): what is composed, what is read, and what is not complete. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "lib/base64.h"
#include "lib/ldif.h"

/* "LINE DN\n name=value\n" of each record; unprintable bytes as \xHH. */
static int show(void *context, const struct ldif_record *record)
{
	struct str *said = context;

	str_printf(said, "%u %s\n", (unsigned)record->line, record->dn);
	for (size_t i = 0; i < record->count; i++) {
		str_printf(said, " %s=", record->values[i].name);
		assert_int_equal(record->values[i].data[record->values[i].len], '\0');
		for (size_t k = 0; k < record->values[i].len; k++) {
			unsigned char c = (unsigned char)record->values[i].data[k];

			str_printf(said, c < ' ' ? "\\x%02x" : "%c", c);
		}
		str_append_c(said, '\n');
	}
	return 0;
}

/* What a stream says, given in pieces of that size; "LINE!error" at its end where it fails. */
static void read_in(const char *text, size_t len, size_t piece, struct str *said)
{
	struct ldif_reader *reader = ldif_reader_new(show, said);
	const char *error = NULL;
	int done = 0;

	for (size_t at = 0; at < len && done == 0; at += piece)
		done = ldif_reader_feed(
			reader, text + at, len - at < piece ? len - at : piece, &error);
	if (done == 0)
		done = ldif_reader_end(reader, &error);
	if (done != 0) {
		assert_non_null(error);
		str_printf(said, "%u!%s\n", (unsigned)ldif_reader_line(reader), error);
		assert_int_equal(ldif_reader_feed(reader, "dn: x\n\n", 7, &error), -1);
	}
	ldif_reader_free(&reader);
}

static void expect_bytes(const char *text, size_t len, const char *expected)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 1 << 20 };

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct str said = STR_INIT;

		read_in(text, len, pieces[i], &said);
		assert_string_equal(str_cstr(&said), expected);
		str_free(&said);
	}
}

static void expect(const char *text, const char *expected)
{
	expect_bytes(text, strlen(text), expected);
}

static void records(void **state)
{
	(void)state;
	expect("dn: uid=a\ncn: A\nmail:a@x\n\n", "1 uid=a\n cn=A\n mail=a@x\n");
	expect("version: 1\n\ndn: uid=a\ncn: A\n\n\ndn: uid=b\n\n", "3 uid=a\n cn=A\n7 uid=b\n");
	expect("version: 1\ndn: uid=a\ncn:\n\n", "2 uid=a\n cn=\n");
	expect("DN: uid=a\nChangeType: Add\ncn;lang-de: A \n\n", "1 uid=a\n cn;lang-de=A \n");
	expect("dn: uid=a\ncn: \xc3\x84\n2.5.4.4: b:c\n\n",
		"1 uid=a\n cn=\xc3\x84\n 2.5.4.4=b:c\n");
	expect("dn:: dWlkPcOE\ncn:: AAEC\n\n", "1 uid=\xc3\x84\n cn=\\x00\\x01\\x02\n");
}

static void lines(void **state)
{
	(void)state;
	expect("dn: uid=a\r\ncn: A\r\n\r\n", "1 uid=a\n cn=A\n");
	expect("\xef\xbb\xbf"
	       "dn: uid=a\ncn: A\n\n",
		"1 uid=a\n cn=A\n");
	expect("dn: uid\n =a\ncn:: QU\r\n JD\nsn: a\n  b\n\n", "1 uid=a\n cn=ABC\n sn=a b\n");
	expect("# from\n  the\n\n# here\ndn: uid=a\n# folded\n  dn: no\ncn: A\n\n#end",
		"5 uid=a\n cn=A\n10!the last line has no end: truncated\n");
	expect("# a\ndn: uid=a\n\n# end\n# end x\n#end 7\n", "2 uid=a\n");
}

static void whole(void **state)
{
	(void)state;
	expect("dn: uid=a\ncn: A\n# end 1\n", "1 uid=a\n cn=A\n");
	expect("dn: uid=a\n\ndn: uid=b\n\n# end 2 \n\n# really\n", "1 uid=a\n3 uid=b\n");
	expect("# end 0\n", "");
	expect("dn: uid=a\n\n# end 12\n",
		"1 uid=a\n3!\"# end 12\" does not agree with the 1 records "
		"before it: something is missing\n");
	expect("# end 0\ndn: uid=a\n\n", "2!there is something behind \"# end COUNT\"\n");
	expect("# end 0\n\n# end 0\n", "3!there is something behind \"# end COUNT\"\n");
}

/* Every proper beginning of a marked stream is incomplete. */
static void truncated(void **state)
{
	(void)state;
	static const char text[] = "version: 1\n\ndn: uid=a\ncn: A\nmail: a@x\n b\n\n"
				   "dn: uid=b\ncn:: QUJD\n\n# end 2";
	struct ldif_reader *reader;
	struct str said = STR_INIT;
	const char *error;

	for (size_t len = 0; len < sizeof(text); len++) {
		str_reset(&said);
		reader = ldif_reader_new(show, &said);
		int done = ldif_reader_feed(reader, text, len, &error);

		if (done == 0)
			done = ldif_reader_end(reader, &error);
		/* Between two records the mark alone tells. */
		assert_true(done != 0 || !ldif_reader_marked(reader));
		bool between = len > 12 && text[len - 1] == '\n' && text[len - 2] == '\n';
		assert_int_equal(done == 0, between);
		ldif_reader_free(&reader);
	}
	str_free(&said);
	expect("", "0!there is no record; if that is true, say so with the line \"# end 0\"\n");
	expect("dn: uid=a\ncn: A\n",
		"2!there is no empty line behind the last record: truncated, or "
		"end it with an empty line\n");
	expect("dn: uid=a\ncn: A\n\ndn: uid=",
		"1 uid=a\n cn=A\n4!the last line has no end: truncated\n");
}

static void refused(void **state)
{
	(void)state;
	expect("Error: connection refused\n\n",
		"1!a record begins with \"dn:\": \"Error: connection refused\"\n");
	expect("<html>\n\n", "1!this is no line of LDIF: \"<html>\"\n");
	expect("dn: a\nsomething\n\n", "2!this is no line of LDIF: \"something\"\n");
	expect("dn: a\n-\n\n", "2!this is no line of LDIF: \"-\"\n");
	expect("dn: a\nchangetype: modify\n\n",
		"2!changes are not read, only whole entries: \"changetype: modify\"\n");
	expect("dn: a\ncontrol: 1.2.3\n\n",
		"2!changes are not read, only whole entries: \"control: 1.2.3\"\n");
	expect("dn: a\ncn:< file:///etc/passwd\n\n",
		"2!a value by URL is not read; write the value itself: \"cn:< "
		"file:///etc/passwd\"\n");
	expect("dn: a\ncn: A\ndn: b\n\n",
		"3!there is no empty line before this record: \"dn: b\"\n");
	expect("dn: a\n\n# search result\nsearch: 2\nresult: 0 Success\n\n",
		"1 a\n4!this is no LDIF; give ldapsearch the option -LLL: \"search: 2\"\n");
	expect("version: 2\n\n",
		"1!LDIF of this version is not read; write version 1: \"version: 2\"\n");
	expect(" dn: a\n\n", "1!a line begins with a blank and continues none\n");
	expect("dn: a\n\n cn: A\n\n", "1 a\n3!a line begins with a blank and continues none\n");
	expect("dn: a\ncn:: QUJ\n\n", "2!this is no base64: \"cn:: QUJ\"\n");
	expect("dn: a\ncn:: Q U=\n\n", "2!this is no base64: \"cn:: Q U=\"\n");
}

static void encodings(void **state)
{
	(void)state;
	static const char utf16[] = "\xff\xfe"
				    "d\0n\0:\0 \0a\0\n\0\n";

	expect("dn: a\ncn: M\xfcller\n\n",
		"2!this is not UTF-8; write the file in UTF-8 or the value "
		"in base64: \"cn: M?ller\"\n");
	expect("dn:: YfxiCg==\n\n", "1!this DN is no UTF-8: \"dn:: YfxiCg==\"\n");
	expect("dn: a\nphoto:: /wD+\n\n", "1 a\n photo=\xff\\x00\xfe\n");
	expect_bytes(utf16, sizeof(utf16) - 1, "1!this is UTF-16; write it in UTF-8\n");
	expect_bytes("dn: a\0b\n\n", 9, "1!there is a NUL or a bare CR in the line: \"dn: a?b\"\n");
	expect("dn: a\rcn: b\n\n", "1!there is a NUL or a bare CR in the line: \"dn: a?cn: b\"\n");
}

static void too_large(void **state)
{
	struct ldif_reader *reader = ldif_reader_new(show, NULL);
	char *block = malloc(1 << 20);
	const char *error = NULL;
	int done = ldif_reader_feed(reader, "dn: a\ncn: ", 10, &error);

	(void)state;
	memset(block, 'x', 1 << 20);
	for (int i = 0; done == 0 && i < 17; i++)
		done = ldif_reader_feed(reader, block, 1 << 20, &error);
	assert_int_equal(done, -1);
	assert_string_equal(error, "a record is larger than 16 MB");
	assert_int_equal(ldif_reader_line(reader), 2);
	ldif_reader_free(&reader);
	free(block);
}

static int stop(void *context, const struct ldif_record *record)
{
	(void)record;
	return ++*(int *)context == 2 ? -1 : 0;
}

static void stopped(void **state)
{
	(void)state;
	static const char text[] = "dn: a\n\ndn: b\n\ndn: c\n\n";
	int count = 0;
	const char *error = "";
	struct ldif_reader *reader = ldif_reader_new(stop, &count);

	assert_int_equal(ldif_reader_feed(reader, text, strlen(text), &error), -1);
	assert_null(error);
	assert_int_equal(count, 2);
	assert_int_equal(ldif_reader_end(reader, &error), -1);
	ldif_reader_free(&reader);
}

static void composed(void **state)
{
	(void)state;
	struct str out = STR_INIT;

	ldif_put_text(&out, "dn", "uid=a");
	ldif_put_text(&out, "cn", "\xc3\x84");
	ldif_put_text(&out, "a", " b");
	ldif_put_text(&out, "b", "b ");
	ldif_put_text(&out, "c", ":b");
	ldif_put_text(&out, "d", "<b");
	ldif_put_text(&out, "e", "");
	ldif_put_text(&out, "f", "b:<");
	ldif_put(&out, "g", "a\nb", 3);
	ldif_put_comment(&out, "why\nand\r\n\nhow");
	ldif_put_end(&out, 1);
	assert_string_equal(out.data, "dn: uid=a\ncn:: w4Q=\na:: IGI=\nb:: YiA=\nc:: OmI=\n"
				      "d:: PGI=\ne:\nf: b:<\ng:: YQpi\n# why\n# and\n#\n# how\n"
				      "# end 1\n");
	str_free(&out);
}

static void folded(void **state)
{
	char value[400];
	struct str out = STR_INIT, said = STR_INIT, expected = STR_INIT;

	(void)state;
	for (size_t len = 60; len < sizeof(value); len++) {
		memset(value, 'x', len);
		value[len] = '\0';
		str_reset(&out);
		ldif_put_text(&out, "dn", "a");
		ldif_put_text(&out, "cn", value);
		ldif_put_end(&out, 1);
		for (char *line = out.data; *line != '\0'; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= LDIF_COLUMNS);
		str_reset(&said);
		read_in(out.data, out.len, 5, &said);
		str_reset(&expected);
		str_printf(&expected, "1 a\n cn=%s\n", value);
		assert_string_equal(said.data, expected.data);
	}
	str_free(&out);
	str_free(&said);
	str_free(&expected);
}

static void base64(void **state)
{
	static const char *const none[] = { "A", "AA", "AAA", "A===", "AA=A",
		"AB==", "AAB=", "A-==", "AAAA\n", "====", "AA==AAAA" };
	struct str text = STR_INIT, bytes = STR_INIT;
	char data[256];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (char)(i * 7);
		str_reset(&text);
		str_reset(&bytes);
		base64_encode(&text, data, i);
		assert_int_equal(text.len, (i + 2) / 3 * 4);
		assert_int_equal(base64_decode(&bytes, str_cstr(&text), text.len), 0);
		assert_int_equal(bytes.len, i);
		assert_memory_equal(str_cstr(&bytes), data, i);
	}
	str_reset(&bytes);
	str_append_z(&bytes, "kept");
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_int_equal(base64_decode(&bytes, none[i], strlen(none[i])), -1);
		assert_string_equal(bytes.data, "kept");
	}
	str_free(&text);
	str_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(lines),
		cmocka_unit_test(whole),
		cmocka_unit_test(truncated),
		cmocka_unit_test(refused),
		cmocka_unit_test(encodings),
		cmocka_unit_test(too_large),
		cmocka_unit_test(stopped),
		cmocka_unit_test(composed),
		cmocka_unit_test(folded),
		cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
