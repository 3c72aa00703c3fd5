/* lib/address.c and lib/xtext.c */
#include "tests/unit/unit.h"

#include "lib/address.h"

struct accepted {
	const char *argument, *key, *local;
	bool has_domain, utf8;
};

static const struct accepted paths[] = {
	{ "<Anna@Example.ORG>", "anna@example.org", "Anna", true, false },
	{ "Anna@Example.ORG", "anna@example.org", "Anna", true, false },
	{ "<>", "", "", false, false },
	{ "<postmaster>", "postmaster", "postmaster", false, false },
	{ "<Postmaster>", "postmaster", "Postmaster", false, false },
	{ "<a@example.org.>", "a@example.org", "a", true, false },
	{ "<@h1,@h2:x@a>", "x@a", "x", true, false },
	{ "<@[IPv6:2001:db8::1],@h2:x@a>", "x@a", "x", true, false },
	{ "<\"a b\"@x>", "a b@x", "a b", true, false },
	{ "<\"a\\\"b\\\\\"@x>", "a\"b\\@x", "a\"b\\", true, false },
	{ "<\"A@B\"@x>", "a@b@x", "A@B", true, false },
	{ "<A@B@x>", "a@b@x", "A@B", true, false },
	{ "<\"a>b\"@x>", "a>b@x", "a>b", true, false },
	{ "<\"ann\\a\"@x>", "anna@x", "anna", true, false },
	{ "<\"\"@x>", "@x", "", true, false },
	{ "<\"a b\".c@x>", "a b.c@x", "a b.c", true, false },
	{ "<.a..b.@x>", ".a..b.@x", ".a..b.", true, false },
	{ "<u@[192.0.2.1]>", "u@[192.0.2.1]", "u", true, false },
	{ "<u@[IPv6:2001:DB8::1]>", "u@[ipv6:2001:db8::1]", "u", true, false },
	{ "</c=de/o=x/@gw.example>", "/c=de/o=x/@gw.example", "/c=de/o=x/", true, false },
	{ "<o'neil+a=b%c!d#e@x_y>", "o'neil+a=b%c!d#e@x_y", "o'neil+a=b%c!d#e", true, false },
	/* RFC 6531: composed, folded; U+00C4 and A + U+0308 are one */
	{ "<\xc3\x84nna@x>", "\xc3\xa4nna@x", "\xc3\x84nna", true, true },
	{ "<A\xcc\x88nna@x>", "\xc3\xa4nna@x", "A\xcc\x88nna", true, true },
	{ "<Stra\xc3\x9f"
	  "e@x>",
		"strasse@x",
		"Stra\xc3\x9f"
		"e",
		true, true },
	{ "<\"\xc3\x84 b\"@x>", "\xc3\xa4 b@x", "\xc3\x84 b", true, true },
	{ "<u@B\xc3\xbc"
	  "cher.example>",
		"u@xn--bcher-kva.example", "u", true, true },
	{ "<u@XN--BCHER-KVA.example>", "u@xn--bcher-kva.example", "u", true, false },
	{ "<u@bu\xcc\x88"
	  "cher.example>",
		"u@xn--bcher-kva.example", "u", true, true },
	{ "<u@fa\xc3\x9f.de>", "u@xn--fa-hia.de", "u", true, true }, /* not fass.de */
	{ "<u@a\xe3\x80\x82"
	  "example>",
		"u@a.example", "u", true, true },
	/* not UTF-8: bytewise, ASCII letters folded */
	{ "<\xe4Nna@x>", "\xe4nna@x", "\xe4Nna", true, true },
};

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct address address;
		const char *error = NULL;
		if (address_parse_path(paths[i].argument, &address, &error) < 0)
			fail_msg("%s: %s", paths[i].argument, error);
		assert_string_equal(address.key, paths[i].key);
		assert_string_equal(address.local, paths[i].local);
		assert_int_equal(address.has_domain, paths[i].has_domain);
		assert_int_equal(address.utf8, paths[i].utf8);
		if (address.has_domain)
			assert_int_equal(address.key[address.local_len], '@');
		else
			assert_int_equal(address.local_len, strlen(address.key));
	}
}

