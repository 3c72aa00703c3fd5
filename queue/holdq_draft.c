#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>

#include "lib/mem.h"

#define MAX_TRIES 100

struct holdq_draft *holdq_draft_new(struct holdq *queue)
{
	struct holdq_draft *draft = mem_zalloc(sizeof(*draft));

	draft->queue = queue;
	return draft;
}

size_t holdq_draft_bytes(const struct holdq_draft *draft)
{
	return draft->bytes;
}

void holdq_draft_free(struct holdq_draft **draft)
{
	struct holdq_draft *d = *draft;

	if (d == NULL)
		return;
	if (!d->committed && d->content != 0)
		holdq_discard(d->queue, d->content);
	str_free(&d->tail);
	mem_free(draft);
}

static enum bdb_result store_chunk(struct holdq_draft *draft)
{
	struct holdq *queue = draft->queue;
	uint8_t key[CHUNK_KEY];
	struct bdb_txn *txn;

	key_chunk(key, draft->content, draft->chunks);
	enum bdb_result result = bdb_begin(queue->env, BDB_NOSYNC, &txn);
	if (result != BDB_OK)
		return result;
	result =
		bdb_put(queue->chunks, txn, key, sizeof(key), draft->tail.data, draft->tail.len, 0);
	if (result == BDB_OK)
		return bdb_commit(&txn);
	bdb_abort(&txn);
	return result;
}

/* The tail becomes a chunk: committed, not synced. The message's own commit syncs the log, and so
 * all that was committed before it. */
static enum holdq_result spill(struct holdq_draft *draft)
{
	struct holdq *queue = draft->queue;
	enum bdb_result result = BDB_RETRY;

	pthread_mutex_lock(&queue->lock);
	uint64_t limit_free = draft->unlimited ? 0 : queue->limits.free;
	queue->unchecked += draft->tail.len;
	pthread_mutex_unlock(&queue->lock);
	if (!draft->unlimited && holdq_space(queue, limit_free, draft->tail.len) != HOLDQ_OK)
		return HOLDQ_FULL;
	if (draft->content == 0)
		draft->content = atomic_fetch_add(&queue->next_id, 1);
	for (int i = 0; i < MAX_TRIES && result == BDB_RETRY; i++)
		result = store_chunk(draft);
	if (result != BDB_OK)
		return holdq_store_result(queue, result);
	draft->chunks++;
	str_reset(&draft->tail);
	return HOLDQ_OK;
}

enum holdq_result holdq_draft_append(struct holdq_draft *draft, const void *data, size_t len)
{
	const char *from = data;
	enum holdq_result result = HOLDQ_OK;

	if (draft->failed)
		return holdq_refuse(HOLDQ_FAILED, "an earlier part could not be stored");
	while (len > 0 && result == HOLDQ_OK) {
		/* Not before more comes: what fits in one chunk is no large message. */
		if (draft->tail.len == HOLDQ_CHUNK)
			result = spill(draft);
		if (result != HOLDQ_OK)
			break;
		size_t room = HOLDQ_CHUNK - draft->tail.len;
		size_t part = len < room ? len : room;
		str_append(&draft->tail, from, part);
		draft->bytes += part;
		from += part;
		len -= part;
	}
	draft->failed = result != HOLDQ_OK;
	return result;
}

enum holdq_result holdq_draft_flush(struct holdq_draft *draft)
{
	if (draft->failed)
		return holdq_refuse(HOLDQ_FAILED, "a part could not be stored");
	if (draft->content == 0 || draft->tail.len == 0)
		return HOLDQ_OK;
	return spill(draft);
}
