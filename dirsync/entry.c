#include "dirsync/entry.h"

#include <string.h>
#include <strings.h>

#include "lib/mem.h"
#include "lib/when.h"

static int fault(const char **error_r, const char *text)
{
	*error_r = text;
	return -1;
}

void entry_free(struct entry *entry)
{
	str_free(&entry->dn);
	str_free(&entry->uuid);
	str_free(&entry->csn);
	str_free(&entry->system);
	str_free(&entry->provenance);
	person_free(&entry->person);
	strings_free(&entry->spelled);
	strings_free(&entry->going);
}

void entry_reset(struct entry *entry)
{
	str_reset(&entry->dn);
	str_reset(&entry->uuid);
	str_reset(&entry->csn);
	str_reset(&entry->system);
	str_reset(&entry->provenance);
	person_reset(&entry->person);
	strings_reset(&entry->spelled);
	strings_reset(&entry->going);
	entry->state = STATE_ACTIVE;
	entry->vanished_us = 0;
}

/* --- attributes ----------------------------------------------------------------------------- */

enum field {
	UUID,
	CSN,
	SYSTEM,
	STATE,
	SOURCE_ID,
	ADDRESS,
	ADDRESS_UTF8,
	MAIL,
	PRIMARY_UTF8,
	PHYSICAL,
	FOREIGN,
	VANISHED,
	VANISHING,
	PROVENANCE,
	MAPPED,
	OTHER,
};

#define NAME(name)                                                                                 \
	{                                                                                          \
		name, sizeof(name) - 1                                                             \
	}

static const struct {
	const char *name;
	size_t len;
} names[] = {
	[UUID] = NAME("entryUUID"),
	[CSN] = NAME("entryCSN"),
	[SYSTEM] = NAME("restanteSystem"),
	[STATE] = NAME("restanteState"),
	[SOURCE_ID] = NAME("restanteSourceId"),
	[ADDRESS] = NAME("mailLocalAddress"),
	[ADDRESS_UTF8] = NAME("restanteAddressUTF8"),
	[MAIL] = NAME("mail"),
	[PRIMARY_UTF8] = NAME("restantePrimaryUTF8"),
	[PHYSICAL] = NAME("mailRoutingAddress"),
	[FOREIGN] = NAME("restanteForeignAddress"),
	[VANISHED] = NAME("restanteVanishedSince"),
	[VANISHING] = NAME("restanteVanishingAddress"),
	[PROVENANCE] = NAME("restanteProvenance"),
};

#define VALUE_MAX 1024 /* bytes of an address with its quotes */
#define NAMES     (sizeof names / sizeof names[0])

const char **entry_attributes(const char *const *mapped)
{
	size_t count = 0;
	const char **list;

	while (mapped != NULL && mapped[count] != NULL)
		count++;
	list = mem_grow(NULL, NAMES + count + 1, sizeof list[0]);
	for (size_t i = 0; i < NAMES; i++)
		list[i] = names[i].name;
	for (size_t i = 0; i < count; i++)
		list[NAMES + i] = mapped[i];
	list[NAMES + count] = NULL;
	return list;
}

/* Many names begin alike: their last letters tell most of them apart. */
static bool is_name(const char *name, size_t len, const char *known, size_t known_len)
{
	return len == known_len && ((name[len - 1] ^ known[len - 1]) & 0xdf) == 0 &&
	       strcasecmp(name, known) == 0;
}

static enum field find_field(const char *name, const char *const *mapped)
{
	size_t len = strlen(name);

	for (size_t i = 0; len > 0 && i < NAMES; i++)
		if (is_name(name, len, names[i].name, names[i].len))
			return (enum field)i;
	for (; len > 0 && mapped != NULL && *mapped != NULL; mapped++)
		if (is_name(name, len, *mapped, strlen(*mapped)))
			return MAPPED;
	return OTHER;
}

/* --- addresses ------------------------------------------------------------------------------ */

static void add_spelled(struct entry *entry, const char *attribute, const char *value)
{
	struct str text = STR_INIT;

	str_printf(&text, "%s %s", attribute, value);
	strings_add(&entry->spelled, str_cstr(&text));
	str_free(&text);
}

/* A second spelling of an address that is there: then the first must be named as well. */
static void add_first(struct entry *entry, const char *key)
{
	struct address address;
	const char *error;

	for (const char *s = strings_first(&entry->spelled); s != NULL;
		s = strings_next(&entry->spelled, s))
		if (address_parse(strchr(s, ' ') + 1, &address, &error) == 0 &&
			strcmp(address.key, key) == 0)
			return;
	add_spelled(entry, person_address_attribute(key), key);
}

/* What is no address routes no mail either: the front doors leave it out, too. */
static int take_address(
	struct entry *entry, const char *attribute, const char *value, const char **error_r)
{
	struct strings *addresses = &entry->person.addresses;
	struct address address;
	const char *error;
	bool usual;

	if (strlen(value) > VALUE_MAX || address_parse(value, &address, &error) < 0 ||
		!address.has_domain)
		return 0;
	usual = strcasecmp(value, address.key) == 0 &&
		strcmp(attribute, person_address_attribute(address.key)) == 0;
	if (!strings_add(addresses, address.key)) {
		add_first(entry, address.key);
		usual = false;
	}
	if (!usual)
		add_spelled(entry, attribute, value);
	if (addresses->count > PERSON_VALUES_MAX)
		return fault(error_r, "more than 1000 addresses");
	return 0;
}

