/* Reading the records: the process keeps a copy, and reads what was changed since. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dirsync/moves.h"
#include "lib/address.h"
#include "lib/cookie.h"
#include "lib/federation.h"
#include "lib/ldap_stream.h"
#include "lib/log.h"
#include "lib/mem.h"

#define STATE_FINISHED 10

static const char *const attributes[] = { "restanteMoveAddress", "restanteMoveTarget",
	"restanteMoveState", "restanteMoveOutcome", "restanteMoveAssignor",
	"restanteMoveOldSourceId", "restanteMoveOldGone", "restanteMoveSourceId",
	"restanteMovePhysical", "restanteMoveClaim", NULL };

/* --- one record ----------------------------------------------------------------------------- */

static const char *text_of(const struct ldap_stream_entry *entry, const char *name)
{
	const struct ldap_value *value = ldap_stream_value(entry, name);

	return value != NULL ? value->data : NULL;
}

static void take(const struct ldap_stream_entry *entry, const char *name, struct str *value_r)
{
	const char *value = text_of(entry, name);

	str_append_z(value_r, value != NULL ? value : "");
}

static void take_claims(const struct ldap_stream_entry *entry, struct strings *claims)
{
	struct address address;
	const char *error;

	for (size_t i = 0; i < entry->count; i++)
		if (strcasecmp(entry->values[i].name, "restanteMoveClaim") == 0 &&
			address_parse(entry->values[i].data, &address, &error) == 0)
			strings_add(claims, address.key);
}

static enum move_kind kind_of(const struct ldap_stream_entry *entry, int state)
{
	const char *outcome = text_of(entry, "restanteMoveOutcome");

	if (outcome != NULL && *outcome != '\0')
		return MOVE_OVER;
	if (state < STATE_FINISHED)
		return MOVE_OPEN;
	return text_of(entry, "restanteMoveOldGone") == NULL ? MOVE_FINISHED : MOVE_OVER;
}

/* False: it cannot be used. */
static bool take_move(const struct ldap_stream_entry *entry, struct move *move)
{
	const char *text = text_of(entry, "restanteMoveAddress");
	const char *target = text_of(entry, "restanteMoveTarget");
	const char *state = text_of(entry, "restanteMoveState");
	struct address address;
	const char *error = "there is none";
	char shown[256];

	if (text == NULL || target == NULL || address_parse(text, &address, &error) < 0) {
		log_warning("dirsync", "move left out: no usable address and target: %s dn=%s",
			error, log_value(shown, sizeof(shown), entry->dn));
		return false;
	}
	*move = (struct move){ .state = state != NULL ? atoi(state) : 0 };
	move->kind = kind_of(entry, move->state);
	str_append_z(&move->dn, entry->dn);
	str_append_z(&move->key, address.key);
	str_append_z(&move->assignee, target);
	take(entry, "restanteMoveAssignor", &move->assignor);
	take(entry, "restanteMoveOldSourceId", &move->old_source_id);
	take(entry, "restanteMoveSourceId", &move->source_id);
	take(entry, "restanteMovePhysical", &move->physical);
	take_claims(entry, &move->claims);
	return true;
}

static void copy_text(struct str *to, const struct str *from)
{
	str_append(to, str_cstr(from), from->len);
}

/* --- what is kept --------------------------------------------------------------------------- */

struct record {
	uint8_t uuid[16];
	bool shown; /* false, of a change: it is as it was, or gone */
	bool gone;
	bool usable;
	struct move move; /* of those that are usable */
};

struct records {
	struct record *list;
	size_t count;
};

/* All of them in the order of a list, as of the cookie. */
static struct {
	pthread_mutex_t lock;
	struct str place, cookie;
	struct csn_vector newest; /* of the cookie */
	struct records records;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct record *add(struct records *records, const uint8_t *uuid)
{
	struct record *record;

