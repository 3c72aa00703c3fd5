/* Storing a message within the writer's transaction. */
#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>

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
	holdq_note_day(batch->queue, batch->today);
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

/* Of several addresses of one mailbox it is one message. */
static bool is_first(const struct put *put, const bool *held, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!held[i] && memcmp(put->recipients[i].mailbox, put->recipients[at].mailbox,
					ROUTE_UUID_BYTES) == 0)
			return false;
	return true;
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
		if (is_first(put, held, i))
			batch_stored(batch, put->recipients[i].mailbox);
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
		batch_ok(batch, holdq_mark_repeats(batch->queue, batch->txn, put->repeat,
					put->recipients, put->count, held, &put->id_r));
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
