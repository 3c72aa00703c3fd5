/* dirsync/mapping.c, dirsync/template.c: from the attributes of a source to a person. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "dirsync/mapping.h"
#include "lib/mem.h"

#define TEXT(name, text)                                                                           \
	{                                                                                          \
		name, text, sizeof(text) - 1                                                       \
	}

static struct config_up settings(void)
{
	static char name[] = "S1", id[] = "entryUUID", mail[] = "mail", empty[] = "",
		    physical[] = "%{uid}@s1.internal",
		    attributes[] = "cn=cn displayName=displayName";

	return (struct config_up){ .name = name,
		.id = id,
		.addresses = mail,
		.primary = mail,
		.proxy_addresses = empty,
		.foreign = empty,
		.physical = physical,
		.attributes = attributes,
		.attributes_once = empty };
}

/* What was refused, a line each. */
static int note(void *context, const char *place, const char *reason)
{
	str_printf(context, "%s %s\n", place, reason);
	return 0;
}

static int stop(void *context, const char *place, const char *reason)
{
	(void)context;
	(void)place;
	(void)reason;
	return -1;
}

struct bed {
	struct config_up up;
	struct person person;
	struct str refused;
};

static int apply(struct bed *bed, const struct template_value *values, size_t count)
{
	const char *error = NULL;
	struct mapping *mapping = mapping_new(&bed->up, &error);
	int result;

	if (mapping == NULL)
		fail_msg("%s", error);
	str_reset(&bed->refused);
	result = mapping_apply(mapping, "uid=a", values, count, &bed->person, note, &bed->refused);
	mapping_free(&mapping);
	return result;
}

static void expect(struct bed *bed, int wanted, int result, const char *refused)
{
	if (result != wanted || strcmp(str_cstr(&bed->refused), refused) != 0)
		fail_msg("%d: %s", result, str_cstr(&bed->refused));
}

static int set_up(void **state)
{
	struct bed *bed = calloc(1, sizeof *bed);

	bed->up = settings();
	*state = bed;
	return 0;
}

static int tear_down(void **state)
{
	struct bed *bed = *state;

	person_free(&bed->person);
	str_free(&bed->refused);
	free(bed);
	return 0;
}

static void a_plain_entry(void **state)
{
	static const struct template_value values[] = { TEXT("objectClass", "person"),
		TEXT("ENTRYUUID", "u-1"), TEXT("uid", "anna"), TEXT("mail", "Anna@example.org"),
		TEXT("mail", " b@example.org "), TEXT("commonName", "Anna"),
		TEXT("displayName", "B"), TEXT("displayName", "A") };
	struct bed *bed = *state;
	struct person *p = &bed->person;

	expect(bed, 1, apply(bed, values, COUNT(values)), "");
	assert_string_equal(str_cstr(&p->id), "u-1");
	assert_string_equal(str_cstr(&p->place), "uid=a");
	assert_string_equal(str_cstr(&p->primary), "Anna@example.org");
	assert_string_equal(str_cstr(&p->physical), "anna@s1.internal");
	assert_int_equal(p->addresses.count, 2);
	assert_string_equal(person_attribute(p, "cn"), "Anna");
	/* one of a SINGLE-VALUE attribute, whatever the order */
	assert_string_equal(person_attribute(p, "displayname"), "A");
	assert_int_equal(p->attributes.count, 2);
}

static void active_directory(void **state)
{
	static const struct template_value values[] = { TEXT("objectGUID", "abc\0\377"),
		TEXT("proxyAddresses", "smtp:a2@example.org"),
		TEXT("proxyAddresses", "SMTP:Anna@example.org"),
		TEXT("proxyAddresses", "X500:/o=Old/cn=anna"),
		TEXT("proxyAddresses", "SIP:anna@example.org"),
		TEXT("legacyExchangeDN", "/o=Org/cn=anna"), TEXT("mailNickname", "anna") };
	struct bed *bed = *state;
	struct person *p = &bed->person;
	char id[] = "objectGUID", none[] = "", proxy[] = "proxyAddresses",
	     foreign[] = "legacyExchangeDN", physical[] = "%{mailNickname}@s1.internal";

	bed->up.id = id;
	bed->up.primary = bed->up.addresses = none;
	bed->up.proxy_addresses = proxy;
	bed->up.foreign = foreign;
	bed->up.physical = physical;
	expect(bed, 1, apply(bed, values, COUNT(values)), "");
	assert_string_equal(str_cstr(&p->id), "61626300ff");
	assert_string_equal(str_cstr(&p->primary), "Anna@example.org");
	assert_int_equal(p->addresses.count, 2);
	assert_true(strings_has(&p->foreign, "X500:/o=Old/cn=anna"));
	assert_true(strings_has(&p->foreign, "X500:/o=Org/cn=anna"));
}

