/* dirsync/source_mark.c, dirsync/uuidset.c: from where a delta goes on, and sets of UUIDs. */
#include "tests/unit/unit.h"

#include "dirsync/source_mark.h"
#include "dirsync/uuidset.h"
#include "lib/clock.h"

static char base[] = "ou=people,dc=s1,dc=lab", sub[] = "sub", filter[] = "(mail=*)",
	    id[] = "entryUUID", mail[] = "mail", none[] = "", physical[] = "%{uid}@s1.lab",
	    attributes[] = "cn=cn", name[] = "S1";

static struct config_up settings(void)
{
	return (struct config_up){ .name = name,
		.base = base,
		.scope = sub,
		.filter = filter,
		.id = id,
		.addresses = mail,
		.primary = mail,
		.proxy_addresses = none,
		.foreign = none,
		.physical = physical,
		.attributes = attributes,
		.attributes_once = none,
		.bind_dn = none };
}

static void test_settings(void **state)
{
	struct config_up up = settings();
	char one[SOURCE_SETTINGS], other[SOURCE_SETTINGS];
	char wider[] = "(objectClass=*)";

	(void)state;
	source_settings(&up, "", one);
	assert_int_equal(strlen(one), 16);
	source_settings(&up, "", other);
	assert_string_equal(one, other);
	/* a delta would never show what the other filter lets in */
	up.filter = wider;
	source_settings(&up, "", other);
	assert_string_not_equal(one, other);
	up = settings();
	source_settings(&up, "employeeType=restante", other);
	assert_string_not_equal(one, other);
	/* the borders between settings count */
	up.addresses = none;
	up.attributes = mail;
	source_settings(&up, "", one);
	up.addresses = mail;
	up.attributes = none;
	source_settings(&up, "", other);
	assert_string_not_equal(one, other);
}

static void test_mark(void **state)
{
	struct str mark = STR_INIT;

	(void)state;
	source_mark("syncrepl", "0123456789abcdef", "rid=000,csn=x", &mark);
	assert_string_equal(str_cstr(&mark), "syncrepl 0123456789abcdef rid=000,csn=x");
	assert_string_equal(
		source_mark_rest(mark.data, "syncrepl", "0123456789abcdef"), "rid=000,csn=x");
	assert_null(source_mark_rest(mark.data, "syncrepl", "0123456789abcdee"));
	assert_null(source_mark_rest(mark.data, "usn", "0123456789abcdef"));
	assert_null(source_mark_rest("", "syncrepl", "0123456789abcdef"));
	assert_null(source_mark_rest("syncrepl", "syncrepl", "0123456789abcdef"));
	/* a mark is one line */
	source_mark("syncrepl", "0123456789abcdef", "rid=000\ncsn=x", &mark);
	assert_int_equal(mark.len, 0);
	str_free(&mark);
}

static void test_usn(void **state)
{
	struct usn_mark old, now;
	struct str rest = STR_INIT;
	const char *why = "";

	(void)state;
	assert_int_equal(
		usn_mark_read("12345 00ff CN=NTDS Settings,CN=DC1,CN=Servers,DC=x", &old), 0);
	assert_int_equal(old.usn, 12345);
	assert_string_equal(str_cstr(&old.invocation), "00ff");
	usn_mark_write(&old, &rest);
	assert_string_equal(rest.data, "12345 00ff CN=NTDS Settings,CN=DC1,CN=Servers,DC=x");
	assert_int_equal(usn_mark_read(rest.data, &now), 0);
	assert_true(usn_mark_holds(&old, &now, &why));
	now.usn = 12344;
	assert_false(usn_mark_holds(&old, &now, &why));
	assert_non_null(strstr(why, "lower"));
	now.usn = 99999;
	assert_true(usn_mark_holds(&old, &now, &why));
	now.invocation.data[0] = '1';
	assert_false(usn_mark_holds(&old, &now, &why));
	assert_non_null(strstr(why, "invocationId"));
	now.dsa.data[20] = '2';
	assert_false(usn_mark_holds(&old, &now, &why));
	assert_non_null(strstr(why, "another domain controller"));
	usn_mark_free(&old);
	usn_mark_free(&now);
	str_free(&rest);
}

