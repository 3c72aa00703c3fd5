/* dirsync/person.c: what equal means. */
#include "tests/unit/unit.h"

#include "dirsync/person.h"

static const char *last_error;

static void add(struct person *p, const char *address)
{
	if (person_add_address(p, address, false, &last_error) < 0)
		fail_msg("%s: %s", address, last_error);
}

static void refuse(const char *address, const char *why)
{
	struct person p = PERSON_INIT;

	if (person_add_address(&p, address, true, &last_error) == 0)
		fail_msg("%s was taken", address);
	if (strstr(last_error, why) == NULL)
		fail_msg("%s: \"%s\", not \"%s\"", address, last_error, why);
	assert_int_equal(p.addresses.count, 0);
	assert_int_equal(p.primary.len, 0);
	person_free(&p);
}

static void fill(struct person *p)
{
	assert_int_equal(person_set_id(p, "u1", &last_error), 0);
	assert_int_equal(person_set_physical(p, "anna@s1.internal", &last_error), 0);
	assert_int_equal(person_add_address(p, "Anna@Example.ORG", true, &last_error), 0);
	add(p, "a.beta@example.org");
	assert_int_equal(person_add_foreign(p, "X500:/o=Org/cn=anna", &last_error), 0);
	assert_int_equal(person_add_attribute(p, "displayName", "Anna Beta", &last_error), 0);
}

static bool digests_equal(const struct person *a, const struct person *b)
{
	uint8_t one[PERSON_DIGEST_SIZE], other[PERSON_DIGEST_SIZE];

	person_digest(a, one);
	person_digest(b, other);
	return memcmp(one, other, sizeof one) == 0;
}

static void expect_same(const struct person *a, const struct person *b, bool same)
{
	assert_int_equal(person_same(a, b), same);
	assert_int_equal(digests_equal(a, b), same);
}

/* Of further addresses the spelling does not count, nor does the order. */
static void spelling_of_addresses(void **state)
{
	struct person a = PERSON_INIT, b = PERSON_INIT;

	(void)state;
	add(&a, "Anna@Example.org");
	add(&a, "\"a.b\"@example.org");
	add(&a, "J\303\234RGEN@b\303\274cher.example");
	add(&b, "ju\314\210rgen@xn--bcher-kva.example"); /* NFD */
	add(&b, "a.b@EXAMPLE.ORG.");
	add(&b, "ANNA@example.org");
	add(&b, "anna@example.org");
	expect_same(&a, &b, true);
	assert_int_equal(a.addresses.count, 3);
	person_free(&a);
	person_free(&b);
}

/* Of the primary address it does. */
static void spelling_of_the_primary(void **state)
{
	struct person a = PERSON_INIT, b = PERSON_INIT;

	(void)state;
	fill(&a);
	fill(&b);
	expect_same(&a, &b, true);
	assert_string_equal(str_cstr(&a.primary), "Anna@Example.ORG");
	str_reset(&b.primary);
	assert_int_equal(person_add_address(&b, "anna@example.org", true, &last_error), 0);
	expect_same(&a, &b, false);
	assert_true(strings_equal(&a.addresses, &b.addresses));
	/* the first stays */
	assert_int_equal(person_add_address(&b, "x@example.org", true, &last_error), 0);
	assert_string_equal(str_cstr(&b.primary), "anna@example.org");
	person_free(&a);
	person_free(&b);
}

/* The physical one is delivered to as it is spelled, and compared as an address. */
static void spelling_of_the_physical(void **state)
{
	struct person a = PERSON_INIT, b = PERSON_INIT;
	struct str one = STR_INIT, other = STR_INIT;

	(void)state;
	fill(&a);
	fill(&b);
	assert_int_equal(person_set_physical(&b, "ANNA@S1.internal", &last_error), 0);
	expect_same(&a, &b, true);
	person_encode(&a, &one);
	person_encode(&b, &other);
	assert_int_equal(one.len, other.len);
	assert_memory_not_equal(one.data, other.data, one.len);
	assert_int_equal(person_set_physical(&b, "bert@s1.internal", &last_error), 0);
	expect_same(&a, &b, false);
	str_free(&one);
	str_free(&other);
	person_free(&a);
	person_free(&b);
}

