/*
 * A uniqueness rule does not say which address it refused, and whose that is: this is asked, for
 * whoever reads the report.
 */
#include <string.h>
#include <strings.h>

#include "dirsync/apply_internal.h"
#include "dirsync/person.h"
#include "lib/address.h"

#define ASKED_MOST 100  /* addresses in one filter */
#define TEXT_MOST  1000 /* bytes of what is told */

static void put_filter(const struct strings *keys, struct str *filter)
{
	struct str value = STR_INIT;
	unsigned asked = 0;

	str_append_z(filter, "(|");
	for (const char *k = strings_first(keys); k != NULL && asked++ < ASKED_MOST;
		k = strings_next(keys, k)) {
		str_reset(&value);
		person_address_value(k, &value);
		str_printf(filter, "(%s=", person_address_attribute(k));
		ldap_filter_escape(str_cstr(&value), filter);
		str_append_c(filter, ')');
	}
	str_append_c(filter, ')');
	str_free(&value);
}

bool apply_ask_owner(struct applying *apply, struct apply_op *op)
{
	static const char *const attributes[] = { "mailLocalAddress", "restanteAddressUTF8", NULL };
	const char *base = apply->options->ldap->base;
	struct str filter = STR_INIT;

	if (op->change.gains.count == 0 || base == NULL || *base == '\0')
		return false;
	put_filter(&op->change.gains, &filter);
	op->asking = ldap_async_search(apply->session, base, LDAP_SUB, str_cstr(&filter),
			     attributes, &op->number) == LDAP_DONE;
	str_free(&filter);
	if (op->asking)
		apply->in_flight++;
	return op->asking;
}

static void take_values(struct apply_op *op, const struct ldap_entry *entry, const char *name)
{
	const struct ldap_attribute *attribute = ldap_entry_attribute(entry, name);
	struct address address;
	const char *error;

	for (size_t i = 0; attribute != NULL && i < attribute->count; i++)
		if (address_parse(attribute->values[i], &address, &error) == 0 &&
			strings_has(&op->change.gains, address.key) && op->text.len < TEXT_MOST)
			str_printf(&op->text, "; %s belongs to %s", address.key, entry->dn);
}

void apply_take_owner(struct apply_op *op, const struct ldap_entry *entry)
{
	if (!op->asking || strcasecmp(entry->dn, op->change.dn) == 0)
		return;
	take_values(op, entry, "mailLocalAddress");
	take_values(op, entry, "restanteAddressUTF8");
}
