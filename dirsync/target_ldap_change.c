/* What a contact is in a backend's directory: its attributes, and searches for its addresses. */
#include <string.h>
#include <strings.h>

#include "dirsync/target_ldap.h"
#include "lib/mem.h"

/* --- comparing ------------------------------------------------------------------------------ */

void target_ldap_take(
	const struct target *target, const char *name, const char *value, struct person *current)
{
	const char *error;

	if (strcasecmp(name, target->settings->rdn) == 0 &&
		strcasecmp(value, str_cstr(&current->id)) == 0)
		return;
	if (strcasecmp(name, target->marker_name) == 0 &&
		strcasecmp(value, target->marker_value) == 0)
		return;
	for (const char *const *n = contact_form_names(target->options.form); *n != NULL; n++)
		if (strcasecmp(*n, name) == 0 &&
			person_add_attribute(current, name, value, &error) < 0)
			/* one that we would never write: it differs from whatever we want */
			strings_add(&current->attributes, "=");
}

static size_t count_values(const struct person *contact, const char *name)
{
	size_t count = 0;

	for (const char *v = contact_first(contact, name); v != NULL;
		v = contact_next(contact, name, v))
		count++;
	return count;
}

static bool has_value(const struct person *contact, const char *name, const char *value)
{
	for (const char *v = contact_first(contact, name); v != NULL;
		v = contact_next(contact, name, v))
		if (strcmp(v, value) == 0)
			return true;
	return false;
}

bool target_ldap_same(const struct target *target, const struct slot *slot, const char *name)
{
	(void)target;
	if (strings_has(&slot->current.attributes, "=") ||
		count_values(&slot->contact, name) != count_values(&slot->current, name))
		return false;
	for (const char *v = contact_first(&slot->contact, name); v != NULL;
		v = contact_next(&slot->contact, name, v))
		if (!has_value(&slot->current, name, v))
			return false;
	return true;
}

/* --- addresses ------------------------------------------------------------------------------ */

static void take_addresses(const struct person *contact, struct strings *keys)
{
	struct address address;

	for (const char *t = strings_first(&contact->attributes); t != NULL;
		t = strings_next(&contact->attributes, t))
		if (contact_address(strchr(t, '=') + 1, &address))
			strings_add(keys, address.key);
}

void target_ldap_new_addresses(const struct slot *slot, struct strings *keys_r)
{
	struct strings old = STRINGS_INIT;

	take_addresses(&slot->contact, keys_r);
	take_addresses(&slot->current, &old);
	for (const char *key = strings_first(&old); key != NULL; key = strings_next(&old, key))
		strings_remove(keys_r, key);
	strings_free(&old);
}

/* Values of these have a prefix. */
static bool has_prefix(const char *name)
{
	return strcasecmp(name, "proxyAddresses") == 0 || strcasecmp(name, "targetAddress") == 0;
}

void target_ldap_clash_filter(
	const struct target *target, const struct strings *keys, struct str *out)
{
	str_append_z(out, "(|");
	for (const char *key = strings_first(keys); key != NULL; key = strings_next(keys, key))
		/* the last name is that of the marker */
		for (size_t i = 0; i + 1 < target->searched_count; i++) {
			str_printf(out, "(%s=%s", target->searched[i],
				has_prefix(target->searched[i]) ? "smtp:" : "");
			ldap_filter_escape(key, out);
			str_append_c(out, ')');
		}
	str_append_c(out, ')');
}

/* --- writing -------------------------------------------------------------------------------- */

/* The attributes of one operation. */
struct batch {
	const struct target *target;
	const struct person *contact;
	struct ldap_change *changes;
	struct target_values *values; /* what they point to */
	size_t count;
	char **classes;
	size_t class_count;
};

static void put_change(struct batch *batch, const char *name, bool even_empty)
{
	const struct target *target = batch->target;
	struct target_values values;

	target_values(target->settings, batch->contact, name, target->marker_name,
		target->marker_value, &values);
	if (values.count == 0 && !even_empty) {
		target_values_free(&values);
		return;
	}
	batch->changes = mem_grow(batch->changes, batch->count + 1, sizeof(*batch->changes));
	batch->values = mem_grow(batch->values, batch->count + 1, sizeof(*batch->values));
	batch->values[batch->count] = values;
	batch->changes[batch->count++] =
		(struct ldap_change){ LDAP_CHANGE_REPLACE, name, values.list };
}