/* "KEY INSTANT"; a key may have spaces. */
static const char *instant_of(const char *mark)
{
	const char *space = strrchr(mark, ' ');

	return space != NULL && when_generalized_us(space + 1) >= 0 ? space + 1 : NULL;
}

static int take_mark(struct entry *entry, const char *value, const char **error_r)
{
	if (instant_of(value) != NULL && strlen(value) <= ENTRY_MARK_MAX)
		strings_add(&entry->going, value);
	if (entry->going.count > ENTRY_MARKS_MAX)
		return fault(error_r, "more than 2000 values of restanteVanishingAddress");
	return 0;
}

int64_t entry_going_since(const struct entry *entry, const char *key)
{
	size_t len = strlen(key);

	for (const char *mark = strings_first(&entry->going); mark != NULL;
		mark = strings_next(&entry->going, mark)) {
		const char *instant = instant_of(mark);
		if (strncmp(mark, key, len) == 0 && instant == mark + len + 1)
			return when_generalized_us(instant);
	}
	return 0;
}

/* --- one value ------------------------------------------------------------------------------ */

static void set(struct str *s, const char *value, size_t len)
{
	str_reset(s);
	str_append(s, value, len);
}

static int take_vanished(struct entry *entry, const char *value, const char **error_r)
{
	entry->vanished_us = when_generalized_us(value);
	if (entry->vanished_us > 0)
		return 0;
	entry->vanished_us = 0;
	return fault(error_r, "restanteVanishedSince is no instant");
}

/* One that is not usable is there all the same, without a key: it is what a change replaces. */
static void take_physical(struct person *person, const char *value, size_t len)
{
	const char *error;

	if (person_set_physical(person, value, &error) < 0 && len <= ADDRESS_MAX)
		set(&person->physical, value, len);
}

/* A value that could not be ours (too long, not UTF-8) is as none: it would be replaced. */
static void take_loosely(struct entry *entry, enum field field, const char *name, const char *value)
{
	const char *error;

	if (field == FOREIGN)
		(void)person_add_foreign(&entry->person, value, &error);
	else
		(void)person_add_attribute(&entry->person, name, value, &error);
}

static int take(struct entry *entry, enum field field, const char *name, const char *value,
	size_t len, const char **error_r)
{
	struct person *person = &entry->person;

	switch (field) {
	case UUID: set(&entry->uuid, value, len < ROUTE_UUID_TEXT ? len : 0); break;
	case CSN: set(&entry->csn, value, len); break;
	case SYSTEM: set(&entry->system, value, len); break;
	case STATE: entry->state = route_state_parse(value); break;
	case PROVENANCE: set(&entry->provenance, value, len); break;
	case SOURCE_ID: return person_set_id(person, value, error_r);
	case ADDRESS:
	case ADDRESS_UTF8: return take_address(entry, names[field].name, value, error_r);
	case PRIMARY_UTF8:
		if (len <= ADDRESS_MAX)
			set(&person->primary, value, len);
		break;
	case MAIL:
		if (person->primary.len == 0 && len <= ADDRESS_MAX)
			set(&person->primary, value, len);
		break;
	case VANISHED: return take_vanished(entry, value, error_r);
	case VANISHING: return take_mark(entry, value, error_r);
	case PHYSICAL: take_physical(person, value, len); break;
	case FOREIGN:
	case MAPPED: take_loosely(entry, field, name, value); break;
	case OTHER: break;
	}
	return 0;
}

/* --- whole entries -------------------------------------------------------------------------- */

static void begin(struct entry *entry, const char *dn)
{
	entry_reset(entry);
	str_append_z(&entry->dn, dn);
	str_append_z(&entry->person.place, dn);
}

/* What every entry has, so that it is a right that lacks. */
static int end(const struct entry *entry, const char **error_r)
{
	if (entry->uuid.len != ROUTE_UUID_TEXT - 1)
		return fault(error_r, "entryUUID cannot be read: let the sync daemon read it");
	if (entry->csn.len == 0)
		return fault(error_r, "entryCSN cannot be read: let the sync daemon read it");
	if (entry->system.len == 0)
		return fault(error_r, "restanteSystem cannot be read: let the sync daemon read it");
	return 0;
}

int entry_read(const struct ldap_entry *raw, const char *const *mapped, struct entry *entry_r,
	const char **error_r)
{
	int result = 0;

	begin(entry_r, raw->dn);
	for (size_t i = 0; i < raw->count; i++) {
		const struct ldap_attribute *a = &raw->attributes[i];
		enum field field = find_field(a->name, mapped);
		for (size_t j = 0; field != OTHER && j < a->count; j++)
			if (take(entry_r, field, a->name, a->values[j], strlen(a->values[j]),
				    error_r) < 0)
				result = -1;
	}
	return result < 0 ? -1 : end(entry_r, error_r);
}

int entry_read_stream(const struct ldap_stream_entry *raw, const char *const *mapped,
	struct entry *entry_r, const char **error_r)
{
	const char *name = NULL;
	enum field field = OTHER;
	int result = 0;

	begin(entry_r, raw->dn);
	for (size_t i = 0; i < raw->count; i++) {
		const struct ldap_value *value = &raw->values[i];
		if (value->name != name)
			field = find_field(value->name, mapped);
		name = value->name;
		if (field == OTHER || strlen(value->data) != value->len)
			continue;
		if (take(entry_r, field, name, value->data, value->len, error_r) < 0)
			result = -1;
	}
	return result < 0 ? -1 : end(entry_r, error_r);
}
