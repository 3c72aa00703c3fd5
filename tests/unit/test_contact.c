#include "tests/unit/down_scene.h"

static const char id[] = "0b5c1c0e-1111-4222-8333-444455556666";

static struct contact_source source;
static struct person contact = PERSON_INIT;

static int done(void **state)
{
	(void)state;
	contact_source_free(&source);
	person_free(&contact);
	return 0;
}

/* The values of the contact's attribute, " " between them. */
static const char *render(const char *attributes, const char *name)
{
	static char text[1024];
	struct config_down settings = down_settings();
	struct contact_form *form;
	const char *error = "";

	settings.attributes = (char *)(uintptr_t)attributes;
	form = contact_form_new(&settings, &error);
	assert_string_equal(error, "");
	contact_render(form, &source, &contact);
	text[0] = '\0';
	for (const char *v = contact_first(&contact, name); v != NULL;
		v = contact_next(&contact, name, v))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			*text != '\0' ? " " : "", v);
	contact_form_free(&form);
	return text;
}

static void anna(void)
{
	down_entry(&source, "entryUUID", id, "restanteSystem", "S1", "cn", "Anna", "givenName",
		"Anna", "sn", "Ost", "mail", "Anna.Ost@example.org", "mailLocalAddress",
		"anna@example.org", "mailLocalAddress", "anna.ost@example.org", "mailLocalAddress",
		"@example.net", "restanteForeignAddress", "X500:/o=old/cn=anna",
		"mailRoutingAddress", "anna@s1.lab", NULL);
}

static void test_names(void **state)
{
	(void)state;
	anna();
	assert_string_equal(render("mail=%{primary}", "mail"), "Anna.Ost@example.org");
	assert_string_equal(render("a=%{id}", "a"), id);
	assert_string_equal(render("a=%{physical}", "a"), "anna@s1.lab");
	assert_string_equal(
		render("a=%{addresses*}", "a"), "anna.ost@example.org anna@example.org");
	assert_string_equal(render("a=%{others*}", "a"), "anna@example.org");
	assert_string_equal(render("a=%{foreign*}", "a"), "X500:/o=old/cn=anna");
	assert_string_equal(render("a=%{displayName|cn}", "a"), "Anna");
	/* a missing one leaves its value out, not the contact */
	assert_string_equal(render("a=%{displayName} b=%{cn}", "a"), "");
	assert_string_equal(contact_first(&contact, "b"), "Anna");
}

static void test_forms(void **state)
{
	(void)state;
	anna();
	assert_string_equal(render("a=\"%{sn}, %{givenName}\" b=x", "a"), "Ost, Anna");
	assert_string_equal(render("\"a=%{sn} of S1\"", "a"), "Ost of S1");
	assert_string_equal(render("p=SMTP:%{primary} p=smtp:%{others*} p=%{foreign*}", "p"),
		"SMTP:Anna.Ost@example.org X500:/o=old/cn=anna smtp:anna@example.org");
	/* two that differ in case alone are one for a directory: the first is taken */
	assert_string_equal(render("mail=%{primary} mail=%{addresses*}", "mail"),
		"Anna.Ost@example.org anna@example.org");
	assert_string_equal(render("N=%{others*:domain}", "n"), "example.org");
}

/* Without mail any access address is shown, the same in each run. */
static void test_primary(void **state)
{
	(void)state;
	down_entry(&source, "entryUUID", id, "restanteSystem", "S1", "mailLocalAddress",
		"b@example.org", "mailLocalAddress", "a@example.org", NULL);
	assert_string_equal(render("mail=%{primary}", "mail"), "a@example.org");
	assert_string_equal(render("o=%{others*}", "o"), "b@example.org");
}

static void test_none(void **state)
{
	struct ldap_value values[] = { { "entryUUID", id, strlen(id) },
		{ "restanteSystem", "S1", 2 }, { "mailLocalAddress", "@example.org", 12 } };
	struct ldap_stream_entry entry = { .dn = "x", .values = values, .count = 3 };

	(void)state;
	assert_int_equal(contact_source_read(&entry, &source), 0);
	values[2].data = "a@example.org";
	values[2].len = strlen(values[2].data);
	assert_int_equal(contact_source_read(&entry, &source), 1);
	values[1].name = "cn";
	assert_int_equal(contact_source_read(&entry, &source), 0);
}

