#define _GNU_SOURCE
#include "directory/refresh.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "directory/doomed.h"
#include "directory/loader.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ENTRIES_AT_ONCE 200
#define MASS_LEAST      10 /* fewer are never a mass */

struct uuids {
	uint8_t (*items)[ROUTE_UUID_BYTES];
	size_t count, cap;
};

struct refresh {
	struct replica *replica;
	struct loader *loader; /* the first load */
	bool complete;         /* no cookie was sent */
	bool absence;          /* what is not in `shown` is gone */
	bool ended;
	size_t unknown; /* in `shown`, but not in the tables */
	struct uuids shown, deleted;
	struct change *changes; /* entries that wait for one transaction */
	size_t waiting;
};

static void add_uuid(struct uuids *uuids, const uint8_t *uuid)
{
	if (uuids->count == uuids->cap) {
		uuids->cap = uuids->cap > 0 ? uuids->cap * 2 : 1024;
		uuids->items = mem_grow(uuids->items, uuids->cap, sizeof(uuids->items[0]));
	}
	memcpy(uuids->items[uuids->count++], uuid, ROUTE_UUID_BYTES);
}

static int compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, ROUTE_UUID_BYTES);
}

struct refresh *refresh_begin(struct replica *replica, bool complete)
{
	struct refresh *refresh = mem_zalloc(sizeof(*refresh));

	refresh->replica = replica;
	refresh->absence = complete;
	if (!replica_loaded(replica))
		refresh->loader = loader_new(replica);
	refresh->changes = mem_zalloc(ENTRIES_AT_ONCE * sizeof(refresh->changes[0]));
	refresh->complete = complete;
	replica_begin_refresh(replica);
	return refresh;
}

void refresh_free(struct refresh **refresh)
{
	struct refresh *r = *refresh;

	if (r == NULL)
		return;
	if (!r->ended)
		replica_end_refresh(r->replica, false);
	loader_free(&r->loader);
	for (size_t i = 0; i < ENTRIES_AT_ONCE; i++)
		record_free(&r->changes[i].record);
	mem_free(&r->changes);
	mem_free(&r->shown.items);
	mem_free(&r->deleted.items);
	mem_free(refresh);
}

static int apply_waiting(struct refresh *refresh, const char **error_r)
{
	size_t count = refresh->waiting;

	refresh->waiting = 0;
	return count > 0 ? replica_apply(refresh->replica, refresh->changes, count, NULL, error_r)
			 : 0;
}

int refresh_entry(struct refresh *refresh, struct change *change, const char **error_r)
{
	struct change swap;

	refresh_present(refresh, change->record.uuid);
	if (refresh->loader != NULL)
		return loader_add(refresh->loader, &change->record, error_r);
	/* the memory of the record that was there before serves the caller's next one */
	swap = refresh->changes[refresh->waiting];
	refresh->changes[refresh->waiting++] = *change;
	*change = swap;
	return refresh->waiting == ENTRIES_AT_ONCE ? apply_waiting(refresh, error_r) : 0;
}

void refresh_present(struct refresh *refresh, const uint8_t *uuid)
{
	/* nothing is in the tables that could be missed */
	if (refresh->loader == NULL)
		add_uuid(&refresh->shown, uuid);
}

void refresh_deleted(struct refresh *refresh, const uint8_t *uuid)
{
	add_uuid(&refresh->deleted, uuid);
}

void refresh_presents_end(struct refresh *refresh)
{
	refresh->absence = true;
}

/* --- the end of the first load -------------------------------------------------------------- */

/* Rare: an entry went away while the first load was under way. */
static int delete_after_load(struct refresh *refresh, const char **error_r)
{
	struct change change = { .kind = CHANGE_DELETE };
	int result = 0;

	for (size_t i = 0; i < refresh->deleted.count && result == 0; i++) {
		memcpy(change.record.uuid, refresh->deleted.items[i], ROUTE_UUID_BYTES);
		result = replica_apply(refresh->replica, &change, 1, NULL, error_r);
	}
	return result;
}

static int end_load(struct refresh *refresh, const struct csn_vector *cookie, const char **error_r)
{
	if (loader_finish(refresh->loader, cookie, error_r) < 0)
		return -1;
	return delete_after_load(refresh, error_r);
}

/* --- what is gone --------------------------------------------------------------------------- */

bool refresh_is_mass(uint64_t gone, uint64_t all, unsigned percent)
{
	return gone > MASS_LEAST && gone * 100 > all * percent;
}

static void sort_uuids(struct uuids *uuids)
{
	size_t kept = 0;

	if (uuids->count > 0)
		qsort(uuids->items, uuids->count, sizeof(uuids->items[0]), compare_uuids);
	for (size_t i = 0; i < uuids->count; i++)
		if (kept == 0 || compare_uuids(uuids->items[kept - 1], uuids->items[i]) != 0)
			memmove(uuids->items[kept++], uuids->items[i], ROUTE_UUID_BYTES);
	uuids->count = kept;
}

