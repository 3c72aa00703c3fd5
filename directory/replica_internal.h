/*
 * The replica from inside: what the consumer feeds it with. Everything here is called from the
 * consumer's thread, with replica_approve and replica_sync of replica.h beside it.
 */
#ifndef RESTANTE_DIRECTORY_REPLICA_INTERNAL_H
#define RESTANTE_DIRECTORY_REPLICA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "directory/known.h"
#include "directory/recall.h"
#include "directory/replica.h"
#include "directory/store.h"

/* Mailboxes deleted one by one within the last minutes; belongs to the writer. */
struct recent_deletes {
	int64_t since_us;
	uint64_t all; /* mailboxes there were then */
	uint64_t gone;
};

struct replica {
	struct store store;
	/* Writers, one at a time; taken before `lock`, never the other way round:
	 * replica_begin_write. */
	pthread_mutex_t write_lock;
	_Atomic uint64_t version; /* of what is stored, as recall.h has it */
	struct recall *recall;
	struct recent_deletes recent; /* guarded by write_lock */
	/* Guards everything below. */
	pthread_rwlock_t lock;
	struct store_meta meta; /* changed with write_lock held as well */
	bool vector_ahead;      /* of what is stored: messages that brought a cookie only */
	bool withheld;          /* deletions of this refresh were not believed: the vector stays */
	bool refreshing;
	bool trouble; /* the store is broken until the next start */
	struct known known;
	char durable_mark[CSN_LEN + 1]; /* the node's mark that is synced and covered */
	int64_t heartbeat_us; /* monotonic instant for which a heartbeat vouches, 0 = none */
	int64_t refresh_heartbeat_us; /* same, of one that counts once the refresh is complete */
	int64_t start_us;
	char *delimiters, *postmaster;
	bool carry_detail;
	int64_t vanish_grace_us, heartbeat_period_us;
	unsigned mass_delete_percent;
	replica_observer observer;
	void *observer_context;
};

enum change_kind { CHANGE_UPSERT, CHANGE_DELETE };

struct change {
	enum change_kind kind;
	struct record record; /* CHANGE_DELETE: its uuid only */
	char newest[CSN_LEN +
		    1]; /* CHANGE_DELETE: not where the stored version is newer; "" = always */
	struct effect effect;
	bool aside;  /* CHANGE_DELETE: refused, it waits for an administrator */
	bool behind; /* CHANGE_UPSERT: of a provider that lacks changes that we have */
};

/*
 * All changes and, last, the vector (NULL: it stays) in one transaction, then memory, then the
 * observer. 0; -1 with *error_r: nothing of it happened.
 */
int replica_apply(struct replica *replica, struct change *changes, size_t count,
	const struct csn_vector *vector, const char **error_r);
/* A message with nothing but a cookie: stored later, by replica_tick or with the next change. */
void replica_advance(struct replica *replica, const struct csn_vector *vector);
/* Work for idle moments: stores the vector, forgets tombstones, makes checkpoints. */
void replica_tick(struct replica *replica);

void replica_vector(struct replica *replica, struct csn_vector *vector_r);
bool replica_loaded(struct replica *replica);
/* Whether deletions were not believed: the vector stays until another refresh. */
bool replica_withheld(struct replica *replica);
/* So many deletions of a provider that is behind are not believed. */
void replica_withhold(struct replica *replica, size_t count);
/* complete: what was shown is all there is to know. */
void replica_begin_refresh(struct replica *replica);
void replica_end_refresh(struct replica *replica, bool complete);

/* --- shared by the replica's own files ------------------------------------------------------ */

/* Around everything that may write to the store. */
void replica_begin_write(struct replica *replica);
void replica_end_write(struct replica *replica);

typedef enum bdb_result (*replica_work)(
	struct replica *replica, struct bdb_txn *txn, struct store_meta *next, void *context);
/*
 * With write_lock held: work in a transaction, repeated after deadlocks, with the changed meta
 * put last. On success replica->meta is the new one.
 */
int replica_transact(
	struct replica *replica, replica_work work, void *context, const char **error_r);
/* After a commit, write_lock held: whether a node's or epoch's write is now covered; syncs. */
void replica_settle(struct replica *replica);
/* Without any lock. */
void replica_notify(struct replica *replica, const uint8_t *uuid);
struct tombstone_clock replica_clock(const struct replica *replica);
/* The text of a store's failure, for this thread. */
const char *replica_store_error(struct replica *replica, enum bdb_result result);

/* What observers must hear of, to be compared before and after. With a lock held. */
struct replica_facts {
	uint64_t epoch;
	bool covered, loaded, durable;
	enum node_state node;
	uint64_t refused;
};
bool replica_is_current(const struct replica *replica);
struct replica_facts replica_facts(const struct replica *replica);

#endif
