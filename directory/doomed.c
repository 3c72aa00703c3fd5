#define _GNU_SOURCE
#include "directory/doomed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "directory/refresh.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define AT_ONCE   500
#define WINDOW_US (600 * CLOCK_SECOND) /* deletions pushed within it are judged together */

void doomed_add(struct doomed_list *list, const uint8_t *uuid, const void *data, size_t len)
{
	struct record *record = &list->scratch;
	struct doomed *doomed;

	if (record_decode(data, len, uuid, record) < 0)
		return;
	if ((list->count & (list->count - 1)) == 0)
		list->items = mem_grow(
			list->items, list->count > 0 ? 2 * list->count : 1, sizeof(list->items[0]));
	doomed = &list->items[list->count++];
	memcpy(doomed->uuid, uuid, sizeof(doomed->uuid));
	memcpy(doomed->csn, record->csn, sizeof(doomed->csn));
	doomed->kind = record->kind;
	list->mailboxes += record->kind == RECORD_MAILBOX ? 1 : 0;
	list->federation |= record->kind == RECORD_FEDERATION;
}

void doomed_free(struct doomed_list *list)
{
	mem_free(&list->items);
	record_free(&list->scratch);
	list->count = 0;
}

static int compare_doomed(const void *a, const void *b)
{
	return memcmp(((const struct doomed *)a)->uuid, ((const struct doomed *)b)->uuid,
		ROUTE_UUID_BYTES);
}

size_t doomed_keep_covered(struct doomed_list *list, const struct csn_vector *cookie)
{
	size_t all = list->count, doubtful = 0;

	if (all > 0)
		qsort(list->items, all, sizeof(list->items[0]), compare_doomed);
	list->count = 0;
	list->mailboxes = 0;
	list->federation = false;
	for (size_t i = 0; i < all; i++) {
		struct doomed doomed = list->items[i];

		if (i > 0 && memcmp(doomed.uuid, list->items[i - 1].uuid, ROUTE_UUID_BYTES) == 0)
			continue;
		if (!vector_covers(cookie, doomed.csn)) {
			doubtful++;
			continue;
		}
		list->mailboxes += doomed.kind == RECORD_MAILBOX ? 1 : 0;
		list->federation |= doomed.kind == RECORD_FEDERATION;
		list->items[list->count++] = doomed;
	}
	return doubtful;
}

/* --- deleting ------------------------------------------------------------------------------- */

/* What one transaction takes of a list. */
struct part {
	const struct doomed_list *list;
	size_t from, to;
	const struct csn_vector *cookie; /* with the last part only */
	uint64_t deleted;
};

static void next_part(struct part *part, const struct csn_vector *cookie)
{
	size_t left = part->list->count - part->to;

	part->from = part->to;
	part->to += left > AT_ONCE ? AT_ONCE : left;
	part->cookie = part->to == part->list->count ? cookie : NULL;
}

static enum bdb_result delete_part(
	struct replica *replica, struct bdb_txn *txn, struct store_meta *next, void *context)
{
	struct part *deletion = context;
	enum bdb_result result = BDB_OK;

	deletion->deleted = 0;
	for (size_t i = deletion->from; i < deletion->to && result == BDB_OK; i++) {
		const struct doomed *doomed = &deletion->list->items[i];
		struct effect effect;

		result = store_delete(&replica->store, txn, doomed->uuid, doomed->csn, &effect);
		next->mailboxes += (uint64_t)(int64_t)effect.mailboxes;
		next->addresses += (uint64_t)(int64_t)effect.addresses;
		deletion->deleted += effect.changed ? 1 : 0;
	}
	if (deletion->cookie != NULL) {
		vector_merge(&next->vector, deletion->cookie);
		next->pending.count = 0;
		next->refused = 0;
	}
	return result;
}

/* One that had a newer version by now was not deleted. */
static bool is_stored(struct replica *replica, const uint8_t *uuid)
{
	return bdb_get(replica->store.entries, NULL, uuid, ROUTE_UUID_BYTES,
		       &replica->store.value) == BDB_OK;
}