static const char *const refused_paths[] = {
	"", "<", ">", "<a@x", "a@x>", "<a b@x>", " a@x", "<a@x >", "<a@>", "<@x>", "<@>",
	"<@h1,@h2:>", "<@h1,@h2:@x>", "<@h1 ,@h2:x@a>", "<\"a@x>", "<a\"@x>", "<a\"b\"@x>",
	"<\"a\"b@x>", "<\"a\\", "<\"a\\\">", "<a\tb@x>", "<\"a\tb\"@x>", "<a\x7f@x>",
	"<\"a\\\n\"@x>", "<a\r\n@x>", "<a,b@x>", "<a;b@x>", "<a:b@x>", "<a(b)@x>", "<a<b@x>",
	"<a\\ b@x>", "<<a@x>>", "<\"\">", "<a@x..y>", "<a@.x>", "<a@..>", "<a@.>", "<a@x y>",
	"<a@\"x\">", "<a@[192.0.2.1>", "<a@[]>", "<a@[1 2]>", "<a@[1].>", "<a@[1]x]>", "<a@x,y>",
	"<a@x/y>", "<a@\xff\xfe.example>", "<a@\xe2\x84\x80.example>", /* U+2100 maps to a/c */
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused_paths); i++) {
		struct address address;
		const char *error = NULL;
		if (address_parse_path(refused_paths[i], &address, &error) == 0)
			fail_msg("accepted: %s as %s", refused_paths[i], address.key);
		assert_non_null(error);
	}
}

/* Every ASCII control character, at every place of an address. */
static void test_controls(void **state)
{
	static const char whole[] = "<\"a b\".c@x.example>";

	(void)state;
	for (char c = 1; c < ' '; c++) {
		for (size_t at = 1; at < sizeof whole - 1; at++) {
			char text[sizeof whole + 1];
			struct address address;
			const char *error;
			memcpy(text, whole, at);
			text[at] = c;
			memcpy(text + at + 1, whole + at, sizeof whole - at);
			assert_int_equal(address_parse_path(text, &address, &error), -1);
		}
	}
}

static int parse_long(size_t local, const char *pattern, const char *domain)
{
	struct str text = STR_INIT;
	struct address address;
	const char *error;

	str_append_c(&text, '<');
	while (text.len <= local)
		str_append_z(&text, pattern);
	str_printf(&text, "@%s>", domain);
	int result = address_parse_path(str_cstr(&text), &address, &error);
	if (result == 0)
		assert_true(strlen(address.key) <= ADDRESS_MAX);
	str_free(&text);
	return result;
}

static void test_long(void **state)
{
	char label[65];

	(void)state;
	assert_int_equal(parse_long(ADDRESS_MAX - 2, "a", "x"), 0);
	assert_int_equal(parse_long(ADDRESS_MAX - 1, "a", "x"), -1);
	assert_int_equal(parse_long(ADDRESS_MAX, "a", "x"), -1);
	assert_int_equal(parse_long(1000000, "a", "x"), -1);
	/* U+0390 folds to three code points of two bytes each, recomposed to one */
	assert_int_equal(parse_long(400, "\xce\x90", "x"), 0);
	/* U+FB03 (3 bytes) folds to "ffi"; U+0149 (2 bytes) to three bytes: longer than it was */
	assert_int_equal(parse_long(400, "\xc5\x89", "x"), -1);
	/* the bound is on what is given, too, even if U+017F folds to the shorter "s" */
	assert_int_equal(parse_long(511, "\xc5\xbf", "x"), -1);
	assert_int_equal(parse_long(509, "\xc5\xbf", "x"), 0);
	memset(label, 'a', 64);
	label[64] = '\0';
	assert_int_equal(parse_long(3, "a", label), -1);
	label[63] = '\0';
	assert_int_equal(parse_long(3, "a", label), 0);
	char domain[300] = "";
	for (size_t n = 0; n < 254; n += 2)
		strcat(domain, "a.");
	assert_int_equal(parse_long(3, "a", domain), 0);
	strcat(domain, "aa");
	assert_int_equal(parse_long(3, "a", domain), -1);
}

