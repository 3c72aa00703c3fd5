/* Changes that the directory pushed: into the tables, then into memory, then told to the observer.
 */
#define _GNU_SOURCE
#include "directory/doomed.h"
#include "directory/replica_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"

#define TRIES           1000
#define PURGE_AT_ONCE   100
#define CHECKPOINT_BUSY (64 * 1024) /* kilobytes of log between checkpoints */
#define CHECKPOINT_IDLE (4 * 1024)

struct tombstone_clock replica_clock(const struct replica *replica)
{
	return (struct tombstone_clock){ .wall_us = clock_wall_us(),
		.mono_us = clock_mono_us(),
		.start_mono_us = replica->start_us,
		.process = replica->store.process,
		.grace_us = replica->vanish_grace_us };
}

const char *replica_store_error(struct replica *replica, enum bdb_result result)
{
	switch (result) {
	case BDB_RETRY: return "replica: deadlocks without end";
	case BDB_FULL: return "replica: no space on the disk of replica_dir: make room there";
	case BDB_BROKEN:
		pthread_rwlock_wrlock(&replica->lock);
		replica->trouble = true;
		pthread_rwlock_unlock(&replica->lock);
		return bdb_reason();
	default: return *bdb_reason() != '\0' ? bdb_reason() : "replica: a record is damaged";
	}
}

int replica_transact(
	struct replica *replica, replica_work work, void *context, const char **error_r)
{
	enum bdb_result result = BDB_RETRY;
	struct store_meta next;

	for (int tries = 0; tries < TRIES && result == BDB_RETRY; tries++) {
		struct bdb_txn *txn = NULL;

		next = replica->meta;
		if ((result = bdb_begin(replica->store.env, 0, &txn)) == BDB_OK)
			result = work(replica, txn, &next, context);
		if (result == BDB_OK)
			result = store_put_meta(&replica->store, txn, &next);
		if (result == BDB_OK)
			result = bdb_commit(&txn);
		else
			bdb_abort(&txn);
	}
	if (result != BDB_OK) {
		*error_r = replica_store_error(replica, result);
		return -1;
	}
	pthread_rwlock_wrlock(&replica->lock);
	replica->meta = next;
	replica->vector_ahead = false;
	pthread_rwlock_unlock(&replica->lock);
	return 0;
}

/* --- what a commit made true ---------------------------------------------------------------- */

static enum bdb_result nothing(
	struct replica *replica, struct bdb_txn *txn, struct store_meta *next, void *context)
{
	(void)replica;
	(void)txn;
	(void)next;
	(void)context;
	return BDB_OK;
}

static int store_vector(struct replica *replica, const char **error_r)
{
	return replica->vector_ahead ? replica_transact(replica, nothing, NULL, error_r) : 0;
}

static bool node_waits(struct replica *replica)
{
	struct replica_facts facts;
	bool waits;

	pthread_rwlock_rdlock(&replica->lock);
	facts = replica_facts(replica);
	waits = facts.node != NODE_ABSENT && !facts.durable && facts.loaded &&
		vector_covers(&replica->meta.vector, replica->known.node->mark);
	pthread_rwlock_unlock(&replica->lock);
	return waits;
}

void replica_settle(struct replica *replica)
{
	const char *error = NULL;

	if (!node_waits(replica))
		return;
	if (store_vector(replica, &error) < 0 || bdb_log_sync(replica->store.env) != BDB_OK) {
		log_error("directory", "cannot make this node's state durable: %s",
			error != NULL ? error : bdb_reason());
		return;
	}
	pthread_rwlock_wrlock(&replica->lock);
	memcpy(replica->durable_mark, replica->known.node->mark, sizeof(replica->durable_mark));
	pthread_rwlock_unlock(&replica->lock);
	log_info("directory", "state of this node is durable state=%d",
		(int)replica->known.node->node);
}

/* Seconds since 1970 of "YYYYmmddHHMMSS...", -1 where it is no such text. */
static int64_t generalized_seconds(const char *text)
{
	struct tm tm = { .tm_isdst = 0 };
	int used = 0;

	if (sscanf(text, "%4d%2d%2d%2d%2d%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		    &tm.tm_min, &tm.tm_sec, &used) != 6 ||
		used != 14)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm);
}

/*
 * A heartbeat vouches for the instant at which it was written, not for that of its arrival: a
 * provider that lags by an hour delivers one every ten seconds as well.
 */
static void take_heartbeat(struct replica *replica, const char *before)
{
	const char *heartbeat = replica->known.node->heartbeat;
	int64_t written = generalized_seconds(heartbeat), lag;

	if (written < 0 || strcmp(before, heartbeat) == 0)
		return;
	lag = clock_wall_us() - written * CLOCK_SECOND;
	/* the text has whole seconds: within the present one nothing lags */
	lag = lag < CLOCK_SECOND ? 0 : lag;
	/* a refresh shows entries in any order: others may be as old as its cookie */
	if (replica->refreshing)
		replica->refresh_heartbeat_us = clock_mono_us() - lag;
	else
		replica->heartbeat_us = clock_mono_us() - lag;
}

