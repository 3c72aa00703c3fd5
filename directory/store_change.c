/* What one entry's change means to the tables. */
#include "directory/store.h"

#include <stdio.h>
#include <string.h>

#include "directory/bytes.h"
#include "lib/clock.h"

enum bdb_result store_get(struct store *store, struct bdb_txn *txn, const uint8_t *uuid,
	struct str *value, struct record *record_r)
{
	enum bdb_result result = bdb_get(store->entries, txn, uuid, ROUTE_UUID_BYTES, value);

	if (result == BDB_OK && record_decode(value->data, value->len, uuid, record_r) < 0)
		return BDB_FAILED;
	return result;
}

/* --- addresses ------------------------------------------------------------------------------ */

/* What stands there, into store->value; nothing there is an empty value. */
static enum bdb_result get_claims(struct store *store, struct bdb_txn *txn, const char *key)
{
	enum bdb_result result = bdb_get(store->addresses, txn, key, strlen(key), &store->value);

	if (result == BDB_NOTFOUND) {
		str_reset(&store->value);
		return BDB_OK;
	}
	return result;
}

static enum bdb_result put_claim(struct store *store, struct bdb_txn *txn, const char *key,
	const struct record *mailbox, struct effect *effect)
{
	enum bdb_result result = get_claims(store, txn, key);
	int count;

	if (result != BDB_OK)
		return result;
	count = claims_replace(
		store->value.data, store->value.len, mailbox->uuid, mailbox, &store->changed);
	if (count < 0)
		return BDB_FAILED;
	if (count > 1) {
		snprintf(effect->shared, sizeof(effect->shared), "%s", key);
		effect->claims = (unsigned)count;
	}
	return bdb_put(store->addresses, txn, key, strlen(key), store->changed.data,
		store->changed.len, 0);
}

/* The value in store->changed lost its last claim. */
static enum bdb_result bury(struct store *store, struct bdb_txn *txn, const char *key)
{
	struct tombstone tombstone = {
		.wall_us = clock_wall_us(), .mono_us = clock_mono_us(), .process = store->process
	};
	enum bdb_result result;

	claims_bury(&tombstone, &store->changed);
	result = bdb_put(store->addresses, txn, key, strlen(key), store->changed.data,
		store->changed.len, 0);
	if (result != BDB_OK)
		return result;
	str_reset(&store->value);
	bytes_put(&store->value, (uint64_t)tombstone.wall_us, 8);
	str_append_z(&store->value, key);
	return bdb_put(store->buried, txn, store->value.data, store->value.len, "", 0, 0);
}

static enum bdb_result drop_claim(
	struct store *store, struct bdb_txn *txn, const char *key, const uint8_t *uuid)
{
	enum bdb_result result = get_claims(store, txn, key);
	int count;

	if (result != BDB_OK)
		return result;
	count = claims_replace(store->value.data, store->value.len, uuid, NULL, &store->changed);
	if (count < 0)
		return BDB_FAILED;
	if (count == 0)
		return bury(store, txn, key);
	return bdb_put(store->addresses, txn, key, strlen(key), store->changed.data,
		store->changed.len, 0);
}

/* Whether what stands under each address would be the same. */
static bool same_claim(const struct record *a, const struct record *b)
{
	return a->kind == b->kind && a->state == b->state && a->fault == b->fault &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->physical, b->physical) == 0;
}

static bool is_mailbox(const struct record *record)
{
	return record->kind == RECORD_MAILBOX;
}

static enum bdb_result replace_claims(struct store *store, struct bdb_txn *txn,
	const struct record *old, const struct record *record, struct effect *effect)
{
	bool same = same_claim(old, record);
	enum bdb_result result = BDB_OK;
	const char *k;

	if (is_mailbox(old))
		for (k = record_first(old); k && result == BDB_OK; k = record_next(old, k))
			if (!is_mailbox(record) || !record_has(record, k)) {
				result = drop_claim(store, txn, k, old->uuid);
				effect->addresses--;
			}
	if (is_mailbox(record))
		for (k = record_first(record); k && result == BDB_OK; k = record_next(record, k)) {
			bool had = is_mailbox(old) && record_has(old, k);

			if (!had || !same)
				result = put_claim(store, txn, k, record, effect);
			effect->addresses += had ? 0 : 1;
		}
	return result;
}

/* --- the other tables ----------------------------------------------------------------------- */

static bool is_held(const struct record *record)
{
	return is_mailbox(record) && record->state == STATE_HOLDING;
}

static enum bdb_result lenient(enum bdb_result result)
{
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

static enum bdb_result replace_holding(struct store *store, struct bdb_txn *txn,
	const struct record *old, const struct record *record, struct effect *effect)
{
	bool was = is_held(old), is = is_held(record);

	if (was == is && (!is || strcmp(old->physical, record->physical) == 0))
		return BDB_OK;
	effect->held_changed = true;
	if (is)
		return bdb_put(store->holding, txn, record->uuid, ROUTE_UUID_BYTES,
			record->physical, strlen(record->physical), 0);
	return lenient(bdb_del(store->holding, txn, old->uuid, ROUTE_UUID_BYTES));
}

static bool is_small(const struct record *record)
{
	return record->kind != RECORD_NONE && record->kind != RECORD_MAILBOX;
}

/* The record's bytes into its tables; store->value has them afterwards. */
static enum bdb_result put_record(
	struct store *store, struct bdb_txn *txn, const struct record *record)
{
	enum bdb_result result;

