#include "tests/unit/unit.h"

#include "control/action_output.h"
#include "control/action_template.h"
#include "lib/mem.h"

#define VALUE(name_, data_)                                                                        \
	{                                                                                          \
		.name = (name_), .data = (data_), .len = sizeof(data_) - 1                         \
	}

static struct template_value list[] = { VALUE("base", "dc=s1,dc=example"),
	VALUE("people", "ou=people"), VALUE("id", "0001-ab"), VALUE("cn", "Bert (\"B\") *, Jr"),
	VALUE("addresses", "bert@example.org"), VALUE("addresses", "b(1)@example.org"),
	VALUE("lines", "one\ndn: cn=evil"), VALUE("physical", ""),
	VALUE("account.dn", "uid=bert+cn=B\\, J,dc=x"), VALUE("account.uid", "bert") };
static const struct action_values values = { list, COUNT(list), 2 };

static struct action_template *parse(const char *text)
{
	const char *error = NULL;
	struct action_template *t =
		action_template_parse("create.ldif", text, strlen(text), &error);

	if (t == NULL)
		fail_msg("%s", error);
	return t;
}

#define CHECK "check: present\nbase: dc=x\n"

/* --- what is refused ------------------------------------------------------------------------ */

static void refused_with_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "create.ldif:1: there is no check:" },
		{ "dn: cn=a\ncn: a\n", "create.ldif:1: there is no check:" },
		{ CHECK "\n\nhello\n", "create.ldif:5: this is no NAME: VALUE" },
		{ CHECK "\nfoo: bar\n", "create.ldif:4: a block begins with find:" },
		{ "check: maybe\nbase: x\n", "create.ldif:1: write present or absent" },
		{ "check: present\nfilter: (a=b)\n", "create.ldif:1: there is no base:" },
		{ CHECK "scope: all\n", "create.ldif:3: scope: is base, one or sub" },
		{ CHECK "base: y\n", "create.ldif:3: this is said already" },
		{ CHECK "text: no\n", "create.ldif:3: this is not known here" },
		{ "check: absent\nbase: x\ntell-physical: a@b\n",
			"create.ldif:3: this is not known here" },
		{ "refuse: present\nbase: x\n\n" CHECK, "create.ldif:1: there is no text:" },
		{ "find: entry\nbase: x\n\n" CHECK, "create.ldif:1: find: entry is what" },
		{ "find: a\nbase: x\n\nfind: A\nbase: y\n\n" CHECK,
			"create.ldif:4: find: this name is taken" },
		{ "find: a\nbase: %{a.dn}\n\n" CHECK,
			"create.ldif:2: %{a.dn}: there is no find: of that name before" },
		{ CHECK "filter: (x=%{b.uid})\n", "create.ldif:3: %{b.uid}: there is no find:" },
		{ CHECK "filter: (x=%{b)\n", "create.ldif:3: filter: behind a percent sign" },
		{ CHECK "\nwhen: b\ndn: cn=a\ncn: a\n", "create.ldif:4: there is no find:" },
		{ "find: b\nbase: x\n\nwhen: b\n\n" CHECK, "create.ldif:4: there is nothing" },
		{ CHECK "\ndn: cn=a\nchangetype: replace\n", "create.ldif:5: changetype: is" },
		{ CHECK "\ndn: cn=a\nchangetype: modify\nmail: x\n",
			"create.ldif:6: a change begins with" },
		{ CHECK "\ndn: cn=a\nchangetype: modify\nreplace: mail\ncn: x\n",
			"create.ldif:7: this is no value of the attribute" },
		{ CHECK "\ndn: cn=a\nchangetype: modrdn\nnewrdn: cn=b\n",
			"create.ldif:4: a renaming needs" },
		{ CHECK "\ndn: cn=a\nchangetype: delete\ncn: b\n",
			"create.ldif:4: a deletion has no further" },
		{ CHECK "\ndn: cn=a\n", "create.ldif:4: the entry has no attributes" },
		{ CHECK "\ndn: cn=a\ncn:< file:///etc/passwd\n", "create.ldif:5: a value by URL" },
		{ CHECK "\ndn: cn=a\ncn:: %%%\n", "create.ldif:5: this is no base64" },
		{ CHECK "\n folded\n", "create.ldif:4: a line begins with a blank" },
		{ "\xff", "create.ldif:1: this is not text in UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *error = NULL;
		struct action_template *t = action_template_parse(
			"create.ldif", cases[i].text, strlen(cases[i].text), &error);

		if (t != NULL)
			fail_msg("taken: %s", cases[i].text);
		if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("\"%s\", not \"%s\"", error, cases[i].error);
	}
}