	if ((records->count & (records->count - 1)) == 0)
		records->list =
			mem_grow(records->list, 2 * records->count + 1, sizeof *records->list);
	record = &records->list[records->count++];
	memset(record, 0, sizeof *record);
	memcpy(record->uuid, uuid, 16);
	return record;
}

static void drop(struct record *record)
{
	if (record->usable)
		move_free_fields(&record->move);
	record->usable = false;
}

static void drop_all(struct records *records)
{
	for (size_t i = 0; i < records->count; i++)
		drop(&records->list[i]);
	mem_free(&records->list);
	records->count = 0;
}

static int take_shown(void *context, const struct ldap_stream_entry *entry)
{
	struct record *record;

	if (entry->uuid == NULL)
		return 0;
	record = add(context, entry->uuid);
	record->shown = true;
	record->usable = take_move(entry, &record->move);
	return 0;
}

static int take_present(void *context, const uint8_t *uuid)
{
	add(context, uuid);
	return 0;
}

static int take_gone(void *context, const uint8_t *uuid)
{
	add(context, uuid)->gone = true;
	return 0;
}

static int compare_uuid(const void *a, const void *b)
{
	return memcmp(((const struct record *)a)->uuid, ((const struct record *)b)->uuid, 16);
}

/* What is shown goes before what is told of the same record besides. */
static int compare_change(const void *left, const void *right)
{
	const struct record *a = left, *b = right;
	int order = compare_uuid(a, b);

	return order != 0 ? order : (int)b->shown - (int)a->shown;
}

/* Whether an earlier record is still what it was. absent: what is in no change is gone. */
static bool stays(const struct record *old, const struct records *changes, bool absent)
{
	const struct record *change = changes->count > 0
					      ? bsearch(old, changes->list, changes->count,
							sizeof *changes->list, compare_uuid)
					      : NULL;

	if (change == NULL)
		return !absent;
	while (change > changes->list && compare_uuid(change - 1, old) == 0)
		change--;
	return !change->shown && !change->gone;
}

/* Its texts have another owner now. */
static void put(struct records *records, struct record *record)
{
	records->list[records->count++] = *record;
	record->usable = false;
}

static int compare_record(const void *left, const void *right)
{
	return moves_compare(
		&((const struct record *)left)->move, &((const struct record *)right)->move);
}

/* What is shown of them, in the order of a list. */
static struct records shown_of(struct records *changes)
{
	struct records shown = { mem_grow(NULL, changes->count + 1, sizeof *shown.list), 0 };

	for (size_t i = 0; i < changes->count; i++) {
		struct record *change = &changes->list[i];

		if (change->shown && change->usable &&
			(i == 0 || compare_uuid(change - 1, change) != 0))
			put(&shown, change);
	}
	if (shown.count > 1)
		qsort(shown.list, shown.count, sizeof *shown.list, compare_record);
	return shown;
}

/* Takes the records out of both. */
static struct records merge(struct records *old, struct records *changes, bool absent)
{
	struct records shown = shown_of(changes);
	struct records fresh = { mem_grow(NULL, old->count + shown.count + 1, sizeof *fresh.list),
		0 };
	size_t next = 0;

	for (size_t i = 0; i < old->count; i++) {
		if (!stays(&old->list[i], changes, absent))
			continue;
		while (next < shown.count && compare_record(&shown.list[next], &old->list[i]) < 0)
			put(&fresh, &shown.list[next++]);
		put(&fresh, &old->list[i]);
	}
	while (next < shown.count)
		put(&fresh, &shown.list[next++]);
	mem_free(&shown.list);
	return fresh;
}

/* Where writers overlap one without a CSN comes now and then: it says nothing. */
static void take_cookie(const struct str *cookie, bool valid)
{
	struct csn_vector vector;

	if (!valid || cookie_parse(str_cstr(cookie), cookie->len, &vector) <= 0)
		return;
	str_reset(&kept.cookie);
	copy_text(&kept.cookie, cookie);
	kept.newest = vector;
}

static enum ldap_result refresh_once(struct ldap_session *session, const char *dn, bool *again_r)
{
	const struct ldap_stream_options options = { .base = dn,
		.scope = LDAP_ONE,
		.filter = "(objectClass=restanteMove)",
		.attributes = attributes };
	struct records changes = { NULL, 0 };
	const struct ldap_sync_sink sink = { &changes, take_shown, take_present, take_gone };
	bool full = kept.cookie.len == 0;
	struct ldap_sync_end end;
	enum ldap_result result =
		ldap_stream_sync(session, &options, str_cstr(&kept.cookie), &sink, &end);

	*again_r = result == LDAP_REFUSED && end.refresh_required && !full;
	if (result == LDAP_DONE) {
		if (changes.count > 1)
			qsort(changes.list, changes.count, sizeof *changes.list, compare_change);
		struct records fresh = merge(&kept.records, &changes, full || end.absent);

		drop_all(&kept.records);
		kept.records = fresh;
	}
	take_cookie(&end.cookie, result == LDAP_DONE);
	drop_all(&changes);
	str_free(&end.cookie);
	return result;
}

static enum ldap_result refresh(struct ldap_session *session, const char *dn)
{
	struct str place = STR_INIT;
	bool again;