static void free_batch(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		target_values_free(&batch->values[i]);
	for (size_t i = 0; i < batch->class_count; i++)
		mem_free(&batch->classes[i]);
	mem_free(&batch->classes);
	mem_free(&batch->changes);
	mem_free(&batch->values);
}

static void add_class(void *context, const char *text)
{
	struct batch *batch = context;

	batch->classes = mem_grow(batch->classes, batch->class_count + 2, sizeof(*batch->classes));
	batch->classes[batch->class_count++] = mem_strdup(text);
	batch->classes[batch->class_count] = NULL;
}

static void put_classes(struct batch *batch)
{
	target_classes(batch->target->settings, add_class, batch);
	batch->changes = mem_grow(batch->changes, batch->count + 1, sizeof(*batch->changes));
	batch->values = mem_grow(batch->values, batch->count + 1, sizeof(*batch->values));
	batch->values[batch->count] = (struct target_values){ NULL, 0 };
	batch->changes[batch->count++] = (struct ldap_change){ LDAP_CHANGE_REPLACE, "objectClass",
		(const char *const *)batch->classes };
}

void target_ldap_marker_filter(const struct target *target, struct str *out)
{
	str_printf(out, "(%s=", target->marker_name);
	ldap_filter_escape(target->marker_value, out);
	str_append_c(out, ')');
}

static void put_class(void *context, const char *text)
{
	struct str *out = context;

	if (strcasecmp(text, "top") == 0)
		return;
	str_append_z(out, "(objectClass=");
	ldap_filter_escape(text, out);
	str_append_c(out, ')');
}

void target_ldap_assertion(const struct target *target, struct str *out)
{
	str_append_z(out, "(|(!(|");
	target_classes(target->settings, put_class, out);
	str_append_z(out, "))");
	target_ldap_marker_filter(target, out);
	str_append_c(out, ')');
}

const char *target_ldap_asserted(const struct target *target)
{
	return target->asserted.len > 0 ? target->asserted.data : NULL;
}

enum ldap_result target_ldap_send_add(struct target *target, struct slot *slot)
{
	struct batch batch = { .target = target, .contact = &slot->contact };
	enum ldap_result result;

	put_classes(&batch);
	/* names: those of the form, then those of RDN and marker where they are others */
	for (size_t i = 0; i < target->name_count; i++)
		put_change(&batch, target->names[i], false);
	result = ldap_async_add(
		target->session, str_cstr(&slot->dn), batch.changes, batch.count, &slot->number);
	free_batch(&batch);
	return result;
}

static bool is_searched(const struct target *target, const char *name)
{
	for (size_t i = 0; i + 1 < target->searched_count; i++)
		if (strcasecmp(target->searched[i], name) == 0)
			return true;
	return false;
}

/* Of the last change of the batch only the values that the entry has already: nothing is gained. */
static void keep_current(struct batch *batch, const struct slot *slot)
{
	struct ldap_change *change = &batch->changes[batch->count - 1];
	struct target_values *values = &batch->values[batch->count - 1];
	size_t kept = 0;

	for (size_t i = 0; i < values->count; i++)
		if (has_value(&slot->current, change->attribute, values->list[i]) ||
			!has_value(&slot->contact, change->attribute, values->list[i]))
			values->list[kept++] = values->list[i];
	if (values->list != NULL)
		values->list[kept] = NULL;
	values->count = kept;
	change->values = kept > 0 ? values->list : NULL;
}

enum ldap_result target_ldap_send_change(struct target *target, struct slot *slot, bool *nothing_r)
{
	struct batch batch = { .target = target, .contact = &slot->contact };
	bool give = slot->attempt == SLOT_GIVE;
	enum ldap_result result = LDAP_DONE;

	for (const char *const *n = contact_form_names(target->options.form); *n != NULL; n++) {
		if (target_ldap_same(target, slot, *n) || (give && !is_searched(target, *n)))
			continue;
		put_change(&batch, *n, true);
		if (give)
			keep_current(&batch, slot);
	}
	*nothing_r = batch.count == 0;
	if (!*nothing_r)
		result = ldap_async_modify(target->session, str_cstr(&slot->dn), batch.changes,
			batch.count, target_ldap_asserted(target), &slot->number);
	free_batch(&batch);
	return result;
}