static bool is_own_node(const struct replica *replica, const uint8_t *uuid)
{
	const struct record *node = replica->known.node;

	return node != NULL && memcmp(node->uuid, uuid, ROUTE_UUID_BYTES) == 0;
}

/* Whether anybody but ourselves must hear of the change. */
static bool matters(const struct replica *replica, const struct record *record)
{
	for (size_t i = 0; i < replica->known.count; i++) {
		const struct record *old = &replica->known.records[i];

		if (memcmp(old->uuid, record->uuid, ROUTE_UUID_BYTES) != 0)
			continue;
		return old->kind != record->kind || old->state != record->state ||
		       old->node != record->node || old->epoch != record->epoch ||
		       strcmp(old->name, record->name) != 0 || old->keys.len != record->keys.len ||
		       memcmp(str_cstr(&old->keys), str_cstr(&record->keys), old->keys.len) != 0;
	}
	return true;
}

/* With the lock held for writing. True: everything may have changed. */
static bool remember(struct replica *replica, struct change *change)
{
	struct record *record = &change->record;
	char heartbeat[RECORD_HEARTBEAT_MAX + 1] = "";
	uint8_t uuid[ROUTE_UUID_BYTES];
	bool told;

	if (!change->effect.changed)
		return false;
	if (change->kind == CHANGE_DELETE || record->kind == RECORD_MAILBOX) {
		if (!known_has(&replica->known, record->uuid))
			return false;
		known_remove(&replica->known, record->uuid);
		return true;
	}
	told = matters(replica, record);
	memcpy(uuid, record->uuid, sizeof(uuid));
	if (is_own_node(replica, uuid))
		memcpy(heartbeat, replica->known.node->heartbeat, sizeof(heartbeat));
	known_put(&replica->known, record);
	if (is_own_node(replica, uuid))
		take_heartbeat(replica, heartbeat);
	return told;
}

/* --- a batch -------------------------------------------------------------------------------- */

struct batch {
	struct change *changes;
	size_t count;
	const struct csn_vector *vector;
	struct recent_deletes recent; /* as it was before */
};

static enum bdb_result apply_delete(struct replica *replica, struct bdb_txn *txn,
	struct store_meta *next, struct change *change)
{
	enum bdb_result result = doomed_watch(replica, txn, change, next, &change->aside);

	memset(&change->effect, 0, sizeof(change->effect));
	if (result != BDB_OK || change->aside)
		return result;
	return store_delete(&replica->store, txn, change->record.uuid,
		change->newest[0] != '\0' ? change->newest : NULL, &change->effect);
}

/* What is not stored, and as old as what is known already, was deleted since. */
static enum bdb_result apply_behind(struct replica *replica, struct bdb_txn *txn,
	struct store_meta *next, struct change *change)
{
	struct store *store = &replica->store;
	enum bdb_result result =
		store_get(store, txn, change->record.uuid, &store->value, &store->old);

	memset(&change->effect, 0, sizeof(change->effect));
	if (result == BDB_NOTFOUND && vector_covers(&next->vector, change->record.csn))
		return BDB_OK;
	if (result != BDB_OK && result != BDB_NOTFOUND)
		return result;
	return store_upsert(store, txn, &change->record, &change->effect);
}

static enum bdb_result apply_one(struct replica *replica, struct bdb_txn *txn,
	struct store_meta *next, struct change *change)
{
	change->aside = false;
	if (change->kind == CHANGE_DELETE)
		return apply_delete(replica, txn, next, change);
	if (change->behind)
		return apply_behind(replica, txn, next, change);
	return store_upsert(&replica->store, txn, &change->record, &change->effect);
}

static void advance(
	struct replica *replica, struct store_meta *next, const struct csn_vector *vector)
{
	if (next->refused > 0)
		vector_merge(&next->pending, vector);
	else if (!replica->withheld)
		vector_merge(&next->vector, vector);
}

static enum bdb_result apply_batch(
	struct replica *replica, struct bdb_txn *txn, struct store_meta *next, void *context)
{
	struct batch *batch = context;
	enum bdb_result result = BDB_OK;

	replica->recent = batch->recent;
	for (size_t i = 0; i < batch->count && result == BDB_OK; i++) {
		struct effect *effect = &batch->changes[i].effect;

		result = apply_one(replica, txn, next, &batch->changes[i]);
		if (batch->changes[i].kind == CHANGE_DELETE && effect->mailboxes < 0)
			replica->recent.gone++;
		next->mailboxes += (uint64_t)(int64_t)effect->mailboxes;
		next->addresses += (uint64_t)(int64_t)effect->addresses;
	}
	if (batch->vector != NULL)
		advance(replica, next, batch->vector);
	return result;
}