/* --- what is made --------------------------------------------------------------------------- */

static void expect_filter(const char *filter, const char *wanted)
{
	char *text = mem_printf("find: account\nbase: x\n\n" CHECK "filter: %s\n", filter);
	struct action_template *t = parse(text);
	struct str out = STR_INIT;
	const char *error = NULL;
	int result = action_render(t, &t->searches[1].filter, PLACE_FILTER, &values, &out, &error);

	if (result != 0 && strcmp(error, wanted) != 0)
		fail_msg("%s: %s", filter, error);
	if (result == 0)
		assert_string_equal(str_cstr(&out), wanted);
	str_free(&out);
	action_template_free(&t);
	mem_free(&text);
}

static void filters_are_escaped_and_repeated(void **state)
{
	(void)state;
	expect_filter("(uid=*)", "(uid=*)");
	expect_filter("(cn=%{cn})", "(cn=Bert \\28\"B\"\\29 \\2a, Jr)");
	expect_filter("(&(a=%{id})(mail=%{addresses*})(x=*y*))",
		"(&(a=0001-ab)(mail=bert@example.org)(mail=b\\281\\29@example.org)(x=*y*))");
	expect_filter("(|(m=smtp:%{addresses*:local})(n=%{none*}))",
		"(|(m=smtp:bert)(m=smtp:b\\281\\29))");
	expect_filter("(member=%{account.dn})", "(member=uid=bert+cn=B\\5c, J,dc=x)");
	expect_filter("(x=%{base})", "(x=dc=s1,dc=example)");
	expect_filter("%{addresses*}", "create.ldif:6: filter: a star repeats what is in "
				       "parentheses around it; there are none");
	expect_filter("(a=%{physical})", "create.ldif:6: filter: no value of physical");
}

static void expect_write(const char *record, const char *dn, const char *attribute,
	enum ldap_change_kind kind, const char *joined)
{
	char *text = mem_printf("find: account\nbase: x\n\n" CHECK "\n%s", record);
	struct action_template *t = parse(text);
	struct action_write write;
	const char *error = NULL;
	struct str all = STR_INIT;
	bool seen = attribute == NULL;

	assert_int_equal(t->record_count, 1);
	if (action_render_record(t, &t->records[0], &values, &write, &error) != 0)
		fail_msg("%s", error);
	assert_string_equal(write.dn, dn);
	for (size_t i = 0; attribute != NULL && i < write.count; i++) {
		if (strcmp(write.changes[i].attribute, attribute) != 0)
			continue;
		seen = true;
		assert_int_equal(write.changes[i].kind, kind);
		for (const char *const *v = write.changes[i].values; v != NULL && *v != NULL; v++)
			str_printf(&all, "%s%s", all.len ? "|" : "", *v);
	}
	assert_true(seen == (joined != NULL || attribute == NULL));
	if (joined != NULL)
		assert_string_equal(str_cstr(&all), joined);
	str_free(&all);
	action_write_free(&write);
	action_template_free(&t);
	mem_free(&text);
}

