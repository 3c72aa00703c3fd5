#define _GNU_SOURCE
#include "directory/loader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "directory/dn.h"
#include "lib/bulksort.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define RUN_BYTES     (16 * 1024 * 1024)
#define PUTS_AT_ONCE  2000
#define CHECKPOINT_KB (128 * 1024)

/* Two versions of one entry. */
struct twice {
	struct record older, newer;
};

struct loader {
	struct replica *replica;
	struct bulk *entries, *addresses;
	struct str value;
	int64_t began_us;
	bool federation; /* its entry has come */
	/* of the merge */
	struct store_meta meta;
	struct twice *twice;
	size_t twice_count;
	struct known known; /* the small ones */
};

/* One of the two threads that fill the tables. */
struct merge {
	struct loader *loader;
	struct bulk *bulk;
	const char *name;        /* of the table */
	struct bdb_build *build; /* it, until it is complete */
	struct bdb_txn *txn;     /* of the other tables */
	unsigned puts;
	struct str key, value; /* the pair that is not put yet: another of its key may follow */
	const char *error;
	char error_text[256];
	pthread_t thread;
};

typedef int (*merge_put_function)(struct merge *merge);
typedef int (*merge_meet_function)(struct merge *merge, const struct bulk_pair *pair);

struct loader *loader_new(struct replica *replica)
{
	struct loader *loader = mem_zalloc(sizeof(*loader));

	loader->replica = replica;
	loader->entries = bulk_new(replica->store.dir, "load.entries", RUN_BYTES);
	loader->addresses = bulk_new(replica->store.dir, "load.addresses", RUN_BYTES);
	loader->began_us = clock_mono_us();
	return loader;
}

void loader_free(struct loader **loader)
{
	struct loader *l = *loader;

	if (l == NULL)
		return;
	bulk_free(&l->entries);
	bulk_free(&l->addresses);
	for (size_t i = 0; i < l->twice_count; i++) {
		record_free(&l->twice[i].older);
		record_free(&l->twice[i].newer);
	}
	mem_free(&l->twice);
	str_free(&l->value);
	mem_free(loader);
}

int loader_add(struct loader *loader, const struct record *record, const char **error_r)
{
	int result;

	str_reset(&loader->value);
	record_encode(record, &loader->value);
	result = bulk_add(loader->entries, record->uuid, ROUTE_UUID_BYTES, loader->value.data,
		loader->value.len, error_r);
	loader->federation |= record->kind == RECORD_FEDERATION &&
			      dn_same(str_cstr(&record->dn), loader->replica->known.federation_dn);
	if (result < 0 || record->kind != RECORD_MAILBOX)
		return result;
	str_reset(&loader->value);
	claims_encode(record, &loader->value);
	for (const char *k = record_first(record); k != NULL && result == 0;
		k = record_next(record, k))
		result = bulk_add(loader->addresses, k, strlen(k), loader->value.data,
			loader->value.len, error_r);
	return result;
}

/* --- filling the tables --------------------------------------------------------------------- */

static int spoiled(struct merge *merge, const char *text)
{
	snprintf(merge->error_text, sizeof(merge->error_text), "%s", text);
	merge->error = merge->error_text;
	return -1;
}

static int commit(struct merge *merge)
{
	if (merge->txn != NULL && bdb_commit(&merge->txn) != BDB_OK)
		return spoiled(merge, bdb_reason());
	merge->puts = 0;
	bdb_checkpoint(merge->loader->replica->store.env, CHECKPOINT_KB);
	return 0;
}

static int put(struct merge *merge, struct bdb_table *table, const struct str *key,
	const struct str *value)
{
	struct bdb_env *env = merge->loader->replica->store.env;
	enum bdb_result result = BDB_OK;

	if (merge->txn == NULL)
		result = bdb_begin(env, 0, &merge->txn);
	if (result == BDB_OK)
		result =
			bdb_put(table, merge->txn, key->data, key->len, value->data, value->len, 0);
	if (result != BDB_OK)
		return spoiled(merge, result == BDB_RETRY ? "deadlock" : bdb_reason());
	return ++merge->puts >= PUTS_AT_ONCE ? commit(merge) : 0;
}