	str_reset(&store->value);
	record_encode(record, &store->value);
	result = bdb_put(store->entries, txn, record->uuid, ROUTE_UUID_BYTES, store->value.data,
		store->value.len, 0);
	if (result == BDB_OK && is_small(record))
		result = bdb_put(store->small, txn, record->uuid, ROUTE_UUID_BYTES,
			store->value.data, store->value.len, 0);
	return result;
}

enum bdb_result store_replace(struct store *store, struct bdb_txn *txn, const struct record *old,
	const struct record *record, struct effect *effect_r)
{
	enum bdb_result result = BDB_OK;

	effect_r->changed = true;
	effect_r->mailboxes += (is_mailbox(record) ? 1 : 0) - (is_mailbox(old) ? 1 : 0);
	if (record->kind != RECORD_NONE)
		result = put_record(store, txn, record);
	else
		result = lenient(bdb_del(store->entries, txn, old->uuid, ROUTE_UUID_BYTES));
	if (result == BDB_OK && is_small(old) && !is_small(record))
		result = lenient(bdb_del(store->small, txn, old->uuid, ROUTE_UUID_BYTES));
	if (result == BDB_OK)
		result = replace_holding(store, txn, old, record, effect_r);
	if (result == BDB_OK)
		result = replace_claims(store, txn, old, record, effect_r);
	return result;
}

/* The epoch, or the node's state, is as old as the version that brought it. */
static void keep_mark(const struct record *old, struct record *record)
{
	if (old->kind != record->kind || is_mailbox(record))
		return;
	if ((record->kind == RECORD_FEDERATION && old->epoch == record->epoch) ||
		(record->kind == RECORD_NODE && old->node == record->node))
		memcpy(record->mark, old->mark, sizeof(record->mark));
}

enum bdb_result store_upsert(
	struct store *store, struct bdb_txn *txn, struct record *record, struct effect *effect_r)
{
	struct record *old = &store->old;
	enum bdb_result result;

	memset(effect_r, 0, sizeof(*effect_r));
	result = store_get(store, txn, record->uuid, &store->value, old);
	if (result == BDB_NOTFOUND)
		record_begin(old, record->uuid, "", 0);
	else if (result != BDB_OK)
		return result;
	effect_r->older = strcmp(record->csn, old->csn) < 0;
	if (strcmp(record->csn, old->csn) <= 0)
		return BDB_OK;
	memcpy(record->mark, record->csn, sizeof(record->mark));
	keep_mark(old, record);
	return store_replace(store, txn, old, record, effect_r);
}

enum bdb_result store_delete(struct store *store, struct bdb_txn *txn, const uint8_t *uuid,
	const char *unless_newer_than, struct effect *effect_r)
{
	static const struct record none = { .kind = RECORD_NONE };
	struct record *old = &store->old;
	enum bdb_result result;

	memset(effect_r, 0, sizeof(*effect_r));
	result = store_get(store, txn, uuid, &store->value, old);
	if (result != BDB_OK)
		return lenient(result);
	if (unless_newer_than != NULL && strcmp(old->csn, unless_newer_than) > 0)
		return BDB_OK;
	return store_replace(store, txn, old, &none, effect_r);
}

/* --- tombstones ----------------------------------------------------------------------------- */

/* Whether the tombstone may go; it stays in claims where the address has a claim by now. */
static enum bdb_result look_at(struct store *store, const char *key, struct claims *claims)
{
	enum bdb_result result = get_claims(store, NULL, key);

	claims->buried = false;
	if (result == BDB_OK && claims_read(store->value.data, store->value.len, claims) < 0)
		return BDB_FAILED;
	return result;
}

static enum bdb_result purge_one(struct store *store, const char *key, bool bury_ends)
{
	struct str *place = &store->changed;
	enum bdb_result result;
	struct bdb_txn *txn;

	if ((result = bdb_begin(store->env, 0, &txn)) != BDB_OK)
		return result;
	if (bury_ends)
		result = lenient(bdb_del(store->addresses, txn, key, strlen(key)));
	if (result == BDB_OK)
		result = lenient(bdb_del(store->buried, txn, place->data, place->len));
	if (result == BDB_OK)
		return bdb_commit(&txn);
	bdb_abort(&txn);
	return result;
}

/* The key of the oldest tombstone into store->changed. */
static enum bdb_result oldest(struct store *store)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(store->buried, NULL, 0, &cursor);

	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, NULL, 0, &item);
	str_reset(&store->changed);
	if (result == BDB_OK)
		str_append(&store->changed, item.key, item.key_len);
	bdb_cursor_close(&cursor);
	if (result == BDB_OK && store->changed.len <= 8)
		return BDB_FAILED;
	return result;
}

int store_purge(struct store *store, const struct tombstone_clock *clock, int most)
{
	enum bdb_result result = BDB_OK;
	struct claims claims;
	int count = 0;

	while (count < most && (result = oldest(store)) == BDB_OK) {
		const char *key = store->changed.data + 8;
		struct bytes wall = { .data = (const uint8_t *)store->changed.data, .len = 8 };
		int64_t buried_us = (int64_t)bytes_number(&wall, 8);

		if ((result = look_at(store, key, &claims)) != BDB_OK)
			break;
		/* one that was dug up, or made anew since, has no business in this place */
		if (claims.buried && claims.tombstone.wall_us != buried_us)
			claims.buried = false;
		if (claims.buried && tombstone_alive(&claims.tombstone, clock))
			break;
		if ((result = purge_one(store, key, claims.buried)) != BDB_OK)
			break;
		count++;
	}
	return result == BDB_OK || result == BDB_NOTFOUND ? count : -1;
}
