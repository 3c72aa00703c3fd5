#include "lib/syncask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/federation.h"
#include "lib/mem.h"
#include "lib/when.h"

/* Names of one direction's attributes. */
static const struct names {
	const char *direction;
	const char *asked, *finished, *failed, *start, *end, *outcome, *run, *lease;
} names[] = {
	[SYNC_UP] = { "up", "restanteSyncAsked", "restanteSyncFinished", "restanteUpSyncFailed",
		"restanteUpSyncStart", "restanteUpSyncAt", "restanteUpSyncOutcome",
		"restanteUpSyncRun", "restanteUpLease" },
	[SYNC_DOWN] = { "down", "restanteDownSyncAsked", "restanteDownSyncFinished",
		"restanteDownSyncFailed", "restanteDownSyncStart", "restanteDownSyncAt",
		"restanteDownSyncOutcome", "restanteDownSyncRun", "restanteDownLease" },
};

static const char *const attributes[] = { "cn", "restanteSyncAsked", "restanteSyncFinished",
	"restanteUpSyncFailed", "restanteUpSyncStart", "restanteUpSyncAt", "restanteUpSyncOutcome",
	"restanteUpSyncRun", "restanteUpLease", "restanteDownSyncAsked", "restanteDownSyncFinished",
	"restanteDownSyncFailed", "restanteDownSyncStart", "restanteDownSyncAt",
	"restanteDownSyncOutcome", "restanteDownSyncRun", "restanteDownLease", NULL };

const char *sync_direction_name(enum sync_direction direction)
{
	return names[direction].direction;
}

/* --- reading ------------------------------------------------------------------------------- */

static const char *text_of(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	return text != NULL ? text : "";
}

static uint64_t number_of(const struct ldap_entry *entry, const char *name)
{
	const char *text = text_of(entry, name);

	return *text != '-' ? strtoull(text, NULL, 10) : 0;
}

static int64_t instant_of(const struct ldap_entry *entry, const char *name)
{
	int64_t us = when_generalized_us(text_of(entry, name));

	return us > 0 ? us : 0;
}

/* "TERM HOLDER EXPIRY SECONDS"; an empty one where the second word is missing, or "-": given back. */
static char *holder_of(const char *lease)
{
	const char *word = lease + strcspn(lease, " ");
	size_t len;

	word += strspn(word, " ");
	len = strcspn(word, " ");
	return mem_strndup(word, len == 1 && *word == '-' ? 0 : len);
}

static void take_side(
	const struct ldap_entry *entry, enum sync_direction direction, struct sync_side *side)
{
	const struct names *name = &names[direction];
	const char *failed = text_of(entry, name->failed);
	const char *reason = failed + strcspn(failed, " ");

	side->asked = number_of(entry, name->asked);
	side->finished = number_of(entry, name->finished);
	side->failed = number_of(entry, name->failed);
	side->reason = mem_strdup(reason + strspn(reason, " "));
	side->start_us = instant_of(entry, name->start);
	side->end_us = instant_of(entry, name->end);
	side->outcome = mem_strdup(text_of(entry, name->outcome));
	side->run = mem_strdup(text_of(entry, name->run));
	side->holder = holder_of(text_of(entry, name->lease));
}

static void free_side(struct sync_side *side)
{
	mem_free(&side->reason);
	mem_free(&side->outcome);
	mem_free(&side->run);
	mem_free(&side->holder);
}

static void take_sides(const struct ldap_entry *entry, struct sync_system *system)
{
	take_side(entry, SYNC_UP, &system->side[SYNC_UP]);
	take_side(entry, SYNC_DOWN, &system->side[SYNC_DOWN]);
}

static int take_system(void *context, const struct ldap_entry *entry)
{
	struct sync_systems *list = context;

	list->systems = mem_grow(list->systems, list->count + 1, sizeof(*list->systems));
	struct sync_system *system = &list->systems[list->count++];
	memset(system, 0, sizeof(*system));
	system->name = mem_strdup(text_of(entry, "cn"));
	system->dn = mem_strdup(entry->dn);
	take_sides(entry, system);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcasecmp(
		((const struct sync_system *)a)->name, ((const struct sync_system *)b)->name);
}

enum ldap_result syncask_read(struct ldap_session *session, const char *base, const char *system,
	struct sync_systems *systems_r)
{
	struct str dn = STR_INIT, filter = STR_INIT;