static void values_stay_values(void **state)
{
	(void)state;
	expect_write("dn: cn=%{cn},%{people},%{base}\nobjectClass: person\nobjectClass: top\n",
		"cn=Bert (\\\"B\\\") *\\, Jr,ou=people,dc=s1,dc=example", "objectClass",
		LDAP_CHANGE_ADD, "person|top");
	expect_write("dn: cn=a\ndescription: %{lines}\n", "cn=a", "description", LDAP_CHANGE_ADD,
		"one\ndn: cn=evil");
	expect_write("dn: cn=a\ncn: a\nmail: smtp:%{addresses*}\nmail: SMTP:bert@example.org\n",
		"cn=a", "mail", LDAP_CHANGE_ADD,
		"smtp:bert@example.org|smtp:b(1)@example.org|SMTP:bert@example.org");
	expect_write("dn: cn=a\ncn: a\nx: %{none*}\n", "cn=a", "x", LDAP_CHANGE_ADD, NULL);
	expect_write("dn: cn=a\ncn:: JXtub25lfQ==\n", "cn=a", "cn", LDAP_CHANGE_ADD, "%{none}");
	expect_write("dn: cn=a\ncn: 100%% of %{account.u\n id}\n", "cn=a", "cn", LDAP_CHANGE_ADD,
		"100% of bert");
	expect_write("dn: %{account.dn}\nchangetype: delete\n", "uid=bert+cn=B\\, J,dc=x", NULL,
		LDAP_CHANGE_ADD, NULL);
}

static void changes_without_values(void **state)
{
	(void)state;
	expect_write("dn: cn=a\nchangetype: modify\nreplace: mail\nmail: %{addresses*}\n-\n",
		"cn=a", "mail", LDAP_CHANGE_REPLACE, "bert@example.org|b(1)@example.org");
	expect_write("dn: cn=a\nchangetype: modify\nreplace: mail\nmail: %{none*}\n-\n", "cn=a",
		"mail", LDAP_CHANGE_REPLACE, "");
	expect_write("dn: cn=a\nchangetype: modify\nadd: mail\nmail: %{none*}\n-\n", "cn=a", "mail",
		LDAP_CHANGE_ADD, NULL);
	/* not all of them */
	expect_write("dn: cn=a\nchangetype: modify\ndelete: mail\nmail: %{none*}\n-\n", "cn=a",
		"mail", LDAP_CHANGE_DELETE, NULL);
	expect_write("dn: cn=a\nchangetype: modify\ndelete: mail\n-\n", "cn=a", "mail",
		LDAP_CHANGE_DELETE, "");
}

static void missing_is_told_with_its_line(void **state)
{
	struct action_template *t =
		parse(CHECK "\ndn: cn=a\ncn: a\n# why\ntelephoneNumber: %{telephoneNumber|none}\n");
	struct action_write write;
	const char *error = NULL;

	(void)state;
	assert_int_equal(action_render_record(t, &t->records[0], &values, &write, &error), -1);
	assert_string_equal(
		error, "create.ldif:7: telephoneNumber: no value of telephoneNumber|none");
	action_template_free(&t);
}

static void count_name(void *context, const char *name)
{
	str_printf(context, "%s ", name);
}

