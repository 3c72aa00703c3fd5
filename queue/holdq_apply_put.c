/* Storing a message within the writer's transaction. */
#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define IDS_NOTED_AHEAD 10000

/* --- limits ---------------------------------------------------------------------------------- */

static enum holdq_result check_mailbox(
	struct batch *batch, const struct put *put, const uint8_t *mailbox)
{
	struct holdq_mailbox held;

	if (!batch_ok(batch, counts_read(batch->queue, batch->txn, mailbox, &held)))
		return HOLDQ_FAILED;
	if (held.bytes + put->draft->bytes > batch->limits.mailbox)
		return batch_refuse(batch, HOLDQ_FULL, "the limit per mailbox is reached");
	return HOLDQ_OK;
}

static enum holdq_result check_limits(struct batch *batch, const struct put *put)
{
	enum holdq_result result = HOLDQ_OK;
	uint64_t bytes = put->draft->bytes;

	if (put->draft->unlimited)
		return HOLDQ_OK;
	if (batch->limits.bytes != 0 && batch->totals.bytes + bytes > batch->limits.bytes)
		return batch_refuse(batch, HOLDQ_FULL, "the limit of the hold queue is reached");
	if (holdq_space(batch->queue, batch->limits.free, put->draft->content ? 0 : bytes) !=
		HOLDQ_OK)
		return batch_refuse(batch, HOLDQ_FULL, "%s", holdq_reason());
	for (size_t i = 0; i < put->count && batch->limits.mailbox != 0 && result == HOLDQ_OK; i++)
		result = check_mailbox(batch, put, put->recipients[i].mailbox);
	return result;
}

/* --- repeats --------------------------------------------------------------------------------- */

