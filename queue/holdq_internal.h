/*
 * What the files of the hold queue share; nobody outside of queue/holdq*.c includes it.
 *
 * Threads: callers put operations in a list and wait; the writer (holdq_writer.c) takes all that
 * wait, does them in one transaction with one sync, and wakes their callers; chores
 * (holdq_chores.c) do what nobody waits for. Readers go to the tables directly, without
 * transactions.
 */
#ifndef RESTANTE_QUEUE_HOLDQ_INTERNAL_H
#define RESTANTE_QUEUE_HOLDQ_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/bdb.h"
#include "lib/metrics.h"
#include "lib/pulse.h"
#include "lib/str.h"
#include "queue/holdq.h"
#include "queue/holdq_record.h"

#define REASON_SIZE 512
#define CHECKPOINT_BYTES                                                                           \
	(32U << 20)  /* of log, estimated; a start reads at most about that much                   \
		      */
#define DAY_SLOTS 16 /* days of arrival in which a repeat is looked for: clients give up sooner */

struct holdq_draft {
	struct holdq *queue;
	struct str tail;  /* what is not in a chunk yet; all of a small message */
	uint64_t content; /* key of the chunks; 0 = none yet */
	uint32_t chunks;  /* stored so far */
	size_t bytes;
	bool unlimited; /* a notice: only the disk itself sets a limit */
	bool failed;    /* an append failed: it must not be committed */
	bool committed;
};

enum op_kind { OP_PUT, OP_REMOVE, OP_UPDATE, OP_TELL, OP_REHOME };

/* A message to be stored; by itself, or the notice of another operation. */
struct put {
	const struct holdq_draft *draft;
	const struct holdq_envelope *envelope;
	const struct holdq_recipient *recipients;
	size_t count;
	const uint8_t *repeat;
	uint64_t id_r;
	size_t held_r;
};

/* Lives on its caller's stack until done. */
struct op {
	enum op_kind kind;
	struct put *put; /* OP_PUT; else the notice, or NULL */
	uint64_t id;
	const uint32_t *numbers;
	size_t count;
	const struct holdq_held_recipient *recipient;
	const uint8_t *mailbox;
	const char *address; /* OP_REHOME: NULL = as it is */
	bool lag;            /* OP_REMOVE: need not be synced at once */

	enum holdq_result result;
	char reason[REASON_SIZE];
	bool done;
	pthread_cond_t wake;
	struct op *next;
};

struct limits {
	uint64_t bytes, free, mailbox;
};

struct holdq {
	char *dir;
	struct bdb_env *env;
	struct bdb_table *messages, *recipients, *index, *mailboxes, *digests, *content, *chunks,
		*large, *meta;
	_Atomic uint64_t next_id;
	_Atomic bool broken;

	pthread_mutex_t lock; /* everything up to the next blank line */
	pthread_cond_t work, chore;
	struct op *first, **last;
	size_t waiting; /* in the list */
	size_t enough;  /* the writer wants to be woken by that many */
	bool stopping;
	bool chores_stopping;
	struct limits limits;
	struct holdq_totals totals;
	uint64_t *garbage; /* content ids whose chunks are to be deleted */
	size_t garbage_count, garbage_cap;
	bool chore_busy;
	int64_t garbage_after_us; /* monotonic: the disk was full, try again then */
	uint64_t unchecked;       /* bytes stored since the last checkpoint */
	bool reserve_wanted;      /* it was given up, and not made again yet */
	bool shrink_in_vain;      /* the last one gave nothing back */

	pthread_mutex_t observer_lock; /* held during its calls */
	holdq_observer observer;
	void *observer_context;
	holdq_observer stored_observer;
	void *stored_context;

	uint64_t id_limit;                /* writer only: ids below this are noted as used */
	_Atomic int64_t sync_due_us;      /* the writer's, monotonic: something lags; 0 = nothing */
	_Atomic uint32_t days[DAY_SLOTS]; /* the last that got digests, plus one; 0 = none */
	unsigned day_next;                /* the slot that is given away next */
	pthread_mutex_t space_lock;
	int64_t space_checked_us, full_told_us;
	uint64_t space_free;
	pthread_t writer, chores;
	struct pulse pulse; /* the writer's: set under the lock */
	struct metric_histogram commit_times;
};

/* --- holdq_writer.c --------------------------------------------------------------------------- */

void *holdq_writer(void *queue);
/* Waits until the operation is on disk or refused; its result, the reason noted for this thread. */
enum holdq_result holdq_submit(struct holdq *queue, struct op *op);