static void everything_counts(void **state)
{
	struct person a = PERSON_INIT, b = PERSON_INIT;

	(void)state;
	fill(&a);
	for (int i = 0; i < 5; i++) {
		person_reset(&b);
		fill(&b);
		expect_same(&a, &b, true);
		switch (i) {
		case 0: person_set_id(&b, "u2", &last_error); break;
		case 1: add(&b, "c@example.org"); break;
		case 2: person_add_foreign(&b, "X400:C=DE;S=Beta", &last_error); break;
		case 3: person_add_attribute(&b, "sn", "Beta", &last_error); break;
		case 4: strings_remove(&b.attributes, "displayname=Anna Beta"); break;
		}
		expect_same(&a, &b, false);
	}
	str_append_z(&a.place, "LDIF:7");
	person_reset(&b);
	fill(&b);
	expect_same(&a, &b, true);
	person_free(&a);
	person_free(&b);
}

/* Addresses that the directory's rule and ours would judge differently. */
static void judged_differently(void **state)
{
	struct person p = PERSON_INIT;

	(void)state;
	refuse("\"a  b\"@example.org", "two spaces");
	refuse("stra\303\237e@example.org", "compares a character");            /* sharp s */
	refuse("\316\272\317\217\317\202@example.org", "compares a character"); /* final sigma */
	refuse("\357\274\241nna@example.org", "compares a character");          /* full width */
	refuse("m\302\262@example.org", "compares a character");                /* superscript */
	refuse("\304\260rem@example.org", "compares a character");              /* I with a dot */
	refuse("a\302\255b@example.org", "invisible");                          /* soft hyphen */
	refuse("a\342\200\213b@example.org", "invisible"); /* zero width space */
	refuse("a\302\240b@example.org", "invisible");     /* no-break space */
	refuse("a\377@example.org", "UTF-8");
	add(&p, "\"a b\"@example.org");
	add(&p, "j\303\234rgen@example.org");
	add(&p, "o\357\254\203ce@example.org"); /* a ligature is its letters to both */
	add(&p, "\320\220\320\275\320\275\320\260@example.org"); /* Cyrillic */
	add(&p, "\345\261\261@example.org");
	add(&p, "\"\303\274 x\"@example.org");
	assert_int_equal(p.addresses.count, 6);
	assert_true(strings_has(&p.addresses, "office@example.org"));
	person_free(&p);
}

static void no_addresses(void **state)
{
	struct str text = STR_INIT;

	(void)state;
	refuse("anna", "no domain");
	refuse("", "");
	refuse("@example.org", "catch-all");
	refuse("a b@example.org", "space");
	refuse("a@example..org", "empty label");
	refuse("a@b@example.org\r\nRCPT TO:<x@y>", "");
	for (int i = 0; i < 600; i++)
		str_append_c(&text, 'a');
	str_append_z(&text, "@example.org");
	refuse(str_cstr(&text), "too long");
	str_free(&text);
}

static void physical_addresses(void **state)
{
	static const char *const bad[] = { "", "anna", "j\303\274rgen@s1.internal", "@s1.internal",
		"a b@s1.internal", "\"a  b\"@s1.internal" };
	struct person p = PERSON_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(person_set_physical(&p, bad[i], &last_error), -1);
		assert_int_equal(p.physical.len, 0);
	}
	person_free(&p);
}

static void ids(void **state)
{
	static const char *const bad[] = { "", " a", "a ", "a  b", "a\001b", "a\377",
		"\357\274\241" };
	static const uint8_t guid[] = { 0x00, 0x1f, 0xff, 0x0a };
	struct person p = PERSON_INIT;
	char text[PERSON_ID_MAX + 2] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(person_set_id(&p, bad[i], &last_error), -1);
	memset(text, 'x', PERSON_ID_MAX + 1);
	assert_int_equal(person_set_id(&p, text, &last_error), -1);
	text[PERSON_ID_MAX] = '\0';
	assert_int_equal(person_set_id(&p, text, &last_error), 0);
	assert_int_equal(person_set_id(&p, "Anna Beta \303\274", &last_error), 0);
	assert_int_equal(person_set_id_bytes(&p, guid, sizeof guid, &last_error), 0);
	assert_string_equal(str_cstr(&p.id), "001fff0a");
	assert_int_equal(person_set_id_bytes(&p, guid, 0, &last_error), -1);
	person_free(&p);
}