/* The digest is of what is written, not of what it was made of. */
static void test_digest(void **state)
{
	uint8_t first[PERSON_DIGEST_SIZE], second[PERSON_DIGEST_SIZE];

	(void)state;
	anna();
	render("mail=%{primary}", "mail");
	person_digest(&contact, first);
	down_entry(&source, "entryUUID", id, "restanteSystem", "S3", "mail", "Anna.Ost@example.org",
		"mailLocalAddress", "other@example.org", NULL);
	render("mail=%{primary}", "mail");
	person_digest(&contact, second);
	assert_memory_equal(first, second, sizeof(first));
	render("mail=%{primary} a=%{others}", "mail");
	person_digest(&contact, second);
	assert_true(memcmp(first, second, sizeof(first)) != 0);
}

static void test_bad_settings(void **state)
{
	static const struct {
		const char *attributes, *error;
	} cases[] = {
		{ "", "contacts need" },
		{ "mail", "it is no ATTRIBUTE=TEMPLATE" },
		{ "mail= cn=x", "it is no ATTRIBUTE=TEMPLATE" },
		{ "=x", "it is no ATTRIBUTE=TEMPLATE" },
		{ "a=%{x", "%{x" },
		{ "a=%x", "percent sign" },
		{ "a=%{a:upper}", ":lower" },
		{ "a=x*", "star" },
		{ "a=%{*}", "star" },
		{ "a=%{a*}%{b*}", "two stars" },
	};
	struct config_down settings = down_settings();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *error = "";

		settings.attributes = (char *)(uintptr_t)cases[i].attributes;
		assert_null(contact_form_new(&settings, &error));
		if (strstr(error, cases[i].error) == NULL ||
			strncmp(error, "down S2.attributes: ", 20) != 0)
			fail_msg("\"%s\": %s", cases[i].attributes, error);
	}
}

static void test_addresses(void **state)
{
	struct address address;

	(void)state;
	assert_true(contact_address("SMTP:Anna@Example.org", &address));
	assert_string_equal(address.key, "anna@example.org");
	assert_true(contact_address("\"a:b\"@example.org", &address));
	assert_false(contact_address("X500:/o=a/cn=b@c", &address));
	assert_false(contact_address("sip:a@example.org", &address));
	assert_false(contact_address("@example.org", &address));
	assert_false(contact_address("Anna Ost", &address));
}

static void test_has(void **state)
{
	struct config_down settings = down_settings();
	struct contact_form *form;
	const char *error = "";

	(void)state;
	settings.attributes =
		(char *)(uintptr_t) "p=smtp:%{primary} p=%{foreign*} Title=%{title} c=%{cn} "
				    "title=%{description} CN=%{givenName} c=%{sn}";
	form = contact_form_new(&settings, &error);
	assert_string_equal(error, "");
	static const char *const wants[] = { "p", "Title", "c", "CN", "restanteForeignAddress" };
	for (size_t i = 0; i < COUNT(wants); i++)
		assert_string_equal(contact_form_guarded(form)[i], wants[i]);
	assert_null(contact_form_guarded(form)[COUNT(wants)]);
	anna();
	contact_render(form, &source, &contact);
	assert_int_equal(contact_has(form, &contact), 1 + 4 + 8 + 16);
	down_entry(&source, "entryUUID", id, "restanteSystem", "S1", "mailLocalAddress",
		"anna@example.org", "description", "x", NULL);
	contact_render(form, &source, &contact);
	assert_int_equal(contact_has(form, &contact), 1 + 2);
	contact_form_free(&form);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),
		cmocka_unit_test(test_forms), cmocka_unit_test(test_primary),
		cmocka_unit_test(test_none), cmocka_unit_test(test_digest),
		cmocka_unit_test(test_bad_settings), cmocka_unit_test(test_has),
		cmocka_unit_test(test_addresses) };

	return cmocka_run_group_tests(tests, NULL, done);
}
