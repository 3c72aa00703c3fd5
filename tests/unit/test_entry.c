/* dirsync/entry.c: mailboxes as the directory has them. */
#include "tests/unit/unit.h"

#include "dirsync/entry.h"
#include "lib/mem.h"

#define UUID "0d9f4a34-0000-103f-8000-0123456789ab"
#define CSN  "20261122053000.123456Z#000000#001#000000"
#define V(name, text)                                                                              \
	{                                                                                          \
		name, text, sizeof(text) - 1                                                       \
	}
#define COMMON                                                                                     \
	V("entryUUID", UUID), V("entryCSN", CSN), V("restanteSystem", "S1"),                       \
		V("restanteSourceId", "u-1")

static const char *const mapped[] = { "displayname", "sn", NULL };
static const char *last_error;

static int read_stream(const struct ldap_value *values, size_t count, struct entry *entry)
{
	struct ldap_stream_entry raw = { .dn = "cn=anna,dc=x", .values = values, .count = count };

	last_error = "";
	return entry_read_stream(&raw, mapped, entry, &last_error);
}

static void everything(void **state)
{
	static const struct ldap_value values[] = { COMMON, V("restanteState", "Holding"),
		V("mailLocalAddress", "anna@example.org"),
		V("mailLocalAddress", "Anna.B@Example.org"),
		V("restanteAddressUTF8", "j\303\274@example.org"), V("mail", "Anna@Example.org"),
		V("mailRoutingAddress", "Anna@s1.internal"),
		V("restanteForeignAddress", "X500:/o=Org/cn=anna"),
		V("restanteVanishedSince", "20261122053000Z"),
		V("restanteVanishingAddress", "old@example.org 20261121000000Z"),
		V("restanteProvenance", "S1 r7"), V("displayName", "Anna"), V("cn", "not mapped") };
	struct entry e = ENTRY_INIT;

	(void)state;
	assert_int_equal(read_stream(values, COUNT(values), &e), 0);
	assert_string_equal(str_cstr(&e.dn), "cn=anna,dc=x");
	assert_string_equal(str_cstr(&e.uuid), UUID);
	assert_string_equal(str_cstr(&e.csn), CSN);
	assert_string_equal(str_cstr(&e.system), "S1");
	assert_int_equal(e.state, STATE_HOLDING);
	assert_string_equal(str_cstr(&e.person.id), "u-1");
	assert_int_equal(e.person.addresses.count, 3);
	assert_true(strings_has(&e.person.addresses, "anna.b@example.org"));
	assert_string_equal(str_cstr(&e.person.primary), "Anna@Example.org");
	assert_string_equal(str_cstr(&e.person.physical), "Anna@s1.internal");
	assert_string_equal(str_cstr(&e.person.physical_key), "anna@s1.internal");
	assert_int_equal(e.person.foreign.count, 1);
	assert_int_equal(e.vanished_us, 1795325400000000);
	assert_int_equal(entry_going_since(&e, "old@example.org"), 1795219200000000);
	assert_int_equal(entry_going_since(&e, "old@example.or"), 0);
	assert_int_equal(entry_going_since(&e, "anna@example.org"), 0);
	assert_string_equal(str_cstr(&e.provenance), "S1 r7");
	assert_string_equal(person_attribute(&e.person, "displayname"), "Anna");
	assert_int_equal(e.person.attributes.count, 1);
	assert_int_equal(e.spelled.count, 0);
	entry_free(&e);
}

