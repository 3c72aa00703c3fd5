/* How a mailbox is searched: every spelling of the address, and nothing that is not escaped. */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/mailbox.h"

static char text[2048];

static const char *filter(const char *address)
{
	struct address parsed;
	struct str out = STR_INIT;
	const char *error;

	assert_int_equal(address_parse(address, &parsed, &error), 0);
	mailbox_filter(&parsed, &out);
	snprintf(text, sizeof(text), "%s", str_cstr(&out));
	str_free(&out);
	return text;
}

static void plain(void **state)
{
	(void)state;
	assert_string_equal(filter("Anna@Example.ORG"),
		"(&(objectClass=restanteMailbox)(|(mailLocalAddress=anna@example.org)))");
}

static void catch_all(void **state)
{
	(void)state;
	assert_string_equal(filter("@example.org"),
		"(&(objectClass=restanteMailbox)(|(mailLocalAddress=@example.org)))");
}

static void characters_of_filters_are_escaped(void **state)
{
	(void)state;
	const char *made = filter("\"a*(b)\\\\c\"@example.org");

	assert_non_null(strstr(made, "(mailLocalAddress=a\\2a\\28b\\29\\5cc@example.org)"));
	assert_non_null(strstr(made, "(mailLocalAddress=\"a\\2a\\28b\\29\\5c\\5cc\"@example.org)"));
}

static void non_ascii_local_part(void **state)
{
	(void)state;
	const char *made = filter("B\xc3\x9cro@example.org");

	assert_non_null(strstr(made, "(restanteAddressUTF8="));
	assert_null(strstr(made, "mailLocalAddress"));
}

/* The normal form has "ss" where the directory may have a sharp s. */
static void folded_local_part(void **state)
{
	(void)state;
	const char *made = filter("Stra\xc3\x9f"
				  "e@example.org");

	assert_non_null(strstr(made, "(mailLocalAddress=strasse@example.org)"));
	assert_non_null(strstr(made, "(restanteAddressUTF8=Stra\xc3\x9f"
				     "e@example.org)"));
}

static void both_spellings_of_the_domain(void **state)
{
	(void)state;
	const char *made = filter("emil@B\xc3\xbc"
				  "cher.example");

	assert_non_null(strstr(made, "(mailLocalAddress=emil@xn--bcher-kva.example)"));
	assert_non_null(strstr(made, "(restanteAddressUTF8=emil@b"));
	made = filter("b\xc3\xbcro@xn--bcher-kva.example");
	const char *first = strstr(made, "(restanteAddressUTF8=");
	assert_non_null(first);
	assert_non_null(strstr(first + 1, "(restanteAddressUTF8="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(catch_all),
		cmocka_unit_test(characters_of_filters_are_escaped),
		cmocka_unit_test(non_ascii_local_part),
		cmocka_unit_test(folded_local_part),
		cmocka_unit_test(both_spellings_of_the_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
