/*
 * Taking over an object that somebody else made: it gets the name of our contact, then the
 * attributes, the marker with them. What it has besides stays; references to it stay true. Renamed
 * but without the marker, after a crash between, it is foreign still, and can be adopted again.
 */
#include <string.h>
#include <strings.h>

#include "dirsync/target_ldap.h"
#include "lib/mem.h"

static bool has_class(const struct ldap_entry *entry, const char *name)
{
	const struct ldap_attribute *classes = ldap_entry_attribute(entry, "objectClass");

	for (size_t i = 0; classes != NULL && i < classes->count; i++)
		if (strcasecmp(classes->values[i], name) == 0)
			return true;
	return false;
}

struct kind {
	const struct ldap_entry *entry;
	bool fits;
};

static void need_class(void *context, const char *name)
{
	struct kind *kind = context;

	kind->fits &= has_class(kind->entry, name);
}

static enum ldap_result rename_to(struct target *target, struct slot *slot)
{
	const char *dn = str_cstr(&slot->dn);
	char *rdn;
	enum ldap_result result;

	if (strcasecmp(str_cstr(&slot->foreign), dn) == 0)
		return LDAP_DONE;
	rdn = mem_strndup(dn, strcspn(dn, ","));
	result = ldap_session_rename(
		target->session, str_cstr(&slot->foreign), rdn, target->settings->container, false);
	mem_free(&rdn);
	return result;
}

/* The attribute of the RDN has been written by the rename, and Active Directory has it changed in
 * no other way. */
static bool is_written(const struct target *target, const struct slot *slot, const char *name)
{
	return strcasecmp(name, target->settings->rdn) == 0 &&
	       contact_first(&slot->contact, name) == NULL;
}

/* All attributes of the contact, and the marker, in one modify. */
static enum ldap_result write_all(struct target *target, struct slot *slot)
{
	struct target_values *values = mem_zalloc(target->name_count * sizeof(*values));
	struct ldap_change *changes = mem_zalloc(target->name_count * sizeof(*changes));
	enum ldap_result result;
	size_t count = 0;

	for (size_t i = 0; i < target->name_count; i++) {
		const char *name = target->names[i];

		if (is_written(target, slot, name))
			continue;
		target_values(target->settings, &slot->contact, name, target->marker_name,
			target->marker_value, &values[i]);
		changes[count++] =
			(struct ldap_change){ LDAP_CHANGE_REPLACE, name, values[i].list };
	}
	result = ldap_session_modify(
		target->session, str_cstr(&slot->dn), changes, count, NULL, NULL, 0);
	for (size_t i = 0; i < target->name_count; i++)
		target_values_free(&values[i]);
	mem_free(&values);
	mem_free(&changes);
	return result;
}

static enum ldap_result take_over(struct target *target, struct slot *slot, bool *fits_r)
{
	static const char *const names[] = { "objectClass", NULL };
	struct ldap_entry *entry = NULL;
	struct kind kind = { .fits = true };
	enum ldap_result result =
		ldap_session_read(target->session, str_cstr(&slot->foreign), names, &entry);

	if (result == LDAP_DONE) {
		kind.entry = entry;
		target_classes(target->settings, need_class, &kind);
	}
	ldap_entry_free(&entry);
	*fits_r = kind.fits;
	if (result == LDAP_DONE && kind.fits)
		result = rename_to(target, slot);
	if (result == LDAP_DONE && kind.fits)
		result = write_all(target, slot);
	return result;
}

int target_ldap_adopt(
	struct target *target, struct slot *slot, enum target_result *result_r, struct str *text_r)
{
	bool fits = true;
	enum ldap_result result = take_over(target, slot, &fits);

	*result_r = result == LDAP_DONE && fits ? TARGET_DONE : TARGET_REFUSED;
	if (!fits)
		str_printf(text_r, "%s is no contact (%s): it is not taken over",
			str_cstr(&slot->foreign), target->settings->object_class);
	else if (result != LDAP_DONE)
		str_append_z(text_r, ldap_session_reason(target->session));
	return result == LDAP_DOWN ? -1 : 0;
}