/* As a session has it: the same. */
static void of_a_session(void **state)
{
	static char uuid[] = UUID, csn[] = CSN, s1[] = "S1", a[] = "anna@example.org",
		    b[] = "b@example.org", name[] = "Anna", german[] = "Anna auf deutsch";
	static char *uuids[] = { uuid, NULL }, *csns[] = { csn, NULL }, *systems[] = { s1, NULL },
		    *addresses[] = { b, a, NULL }, *displayed[] = { name, NULL },
		    *other[] = { german, NULL };
	static char n_uuid[] = "entryUUID", n_csn[] = "entryCSN", n_system[] = "restanteSystem",
		    n_address[] = "mailLocalAddress", n_name[] = "displayName",
		    n_other[] = "displayName;lang-de";
	struct ldap_attribute attributes[] = { { n_uuid, uuids, 1 }, { n_csn, csns, 1 },
		{ n_system, systems, 1 }, { n_address, addresses, 2 }, { n_name, displayed, 1 },
		{ n_other, other, 1 } };
	static const struct ldap_value values[] = { V("entryUUID", UUID), V("entryCSN", CSN),
		V("restanteSystem", "S1"), V("mailLocalAddress", "anna@example.org"),
		V("mailLocalAddress", "B@example.org"), V("displayName", "Anna") };
	static char dn[] = "cn=anna,dc=x";
	struct ldap_entry raw = { dn, attributes, COUNT(attributes) };
	struct entry one = ENTRY_INIT, other_entry = ENTRY_INIT;
	struct str bytes = STR_INIT, other_bytes = STR_INIT;

	(void)state;
	assert_int_equal(entry_read(&raw, mapped, &one, &last_error), 0);
	assert_int_equal(read_stream(values, COUNT(values), &other_entry), 0);
	assert_string_equal(str_cstr(&one.person.id), "");
	entry_encode(&one, &bytes);
	entry_encode(&other_entry, &other_bytes);
	assert_int_equal(bytes.len, other_bytes.len);
	assert_memory_equal(bytes.data, other_bytes.data, bytes.len);
	entry_free(&one);
	entry_free(&other_entry);
	str_free(&bytes);
	str_free(&other_bytes);
}

/* What a removal has to name. */
static void spellings(void **state)
{
	static const struct ldap_value values[] = { COMMON,
		V("mailLocalAddress", "\"ab\"@example.org"),
		V("mailLocalAddress", "AB@example.org"), V("restanteAddressUTF8", "c@example.org"),
		V("restanteAddressUTF8", "d@b\303\274cher.example"),
		V("mailLocalAddress", "\"e f\"@example.org"), V("mailLocalAddress", "@example.org"),
		V("mailLocalAddress", "no address"), V("mailLocalAddress", "nodomain"),
		V("mailLocalAddress", "g@example.org") };
	struct entry e = ENTRY_INIT;

	(void)state;
	assert_int_equal(read_stream(values, COUNT(values), &e), 0);
	assert_int_equal(e.person.addresses.count, 6);
	assert_true(strings_has(&e.person.addresses, "@example.org"));
	assert_int_equal(e.spelled.count, 5);
	assert_true(strings_has(&e.spelled, "mailLocalAddress \"ab\"@example.org"));
	assert_true(strings_has(&e.spelled, "mailLocalAddress AB@example.org"));
	assert_true(strings_has(&e.spelled, "restanteAddressUTF8 c@example.org"));
	assert_true(strings_has(&e.spelled, "restanteAddressUTF8 d@b\303\274cher.example"));
	assert_true(strings_has(&e.spelled, "mailLocalAddress \"e f\"@example.org"));
	entry_free(&e);
}

/* The usual spelling first, another one behind it: both. */
static void two_spellings(void **state)
{
	static const struct ldap_value values[] = { COMMON, V("mailLocalAddress", "ab@example.org"),
		V("restanteAddressUTF8", "ab@example.org") };
	struct entry e = ENTRY_INIT;

	(void)state;
	assert_int_equal(read_stream(values, COUNT(values), &e), 0);
	assert_int_equal(e.person.addresses.count, 1);
	assert_int_equal(e.spelled.count, 2);
	assert_true(strings_has(&e.spelled, "mailLocalAddress ab@example.org"));
	entry_free(&e);
}

static void primary_in_utf8(void **state)
{
	static const struct ldap_value values[] = { COMMON, V("mail", "old@example.org"),
		V("restantePrimaryUTF8", "J\303\274@example.org"), V("mail", "x@example.org") };
	struct entry e = ENTRY_INIT;

	(void)state;
	assert_int_equal(read_stream(values, COUNT(values), &e), 0);
	assert_string_equal(str_cstr(&e.person.primary), "J\303\274@example.org");
	entry_free(&e);
}