/* The pair that was kept, into the table that is built. */
static int put_built(struct merge *merge)
{
	const struct str *key = &merge->key, *value = &merge->value;

	if (bdb_build_put(merge->build, key->data, key->len, value->data, value->len) != BDB_OK)
		return spoiled(merge, bdb_reason());
	return 0;
}

static void keep_pair(struct merge *merge, const struct bulk_pair *pair)
{
	str_reset(&merge->key);
	str_append(&merge->key, pair->key, pair->key_len);
	str_reset(&merge->value);
	str_append(&merge->value, pair->value, pair->value_len);
}

static bool same_key(const struct merge *merge, const struct bulk_pair *pair)
{
	return merge->key.len == pair->key_len &&
	       memcmp(merge->key.data, pair->key, pair->key_len) == 0;
}

/* The entry is complete: into its tables and the counters. */
static int put_entry(struct merge *merge)
{
	struct loader *loader = merge->loader;
	struct store *store = &loader->replica->store;
	struct record *record = &store->old;

	if (record_decode(merge->value.data, merge->value.len, (uint8_t *)merge->key.data, record) <
		0)
		return spoiled(merge, "a run of the first load is damaged");
	if (put_built(merge) < 0)
		return -1;
	if (record->kind == RECORD_MAILBOX) {
		struct str physical = { .data = record->physical, .len = strlen(record->physical) };

		loader->meta.mailboxes++;
		loader->meta.addresses += record_count(record);
		if (record->state == STATE_HOLDING)
			return put(merge, store->holding, &merge->key, &physical);
		return 0;
	}
	if (put(merge, store->small, &merge->key, &merge->value) < 0)
		return -1;
	known_put(&loader->known, record);
	return 0;
}

/* A second version of the entry in merge->value: the newer one stays. */
static int meet_twice(struct merge *merge, const struct bulk_pair *pair)
{
	struct loader *loader = merge->loader;
	struct twice *twice;
	const uint8_t *uuid = (const uint8_t *)pair->key;
	struct record a = { .kind = RECORD_NONE }, b = { .kind = RECORD_NONE };

	if (record_decode(merge->value.data, merge->value.len, uuid, &a) < 0 ||
		record_decode(pair->value, pair->value_len, uuid, &b) < 0) {
		record_free(&a);
		record_free(&b);
		return spoiled(merge, "a run of the first load is damaged");
	}
	loader->twice = mem_grow(loader->twice, loader->twice_count + 1, sizeof(*loader->twice));
	twice = &loader->twice[loader->twice_count++];
	*twice = strcmp(a.csn, b.csn) < 0 ? (struct twice){ a, b } : (struct twice){ b, a };
	str_reset(&merge->value);
	record_encode(&twice->newer, &merge->value);
	return 0;
}

static int put_address(struct merge *merge)
{
	struct claims claims;

	if (claims_read(merge->value.data, merge->value.len, &claims) < 0)
		return spoiled(merge, "a run of the first load is damaged");
	if (claims.count > 1)
		log_warning("directory",
			"mail is deferred: %u mailboxes claim one address address=%s", claims.count,
			str_cstr(&merge->key));
	return put_built(merge);
}

/* One mailbox more that claims the address. */
static int meet_claim(struct merge *merge, const struct bulk_pair *pair)
{
	str_append(&merge->value, pair->value, pair->value_len);
	return 0;
}

/* In the order of the keys; `meet` adds a pair to the one before it that has the same key. */
static int merge_all(struct merge *merge, merge_put_function put_kept, merge_meet_function meet)
{
	struct bulk_pair pair;
	int got;

	while ((got = bulk_next(merge->bulk, &pair, &merge->error)) == 1) {
		if (same_key(merge, &pair)) {
			if (meet(merge, &pair) < 0)
				return -1;
			continue;
		}
		if (merge->key.len > 0 && put_kept(merge) < 0)
			return -1;
		keep_pair(merge, &pair);
	}
	if (got == 0 && merge->key.len > 0 && put_kept(merge) < 0)
		return -1;
	return got < 0 ? -1 : commit(merge);
}

static int build_table(struct merge *merge, merge_put_function put_kept, merge_meet_function meet)
{
	merge->build =
		bdb_build_begin(merge->loader->replica->store.env, merge->name, &merge->error);
	if (merge->build == NULL || bulk_sort(merge->bulk, &merge->error) < 0 ||
		merge_all(merge, put_kept, meet) < 0)
		return -1;
	return bdb_build_finish(&merge->build) == BDB_OK ? 0 : spoiled(merge, bdb_reason());
}