static void test_plain(void **state)
{
	struct address address;
	const char *error;

	(void)state;
	assert_int_equal(address_parse("Anna+X@Example.org", &address, &error), 0);
	assert_string_equal(address.key, "anna+x@example.org");
	assert_string_equal(address_domain(&address), "example.org");
	assert_int_equal(address_parse("@Example.org", &address, &error), 0);
	assert_string_equal(address.key, "@example.org");
	assert_int_equal(address.local_len, 0);
	assert_string_equal(address_domain(&address), "example.org");
	assert_int_equal(address_parse("anna", &address, &error), 0);
	assert_string_equal(address_domain(&address), "");
	assert_int_equal(address_parse("", &address, &error), -1);
	assert_int_equal(address_parse("<anna@x>", &address, &error), -1);
	assert_int_equal(address_parse("@h1:x@a", &address, &error), -1);
}

static void test_domain_key(void **state)
{
	char key[256];
	const char *error;

	(void)state;
	assert_int_equal(address_domain_key("Example.ORG.", key, sizeof key, &error), 0);
	assert_string_equal(key, "example.org");
	assert_int_equal(address_domain_key("B\xc3\xbc"
					    "cher.Example",
				 key, sizeof key, &error),
		0);
	assert_string_equal(key, "xn--bcher-kva.example");
	assert_int_equal(address_domain_key("", key, sizeof key, &error), -1);
	assert_int_equal(address_domain_key("a@b", key, sizeof key, &error), -1);
	assert_int_equal(address_domain_key("x", key, 10, &error), -1);
}

static void test_route(void **state)
{
	(void)state;
	assert_true(address_path_has_route("<@h1,@h2:x@a>"));
	assert_true(address_path_has_route("@h1:x@a"));
	assert_false(address_path_has_route("<x@a>"));
	assert_false(address_path_has_route("<@[IPv6:::1]>"));
	assert_false(address_path_has_route("<\"@a:b\"@x>"));
	assert_false(address_path_has_route("<>"));
	assert_false(address_path_has_route(""));
}

static void check_split(
	const char *text, const char *delimiters, const char *bare, const char *detail)
{
	struct address address, got;
	const char *found = NULL, *error;

	assert_int_equal(address_parse(text, &address, &error), 0);
	bool split = address_split_detail(&address, delimiters, &got, &found);
	assert_int_equal(split, bare != NULL);
	if (!split)
		return;
	assert_string_equal(got.key, bare);
	assert_string_equal(found, detail);
	assert_true(found > address.local && found < address.local + sizeof address.local);
	assert_int_equal(got.has_domain, address.has_domain);
}

static void test_split_detail(void **state)
{
	(void)state;
	check_split("Anna+News@x", "+", "anna@x", "+News");
	check_split("anna+a+b@x", "+", "anna@x", "+a+b");
	check_split("anna-a+b@x", "+-", "anna@x", "-a+b");
	check_split("anna+news", "+", "anna", "+news");
	check_split("anna@x", "+", NULL, NULL);
	check_split("anna+news@x", "", NULL, NULL);
	check_split("+anna@x", "+", NULL, NULL);
	check_split("anna+@x", "+", NULL, NULL);
	check_split("++anna@x", "+", "+@x", "+anna");
	check_split("a+@x", "+", NULL, NULL);
	check_split("@x", "+", NULL, NULL);
	check_split("\"a+b c\"@x", "+", "a@x", "+b c");
	check_split("\xc3\x84+\xc3\x96@x", "+", "\xc3\xa4@x", "+\xc3\x96");
	check_split("Stra\xc3\x9f"
		    "e+a@x",
		"+", "strasse@x", "+a");
}

static void check_with(const char *physical, const char *detail, const char *expected)
{
	struct str result = STR_INIT;
	const char *error;

	str_append_z(&result, "<");
	int done = address_with_detail(physical, detail, &result, &error);
	assert_int_equal(done, expected ? 0 : -1);
	assert_string_equal(str_cstr(&result) + 1, expected ? expected : "");
	str_free(&result);
}

