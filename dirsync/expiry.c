#include "dirsync/expiry.h"

#include <string.h>
#include <strings.h>

#include "dirsync/reconcile_internal.h"
#include "lib/mem.h"

#define RDN_DIGITS 32

/* What makes an entry a mailbox; all of it goes, whoever wrote it. */
static const char *const brought[] = { "restanteSystem", "restanteState", "restanteSourceId",
	"restanteAddressUTF8", "restanteForeignAddress", "restanteVanishedSince",
	"restanteProvenance", "restanteSyncedAt", "restanteVanishingAddress", "restantePrimaryUTF8",
	"mailLocalAddress", "mailRoutingAddress", "mailHost", NULL };
static const char *const brought_classes[] = { "restanteMailbox", "inetLocalMailRecipient", NULL };

/* Written into new entries, and left to others. uid is what they are named by. */
static const char *const written[] = { "objectClass", "uid", "cn", "sn", "mail", NULL };

/* Each is a superior of the one before. */
static const char *const persons[] = { "inetOrgPerson", "organizationalPerson", "person", NULL };

static bool is_one_of(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcasecmp(*names, name) == 0)
			return true;
	return false;
}

/* Without options (RFC 4512 section 2.5). */
static bool is_brought(const char *attribute)
{
	char name[64];
	size_t len = strcspn(attribute, ";");

	if (len >= sizeof name)
		return false;
	memcpy(name, attribute, len);
	name[len] = '\0';
	return is_one_of(brought, name);
}

static void name_foreign(struct expiry *expiry, const char *what)
{
	if (expiry->foreign.len > 0)
		str_append_z(&expiry->foreign, ", ");
	str_append_z(&expiry->foreign, what);
}

/* --- whose it is ----------------------------------------------------------------------------- */

static void judge_name(const char *dn, struct expiry *expiry)
{
	const char *value = dn + strlen("uid=");

	if (strncasecmp(dn, "uid=", strlen("uid=")) != 0 ||
		strspn(value, "0123456789abcdef") != RDN_DIGITS || value[RDN_DIGITS] != ',')
		name_foreign(expiry, "its name");
}

static bool is_class_of_new(const char *object_class, const char *name)
{
	const char *const *person = persons;

	if (strcasecmp(name, "top") == 0 || strcasecmp(name, object_class) == 0)
		return true;
	while (*person != NULL && strcasecmp(*person, object_class) != 0)
		person++;
	return is_one_of(person, name);
}

static void judge_classes(
	const char *object_class, const struct ldap_attribute *classes, struct expiry *expiry)
{
	for (size_t i = 0; i < classes->count; i++)
		if (!is_one_of(brought_classes, classes->values[i]) &&
			!is_class_of_new(object_class, classes->values[i]))
			name_foreign(expiry, classes->values[i]);
}

/* One that the sync has named has that name alone. */
static void judge_attribute(const struct reconcile_policy *policy,
	const struct ldap_attribute *attribute, struct expiry *expiry)
{
	bool is_uid = strcasecmp(attribute->name, "uid") == 0;

	if (is_brought(attribute->name) || policy_maps(policy, attribute->name))
		return;
	if (!is_one_of(written, attribute->name) || (is_uid && attribute->count > 1))
		name_foreign(expiry, attribute->name);
}

static void judge_owner(
	const struct reconcile_policy *policy, const struct ldap_entry *raw, struct expiry *expiry)
{
	const struct ldap_attribute *classes = ldap_entry_attribute(raw, "objectClass");

	judge_name(raw->dn, expiry);
	if (classes != NULL)
		judge_classes(policy->object_class, classes, expiry);
	else
		name_foreign(expiry, "objectClass, which cannot be read");
	for (size_t i = 0; i < raw->count; i++)
		judge_attribute(policy, &raw->attributes[i], expiry);
}

/* --- what is taken from it -------------------------------------------------------------------- */

static void put(struct expiry *expiry, const char *attribute, const char *value)
{
	struct plan_value *v = &expiry->values[expiry->count++];

	v->what = value != NULL ? PLAN_TAKE : PLAN_SET;
	v->attribute = attribute;
	v->value = value;
}

static void strip(const struct ldap_entry *raw, struct expiry *expiry)
{
	const struct ldap_attribute *classes = ldap_entry_attribute(raw, "objectClass");
	size_t room = raw->count + (classes != NULL ? classes->count : 0) + 1;

	expiry->values = mem_zalloc(room * sizeof *expiry->values);
	for (size_t i = 0; classes != NULL && i < classes->count; i++)
		if (is_one_of(brought_classes, classes->values[i]))
			put(expiry, "objectClass", classes->values[i]);
	if (expiry->count == 0)
		put(expiry, "objectClass", "restanteMailbox");
	for (size_t i = 0; i < raw->count; i++)
		if (is_brought(raw->attributes[i].name))
			put(expiry, raw->attributes[i].name, NULL);
}

void expiry_judge(const struct reconcile_policy *policy, const struct ldap_entry *raw,
	struct expiry *expiry_r)
{
	*expiry_r = (struct expiry){ .foreign = STR_INIT };
	judge_owner(policy, raw, expiry_r);
	if (expiry_r->foreign.len > 0)
		strip(raw, expiry_r);
}

void expiry_free(struct expiry *expiry)
{
	mem_free(&expiry->values);
	str_free(&expiry->foreign);
	expiry->count = 0;
}
