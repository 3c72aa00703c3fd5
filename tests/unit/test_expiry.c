/* dirsync/expiry.c: what becomes of an entry whose mailbox expires. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "dirsync/expiry.h"
#include "lib/mem.h"

#define OWN "uid=0123456789abcdef0123456789abcdef,ou=people,dc=example"

static struct ldap_attribute has(const char *name, char **values)
{
	struct ldap_attribute a = { mem_strdup(name), values, 0 };

	while (values[a.count] != NULL)
		a.count++;
	return a;
}

/* An entry as it is added, with two more; "" = none of them. */
static const char *judge(const char *dn, char **classes, const char *more, struct str *taken_r)
{
	static char text[256];
	static char s1[] = "S1", *system[] = { s1, NULL };
	static char none[] = "", name[] = "T", object_class[] = "inetOrgPerson",
		    attributes[] = "cn=cn sn=sn telephoneNumber=phone";
	const struct config_up settings = { .name = name,
		.object_class = object_class,
		.attributes = attributes,
		.attributes_once = none };
	static const char *const written[] = { "uid", "cn", "sn", "mail", "telephonenumber",
		"restanteSystem", "mailLocalAddress", "mailHost;x-here" };
	struct ldap_attribute list[COUNT(written) + 2];
	struct ldap_entry raw = { mem_strdup(dn), list, 0 };
	const char *error;
	struct reconcile_policy *policy = reconcile_policy_new(&settings, &error);
	struct expiry expiry;

	if (classes != NULL)
		list[raw.count++] = has("objectClass", classes);
	for (size_t i = 0; i < COUNT(written); i++)
		list[raw.count++] = has(written[i], system);
	if (*more != '\0')
		list[raw.count++] = has(more, system);
	expiry_judge(policy, &raw, &expiry);
	snprintf(text, sizeof text, "%s", str_cstr(&expiry.foreign));
	str_reset(taken_r);
	for (size_t i = 0; i < expiry.count; i++)
		str_printf(taken_r, "%c%s %s\n", expiry.values[i].what == PLAN_TAKE ? '-' : '=',
			expiry.values[i].attribute,
			expiry.values[i].value != NULL ? expiry.values[i].value : "");
	expiry_free(&expiry);
	reconcile_policy_free(&policy);
	for (size_t i = 0; i < raw.count; i++)
		mem_free(&list[i].name);
	mem_free(&raw.dn);
	return text;
}

static char top[] = "top", person[] = "person", inet[] = "inetorgperson",
	    recipient[] = "inetLocalMailRecipient", mailbox[] = "restantemailbox",
	    account[] = "posixAccount";

static void ours_is_deleted(void **state)
{
	char *classes[] = { top, person, inet, recipient, mailbox, NULL };
	struct str taken = STR_INIT;

	(void)state;
	assert_string_equal(judge(OWN, classes, "", &taken), "");
	assert_string_equal(str_cstr(&taken), "");
	assert_string_equal(judge(OWN, classes, "restanteState", &taken), "");
	str_free(&taken);
}

#define TAKEN                                                                                      \
	"-objectClass inetLocalMailRecipient\n-objectClass restantemailbox\n=restanteSystem \n"    \
	"=mailLocalAddress \n=mailHost;x-here \n"

static void what_is_more_stays(void **state)
{
	char *classes[] = { top, person, inet, recipient, mailbox, NULL };
	char *more[] = { inet, recipient, mailbox, account, NULL };
	struct str taken = STR_INIT;

	(void)state;
	assert_string_equal(
		judge("uid=anna,ou=people,dc=example", classes, "", &taken), "its name");
	assert_string_equal(str_cstr(&taken), TAKEN);
	assert_string_equal(judge("cn=0123456789abcdef0123456789abcdef,dc=example", classes,
				    "userPassword", &taken),
		"its name, userPassword");
	assert_string_equal(str_cstr(&taken), TAKEN);
	assert_string_equal(judge(OWN, more, "", &taken), "posixAccount");
	assert_string_equal(str_cstr(&taken), TAKEN);
	assert_string_equal(judge(OWN, classes, "displayName", &taken), "displayName");
	assert_string_equal(judge(OWN, classes, "mail;lang-de", &taken), "mail;lang-de");
	str_free(&taken);
}

/* Who knows what it is? The directory refuses what does not fit. */
static void without_a_right_to_read_its_classes(void **state)
{
	struct str taken = STR_INIT;

	(void)state;
	assert_string_equal(judge(OWN, NULL, "", &taken), "objectClass, which cannot be read");
	assert_string_equal(str_cstr(&taken),
		"-objectClass restanteMailbox\n=restanteSystem \n=mailLocalAddress \n"
		"=mailHost;x-here \n");
	str_free(&taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_is_deleted),
		cmocka_unit_test(what_is_more_stays),
		cmocka_unit_test(without_a_right_to_read_its_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