static void proxy_addresses(void **state)
{
	struct person p = PERSON_INIT;

	(void)state;
	assert_int_equal(person_add_proxy(&p, "smtp:b@example.org", &last_error), 0);
	assert_int_equal(person_add_proxy(&p, "SMTP:Anna@example.org", &last_error), 0);
	assert_int_equal(person_add_proxy(&p, "x500:/o=A/cn=b", &last_error), 0);
	assert_int_equal(person_add_proxy(&p, "X400:C=DE;S=b", &last_error), 0);
	assert_int_equal(person_add_proxy(&p, "SIP:anna@example.org", &last_error), 0);
	assert_int_equal(person_add_proxy(&p, "c@example.org", &last_error), 0);
	assert_int_equal(person_add_proxy(&p, "smtp:none", &last_error), -1);
	assert_int_equal(p.addresses.count, 2);
	assert_string_equal(str_cstr(&p.primary), "Anna@example.org");
	assert_int_equal(p.foreign.count, 2);
	assert_true(strings_has(&p.foreign, "X500:/o=A/cn=b"));
	person_free(&p);
}

/* The directory refuses two values that its rule takes for one. */
static void twins(void **state)
{
	struct person a = PERSON_INIT, b = PERSON_INIT;

	(void)state;
	person_add_attribute(&a, "cn", "Anna  Beta", &last_error);
	person_add_attribute(&a, "CN", "anna beta", &last_error);
	person_add_attribute(&b, "cn", "anna beta", &last_error);
	person_add_attribute(&b, "cn", "Anna  Beta", &last_error);
	person_add_foreign(&a, "X500:/o=A", &last_error);
	person_add_foreign(&a, "X500:/O=a", &last_error);
	person_add_foreign(&b, "x500:/O=a", &last_error);
	person_add_foreign(&b, "X500:/o=A", &last_error);
	expect_same(&a, &b, true);
	assert_int_equal(a.attributes.count, 1);
	assert_int_equal(a.foreign.count, 1);
	person_add_attribute(&a, "telephoneNumber", "+49 30-1", &last_error);
	person_add_attribute(&a, "telephoneNumber", "+4930 1", &last_error);
	assert_int_equal(a.attributes.count, 2);
	person_add_attribute(&a, "description", "x-y", &last_error);
	person_add_attribute(&a, "description", "xy", &last_error);
	assert_int_equal(a.attributes.count, 4);
	person_free(&a);
	person_free(&b);
}

static void attributes(void **state)
{
	struct person p = PERSON_INIT;
	char text[PERSON_VALUE_MAX + 2] = "";

	(void)state;
	assert_int_equal(person_add_attribute(&p, "sn", "", &last_error), 0);
	assert_int_equal(p.attributes.count, 0);
	assert_int_equal(person_add_attribute(&p, "SN", "Beta=", &last_error), 0);
	assert_string_equal(person_attribute(&p, "sn"), "Beta=");
	assert_null(person_attribute(&p, "s"));
	assert_int_equal(person_add_attribute(&p, "a=b", "x", &last_error), -1);
	assert_int_equal(person_add_attribute(&p, "", "x", &last_error), -1);
	assert_int_equal(person_add_attribute(&p, "sn", "\377", &last_error), -1);
	memset(text, 'x', PERSON_VALUE_MAX + 1);
	assert_int_equal(person_add_attribute(&p, "sn", text, &last_error), -1);
	person_free(&p);
}

static void bounds(void **state)
{
	struct person p = PERSON_INIT;
	char text[64];

	(void)state;
	for (int i = 0; i < PERSON_VALUES_MAX; i++) {
		snprintf(text, sizeof text, "u%d@example.org", i);
		add(&p, text);
	}
	assert_int_equal(person_add_address(&p, "v@example.org", false, &last_error), -1);
	add(&p, "U7@example.org");
	assert_int_equal(p.addresses.count, PERSON_VALUES_MAX);
	person_free(&p);
}

