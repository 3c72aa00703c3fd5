/* Messages that came before: their client never got our 250, and sends them again. */
#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>
#include <strings.h>

#define MAX_TRIES 100

struct search {
	const uint8_t *repeat;
	const struct holdq_recipient *recipients;
	size_t count;
	bool *held;
	uint64_t id;
	struct bdb_cursor *digests, *records;
};

static void mark_recipient(struct search *search, const struct bdb_item *item)
{
	struct holdq_held_recipient there;

	if (recipient_decode(item->value, item->value_len, &there) != 0)
		return;
	for (size_t i = 0; i < search->count; i++)
		if (strcasecmp(search->recipients[i].address, there.address) == 0)
			search->held[i] = true;
	recipient_clear(&there);
}

static enum bdb_result mark_message(struct search *search)
{
	uint8_t key[RECIPIENT_KEY];
	struct bdb_item item;
	enum bdb_result result;

	key_recipient(key, search->id, 0);
	for (result = bdb_cursor_seek(search->records, key, sizeof(key), &item);
		result == BDB_OK && key_u64(item.key, item.key_len, 0) == search->id;
		result = bdb_cursor_next(search->records, &item))
		mark_recipient(search, &item);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

/* All messages of a day that have the digest. */
static enum bdb_result mark_day(struct search *search, uint32_t day)
{
	const size_t prefix = 4 + DIGEST_BYTES;
	uint8_t key[DIGEST_KEY];
	struct bdb_item item;

	key_digest(key, day, search->repeat, 0);
	enum bdb_result result = bdb_cursor_seek(search->digests, key, sizeof(key), &item);
	while (result == BDB_OK && item.key_len == sizeof(key) &&
		memcmp(item.key, key, prefix) == 0) {
		search->id = key_u64(item.key, item.key_len, prefix);
		result = mark_message(search);
		if (result == BDB_OK)
			result = bdb_cursor_next(search->digests, &item);
	}
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

/* By the order in which they came, not by the calendar: the clock may be set, by years. */
void holdq_note_day(struct holdq *queue, uint32_t day)
{
	for (size_t i = 0; i < DAY_SLOTS; i++)
		if (atomic_load(&queue->days[i]) == day + 1)
			return;
	atomic_store(&queue->days[queue->day_next++ % DAY_SLOTS], day + 1);
}

enum bdb_result holdq_mark_repeats(struct holdq *queue, struct bdb_txn *txn, const uint8_t *repeat,
	const struct holdq_recipient *recipients, size_t count, bool *held, uint64_t *id_r)
{
	struct search search = {
		.repeat = repeat, .recipients = recipients, .count = count, .held = held
	};

	enum bdb_result result = bdb_cursor_open(queue->digests, txn, 0, &search.digests);
	if (result == BDB_OK)
		result = bdb_cursor_open(queue->recipients, txn, 0, &search.records);
	for (size_t i = 0; i < DAY_SLOTS && result == BDB_OK; i++) {
		uint32_t noted = atomic_load(&queue->days[i]);
		if (noted != 0)
			result = mark_day(&search, noted - 1);
	}
	bdb_cursor_close(&search.records);
	bdb_cursor_close(&search.digests);
	*id_r = search.id;
	return result;
}

bool holdq_has(struct holdq *queue, const uint8_t *mailbox)
{
	struct holdq_mailbox held;

	pthread_mutex_lock(&queue->lock);
	bool empty = queue->totals.messages == 0;
	pthread_mutex_unlock(&queue->lock);
	return !empty && counts_read(queue, NULL, mailbox, &held) == BDB_OK && held.recipients > 0;
}

enum holdq_result holdq_find_repeat(struct holdq *queue, const uint8_t *repeat,
	const struct holdq_recipient *recipients, size_t count, bool *held)
{
	enum bdb_result result = BDB_RETRY;
	struct bdb_txn *txn;
	uint64_t id;

	for (int i = 0; i < MAX_TRIES && result == BDB_RETRY; i++) {
		memset(held, 0, count * sizeof(*held));
		/* Two cursors without a transaction are strangers to each other: a deadlock with
		 * the writer through both of them would never be found. */
		result = bdb_begin(queue->env, BDB_NOSYNC, &txn);
		if (result != BDB_OK)
			break;
		result = holdq_mark_repeats(queue, txn, repeat, recipients, count, held, &id);
		bdb_abort(&txn);
	}
	return holdq_store_result(queue, result);
}