/* Marks the recipients that message id holds already. */
static enum bdb_result mark_held(struct batch *batch, const struct put *put, uint64_t id,
	bool *held, struct bdb_cursor *cursor)
{
	uint8_t key[RECIPIENT_KEY];
	struct holdq_held_recipient there;
	struct bdb_item item;
	enum bdb_result result;

	key_recipient(key, id, 0);
	for (result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
		result == BDB_OK && key_u64(item.key, item.key_len, 0) == id;
		result = bdb_cursor_next(cursor, &item)) {
		if (recipient_decode(item.value, item.value_len, &there) != 0)
			continue;
		for (size_t i = 0; i < put->count; i++)
			if (strcasecmp(put->recipients[i].address, there.address) == 0)
				held[i] = true;
		recipient_clear(&there);
	}
	(void)batch;
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

/* All messages of a day that have the digest. */
static enum bdb_result mark_day(struct batch *batch, struct put *put, uint32_t day, bool *held,
	struct bdb_cursor *digests, struct bdb_cursor *recipients)
{
	const size_t prefix = 4 + DIGEST_BYTES;
	uint8_t key[DIGEST_KEY];
	struct bdb_item item;

	key_digest(key, day, put->repeat, 0);
	enum bdb_result result = bdb_cursor_seek(digests, key, sizeof(key), &item);
	while (result == BDB_OK && memcmp(item.key, key, prefix) == 0) {
		put->id_r = key_u64(item.key, item.key_len, prefix);
		result = mark_held(batch, put, put->id_r, held, recipients);
		if (result == BDB_OK)
			result = bdb_cursor_next(digests, &item);
	}
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

/* From tomorrow (the clock may have been set back) to the day after which nobody repeats. */
static void mark_repeats(struct batch *batch, struct put *put, bool *held)
{
	struct bdb_cursor *digests = NULL, *recipients = NULL;
	struct holdq *queue = batch->queue;

	enum bdb_result result = bdb_cursor_open(queue->digests, batch->txn, 0, &digests);
	if (result == BDB_OK)
		result = bdb_cursor_open(queue->recipients, batch->txn, 0, &recipients);
	for (uint32_t back = 0; back < DAY_SLOTS && result == BDB_OK; back++) {
		uint32_t day = batch->today + 1 - back;
		if (queue->days[day % DAY_SLOTS] == day)
			result = mark_day(batch, put, day, held, digests, recipients);
	}
	bdb_cursor_close(&recipients);
	bdb_cursor_close(&digests);
	batch_ok(batch, result);
}

/* --- the message ----------------------------------------------------------------------------- */

static uint64_t next_id(struct batch *batch)
{
	struct holdq *queue = batch->queue;
	uint64_t id = atomic_fetch_add(&queue->next_id, 1);
	uint8_t noted[ID_KEY];

	if (id >= batch->id_limit) {
		batch->id_limit = id + IDS_NOTED_AHEAD;
		key_id(noted, batch->id_limit);
		batch_ok(batch,
			bdb_put(queue->meta, batch->txn, "next", 4, noted, sizeof(noted), 0));
	}
	return id;
}

static void put_message(struct batch *batch, const struct put *put, int64_t arrived_us)
{
	struct message_record record = { .content = put->draft->content ? put->draft->content
									: put->id_r,
		.bytes = put->draft->bytes,
		.large = put->draft->content != 0,
		.has_digest = put->repeat != NULL,
		.day = batch->today,
		.envelope = *put->envelope };
	uint8_t key[ID_KEY];

	record.envelope.arrived_us = arrived_us;
	if (put->repeat != NULL)
		memcpy(record.digest, put->repeat, DIGEST_BYTES);
	key_id(key, put->id_r);
	str_reset(&batch->buffer);
	message_encode(&batch->buffer, &record);
	batch_ok(batch, bdb_put(batch->queue->messages, batch->txn, key, sizeof(key),
				batch->buffer.data, batch->buffer.len, 0));
}

static void put_content(struct batch *batch, const struct put *put)
{
	struct holdq *queue = batch->queue;
	uint8_t key[ID_KEY], id[ID_KEY];
	enum bdb_result result;

	key_id(id, put->id_r);
	if (put->draft->content != 0) {
		key_id(key, put->draft->content);
		result = bdb_put(queue->large, batch->txn, key, sizeof(key), id, sizeof(id), 0);
	} else {
		result = bdb_put(queue->content, batch->txn, id, sizeof(id), put->draft->tail.data,
			put->draft->tail.len, 0);
	}
	batch_ok(batch, result);
}

static void put_digest(struct batch *batch, const struct put *put)
{
	uint8_t key[DIGEST_KEY];

	if (put->repeat == NULL)
		return;
	key_digest(key, batch->today, put->repeat, put->id_r);
	batch->queue->days[batch->today % DAY_SLOTS] = batch->today;
	batch_ok(batch, bdb_put(batch->queue->digests, batch->txn, key, sizeof(key), NULL, 0, 0));
}

static void put_recipient(struct batch *batch, const struct put *put, uint32_t number,
	const struct index_record *index)
{
	static char none[] = "";
	const struct holdq_recipient *from = &put->recipients[number];
	struct holdq_held_recipient record = {
		.address = from->address, .params = from->params, .last_reply = none
	};
	uint8_t key[RECIPIENT_KEY];

	memcpy(record.mailbox, from->mailbox, ROUTE_UUID_BYTES);
	key_recipient(key, put->id_r, number);
	str_reset(&batch->buffer);
	recipient_encode(&batch->buffer, &record);
	if (batch_ok(batch, bdb_put(batch->queue->recipients, batch->txn, key, sizeof(key),
				    batch->buffer.data, batch->buffer.len, 0)))
		counts_add(batch, from->mailbox, put->id_r, number, index);
}

static void put_recipients(
	struct batch *batch, const struct put *put, const bool *held, int64_t arrived_us)
{
	struct index_record index = { arrived_us, put->draft->bytes };

	for (size_t i = 0; i < put->count && batch->trouble == BDB_OK; i++) {
		if (held[i])
			continue;
		put_recipient(batch, put, (uint32_t)i, &index);
		batch_news(batch, put->recipients[i].mailbox);
	}
}

static void store(struct batch *batch, struct put *put, const bool *held)
{
	int64_t arrived_us = put->envelope->arrived_us;

	if (arrived_us == 0)
		arrived_us = clock_wall_us();
	put->id_r = next_id(batch);
	put_message(batch, put, arrived_us);
	if (batch->trouble == BDB_OK)
		put_content(batch, put);
	if (batch->trouble == BDB_OK)
		put_digest(batch, put);
	put_recipients(batch, put, held, arrived_us);
	batch->totals.messages++;
	batch->totals.stored++;
	batch->totals.bytes += put->draft->bytes;
}

enum holdq_result holdq_apply_put(struct batch *batch, struct put *put)
{
	bool *held = mem_zalloc(put->count * sizeof(*held));
	enum holdq_result result = HOLDQ_OK;
	size_t repeated = 0;

	put->id_r = 0;
	if (put->repeat != NULL)
		mark_repeats(batch, put, held);
	for (size_t i = 0; i < put->count; i++)
		repeated += held[i];
	put->held_r = put->count - repeated;
	batch->totals.repeats += repeated > 0;
	if (put->held_r > 0 && batch->trouble == BDB_OK)
		result = check_limits(batch, put);
	if (put->held_r > 0 && result == HOLDQ_OK && batch->trouble == BDB_OK)
		store(batch, put, held);
	mem_free(&held);
	return result;
}