static void forget_part(struct replica *replica, const struct part *deletion)
{
	for (size_t i = deletion->from; i < deletion->to; i++) {
		const uint8_t *uuid = deletion->list->items[i].uuid;

		if (!known_has(&replica->known, uuid) || is_stored(replica, uuid))
			continue;
		pthread_rwlock_wrlock(&replica->lock);
		known_remove(&replica->known, uuid);
		pthread_rwlock_unlock(&replica->lock);
	}
}

static int64_t delete_all(struct replica *replica, const struct doomed_list *list,
	const struct csn_vector *cookie, const char **error_r)
{
	struct part part = { .list = list };
	int64_t deleted = 0;

	do {
		next_part(&part, cookie);
		if (replica_transact(replica, delete_part, &part, error_r) < 0)
			return -1;
		forget_part(replica, &part);
		deleted += (int64_t)part.deleted;
	} while (part.to < list->count);
	return deleted;
}

static int clear_refused(struct replica *replica, const char **error_r)
{
	enum bdb_result result = bdb_table_clear(replica->store.doomed, NULL);

	if (result == BDB_OK)
		return 0;
	*error_r = replica_store_error(replica, result);
	return -1;
}

int doomed_delete(struct replica *replica, const struct doomed_list *list,
	const struct csn_vector *cookie, const char **error_r)
{
	bool waited = replica->meta.refused > 0;
	int64_t deleted = delete_all(replica, list, cookie, error_r);

	if (deleted < 0)
		return -1;
	if (deleted > 0)
		log_info("directory", "entries vanished during the refresh entries=%" PRId64,
			deleted);
	return waited ? clear_refused(replica, error_r) : 0;
}

/* --- refusing ------------------------------------------------------------------------------- */

static enum bdb_result refuse_part(
	struct replica *replica, struct bdb_txn *txn, struct store_meta *next, void *context)
{
	struct part *refusal = context;
	enum bdb_result result = BDB_OK;

	for (size_t i = refusal->from; i < refusal->to && result == BDB_OK; i++) {
		const struct doomed *doomed = &refusal->list->items[i];

		result = bdb_put(replica->store.doomed, txn, doomed->uuid, ROUTE_UUID_BYTES,
			doomed->csn, CSN_LEN, 0);
	}
	if (refusal->cookie != NULL) {
		next->pending = next->vector;
		vector_merge(&next->pending, refusal->cookie);
		next->refused = refusal->list->count;
	}
	return result;
}

/*
 * This front door's own entry is not kept: fences do not wait for one that has none, so it must not
 * go on serving.
 */
static int delete_nodes(struct replica *replica, struct doomed_list *list, const char **error_r)
{
	struct doomed_list nodes = { .count = 0 };
	size_t kept = 0;
	int64_t deleted = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind != RECORD_NODE) {
			list->items[kept++] = list->items[i];
			continue;
		}
		nodes.items = mem_grow(nodes.items, nodes.count + 1, sizeof(nodes.items[0]));
		nodes.items[nodes.count++] = list->items[i];
	}
	list->count = kept;
	if (nodes.count > 0)
		deleted = delete_all(replica, &nodes, NULL, error_r);
	doomed_free(&nodes);
	return deleted < 0 ? -1 : 0;
}

int doomed_refuse(struct replica *replica, struct doomed_list *list,
	const struct csn_vector *cookie, const char **error_r)
{
	struct part part = { .list = list };

	if (clear_refused(replica, error_r) < 0 || delete_nodes(replica, list, error_r) < 0)
		return -1;
	do {
		next_part(&part, cookie);
		if (replica_transact(replica, refuse_part, &part, error_r) < 0)
			return -1;
	} while (part.to < list->count);
	log_error("directory",
		"mass disappearance refused, the entries are still routed: check the directory, "
		"then "
		"`restante node approve` entries=%zu mailboxes=%" PRIu64 " of=%" PRIu64,
		list->count, list->mailboxes, replica->meta.mailboxes);
	return 0;
}

bool doomed_refused(struct replica *replica, const struct doomed_list *list)
{
	struct str *value = &replica->store.value;

	if (replica->meta.refused == 0)
		return false;
	for (size_t i = 0; i < list->count; i++)
		if (bdb_get(replica->store.doomed, NULL, list->items[i].uuid, ROUTE_UUID_BYTES,
			    value) == BDB_OK)
			return true;
	return false;
}