static int run_merge(struct merge *merge, merge_put_function put_kept, merge_meet_function meet)
{
	int result = build_table(merge, put_kept, meet);

	/* the text may belong to this thread alone */
	if (result < 0 && merge->error != merge->error_text)
		spoiled(merge, merge->error != NULL ? merge->error : "trouble");
	bdb_build_drop(&merge->build);
	bdb_abort(&merge->txn);
	str_free(&merge->key);
	str_free(&merge->value);
	return result;
}

static void *addresses_thread(void *context)
{
	struct merge *merge = context;

	return run_merge(merge, put_address, meet_claim) < 0 ? merge : NULL;
}

static _Thread_local char load_error[256];

/* Both at once: the directory server is idle now, and so is its processor. */
static int fill_tables(struct loader *loader, const char **error_r)
{
	struct merge entries = { .loader = loader, .bulk = loader->entries, .name = STORE_ENTRIES };
	struct merge addresses = {
		.loader = loader, .bulk = loader->addresses, .name = STORE_ADDRESSES
	};
	const struct merge *failed = NULL;
	void *outcome;

	if (pthread_create(&addresses.thread, NULL, addresses_thread, &addresses) != 0) {
		*error_r = "cannot start a thread for the first load";
		return -1;
	}
	if (run_merge(&entries, put_entry, meet_twice) < 0)
		failed = &entries;
	pthread_join(addresses.thread, &outcome);
	if (outcome != NULL)
		failed = &addresses;
	if (failed == NULL)
		return 0;
	memcpy(load_error, failed->error_text, sizeof(load_error));
	*error_r = load_error;
	return -1;
}

/* --- the end -------------------------------------------------------------------------------- */

static enum bdb_result finish(
	struct replica *replica, struct bdb_txn *txn, struct store_meta *next, void *context)
{
	struct loader *loader = context;
	enum bdb_result result = BDB_OK;
	struct effect effect;

	/* what the older version claimed stands in the tables as well */
	for (size_t i = 0; i < loader->twice_count && result == BDB_OK; i++)
		result = store_replace(&replica->store, txn, &loader->twice[i].older,
			&loader->twice[i].newer, &effect);
	*next = loader->meta;
	return result;
}

static void take_known(struct replica *replica, struct loader *loader)
{
	struct known *known = &replica->known;

	pthread_rwlock_wrlock(&replica->lock);
	while (known->count > 0)
		known_remove(known, known->records[0].uuid);
	for (size_t i = 0; i < loader->known.count; i++)
		known_put(known, &loader->known.records[i]);
	loader->known.count = 0;
	pthread_rwlock_unlock(&replica->lock);
}

static int finish_locked(struct loader *loader, const char **error_r)
{
	struct replica *replica = loader->replica;

	if (store_clear(&replica->store) != BDB_OK) {
		*error_r = bdb_reason();
		return -1;
	}
	if (fill_tables(loader, error_r) < 0 || store_open_loaded(&replica->store, error_r) < 0)
		return -1;
	if (replica_transact(replica, finish, loader, error_r) < 0)
		return -1;
	take_known(replica, loader);
	bdb_checkpoint(replica->store.env, 0);
	replica_settle(replica);
	return 0;
}

int loader_finish(struct loader *loader, const struct csn_vector *vector, const char **error_r)
{
	struct replica *replica = loader->replica;
	int result;

	/* without it no domain is federated, and all mail would pass us by */
	if (!loader->federation) {
		*error_r = "the directory shows no restanteFederation entry cn=restante below the "
			   "base; check base and access rules";
		return -1;
	}
	loader->meta.loaded = true;
	loader->meta.vector = *vector;
	known_init(&loader->known, "", "");
	replica_begin_write(replica);
	result = finish_locked(loader, error_r);
	replica_end_write(replica);
	known_free(&loader->known);
	if (result == 0)
		log_info("directory",
			"first load complete mailboxes=%" PRIu64 " addresses=%" PRIu64
			" seconds=%.3f",
			loader->meta.mailboxes, loader->meta.addresses,
			(double)(clock_mono_us() - loader->began_us) / CLOCK_SECOND);
	return result;
}
