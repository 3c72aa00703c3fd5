/* What nobody waits for: checkpoints, chunks that belong to no message, the reserve. */
#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define CHECKPOINT_INTERVAL (60 * CLOCK_SECOND)
#define CHORE_INTERVAL      (10 * CLOCK_SECOND)
#define MAX_TRIES           100
#define SHRINK_FROM         (UINT64_C(64) << 20)
#define SHRINK_FROM_TIGHT   (UINT64_C(1) << 20) /* while the disk is short of space */
#define SHRINK_FACTOR       3                   /* of the size of what is held */
/* What is moved is logged: the last of the disk is for removals, which free more in the end. */
#define SHRINK_ROOM (UINT64_C(1) << 20)
/* All of that may have to be moved, and others wait now and then meanwhile. */
#define SHRINK_MOST (UINT64_C(256) << 20)

static void note(struct holdq *queue, uint64_t content)
{
	if (queue->garbage_count == queue->garbage_cap) {
		queue->garbage_cap = queue->garbage_cap ? 2 * queue->garbage_cap : 64;
		queue->garbage =
			mem_grow(queue->garbage, queue->garbage_cap, sizeof(*queue->garbage));
	}
	queue->garbage[queue->garbage_count++] = content;
}

void holdq_discard(struct holdq *queue, uint64_t content)
{
	pthread_mutex_lock(&queue->lock);
	note(queue, content);
	pthread_cond_signal(&queue->chore);
	pthread_mutex_unlock(&queue->lock);
}

/* --- chunks without message ------------------------------------------------------------------ */

/* One chunk per transaction: it keeps the locks, and the log of an unfinished one, small. */
static enum bdb_result delete_chunk(struct holdq *queue, uint64_t content)
{
	struct bdb_cursor *cursor = NULL;
	struct bdb_item item;
	struct bdb_txn *txn;
	uint8_t key[CHUNK_KEY];

	key_chunk(key, content, 0);
	enum bdb_result result = bdb_begin(queue->env, BDB_NOSYNC, &txn);
	if (result != BDB_OK)
		return result;
	result = bdb_cursor_open(queue->chunks, txn, BDB_CURSOR_WRITE, &cursor);
	if (result == BDB_OK)
		result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
	if (result == BDB_OK && key_u64(item.key, item.key_len, 0) != content)
		result = BDB_NOTFOUND;
	if (result == BDB_OK)
		result = bdb_cursor_del(cursor);
	bdb_cursor_close(&cursor);
	if (result == BDB_OK)
		return bdb_commit(&txn);
	bdb_abort(&txn);
	return result;
}

static enum bdb_result delete_chunks(struct holdq *queue, uint64_t content)
{
	enum bdb_result result;
	int tries = 0;

	do {
		result = delete_chunk(queue, content);
		tries = result == BDB_RETRY ? tries + 1 : 0;
	} while (result == BDB_OK || (result == BDB_RETRY && tries < MAX_TRIES));
	return result;
}

/* Called with the lock, which it lets go. What a full disk keeps from going goes later. */
static void remove_garbage(struct holdq *queue)
{
	uint64_t content = queue->garbage[--queue->garbage_count];

	pthread_mutex_unlock(&queue->lock);
	enum bdb_result result = delete_chunks(queue, content);
	pthread_mutex_lock(&queue->lock);
	if (result == BDB_FULL || result == BDB_RETRY) {
		note(queue, content);
		queue->garbage_after_us = clock_mono_us() + CHORE_INTERVAL;
	} else if (result != BDB_NOTFOUND) {
		log_warning("queue", "chunks stay until the next start content=%llu: %s",
			(unsigned long long)content, bdb_reason());
	}
}

static bool is_large(struct holdq *queue, uint64_t content, enum bdb_result *result_r)
{
	uint8_t key[ID_KEY], id[ID_KEY];
	size_t len;

	key_id(key, content);
	*result_r = bdb_get_into(queue->large, NULL, key, sizeof(key), id, sizeof(id), &len);
	return *result_r == BDB_OK;
}

/* Jumps from one content id to the next, whatever the number of its chunks. */
int holdq_sweep(struct holdq *queue)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	uint8_t key[CHUNK_KEY];
	enum bdb_result result = bdb_cursor_open(queue->chunks, NULL, 0, &cursor);

	if (result == BDB_OK)
		result = bdb_cursor_seek(cursor, NULL, 0, &item);
	while (result == BDB_OK) {
		if (item.key_len != CHUNK_KEY) {
			result = bdb_cursor_next(cursor, &item);
			continue;
		}
		uint64_t content = key_u64(item.key, item.key_len, 0);
		if (!is_large(queue, content, &result) && result == BDB_NOTFOUND)
			note(queue, content);
		else if (result != BDB_OK)
			break;
		key_chunk(key, content + 1, 0);
		result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
	}
	bdb_cursor_close(&cursor);
	if (queue->garbage_count > 0)
		log_info("queue", "removing what was never committed pieces=%zu",
			queue->garbage_count);
	return result == BDB_NOTFOUND ? 0 : -1;
}