/* --- holdq_apply.c: what an operation does within the writer's transaction -------------------- */

struct batch {
	struct holdq *queue;
	struct bdb_txn *txn;
	struct limits limits;
	struct holdq_totals totals; /* as they will be after the commit */
	uint32_t today;
	uint64_t id_limit;        /* as the queue's will be */
	bool changed;             /* there is something to commit */
	bool synced, lags;        /* it is on disk after the commit; something may be so later */
	enum bdb_result trouble;  /* the store's; the transaction must be aborted */
	char reason[REASON_SIZE]; /* of trouble, or of the last operation that was refused */
	uint64_t *garbage;        /* chunks to be deleted after the commit */
	size_t garbage_count, garbage_cap;
	uint8_t (*news)[ROUTE_UUID_BYTES]; /* mailboxes that get mail */
	size_t news_count, news_cap;
	uint8_t (*stored)[ROUTE_UUID_BYTES]; /* one for each message and mailbox */
	size_t stored_count, stored_cap;
	struct str buffer;
};

enum holdq_result holdq_apply(struct batch *batch, struct op *op);
/* Whether the result is OK; notes it as the batch's trouble otherwise. */
bool batch_ok(struct batch *batch, enum bdb_result result);
enum holdq_result batch_refuse(struct batch *batch, enum holdq_result result, const char *format,
	...) __attribute__((format(printf, 3, 4)));
void batch_news(struct batch *batch, const uint8_t *mailbox);
void batch_stored(struct batch *batch, const uint8_t *mailbox);

/* holdq_apply_put.c */
enum holdq_result holdq_apply_put(struct batch *batch, struct put *put);

/* holdq_counts.c: what each mailbox has, kept in step with the index */
void counts_add(struct batch *batch, const uint8_t *mailbox, uint64_t id, uint32_t number,
	const struct index_record *record);
void counts_remove(struct batch *batch, const uint8_t *mailbox, uint64_t id, uint32_t number);
/* All zeros where it has none. */
enum bdb_result counts_read(struct holdq *queue, struct bdb_txn *txn, const uint8_t *mailbox,
	struct holdq_mailbox *mailbox_r);

/*
 * holdq_repeat.c: sets held[i] of those recipients that messages with this digest hold; *id_r
 * becomes the number of the last such message.
 */
/* There are digests of that day. The writer's, and the start's. */
void holdq_note_day(struct holdq *queue, uint32_t day);
enum bdb_result holdq_mark_repeats(struct holdq *queue, struct bdb_txn *txn, const uint8_t *repeat,
	const struct holdq_recipient *recipients, size_t count, bool *held, uint64_t *id_r);

/* --- holdq_limits.c --------------------------------------------------------------------------- */

/* HOLDQ_OK, or FULL where that many more bytes do not fit on the disk. */
enum holdq_result holdq_space(struct holdq *queue, uint64_t limit_free, uint64_t bytes);
/* Bytes on the disk, as of a moment ago. */
uint64_t holdq_free_space(struct holdq *queue);
/* The store said that the disk is full: so it is until the next look. */
void holdq_space_gone(struct holdq *queue);
/* Where it was said that the disk is full: says that it is not any more, with something to spare.
 */
void holdq_tell_room(struct holdq *queue, uint64_t limit_free);
/* The reserve is a file that is given up so that messages can be removed from a full disk. */
bool holdq_reserve_make(struct holdq *queue); /* false: no space for it now */
bool holdq_reserve_drop(const char *dir);

/* --- holdq_draft.c, holdq_read.c, holdq_chores.c ---------------------------------------------- */

/* A large draft's last chunk. */
enum holdq_result holdq_draft_flush(struct holdq_draft *draft);
/* The message's record (string of the id for the log included). */
enum holdq_result holdq_read_record(
	struct holdq *queue, struct bdb_txn *txn, uint64_t id, struct message_record *record_r);
void *holdq_chores(void *queue);
/* Gives space back to the file system where much of it lies idle. */
void holdq_shrink(struct holdq *queue);
/* These chunks belong to no message (any more). Takes no transaction; called without the lock. */
void holdq_discard(struct holdq *queue, uint64_t content);
/* At start: finds the chunks without message. */
int holdq_sweep(struct holdq *queue);

/* --- reasons ---------------------------------------------------------------------------------- */

enum holdq_result holdq_refuse(enum holdq_result result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A result of the store as one of the queue, with its reason; BROKEN is remembered. */
enum holdq_result holdq_store_result(struct holdq *queue, enum bdb_result result);

#endif
