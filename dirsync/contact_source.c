/* A mailbox entry of the directory, as templates of contacts see it. */
#include <string.h>
#include <strings.h>

#include "dirsync/contact.h"
#include "lib/mem.h"
#include "lib/when.h"

void contact_source_free(struct contact_source *source)
{
	str_free(&source->id);
	str_free(&source->system);
	str_free(&source->primary);
	strings_free(&source->addresses);
	mem_free(&source->values);
	*source = (struct contact_source){ .count = 0 };
}

static void reset(struct contact_source *source)
{
	str_reset(&source->id);
	str_reset(&source->system);
	str_reset(&source->primary);
	strings_reset(&source->addresses);
	source->vanished_us = 0;
	source->count = 0;
}

/* values[0] stays free, for contact_render. */
static void add_value(struct contact_source *source, const char *name, const char *data, size_t len)
{
	if (source->count + 2 > source->cap) {
		source->cap = source->cap > 0 ? source->cap * 2 : 64;
		source->values = mem_grow(source->values, source->cap, sizeof(*source->values));
	}
	source->values[++source->count] = (struct template_value){ name, data, len };
}

static void set(struct str *text, const struct ldap_value *value)
{
	str_reset(text);
	str_append(text, value->data, value->len);
}

static void take_address(struct contact_source *source, const struct ldap_value *value)
{
	struct address address;

	if (strlen(value->data) == value->len && contact_address(value->data, &address))
		strings_add(&source->addresses, address.key);
}

static void take_vanished(struct contact_source *source, const struct ldap_value *value)
{
	source->vanished_us = when_generalized_us(value->data);
}

static void take_id(struct contact_source *source, const struct ldap_value *value)
{
	set(&source->id, value);
}

static void take_system(struct contact_source *source, const struct ldap_value *value)
{
	set(&source->system, value);
}

static void take_mail(struct contact_source *source, const struct ldap_value *value)
{
	if (source->primary.len == 0)
		set(&source->primary, value);
}

static void take_foreign(struct contact_source *source, const struct ldap_value *value)
{
	add_value(source, "foreign", value->data, value->len);
}

static void take_physical(struct contact_source *source, const struct ldap_value *value)
{
	add_value(source, "physical", value->data, value->len);
}

static const struct {
	const char *name;
	void (*take)(struct contact_source *source, const struct ldap_value *value);
} takers[] = {
	{ "mailLocalAddress", take_address },
	{ "restanteAddressUTF8", take_address },
	{ "restanteForeignAddress", take_foreign },
	{ "mailRoutingAddress", take_physical },
	{ "mail", take_mail },
	{ "entryUUID", take_id },
	{ "restanteSystem", take_system },
	{ "restanteVanishedSince", take_vanished },
};

static void take(struct contact_source *source, const struct ldap_value *value)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (strcasecmp(takers[i].name, value->name) == 0)
			takers[i].take(source, value);
	add_value(source, value->name, value->data, value->len);
}

/* What is made of the addresses, once all of them are known. */
static void add_addresses(struct contact_source *source)
{
	struct address primary;
	bool shown =
		source->primary.len > 0 && contact_address(str_cstr(&source->primary), &primary);

	if (!shown) {
		str_reset(&source->primary);
		str_append_z(&source->primary, strings_first(&source->addresses));
		contact_address(str_cstr(&source->primary), &primary);
	}
	add_value(source, "id", source->id.data, source->id.len);
	add_value(source, "primary", source->primary.data, source->primary.len);
	for (const char *a = strings_first(&source->addresses); a != NULL;
		a = strings_next(&source->addresses, a)) {
		add_value(source, "addresses", a, strlen(a));
		if (strcmp(a, primary.key) != 0)
			add_value(source, "others", a, strlen(a));
	}
}

int contact_source_read(const struct ldap_stream_entry *entry, struct contact_source *source_r)
{
	reset(source_r);
	for (size_t i = 0; i < entry->count; i++)
		take(source_r, &entry->values[i]);
	if (source_r->id.len == 0 || source_r->system.len == 0 || source_r->addresses.count == 0)
		return 0;
	add_addresses(source_r);
	return 1;
}
