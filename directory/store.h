/*
 * The replica's tables in its Berkeley DB environment, and what one entry's change means to them.
 * Writes belong to a transaction and to the one thread that holds the replica's write lock.
 */
#ifndef RESTANTE_DIRECTORY_STORE_H
#define RESTANTE_DIRECTORY_STORE_H

#include "directory/claims.h"
#include "lib/cookie.h"
#include "directory/record.h"
#include "lib/bdb.h"

struct store {
	struct bdb_env *env;
	/* these two are made by the first load, NULL before (loader.h) */
	struct bdb_table *entries;   /* uuid -> record */
	struct bdb_table *addresses; /* address -> claims */
	struct bdb_table *small;   /* uuid -> record of systems, federation, node: read at start */
	struct bdb_table *holding; /* uuid -> physical address */
	struct bdb_table *buried;  /* wall clock, address -> nothing: tombstones by age */
	struct bdb_table *doomed;  /* uuid -> CSN: refused deletions */
	struct bdb_table *meta;
	char *dir;
	uint64_t process; /* of this opening, for tombstones */
	/* scratch of the writer */
	struct record old;
	struct str value, changed;
};

struct store_meta {
	bool loaded;
	uint64_t mailboxes, addresses;
	struct csn_vector vector;
	/* A refused mass disappearance: how many entries, and the vector once it is approved. */
	uint64_t refused;
	struct csn_vector pending;
};

/* An interrupted first load is cleared away. -1 with *error_r. */
int store_open(struct store *store, const char *dir, const char *base, const char *node,
	uint64_t cache_bytes, struct store_meta *meta_r, const char **error_r);
void store_close(struct store *store);

enum bdb_result store_put_meta(
	struct store *store, struct bdb_txn *txn, const struct store_meta *meta);
/* Before the first load: no entry and no address is left; version and base stay. */
enum bdb_result store_clear(struct store *store);
/* Opens the two tables that the first load made. -1 with *error_r. */
#define STORE_ENTRIES   "entries"
#define STORE_ADDRESSES "addresses"
int store_open_loaded(struct store *store, const char **error_r);

/* What a change did, for counters, log lines and observers. */
struct effect {
	bool changed;
	bool older; /* than what is stored: ignored */
	bool held_changed;
	int mailboxes, addresses;     /* to be added to the counters */
	char shared[ADDRESS_MAX + 1]; /* an address that is now claimed by several, "" = none */
	unsigned claims;              /* of it */
};

/* BDB_NOTFOUND: no such entry; BDB_FAILED also for bytes that are no record. */
enum bdb_result store_get(struct store *store, struct bdb_txn *txn, const uint8_t *uuid,
	struct str *value, struct record *record_r);

/* Puts the record unless a version as new is stored; its mark may be set back to the stored one. */
enum bdb_result store_upsert(
	struct store *store, struct bdb_txn *txn, struct record *record, struct effect *effect_r);
/* Makes tables say what `record` says where they said what `old` says (kind NONE: nothing). */
enum bdb_result store_replace(struct store *store, struct bdb_txn *txn, const struct record *old,
	const struct record *record, struct effect *effect_r);
/* Removes the entry; unless_newer_than (may be NULL): not if its version is newer. */
enum bdb_result store_delete(struct store *store, struct bdb_txn *txn, const uint8_t *uuid,
	const char *unless_newer_than, struct effect *effect_r);
/* Up to `most` tombstones that are no longer alive go. The number of them, -1 trouble. */
int store_purge(struct store *store, const struct tombstone_clock *clock, int most);

#endif