	memset(systems_r, 0, sizeof(*systems_r));
	federation_systems_dn(base, &dn);
	str_append_z(&filter, "(&(objectClass=restanteBackend)(cn=");
	if (system != NULL)
		ldap_filter_escape(system, &filter);
	else
		str_append_c(&filter, '*');
	str_append_z(&filter, "))");
	enum ldap_result result = ldap_session_search(session, str_cstr(&dn), LDAP_ONE,
		str_cstr(&filter), attributes, take_system, systems_r);
	str_free(&dn);
	str_free(&filter);
	if (result == LDAP_DONE && systems_r->count == 0)
		result = LDAP_NO_ENTRY;
	if (result != LDAP_DONE)
		syncask_free(systems_r);
	else
		qsort(systems_r->systems, systems_r->count, sizeof(*systems_r->systems), by_name);
	return result;
}

void syncask_free(struct sync_systems *systems)
{
	for (size_t i = 0; i < systems->count; i++) {
		struct sync_system *system = &systems->systems[i];

		mem_free(&system->name);
		mem_free(&system->dn);
		free_side(&system->side[SYNC_UP]);
		free_side(&system->side[SYNC_DOWN]);
	}
	mem_free(&systems->systems);
	systems->count = 0;
}

/* --- asking -------------------------------------------------------------------------------- */

#define TRIES 20

static enum ldap_result reread(struct ldap_session *session, struct sync_system *system)
{
	struct ldap_entry *entry = NULL;
	enum ldap_result result = ldap_session_read(session, system->dn, attributes, &entry);

	if (result != LDAP_DONE)
		return result;
	free_side(&system->side[SYNC_UP]);
	free_side(&system->side[SYNC_DOWN]);
	take_sides(entry, system);
	ldap_entry_free(&entry);
	return LDAP_DONE;
}

static uint64_t next_number(const struct sync_side *side)
{
	uint64_t most = side->asked;

	if (side->finished > most)
		most = side->finished;
	if (side->failed > most)
		most = side->failed;
	return most + 1;
}

static enum ldap_result put_number(struct ldap_session *session, const char *dn,
	const char *attribute, uint64_t number, const char *assertion)
{
	char text[24];
	const char *const values[] = { text, NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, attribute, values };

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return ldap_session_modify(session, dn, &change, 1, assertion, NULL, 0);
}

static enum ldap_result raise_once(
	struct ldap_session *session, struct sync_system *system, enum sync_direction direction)
{
	struct sync_side *side = &system->side[direction];
	const char *attribute = names[direction].asked;
	uint64_t number = next_number(side);
	char assertion[96];

	if (side->asked > 0)
		snprintf(assertion, sizeof(assertion), "(%s=%" PRIu64 ")", attribute, side->asked);
	else
		snprintf(assertion, sizeof(assertion), "(|(!(%s=*))(%s<=0))", attribute, attribute);
	enum ldap_result result = put_number(session, system->dn, attribute, number, assertion);
	if (result == LDAP_DONE)
		side->asked = number;
	return result;
}

enum ldap_result syncask_raise(
	struct ldap_session *session, struct sync_system *system, enum sync_direction direction)
{
	enum ldap_result result = raise_once(session, system, direction);

	for (int tries = 1; result == LDAP_ASSERTION && tries < TRIES; tries++) {
		result = reread(session, system);
		if (result == LDAP_DONE)
			result = raise_once(session, system, direction);
	}
	return result;
}

enum sync_answer syncask_answer(const struct sync_side *side, uint64_t number)
{
	if (side->finished >= number)
		return SYNC_ANSWERED;
	return side->failed >= number ? SYNC_REFUSED : SYNC_WAITS;
}

enum ldap_result syncask_approve(struct ldap_session *session, const struct sync_system *system,
	enum sync_direction direction, const char *list)
{
	static const char *const outcomes[] = { "restanteUpSyncOutcome",
		"restanteDownSyncOutcome" };
	static const char *const approvals[] = { "restanteSyncApproval",
		"restanteDownSyncApproval" };
	const char *const values[] = { list, NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, approvals[direction], values };
	struct str assertion = STR_INIT;

	str_printf(&assertion, "(%s=", outcomes[direction]);
	ldap_filter_escape(system->side[direction].outcome, &assertion);
	str_append_c(&assertion, ')');
	enum ldap_result result =
		ldap_session_modify(session, system->dn, &change, 1, str_cstr(&assertion), NULL, 0);
	str_free(&assertion);
	return result;
}