static void not_usable(void **state)
{
	static const struct ldap_value whole[] = { COMMON };
	static const struct ldap_value bad_id[] = { COMMON, V("restanteSourceId", "a  b") };
	static const struct ldap_value bad_instant[] = { COMMON, V("restanteVanishedSince", "x") };
	static const struct ldap_value bad_uuid[] = { V("entryUUID", "abc"), V("entryCSN", CSN),
		V("restanteSystem", "S1") };
	struct entry e = ENTRY_INIT;

	(void)state;
	assert_int_equal(read_stream(whole, 4, &e), 0);
	assert_int_equal(read_stream(whole, 2, &e), -1);
	assert_non_null(strstr(last_error, "restanteSystem cannot be read"));
	assert_int_equal(read_stream(whole, 1, &e), -1);
	assert_non_null(strstr(last_error, "entryCSN cannot be read"));
	assert_int_equal(read_stream(whole, 0, &e), -1);
	assert_non_null(strstr(last_error, "entryUUID cannot be read"));
	assert_string_equal(str_cstr(&e.dn), "cn=anna,dc=x");
	assert_int_equal(read_stream(bad_uuid, 3, &e), -1);
	assert_int_equal(read_stream(bad_id, COUNT(bad_id), &e), -1);
	assert_int_equal(read_stream(bad_instant, COUNT(bad_instant), &e), -1);
	entry_free(&e);
}

/* Values that no sync wrote are as none; the entry stays usable. */
static void strange_values(void **state)
{
	static const struct ldap_value values[] = { COMMON, V("mailRoutingAddress", "none"),
		V("restanteForeignAddress", "cn=x"), V("sn", "\377"), V("displayName", "a\0b"),
		V("restanteVanishingAddress", "x@example.org"),
		V("restanteVanishingAddress", "a b@example.org 20261121000000Z"),
		V("restanteState", "moving") };
	struct entry e = ENTRY_INIT;

	(void)state;
	assert_int_equal(read_stream(values, COUNT(values), &e), 0);
	assert_string_equal(str_cstr(&e.person.physical), "none");
	assert_int_equal(e.person.physical_key.len, 0);
	assert_int_equal(e.person.foreign.count, 0);
	assert_int_equal(e.person.attributes.count, 0);
	assert_int_equal(e.going.count, 1);
	assert_int_equal(entry_going_since(&e, "a b@example.org"), 1795219200000000);
	assert_int_equal(e.state, STATE_UNKNOWN);
	entry_free(&e);
}

static void bytes_and_back(void **state)
{
	static const struct ldap_value values[] = { COMMON, V("restanteState", "deferred"),
		V("mailLocalAddress", "anna@example.org"),
		V("mailLocalAddress", "\"b\"@example.org"),
		V("restanteVanishingAddress", "old@example.org 20261121000000Z"),
		V("restanteVanishedSince", "20261122053000Z"), V("sn", "Beta") };
	struct entry one = ENTRY_INIT, other = ENTRY_INIT;
	struct str bytes = STR_INIT, again = STR_INIT;

	(void)state;
	assert_int_equal(read_stream(values, COUNT(values), &one), 0);
	entry_encode(&one, &bytes);
	assert_int_equal(entry_decode(bytes.data, bytes.len, &other), 0);
	assert_true(person_same(&one.person, &other.person));
	assert_int_equal(other.state, STATE_DEFERRED);
	assert_int_equal(other.vanished_us, one.vanished_us);
	assert_true(strings_equal(&one.spelled, &other.spelled));
	assert_true(strings_equal(&one.going, &other.going));
	assert_string_equal(str_cstr(&other.dn), str_cstr(&one.dn));
	entry_encode(&other, &again);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.data, bytes.data, bytes.len);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(entry_decode(bytes.data, len, &other), -1);
	entry_free(&one);
	entry_free(&other);
	str_free(&bytes);
	str_free(&again);
}

static void attributes_to_ask_for(void **state)
{
	const char **list = entry_attributes(mapped);
	size_t count = 0;

	(void)state;
	while (list[count] != NULL)
		count++;
	assert_string_equal(list[0], "entryUUID");
	assert_string_equal(list[count - 2], "displayname");
	assert_string_equal(list[count - 1], "sn");
	mem_free(&list);
	list = entry_attributes(NULL);
	for (count = 0; list[count] != NULL; count++)
		assert_string_not_equal(list[count], "sn");
	mem_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(of_a_session),
		cmocka_unit_test(spellings),
		cmocka_unit_test(two_spellings),
		cmocka_unit_test(primary_in_utf8),
		cmocka_unit_test(not_usable),
		cmocka_unit_test(strange_values),
		cmocka_unit_test(bytes_and_back),
		cmocka_unit_test(attributes_to_ask_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