static void test_with_detail(void **state)
{
	char big[ADDRESS_MAX + 1];

	(void)state;
	check_with("U.1@S1.example", "", "U.1@S1.example");
	check_with("\"u\"@s1.example", "", "\"u\"@s1.example");
	check_with("u@s1.example", "+News", "u+News@s1.example");
	check_with("u@s1.example", "+a b", "\"u+a b\"@s1.example");
	check_with("\"u v\"@s1.example", "+a", "\"u v+a\"@s1.example");
	check_with("\"u\"@s1.example", "+a", "u+a@s1.example");
	check_with("u@s1.example", "+a\"b\\c", "\"u+a\\\"b\\\\c\"@s1.example");
	check_with("u@s1.example", "+a..b", "\"u+a..b\"@s1.example");
	check_with("u@s1.example", "+a.", "\"u+a.\"@s1.example");
	check_with("u@[192.0.2.1]", "+a", "u+a@[192.0.2.1]");
	check_with("u v@s1", "+a", NULL);
	memset(big, 'd', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	check_with("u@s1.example", big, NULL);
	/* exactly as long as it may be: "u" + detail + "@x" */
	big[ADDRESS_MAX - 3] = '\0';
	struct str result = STR_INIT;
	const char *error;
	assert_int_equal(address_with_detail("u@x", big, &result, &error), 0);
	assert_int_equal(result.len, ADDRESS_MAX);
	str_free(&result);
}

/* What a split gives, put on the same address again, is read as what it was. */
static void test_detail_round_trip(void **state)
{
	static const char *const texts[] = { "anna+news@x", "\"a b+c d\"@x", "\"a\\\"+\\\\\"@x",
		"\"a+b@c\"@x" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct address address, bare, again;
		struct str result = STR_INIT, text = STR_INIT;
		const char *detail, *error;
		assert_int_equal(address_parse(texts[i], &address, &error), 0);
		assert_true(address_split_detail(&address, "+", &bare, &detail));
		assert_int_equal(address_with_detail("\"\"@x", bare.local, &text, &error), 0);
		assert_int_equal(address_with_detail(str_cstr(&text), detail, &result, &error), 0);
		assert_int_equal(address_parse(str_cstr(&result), &again, &error), 0);
		assert_string_equal(again.key, address.key);
		str_free(&result);
		str_free(&text);
	}
}

static void test_physical(void **state)
{
	const char *error;

	(void)state;
	assert_int_equal(address_check_physical("u1@s1.example", &error), 0);
	assert_int_equal(address_check_physical("\"u 1\"@s1.example", &error), 0);
	assert_int_equal(address_check_physical("u1", &error), -1);
	assert_int_equal(address_check_physical("@s1.example", &error), -1);
	assert_int_equal(address_check_physical("\"\"@s1.example", &error), -1);
	assert_int_equal(address_check_physical("\xc3\xa4@s1.example", &error), -1);
	assert_int_equal(address_check_physical("u@s\xc3\xa4.example", &error), -1);
	assert_int_equal(address_check_physical("u1@s1.example\r\nDATA", &error), -1);
	assert_int_equal(address_check_physical("<u1@s1.example>", &error), -1);
	assert_int_equal(address_check_physical("u1@s1.example NOTIFY=NEVER", &error), -1);
	assert_int_equal(address_check_physical("", &error), -1);
}

static void check_xtext(const char *plain, const char *encoded)
{
	struct str out = STR_INIT, back = STR_INIT;

	address_xtext_encode(plain, &out);
	assert_string_equal(str_cstr(&out), encoded);
	assert_int_equal(address_xtext_decode(encoded, &back), 0);
	assert_string_equal(str_cstr(&back), plain);
	str_free(&out);
	str_free(&back);
}

static void test_xtext(void **state)
{
	static const char *const bad[] = { "+", "a+2", "a+2G", "+00", "a=b", "a b", "a\tb",
		"\xc3\xa4", "+-1" };
	struct str out = STR_INIT;

	(void)state;
	check_xtext("", "");
	check_xtext("rfc822;anna+a=b@x", "rfc822;anna+2Ba+3Db@x");
	check_xtext("a b\xc3\xa4\x01\x7f", "a+20b+C3+A4+01+7F");
	assert_int_equal(address_xtext_decode("+2b", &out), 0);
	assert_string_equal(str_cstr(&out), "+");
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(address_xtext_decode(bad[i], &out), -1);
		assert_string_equal(str_cstr(&out), "+"); /* as it was */
	}
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_controls),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_domain_key),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_split_detail),
		cmocka_unit_test(test_with_detail),
		cmocka_unit_test(test_detail_round_trip),
		cmocka_unit_test(test_physical),
		cmocka_unit_test(test_xtext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
