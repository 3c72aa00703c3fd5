#include "directory/known.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "directory/dn.h"
#include "lib/ldap_session.h"
#include "lib/mem.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void derive_domains(struct known *known)
{
	known->domain_count = 0;
	for (size_t i = 0; i < known->count; i++) {
		const struct record *record = &known->records[i];

		if (record->kind != RECORD_FEDERATION)
			continue;
		for (const char *k = record_first(record); k != NULL; k = record_next(record, k)) {
			known->domains = mem_grow(
				known->domains, known->domain_count + 1, sizeof(known->domains[0]));
			known->domains[known->domain_count++] = k;
		}
	}
	if (known->domain_count > 0)
		qsort(known->domains, known->domain_count, sizeof(known->domains[0]),
			compare_names);
}

/*
 * The one at the expected DN: there, and nowhere else, do fences look. The newest, where an entry
 * was made anew and the deletion of the old one is refused.
 */
static const struct record *choose(const struct known *known, enum record_kind kind, const char *dn)
{
	const struct record *found = NULL;

	for (size_t i = 0; i < known->count; i++) {
		const struct record *record = &known->records[i];

		if (record->kind != kind || !dn_same(str_cstr(&record->dn), dn))
			continue;
		if (found == NULL || strcmp(record->csn, found->csn) > 0)
			found = record;
	}
	return found;
}

static void derive(struct known *known)
{
	derive_domains(known);
	known->federation = choose(known, RECORD_FEDERATION, known->federation_dn);
	known->node = choose(known, RECORD_NODE, known->node_dn);
}

void known_init(struct known *known, const char *base, const char *node)
{
	struct str name = STR_INIT;

	memset(known, 0, sizeof(*known));
	known->federation_dn = mem_printf("cn=restante,%s", base);
	ldap_dn_escape(node, &name);
	known->node_dn = mem_printf("cn=%s,ou=nodes,cn=restante,%s", str_cstr(&name), base);
	str_free(&name);
}

void known_free(struct known *known)
{
	for (size_t i = 0; i < known->count; i++)
		record_free(&known->records[i]);
	mem_free(&known->records);
	mem_free(&known->domains);
	mem_free(&known->federation_dn);
	mem_free(&known->node_dn);
	memset(known, 0, sizeof(*known));
}

static size_t place_of(const struct known *known, const uint8_t *uuid)
{
	size_t i;

	for (i = 0; i < known->count; i++)
		if (memcmp(known->records[i].uuid, uuid, ROUTE_UUID_BYTES) == 0)
			break;
	return i;
}

bool known_has(const struct known *known, const uint8_t *uuid)
{
	return place_of(known, uuid) < known->count;
}

void known_put(struct known *known, struct record *record)
{
	size_t i = place_of(known, record->uuid);

	if (i == known->count) {
		known->records = mem_grow(known->records, known->count + 1, sizeof(*record));
		known->count++;
	} else {
		record_free(&known->records[i]);
	}
	known->records[i] = *record;
	memset(record, 0, sizeof(*record));
	derive(known);
}

void known_remove(struct known *known, const uint8_t *uuid)
{
	size_t i = place_of(known, uuid);

	if (i == known->count)
		return;
	record_free(&known->records[i]);
	known->records[i] = known->records[--known->count];
	derive(known);
}

bool known_federated(const struct known *known, const char *domain)
{
	return known->domain_count > 0 && *domain != '\0' &&
	       bsearch(&domain, known->domains, known->domain_count, sizeof(known->domains[0]),
		       compare_names) != NULL;
}

static const struct record *next_system(const struct known *known, const char *name, size_t *place)
{
	for (; *place < known->count; (*place)++) {
		const struct record *record = &known->records[*place];

		if (record->kind == RECORD_SYSTEM && strcasecmp(record->name, name) == 0) {
			(*place)++;
			return record;
		}
	}
	return NULL;
}

bool known_system_there(const struct known *known, const char *name)
{
	size_t place = 0;

	return next_system(known, name, &place) != NULL;
}

const struct record *known_system_release(const struct known *known, const char *name)
{
	const struct record *record;
	size_t place = 0;

	while ((record = next_system(known, name, &place)) != NULL)
		if (record->release[0] != '\0')
			return record;
	return NULL;
}

enum route_state known_system(const struct known *known, const char *name)
{
	const struct record *record;
	enum route_state state = STATE_ACTIVE;
	size_t place = 0;

	if (!known_system_there(known, name))
		return STATE_UNKNOWN;
	while ((record = next_system(known, name, &place)) != NULL)
		if (record->state > state)
			state = record->state;
	return state;
}