/* --- space ----------------------------------------------------------------------------------- */

/*
 * A file never becomes shorter by itself, and the disk would stay full after the release. False:
 * that was tried in vain.
 */
static bool shrink(struct bdb_table *table, uint64_t held, uint64_t from)
{
	uint64_t size = bdb_table_bytes(table);

	if (size < from || size / SHRINK_FACTOR < held || held > SHRINK_MOST)
		return true;
	enum bdb_result result = bdb_table_shrink(table);
	if (result != BDB_OK && result != BDB_RETRY)
		log_warning("queue", "cannot give space back: %s", bdb_reason());
	uint64_t now = bdb_table_bytes(table);
	if (now != size)
		log_debug("queue", "shrunk from=%llu to=%llu", (unsigned long long)size,
			(unsigned long long)now);
	return result != BDB_FULL && now < size;
}

/* New messages are refused for want of space on the disk. Called without the lock. */
static bool is_short(struct holdq *queue)
{
	pthread_mutex_lock(&queue->lock);
	uint64_t limit_free = queue->limits.free;
	pthread_mutex_unlock(&queue->lock);
	return holdq_space(queue, limit_free, 0) == HOLDQ_FULL;
}

/* On a small disk what small files keep may be all that is missing. */
void holdq_shrink(struct holdq *queue)
{
	struct bdb_table *const others[] = { queue->messages, queue->recipients, queue->index,
		queue->digests };
	bool tight = is_short(queue);
	uint64_t from = tight ? SHRINK_FROM_TIGHT : SHRINK_FROM;
	bool room = !tight || holdq_free_space(queue) >= SHRINK_ROOM;

	pthread_mutex_lock(&queue->lock);
	uint64_t held = queue->totals.bytes;
	pthread_mutex_unlock(&queue->lock);
	bool gained = room && shrink(queue->content, held, from);
	gained = room && shrink(queue->chunks, held, from) && gained;
	for (size_t i = 0; room && tight && i < sizeof(others) / sizeof(others[0]); i++)
		gained = shrink(others[i], held, from) && gained;
	pthread_mutex_lock(&queue->lock);
	queue->shrink_in_vain = room && !gained;
	pthread_mutex_unlock(&queue->lock);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void checkpoint(struct holdq *queue)
{
	if (bdb_checkpoint(queue->env, 0) != BDB_OK)
		log_warning("queue", "checkpoint failed: %s", bdb_reason());
}

/* Made again once there is plenty of space. Called with the lock, which it lets go. */
static void restore_reserve(struct holdq *queue)
{
	pthread_mutex_unlock(&queue->lock);
	bool made = holdq_reserve_make(queue);
	pthread_mutex_lock(&queue->lock);
	queue->reserve_wanted = !made;
}

/* Called with the lock, which it lets go. */
static void tell_room(struct holdq *queue)
{
	uint64_t limit_free = queue->limits.free;

	pthread_mutex_unlock(&queue->lock);
	holdq_tell_room(queue, limit_free);
	pthread_mutex_lock(&queue->lock);
}

/* Called with the lock, which it may let go. Space is looked for more often where none is left, and
 * that gained something the last time. */
static bool is_check_due(struct holdq *queue, int64_t since_us)
{
	if (queue->unchecked >= CHECKPOINT_BYTES || since_us >= CHECKPOINT_INTERVAL)
		return true;
	if (since_us < CHORE_INTERVAL || queue->shrink_in_vain)
		return false;
	pthread_mutex_unlock(&queue->lock);
	bool tight = is_short(queue);
	pthread_mutex_lock(&queue->lock);
	return tight;
}

/* Called with the lock, which it lets go while it works. True: there was something to do. */
static bool one_chore(struct holdq *queue, int64_t *checked_us)
{
	int64_t now = clock_mono_us();

	if (queue->garbage_count > 0 && now >= queue->garbage_after_us) {
		remove_garbage(queue);
	} else if (is_check_due(queue, now - *checked_us)) {
		queue->unchecked = 0;
		pthread_mutex_unlock(&queue->lock);
		holdq_shrink(queue);
		checkpoint(queue);
		pthread_mutex_lock(&queue->lock);
		/* The next one is not due at once, however long this took. */
		*checked_us = clock_mono_us();
	} else {
		return false;
	}
	return true;
}

void *holdq_chores(void *context)
{
	struct holdq *queue = context;
	int64_t checked_us = clock_mono_us();

	pthread_mutex_lock(&queue->lock);
	while (!queue->chores_stopping) {
		queue->chore_busy = true;
		bool done = !queue->broken && one_chore(queue, &checked_us);
		queue->chore_busy = false;
		/* The lock was let go meanwhile: whoever ends this thread has signalled already. */
		if (done || queue->chores_stopping)
			continue;
		int waited = clock_cond_wait_until(
			&queue->chore, &queue->lock, clock_mono_us() + CHORE_INTERVAL);
		if (waited == ETIMEDOUT)
			tell_room(queue);
		if (waited == ETIMEDOUT && queue->reserve_wanted)
			restore_reserve(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	return NULL;
}