/* --- one by one ----------------------------------------------------------------------------- */

static bool would_be_mass(struct replica *replica, const struct record *record)
{
	struct recent_deletes *recent = &replica->recent;
	int64_t now = clock_mono_us();
	unsigned percent;

	if (record->kind != RECORD_MAILBOX)
		return record->kind == RECORD_FEDERATION;
	if (recent->since_us == 0 || now - recent->since_us > WINDOW_US)
		*recent =
			(struct recent_deletes){ .since_us = now, .all = replica->meta.mailboxes };
	pthread_rwlock_rdlock(&replica->lock);
	percent = replica->mass_delete_percent;
	pthread_rwlock_unlock(&replica->lock);
	return refresh_is_mass(recent->gone + 1, recent->all, percent);
}

static enum bdb_result put_aside(struct replica *replica, struct bdb_txn *txn,
	const struct record *record, struct store_meta *next)
{
	enum bdb_result result = bdb_put(replica->store.doomed, txn, record->uuid, ROUTE_UUID_BYTES,
		record->csn, CSN_LEN, BDB_NEW_ONLY);

	if (result == BDB_EXISTS)
		return BDB_OK;
	if (result == BDB_OK && next->refused++ == 0)
		next->pending = next->vector;
	return result;
}

enum bdb_result doomed_watch(struct replica *replica, struct bdb_txn *txn,
	const struct change *change, struct store_meta *next, bool *aside_r)
{
	struct store *store = &replica->store;
	struct record *record = &store->old;
	enum bdb_result result = store_get(store, txn, change->record.uuid, &store->value, record);

	*aside_r = false;
	if (result != BDB_OK)
		return result == BDB_NOTFOUND ? BDB_OK : result;
	if (change->newest[0] != '\0' && strcmp(record->csn, change->newest) > 0)
		return BDB_OK;
	if (!would_be_mass(replica, record))
		return BDB_OK;
	*aside_r = true;
	return put_aside(replica, txn, record, next);
}

/* --- approving ------------------------------------------------------------------------------ */

/* The refused ones in the version that they had then: one that changed since is not deleted. */
static enum bdb_result read_refused(struct replica *replica, struct doomed_list *list)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(replica->store.doomed, NULL, 0, &cursor);

	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, NULL, 0, &item);
	while (result == BDB_OK) {
		struct doomed *doomed;

		if (item.key_len == ROUTE_UUID_BYTES && item.value_len == CSN_LEN) {
			list->items =
				mem_grow(list->items, list->count + 1, sizeof(list->items[0]));
			doomed = &list->items[list->count++];
			memset(doomed, 0, sizeof(*doomed));
			memcpy(doomed->uuid, item.key, ROUTE_UUID_BYTES);
			memcpy(doomed->csn, item.value, CSN_LEN);
		}
		result = bdb_cursor_next(cursor, &item);
	}
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

static int64_t approve(struct replica *replica, const char **error_r)
{
	struct doomed_list list = { .count = 0 };
	struct csn_vector pending = replica->meta.pending;
	enum bdb_result result;
	int64_t deleted = -1;

	if (replica->meta.refused == 0) {
		*error_r = "no refused disappearance waits";
		return -1;
	}
	result = read_refused(replica, &list);
	if (result != BDB_OK)
		*error_r = replica_store_error(replica, result);
	else if (list.count != replica->meta.refused)
		*error_r = "the list of them is incomplete, it is made again when the directory is "
			   "connected; try again then";
	else
		deleted = delete_all(replica, &list, &pending, error_r);
	doomed_free(&list);
	/* the word given is for what comes of the same cause as well, up to the next mass */
	memset(&replica->recent, 0, sizeof(replica->recent));
	if (deleted >= 0 && clear_refused(replica, error_r) < 0)
		return -1;
	return deleted;
}

int64_t replica_approve(struct replica *replica, const char **error_r)
{
	int64_t deleted;

	replica_begin_write(replica);
	deleted = approve(replica, error_r);
	if (deleted >= 0)
		replica_settle(replica);
	replica_end_write(replica);
	if (deleted >= 0) {
		log_warning("directory", "mass disappearance approved entries=%" PRId64, deleted);
		replica_notify(replica, NULL);
	}
	return deleted;
}