/* The entries that were not shown, and what was shown but is not there, by walking both in the
 * order of the keys. */
static enum bdb_result find_absent(struct refresh *refresh, struct doomed_list *absent)
{
	struct uuids *shown = &refresh->shown;
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(refresh->replica->store.entries, NULL, 0, &cursor);
	size_t at = 0;

	if (result != BDB_OK)
		return result;
	sort_uuids(shown);
	result = bdb_cursor_seek(cursor, NULL, 0, &item);
	while (result == BDB_OK) {
		for (; at < shown->count && compare_uuids(shown->items[at], item.key) < 0; at++)
			refresh->unknown++;
		if (at < shown->count && compare_uuids(shown->items[at], item.key) == 0)
			at++;
		else
			doomed_add(absent, item.key, item.value, item.value_len);
		result = bdb_cursor_next(cursor, &item);
	}
	refresh->unknown += shown->count - at;
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

static enum bdb_result find_deleted(struct refresh *refresh, struct doomed_list *gone)
{
	struct store *store = &refresh->replica->store;
	enum bdb_result result = BDB_OK;

	for (size_t i = 0; i < refresh->deleted.count && result == BDB_OK; i++) {
		const uint8_t *uuid = refresh->deleted.items[i];

		result = bdb_get(store->entries, NULL, uuid, ROUTE_UUID_BYTES, &store->value);
		if (result == BDB_OK)
			doomed_add(gone, uuid, store->value.data, store->value.len);
		else if (result == BDB_NOTFOUND)
			result = BDB_OK;
	}
	return result;
}

/* A reader may lose a deadlock only against a writer, and the writer are we. */
static int find_gone(struct refresh *refresh, struct doomed_list *gone, const char **error_r)
{
	enum bdb_result result = find_deleted(refresh, gone);

	if (result == BDB_OK && refresh->absence)
		result = find_absent(refresh, gone);
	if (result == BDB_OK)
		return 0;
	*error_r = replica_store_error(refresh->replica, result);
	return -1;
}

/* --- the end of any other refresh ----------------------------------------------------------- */

static bool is_mass(struct replica *replica, const struct doomed_list *gone)
{
	unsigned percent;

	pthread_rwlock_rdlock(&replica->lock);
	percent = replica->mass_delete_percent;
	pthread_rwlock_unlock(&replica->lock);
	return gone->federation || doomed_refused(replica, gone) ||
	       refresh_is_mass(gone->mailboxes, replica->meta.mailboxes, percent);
}

static int tell_incomplete(const struct refresh *refresh)
{
	log_warning("directory",
		"the directory has entries that are missing here: all is read again entries=%zu",
		refresh->unknown);
	return REFRESH_INCOMPLETE;
}

static int end_gone(struct replica *replica, struct doomed_list *gone,
	const struct csn_vector *cookie, const char **error_r)
{
	size_t doubtful = doomed_keep_covered(gone, cookie);

	if (doubtful > 0)
		log_warning("directory",
			"entries absent but newer than the refresh are kept entries=%zu", doubtful);
	return is_mass(replica, gone) ? doomed_refuse(replica, gone, cookie, error_r)
				      : doomed_delete(replica, gone, cookie, error_r);
}

static int end_locked(
	struct refresh *refresh, const struct csn_vector *cookie, bool behind, const char **error_r)
{
	struct replica *replica = refresh->replica;
	struct doomed_list gone = { .count = 0 };
	int result = find_gone(refresh, &gone, error_r);

	/* of one that is behind neither absence nor presence says anything */
	behind = behind || vector_behind(cookie, &replica->meta.vector);
	if (result == 0 && behind && gone.count > 0)
		replica_withhold(replica, gone.count);
	else if (result == 0 && !behind && !refresh->complete && refresh->unknown > 0)
		result = tell_incomplete(refresh);
	else if (result == 0)
		result = end_gone(replica, &gone, cookie, error_r);
	doomed_free(&gone);
	return result;
}

static int end_refresh(
	struct refresh *refresh, const struct csn_vector *cookie, bool behind, const char **error_r)
{
	struct replica *replica = refresh->replica;
	int result;

	if (apply_waiting(refresh, error_r) < 0)
		return -1;
	replica_begin_write(replica);
	result = end_locked(refresh, cookie, behind, error_r);
	if (result == 0)
		replica_settle(replica);
	replica_end_write(replica);
	return result;
}

int refresh_end(
	struct refresh *refresh, const struct csn_vector *cookie, bool behind, const char **error_r)
{
	int result = refresh->loader != NULL ? end_load(refresh, cookie, error_r)
					     : end_refresh(refresh, cookie, behind, error_r);

	if (result != 0)
		return result;
	replica_end_refresh(refresh->replica, true);
	refresh->ended = true;
	replica_notify(refresh->replica, NULL);
	return 0;
}