/* A binary id is hexadecimal even where its bytes happen to be text; a text is none. */
static void ids(void **state)
{
	struct bed *bed = *state;
	struct person *p = &bed->person;
	const char *error;
	char id[] = "OBJECTguid";
	struct mapping *mapping = mapping_new(&bed->up, &error);

	assert_int_equal(mapping_id(mapping, "ab", 2, p, &error), 0);
	assert_string_equal(str_cstr(&p->id), "ab");
	assert_int_equal(mapping_id(mapping, "a\0b", 3, p, &error), 0);
	assert_string_equal(str_cstr(&p->id), "610062");
	assert_int_equal(mapping_id(mapping, "a  b", 4, p, &error), -1);
	mapping_free(&mapping);
	bed->up.id = id;
	mapping = mapping_new(&bed->up, &error);
	assert_int_equal(mapping_id(mapping, "ab", 2, p, &error), 0);
	assert_string_equal(str_cstr(&p->id), "6162");
	mapping_free(&mapping);
}

/* A value that is none is left out and told once; the person stays. */
static void single_values_refused(void **state)
{
	static const struct template_value values[] = { TEXT("entryUUID", "u-1"),
		TEXT("uid", "anna"), TEXT("mail", "Anna\n@example.org"),
		TEXT("mail", "anna@example.org"), TEXT("mail", "x\0@example.org"),
		TEXT("cn", "\377") };
	struct bed *bed = *state;

	expect(bed, 1, apply(bed, values, COUNT(values)),
		"uid=a mail: control character in address: \"Anna?@example.org\"\n"
		"uid=a mail: a NUL in it: \"x?@example.org\"\n"
		"uid=a cn: value is not UTF-8: \"\377\"\n");
	assert_int_equal(bed->person.addresses.count, 1);
	assert_string_equal(str_cstr(&bed->person.primary), "anna@example.org");
}

static void no_persons(void **state)
{
	static const struct template_value values[] = { TEXT("mail", "anna@example.org"),
		TEXT("entryUUID", "u-1"), TEXT("uid", "a b"), TEXT("entryUUID", "u-2") };
	static const struct template_value none[] = { TEXT("entryUUID", "u-1"), TEXT("uid", "a"),
		TEXT("mail", "") };
	struct bed *bed = *state;

	expect(bed, 0, apply(bed, values, 1),
		"uid=a entryUUID: no value; every mailbox must have an id\n");
	expect(bed, 0, apply(bed, values, 2), "uid=a physical: no value of uid\n");
	assert_string_equal(str_cstr(&bed->person.id), "u-1");
	expect(bed, 0, apply(bed, values, 3),
		"uid=a physical: space outside of quotes: \"a b@s1.internal\"\n");
	expect(bed, 0, apply(bed, values, 4),
		"uid=a entryUUID: several values; the id must have one\n");
	assert_string_equal(str_cstr(&bed->person.id), "");
	expect(bed, 0, apply(bed, none, COUNT(none)),
		"uid=a addresses: no usable access address\n");
}

static void told_to_stop(void **state)
{
	static const struct template_value values[] = { TEXT("entryUUID", "u-1"), TEXT("uid", "a"),
		TEXT("mail", "none"), TEXT("mail", "a@example.org") };
	struct bed *bed = *state;
	const char *error;
	struct mapping *mapping = mapping_new(&bed->up, &error);

	assert_int_equal(
		mapping_apply(mapping, "", values, COUNT(values), &bed->person, stop, NULL), -1);
	assert_int_equal(mapping_apply(mapping, "", values, 0, &bed->person, stop, NULL), -1);
	mapping_free(&mapping);
}

static void many_values(void **state)
{
	static char texts[2000][32];
	static struct template_value values[2002];
	struct bed *bed = *state;

	for (int i = 0; i < 2000; i++) {
		snprintf(texts[i], sizeof texts[i], "u%d@example.org", i);
		values[i] = (struct template_value){ "mail", texts[i], strlen(texts[i]) };
	}
	values[2000] = (struct template_value)TEXT("entryUUID", "u");
	values[2001] = (struct template_value)TEXT("uid", "u");
	assert_int_equal(apply(bed, values, COUNT(values)), 1);
	assert_int_equal(bed->person.addresses.count, PERSON_VALUES_MAX);
	assert_non_null(strstr(str_cstr(&bed->refused), "more than 1000 addresses"));
}