static void bytes_and_back(void **state)
{
	struct person a = PERSON_INIT, b = PERSON_INIT;
	struct str bytes = STR_INIT, again = STR_INIT;

	(void)state;
	fill(&a);
	person_encode(&a, &bytes);
	assert_int_equal(person_decode(bytes.data, bytes.len, &b), 0);
	expect_same(&a, &b, true);
	assert_string_equal(str_cstr(&b.physical), "anna@s1.internal");
	person_encode(&b, &again);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.data, bytes.data, bytes.len);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(person_decode(bytes.data, len, &b), -1);
	str_append_c(&bytes, '\0');
	assert_int_equal(person_decode(bytes.data, bytes.len, &b), -1);
	assert_int_equal(b.addresses.count, 0);
	person_free(&a);
	person_free(&b);
	str_free(&bytes);
	str_free(&again);
}

/* There is one form: sets in another order, or with one member twice, are none. */
static void bytes_of_another_form(void **state)
{
	static const char sorted[] = "P1\0u\0\0\0a@x\0b@x\0\0\0\0";
	static const char unsorted[] = "P1\0u\0\0\0b@x\0a@x\0\0\0\0";
	static const char twice[] = "P1\0u\0\0\0a@x\0a@x\0\0\0\0";
	static const char other[] = "P2\0u\0\0\0a@x\0b@x\0\0\0\0";
	struct person p = PERSON_INIT;

	(void)state;
	assert_int_equal(person_decode(sorted, sizeof sorted, &p), 0);
	assert_int_equal(p.addresses.count, 2);
	assert_int_equal(person_decode(unsorted, sizeof unsorted, &p), -1);
	assert_int_equal(person_decode(twice, sizeof twice, &p), -1);
	assert_int_equal(person_decode(other, sizeof other, &p), -1);
	assert_int_equal(p.addresses.count, 0);
	person_free(&p);
}

static void expect_stored(const char *address, const char *attribute, const char *value)
{
	struct person p = PERSON_INIT;
	struct address again;
	struct str text = STR_INIT;

	add(&p, address);
	assert_string_equal(person_address_attribute(strings_first(&p.addresses)), attribute);
	person_address_value(strings_first(&p.addresses), &text);
	assert_string_equal(str_cstr(&text), value);
	assert_int_equal(address_parse(value, &again, &last_error), 0);
	assert_string_equal(again.key, strings_first(&p.addresses));
	str_free(&text);
	person_free(&p);
}

static void how_the_directory_has_them(void **state)
{
	struct person p = PERSON_INIT;

	(void)state;
	expect_stored(
		"Anna@B\303\274cher.example", "mailLocalAddress", "anna@xn--bcher-kva.example");
	expect_stored("J\303\274rgen@B\303\274cher.example", "restanteAddressUTF8",
		"j\303\274rgen@xn--bcher-kva.example");
	expect_stored("\"a \\\"b\\\\c@d\"@example.org", "mailLocalAddress",
		"\"a \\\"b\\\\c@d\"@example.org");
	expect_stored("a..b@example.org", "mailLocalAddress", "a..b@example.org");
	person_add_address(&p, "Anna@B\303\274cher.example", true, &last_error);
	assert_string_equal(str_cstr(&p.primary), "Anna@xn--bcher-kva.example");
	assert_string_equal(person_primary_attribute(str_cstr(&p.primary)), "mail");
	assert_string_equal(
		person_primary_attribute("J\303\274rgen@example.org"), "restantePrimaryUTF8");
	person_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spelling_of_addresses),
		cmocka_unit_test(spelling_of_the_primary),
		cmocka_unit_test(spelling_of_the_physical),
		cmocka_unit_test(everything_counts),
		cmocka_unit_test(judged_differently),
		cmocka_unit_test(no_addresses),
		cmocka_unit_test(physical_addresses),
		cmocka_unit_test(ids),
		cmocka_unit_test(proxy_addresses),
		cmocka_unit_test(twins),
		cmocka_unit_test(attributes),
		cmocka_unit_test(bounds),
		cmocka_unit_test(bytes_and_back),
		cmocka_unit_test(bytes_of_another_form),
		cmocka_unit_test(how_the_directory_has_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