/* Where the check holds nothing else is looked for. */
static void finds_that_checks_need(void **state)
{
	static const struct {
		const char *text, *checked; /* a letter for each find */
	} cases[] = {
		{ "find: a\nbase: x\n\n" CHECK "\nwhen: a\ndn: %{a.dn}\nchangetype: delete\n",
			"-" },
		{ "find: a\nbase: x\n\nfind: ab\nbase: y\n\ncheck: present\nbase: %{A.dn}\n",
			"y-" },
		{ "find: a\nbase: x\n\nfind: b\nbase: %{a.dn}\n\nfind: c\nbase: x\n\n"
		  "check: absent\nbase: x\nfilter: (&(m=%{b.mail*}))\n",
			"yy-" },
		{ "find: a\nbase: x\n\ncheck: present\nbase: x\ntell-physical: %{a.uid}@x\n", "y" },
		{ "find: a\nbase: x\n\ncheck: present\nbase: x\ntell-addresses: %{a.mail*}\n",
			"y" },
		{ "find: a\nbase: x\n\nfind: b\nbase: y\n\nwhen: a\n" CHECK, "y-" },
		{ "find: a\nbase: x\n\nunless: a\nfind: b\nbase: y\n\nwhen: b\n" CHECK, "yy" },
		{ "find: a\nbase: x\n\n" CHECK "\nrefuse: absent\nbase: %{a.dn}\ntext: %{a.cn}\n",
			"-" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct action_template *t = parse(cases[i].text);

		for (size_t n = 0; cases[i].checked[n] != '\0'; n++)
			if (t->searches[n].checked != (cases[i].checked[n] == 'y'))
				fail_msg("find %zu of: %s", n, cases[i].text);
		action_template_free(&t);
	}
}

static void names_and_attributes(void **state)
{
	struct action_template *t = parse("find: account\nbase: %{base}\nfilter: (i=%{id})\n\n"
					  "check: present\nbase: x\nfilter: (m=%{others*})\n"
					  "tell-physical: %{entry.uid}@x\n"
					  "tell-addresses: %{entry.mail*}\n\n"
					  "dn: %{account.dn}\nx: %{account.cn}\ny: %{sn|cn}\n");
	struct str names = STR_INIT;

	(void)state;
	action_template_each_name(t, count_name, &names);
	assert_string_equal(str_cstr(&names), "base id others sn cn ");
	assert_string_equal(t->searches[0].attributes[0], "cn");
	assert_null(t->searches[0].attributes[1]);
	assert_string_equal(t->searches[1].attributes[0], "uid");
	assert_string_equal(t->searches[1].attributes[1], "mail");
	str_free(&names);
	action_template_free(&t);
}

/* --- what commands print -------------------------------------------------------------------- */

static void outputs(void **state)
{
	static const struct {
		const char *text, *error;
	} wrong[] = {
		{ "Traceback (most recent call last)", "a line is no NAME: VALUE" },
		{ "physical a@b", "a line is no NAME: VALUE" },
		{ "colour: red", "\"colour\" is not known" },
		{ "empty: perhaps", "empty is neither yes nor no" },
		{ "{\"physical\":1}", "\"physical\" is no text" },
		{ "{\"addresses\":[1]}", "\"addresses\" has something" },
		{ "{\"empty\":\"yes\"}", "\"empty\" is neither" },
		{ "{\"physical\":", "it begins with { and is no JSON" },
		{ "text: \xff", "it is not text in UTF-8" },
	};
	static const char *const right[] = {
		"physical: a@b.example\nsource-id: 7\naddress: x@y\naddress: z@y\nempty: no\n",
		"{\"physical\":\"a@b.example\",\"source_id\":\"7\",\"addresses\":[\"x@y\",\"z@y\"],"
		"\"empty\":false}",
	};
	const char *error;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct action_output out = { .count = 0 };

		error = NULL;
		if (action_output_parse(wrong[i].text, strlen(wrong[i].text), &out, &error) == 0 ||
			strncmp(error, wrong[i].error, strlen(wrong[i].error)) != 0)
			fail_msg("%s: %s", wrong[i].text, error != NULL ? error : "taken");
		action_output_free(&out);
	}
	for (size_t i = 0; i < COUNT(right); i++) {
		struct action_output out = { .count = 0 };

		assert_int_equal(action_output_parse(right[i], strlen(right[i]), &out, &error), 0);
		assert_string_equal(out.physical.data, "a@b.example");
		assert_string_equal(out.source_id.data, "7");
		assert_int_equal(out.count, 2);
		assert_string_equal(out.addresses[1], "z@y");
		assert_true(out.told_empty && !out.empty);
		action_output_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_with_line),
		cmocka_unit_test(filters_are_escaped_and_repeated),
		cmocka_unit_test(values_stay_values),
		cmocka_unit_test(changes_without_values),
		cmocka_unit_test(missing_is_told_with_its_line),
		cmocka_unit_test(finds_that_checks_need),
		cmocka_unit_test(names_and_attributes),
		cmocka_unit_test(outputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