static void log_shared(const struct change *change)
{
	char text[128];

	if (change->effect.shared[0] != '\0')
		log_warning("directory",
			"mail is deferred: %u mailboxes claim one address address=%s dn=%s",
			change->effect.claims, change->effect.shared,
			log_value(text, sizeof(text), str_cstr(&change->record.dn)));
}

/*
 * Of a provider that is not behind: its clock was set back, or two servers took writes. A hold that
 * came so is none here.
 */
static void log_older(const struct replica *replica, const struct change *change)
{
	char text[128];

	if (change->effect.older && !change->behind && !replica->refreshing)
		log_warning("directory",
			"a change is ignored, its version is older than the one before: look at "
			"the clocks of the directory's servers csn=%s dn=%s",
			change->record.csn,
			log_value(text, sizeof(text), str_cstr(&change->record.dn)));
}

static void log_refused(const struct replica_facts *before, const struct replica_facts *after)
{
	if (before->refused == 0 && after->refused > 0)
		log_error("directory",
			"mass deletion refused, the entries are still routed: check the directory, "
			"then `restante node approve`");
}

/* Memory and log lines; true: everything may have changed. */
static bool remember_batch(struct replica *replica, struct batch *batch)
{
	bool all = false;

	pthread_rwlock_wrlock(&replica->lock);
	for (size_t i = 0; i < batch->count; i++)
		all |= remember(replica, &batch->changes[i]);
	pthread_rwlock_unlock(&replica->lock);
	return all;
}

static void notify_batch(struct replica *replica, const struct batch *batch, bool all)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct change *change = &batch->changes[i];

		/* the small ones gave their record away, and are told by `all` */
		if (change->effect.changed &&
			(change->record.kind == RECORD_MAILBOX || change->effect.mailboxes != 0))
			replica_notify(replica, change->record.uuid);
	}
	if (all)
		replica_notify(replica, NULL);
}

static struct replica_facts facts_now(struct replica *replica)
{
	struct replica_facts facts;

	pthread_rwlock_rdlock(&replica->lock);
	facts = replica_facts(replica);
	pthread_rwlock_unlock(&replica->lock);
	return facts;
}

static bool differ(const struct replica_facts *a, const struct replica_facts *b)
{
	return a->epoch != b->epoch || a->covered != b->covered || a->loaded != b->loaded ||
	       a->durable != b->durable || a->node != b->node || a->refused != b->refused;
}

int replica_apply(struct replica *replica, struct change *changes, size_t count,
	const struct csn_vector *vector, const char **error_r)
{
	struct batch batch = { .changes = changes, .count = count, .vector = vector };
	struct replica_facts before, after;
	bool all;

	replica_begin_write(replica);
	before = facts_now(replica);
	batch.recent = replica->recent;
	if (replica_transact(replica, apply_batch, &batch, error_r) < 0) {
		replica_end_write(replica);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		log_shared(&changes[i]);
		log_older(replica, &changes[i]);
	}
	all = remember_batch(replica, &batch);
	replica_settle(replica);
	after = facts_now(replica);
	log_refused(&before, &after);
	bdb_checkpoint(replica->store.env, CHECKPOINT_BUSY);
	replica_end_write(replica);
	notify_batch(replica, &batch, all || differ(&before, &after));
	return 0;
}

void replica_advance(struct replica *replica, const struct csn_vector *vector)
{
	struct replica_facts before, after;

	replica_begin_write(replica);
	before = facts_now(replica);
	pthread_rwlock_wrlock(&replica->lock);
	advance(replica, &replica->meta, vector);
	replica->vector_ahead = true;
	pthread_rwlock_unlock(&replica->lock);
	replica_settle(replica);
	after = facts_now(replica);
	replica_end_write(replica);
	if (differ(&before, &after))
		replica_notify(replica, NULL);
}

void replica_tick(struct replica *replica)
{
	const char *error;
	struct tombstone_clock now;

	replica_begin_write(replica);
	pthread_rwlock_rdlock(&replica->lock);
	now = replica_clock(replica);
	pthread_rwlock_unlock(&replica->lock);
	if (store_vector(replica, &error) < 0)
		log_warning("directory", "cannot store the vector: %s", error);
	store_purge(&replica->store, &now, PURGE_AT_ONCE);
	bdb_checkpoint(replica->store.env, CHECKPOINT_IDLE);
	replica_end_write(replica);
}

int replica_sync(struct replica *replica, const char **error_r)
{
	int result;

	replica_begin_write(replica);
	result = store_vector(replica, error_r);
	if (result == 0 && bdb_log_sync(replica->store.env) != BDB_OK) {
		*error_r = bdb_reason();
		result = -1;
	}
	replica_end_write(replica);
	return result;
}