	str_printf(&place, "%s %s", ldap_session_uri(session), dn);
	if (strcmp(str_cstr(&place), str_cstr(&kept.place)) != 0)
		str_reset(&kept.cookie);
	str_reset(&kept.place);
	copy_text(&kept.place, &place);
	str_free(&place);
	enum ldap_result result = refresh_once(session, dn, &again);

	if (again) {
		str_reset(&kept.cookie);
		result = refresh_once(session, dn, &again);
	}
	if (result == LDAP_NO_ENTRY) { /* no ou=moves: no moves */
		drop_all(&kept.records);
		str_reset(&kept.cookie);
		result = LDAP_DONE;
	}
	return result;
}

/* --- what the cookie does not tell yet ------------------------------------------------------ */

static int take_late(void *context, const struct ldap_stream_entry *entry)
{
	struct moves *late = context;
	struct move move;

	if (!take_move(entry, &move))
		return 0;
	late->list = mem_grow(late->list, late->count + 1, sizeof *late->list);
	late->list[late->count++] = move;
	return 0;
}

static int compare_dn(const void *left, const void *right)
{
	const struct move *a = left, *b = right;

	return strcmp(str_cstr(&a->dn), str_cstr(&b->dn));
}

/* In place of what is there of the same record. */
static void put_late(struct moves *moves, struct moves *late)
{
	size_t stay = 0;

	qsort(late->list, late->count, sizeof *late->list, compare_dn);
	for (size_t i = 0; i < moves->count; i++)
		if (bsearch(&moves->list[i], late->list, late->count, sizeof *late->list,
			    compare_dn) != NULL)
			move_free_fields(&moves->list[i]);
		else
			moves->list[stay++] = moves->list[i];
	moves->count = stay;
	moves_join(moves, late);
}

/*
 * While an earlier write is under way slapd's newest CSN stands before it, and later ones that were
 * answered already are in no refresh: a second mailbox would be seen without its move. A search
 * shows them.
 */
static enum ldap_result read_late(
	struct ldap_session *session, const char *dn, const char *since, struct moves *moves)
{
	struct str filter = STR_INIT;
	struct moves late = { NULL, 0 };
	bool stopped;

	str_printf(&filter, "(&(objectClass=restanteMove)(entryCSN>=%s))", since);
	const struct ldap_stream_options options = {
		.base = dn, .scope = LDAP_ONE, .filter = str_cstr(&filter), .attributes = attributes
	};
	enum ldap_result result = ldap_stream_search(session, &options, take_late, &late, &stopped);
	str_free(&filter);
	if (late.count > 0)
		put_late(moves, &late);
	return result == LDAP_NO_ENTRY ? LDAP_DONE : result;
}

/* The oldest of all servers'; "": none is known. */
static const char *oldest(const struct csn_vector *vector)
{
	const char *csn = vector->count > 0 ? vector->csn[0] : "";

	for (size_t i = 1; i < vector->count; i++)
		if (strcmp(vector->csn[i], csn) < 0)
			csn = vector->csn[i];
	return csn;
}

static void copy_kept(struct moves *moves, char since_r[CSN_LEN + 1])
{
	moves->list = mem_grow(NULL, kept.records.count + 1, sizeof *moves->list);
	for (size_t i = 0; i < kept.records.count; i++)
		if (kept.records.list[i].usable)
			moves->list[moves->count++] = move_share(&kept.records.list[i].move);
	strcpy(since_r, kept.cookie.len > 0 ? oldest(&kept.newest) : "");
}

enum ldap_result moves_read(struct ldap_session *session, const char *base, struct moves *moves_r)
{
	struct str dn = STR_INIT;
	char since[CSN_LEN + 1] = "";

	*moves_r = (struct moves){ NULL, 0 };
	str_append_z(&dn, "ou=moves,");
	federation_dn(base, &dn);
	pthread_mutex_lock(&kept.lock);
	enum ldap_result result = refresh(session, str_cstr(&dn));
	if (result == LDAP_DONE)
		copy_kept(moves_r, since);
	pthread_mutex_unlock(&kept.lock);
	if (result == LDAP_DONE && *since != '\0')
		result = read_late(session, str_cstr(&dn), since, moves_r);
	str_free(&dn);
	if (result != LDAP_DONE)
		moves_free(moves_r);
	return result;
}