static void test_usn_garbage(void **state)
{
	static const char *const bad[] = { "", "x", "12345", "12345 ", "12345 00ff", "12345 00ff ",
		"12345  CN=x", "-1 00ff CN=x", " 1 00ff CN=x", "99999999999999999999999 00ff CN=x",
		"12x 00ff CN=x" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct usn_mark mark;

		assert_int_equal(usn_mark_read(bad[i], &mark), -1);
		usn_mark_free(&mark);
	}
}

static void test_time(void **state)
{
	int64_t since;
	char text[32];

	(void)state;
	assert_int_equal(time_mark_read("20261122153000Z ldap://s1", "ldap://s1",
				 600 * CLOCK_SECOND, &since),
		0);
	assert_string_equal(clock_generalized(text, sizeof(text), since), "20261122152000Z");
	/* clocks and replication of another server are others */
	assert_int_equal(time_mark_read("20261122153000Z ldap://s1", "ldap://s2", 0, &since), -1);
	assert_int_equal(time_mark_read("20261122153000Z", "ldap://s1", 0, &since), -1);
	assert_int_equal(time_mark_read("yesterday ldap://s1", "ldap://s1", 0, &since), -1);
	assert_int_equal(time_mark_read(" ldap://s1", "ldap://s1", 0, &since), -1);
}

static void test_naming_context(void **state)
{
	static const char *const contexts[] = { "CN=Configuration,DC=lab", "DC=lab", "DC=ab",
		"DC=sub,DC=lab", NULL };

	(void)state;
	assert_string_equal(naming_context_of(contexts, "ou=people, dc=LAB"), "DC=lab");
	assert_string_equal(naming_context_of(contexts, "dc=lab"), "DC=lab");
	assert_string_equal(naming_context_of(contexts, "OU=x , DC=sub , DC=lab"), "DC=sub,DC=lab");
	assert_null(naming_context_of(contexts, "dc=org"));
	assert_null(naming_context_of(contexts, "dc=xlab"));
	assert_null(naming_context_of(contexts, ""));
	/* an escaped space at an end counts */
	assert_string_equal(naming_context_of(contexts, "OU=x\\ ,DC=lab"), "DC=lab");
}

/* --- sets ----------------------------------------------------------------------------------- */

static void make(uint8_t uuid[UUID_BYTES], uint32_t number)
{
	memset(uuid, 0, UUID_BYTES);
	memcpy(uuid + 3, &number, sizeof(number));
}

static void test_set(void **state)
{
	struct uuidset set = UUIDSET_INIT;
	uint8_t uuid[UUID_BYTES];
	const uint8_t *one;
	size_t at = 0, count = 0;

	(void)state;
	make(uuid, 0);
	assert_false(uuidset_has(&set, uuid));
	assert_null(uuidset_next(&set, &at));
	for (uint32_t i = 0; i < 20000; i += 2) {
		make(uuid, i);
		assert_true(uuidset_add(&set, uuid));
		assert_false(uuidset_add(&set, uuid));
	}
	for (uint32_t i = 0; i < 20000; i++) {
		make(uuid, i);
		assert_int_equal(uuidset_has(&set, uuid), i % 2 == 0);
	}
	/* all zeros is a member as any other */
	for (at = 0; (one = uuidset_next(&set, &at)) != NULL; count++)
		assert_true(uuidset_has(&set, one));
	assert_int_equal(count, 10000);
	assert_null(uuidset_next(&set, &at));
	uuidset_free(&set);
	assert_false(uuidset_has(&set, uuid));
}

static void test_text(void **state)
{
	static const uint8_t uuid[UUID_BYTES] = { 0x59, 0x7a, 0xe2, 0xf6, 0x16, 0xa6, 0x10, 0x27,
		0x98, 0xf4, 0xd2, 0x8b, 0x53, 0x65, 0xdc, 0x14 };
	char text[UUID_TEXT];

	(void)state;
	assert_string_equal(uuid_text(uuid, text), "597ae2f6-16a6-1027-98f4-d28b5365dc14");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_settings),
		cmocka_unit_test(test_mark), cmocka_unit_test(test_usn),
		cmocka_unit_test(test_usn_garbage), cmocka_unit_test(test_time),
		cmocka_unit_test(test_naming_context), cmocka_unit_test(test_set),
		cmocka_unit_test(test_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