static void names(void **state)
{
	static const char *const wanted[] = { "entryUUID", "mail", "uid", "cn", "displayName",
		"phone", "mobile", "sn" };
	struct bed *bed = *state;
	char once[] = "telephoneNumber=%{phone|mobile} surname=sn";
	const char *error;
	struct mapping *mapping;
	size_t i;

	bed->up.attributes_once = once;
	mapping = mapping_new(&bed->up, &error);
	for (i = 0; mapping_names(mapping)[i] != NULL; i++)
		assert_string_equal(mapping_names(mapping)[i], wanted[i]);
	assert_int_equal(i, COUNT(wanted));
	assert_string_equal(mapping_directory_names(mapping)[2], "telephonenumber");
	assert_string_equal(mapping_directory_names(mapping)[3], "sn");
	assert_null(mapping_directory_names(mapping)[4]);
	assert_true(mapping_is_once(mapping, "sn"));
	assert_false(mapping_is_once(mapping, "cn"));
	mapping_free(&mapping);
}

static void expect_wrong(struct bed *bed, char **key, const char *value, const char *wanted)
{
	char *before = *key, *text = mem_strdup(value);
	const char *error = NULL;

	*key = text;
	if (mapping_new(&bed->up, &error) != NULL)
		fail_msg("\"%s\" was taken", value);
	if (strstr(error, wanted) == NULL || strchr(error, '\n') != NULL)
		fail_msg("\"%s\": %s", value, error);
	*key = before;
	mem_free(&text);
}

static void wrong_settings(void **state)
{
	struct bed *bed = *state;
	struct config_up *up = &bed->up;

	expect_wrong(bed, &up->id, "", "up S1.id: must be one");
	expect_wrong(bed, &up->id, "a b", "up S1.id: must be one");
	expect_wrong(bed, &up->addresses, "mail,other", "up S1.addresses: \"mail,other\"");
	expect_wrong(bed, &up->physical, "", "up S1.physical: ");
	expect_wrong(bed, &up->physical, "anna@s1.internal", "the same for all");
	expect_wrong(bed, &up->physical, "%{uid@s1.internal", "up S1.physical: ");
	expect_wrong(bed, &up->physical, "%uid", "behind a percent sign");
	expect_wrong(bed, &up->physical, "%{uid:upper}@x", "only :local");
	expect_wrong(bed, &up->physical, "%{}@x", "no names");
	expect_wrong(bed, &up->physical, "%{a|}@x", "no names");
	expect_wrong(bed, &up->attributes, "cn", "no DIRECTORY=SOURCE");
	expect_wrong(bed, &up->attributes, "cn=", "no DIRECTORY=SOURCE");
	expect_wrong(bed, &up->attributes, "=cn", "no attribute of the directory");
	expect_wrong(bed, &up->attributes, "cn=a commonName=b", "\"cn\" is filled twice");
	expect_wrong(bed, &up->attributes_once, "cn=a", "\"cn\" is filled twice");
	expect_wrong(bed, &up->attributes, "restanteState=x", "Restante writes it");
	expect_wrong(bed, &up->attributes, "mail=mail", "primary address");
	expect_wrong(bed, &up->attributes, "objectclass=x", "not for a source");
}

static void expect_template(const char *template, const char *wanted)
{
	static const struct template_value values[] = { TEXT("uid", "Anna"),
		TEXT("mail", "Anna.B@Example.org"), TEXT("mail", "second@example.org"),
		TEXT("empty", ""), TEXT("binary", "a\0b") };
	struct str out = STR_INIT;
	const char *error = NULL;
	int result = template_fill(template, values, COUNT(values), &out, &error);

	if (wanted != NULL && (result < 0 || strcmp(str_cstr(&out), wanted) != 0))
		fail_msg("%s: %s (%s)", template, str_cstr(&out), result < 0 ? error : "");
	if (wanted == NULL && result == 0)
		fail_msg("%s: %s", template, str_cstr(&out));
	str_free(&out);
}

static void templates(void **state)
{
	(void)state;
	expect_template("", "");
	expect_template("100%%", "100%");
	expect_template("%{uid}@s1.internal", "Anna@s1.internal");
	expect_template("%{UID:lower}", "anna");
	expect_template("%{mail}", "Anna.B@Example.org");
	expect_template("%{mail:local}-%{mail:domain:lower}", "Anna.B-example.org");
	expect_template("x%{mail:lower:local}X", "xanna.bX");
	expect_template("%{mail:safe:local:lower}", "anna.b");
	expect_template("%{mail:safe}", "Anna.B_40Example.org");
	expect_template("%{uid:local}", "Anna");
	expect_template("%{no|empty|userid}", "Anna");
	expect_template("%{no}", NULL);
	expect_template("%{empty}", NULL);
	expect_template("%{uid:domain}", NULL);
	expect_template("%{binary}", NULL);
	expect_template("%", NULL);
	expect_template("%{", NULL);
	expect_template("%{uid:}", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_plain_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(active_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(single_values_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_persons, set_up, tear_down),
		cmocka_unit_test_setup_teardown(told_to_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_settings, set_up, tear_down),
		cmocka_unit_test(templates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
