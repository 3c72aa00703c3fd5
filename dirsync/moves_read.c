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

static struct move copy_of(const struct move *from)
{
	struct move to = { .kind = from->kind, .state = from->state };

	copy_text(&to.dn, &from->dn);
	copy_text(&to.key, &from->key);
	copy_text(&to.assignor, &from->assignor);
	copy_text(&to.assignee, &from->assignee);
	copy_text(&to.old_source_id, &from->old_source_id);
	copy_text(&to.source_id, &from->source_id);
	copy_text(&to.physical, &from->physical);
	copy_text(&to.claims.bytes, &from->claims.bytes);
	to.claims.count = from->claims.count;
	return to;
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

/* All of them by entryUUID, as of the cookie. */
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

/* Of a record (order <= 0) and what is told of it (order >= 0); NULL: it is gone. */
static struct record *choose(struct record *old, struct record *change, int order, bool absent)
{
	if (order < 0)
		return absent ? NULL : old;
	if (change->shown)
		return change;
	return change->gone || order > 0 ? NULL : old;
}

/* Takes the records out of both. absent: what is in no change is gone. */
static struct records merge(struct records *old, struct records *changes, bool absent)
{
	struct records fresh = {
		mem_grow(NULL, old->count + changes->count + 1, sizeof *fresh.list), 0
	};
	size_t o = 0, c = 0;

	while (o < old->count || c < changes->count) {
		struct record *a = o < old->count ? &old->list[o] : NULL;
		struct record *b = c < changes->count ? &changes->list[c] : NULL;
		int order = a == NULL ? 1 : b == NULL ? -1 : compare_uuid(a, b);
		struct record *taken = choose(a, b, order, absent);

		if (taken != NULL) {
			fresh.list[fresh.count++] = *taken;
			taken->usable = false; /* its texts have another owner now */
		}
		o += order <= 0;
		for (size_t same = c; order >= 0 && c < changes->count &&
				      compare_uuid(&changes->list[same], &changes->list[c]) == 0;)
			c++;
	}
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
	struct moves *moves = context;
	struct move move;
	size_t at = 0;

	if (!take_move(entry, &move))
		return 0;
	while (at < moves->count && strcmp(str_cstr(&moves->list[at].dn), entry->dn) != 0)
		at++;
	if (at < moves->count)
		move_free_fields(&moves->list[at]);
	else
		moves->list = mem_grow(moves->list, ++moves->count, sizeof *moves->list);
	moves->list[at] = move;
	return 0;
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
	bool stopped;

	str_printf(&filter, "(&(objectClass=restanteMove)(entryCSN>=%s))", since);
	const struct ldap_stream_options options = {
		.base = dn, .scope = LDAP_ONE, .filter = str_cstr(&filter), .attributes = attributes
	};
	enum ldap_result result = ldap_stream_search(session, &options, take_late, moves, &stopped);
	str_free(&filter);
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
			moves->list[moves->count++] = copy_of(&kept.records.list[i].move);
	strcpy(since_r, kept.cookie.len > 0 ? oldest(&kept.newest) : "");
}

static int compare(const void *left, const void *right)
{
	const struct move *a = left, *b = right;
	int order = strcmp(str_cstr(&a->key), str_cstr(&b->key));

	if (order == 0)
		order = (int)a->kind - (int)b->kind;
	return order != 0 ? order : strcmp(str_cstr(&a->dn), str_cstr(&b->dn));
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
	else if (moves_r->count > 1)
		qsort(moves_r->list, moves_r->count, sizeof(*moves_r->list), compare);
	return result;
}

/* --- again ---------------------------------------------------------------------------------- */

/* The list is sorted as compare() says up to count; the address of a record does not change. */
static bool has_record(const struct moves *moves, size_t count, const struct move *move)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(str_cstr(&moves->list[middle].key), str_cstr(&move->key)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count; low++) {
		if (strcmp(str_cstr(&moves->list[low].key), str_cstr(&move->key)) != 0)
			return false;
		if (strcmp(str_cstr(&moves->list[low].dn), str_cstr(&move->dn)) == 0)
			return true;
	}
	return false;
}

void moves_join(struct moves *moves, struct moves *more)
{
	size_t before = moves->count;

	for (size_t i = 0; i < more->count; i++) {
		if (has_record(moves, before, &more->list[i]))
			continue;
		moves->list = mem_grow(moves->list, moves->count + 1, sizeof(*moves->list));
		moves->list[moves->count++] = more->list[i];
		more->list[i] = (struct move){ .state = 0 };
	}
	moves_free(more);
	if (moves->count > 1)
		qsort(moves->list, moves->count, sizeof(*moves->list), compare);
}
