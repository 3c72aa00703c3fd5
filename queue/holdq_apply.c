/* Removals and changes within the writer's transaction. */
#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/orcpt.h"
#include "queue/params.h"

bool batch_ok(struct batch *batch, enum bdb_result result)
{
	if (result == BDB_OK)
		return true;
	if (batch->trouble == BDB_OK) {
		batch->trouble = result;
		snprintf(batch->reason, sizeof(batch->reason), "%s",
			result == BDB_NOTFOUND ? "the store misses a record that must be there"
					       : bdb_reason());
	}
	return false;
}

enum holdq_result batch_refuse(
	struct batch *batch, enum holdq_result result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(batch->reason, sizeof(batch->reason), format, args);
	va_end(args);
	return result;
}

static void batch_damaged(struct batch *batch, uint64_t id)
{
	batch->trouble = BDB_FAILED;
	snprintf(batch->reason, sizeof(batch->reason), "the record of message %llu is damaged",
		(unsigned long long)id);
}

static void add_mailbox(
	uint8_t (**list)[ROUTE_UUID_BYTES], size_t *count, size_t *cap, const uint8_t *mailbox)
{
	if (*count == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		*list = mem_grow(*list, *cap, sizeof(**list));
	}
	memcpy((*list)[(*count)++], mailbox, ROUTE_UUID_BYTES);
}

void batch_news(struct batch *batch, const uint8_t *mailbox)
{
	/* Consecutive ones are mostly alike; more need not be done. */
	if (batch->news_count > 0 &&
		memcmp(batch->news[batch->news_count - 1], mailbox, ROUTE_UUID_BYTES) == 0)
		return;
	add_mailbox(&batch->news, &batch->news_count, &batch->news_cap, mailbox);
}

void batch_stored(struct batch *batch, const uint8_t *mailbox)
{
	add_mailbox(&batch->stored, &batch->stored_count, &batch->stored_cap, mailbox);
}

static void batch_garbage(struct batch *batch, uint64_t content)
{
	if (batch->garbage_count == batch->garbage_cap) {
		batch->garbage_cap = batch->garbage_cap ? 2 * batch->garbage_cap : 16;
		batch->garbage =
			mem_grow(batch->garbage, batch->garbage_cap, sizeof(*batch->garbage));
	}
	batch->garbage[batch->garbage_count++] = content;
}

/* --- the message goes with its last recipient ------------------------------------------------ */

static void delete_content(struct batch *batch, const struct message_record *record)
{
	struct holdq *queue = batch->queue;
	uint8_t key[ID_KEY];

	key_id(key, record->content);
	if (!record->large) {
		batch_ok(batch, bdb_del(queue->content, batch->txn, key, sizeof(key)));
		return;
	}
	/* Without this record its chunks are orphans: they go later, or at the next start. */
	if (batch_ok(batch, bdb_del(queue->large, batch->txn, key, sizeof(key))))
		batch_garbage(batch, record->content);
}

static void delete_message(struct batch *batch, uint64_t id)
{
	struct holdq *queue = batch->queue;
	struct message_record record;
	uint8_t key[DIGEST_KEY];

	enum holdq_result result = holdq_read_record(queue, batch->txn, id, &record);
	if (result != HOLDQ_OK) {
		batch_damaged(batch, id);
		return;
	}
	key_id(key, id);
	batch_ok(batch, bdb_del(queue->messages, batch->txn, key, ID_KEY));
	if (record.has_digest && batch->trouble == BDB_OK) {
		key_digest(key, record.day, record.digest, id);
		batch_ok(batch, bdb_del(queue->digests, batch->txn, key, sizeof(key)));
	}
	if (batch->trouble == BDB_OK)
		delete_content(batch, &record);
	batch->totals.messages--;
	batch->totals.bytes -=
		record.bytes < batch->totals.bytes ? record.bytes : batch->totals.bytes;
	envelope_clear(&record.envelope);
}

static bool has_recipients(struct batch *batch, uint64_t id)
{
	uint8_t key[RECIPIENT_KEY];
	struct bdb_cursor *cursor;
	struct bdb_item item;

	key_recipient(key, id, 0);
	if (!batch_ok(batch, bdb_cursor_open(batch->queue->recipients, batch->txn, 0, &cursor)))
		return true;
	enum bdb_result result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
	bool found = result == BDB_OK && key_u64(item.key, item.key_len, 0) == id;
	bdb_cursor_close(&cursor);
	if (result != BDB_NOTFOUND)
		batch_ok(batch, result);
	return found;
}

/* --- recipients ------------------------------------------------------------------------------ */

/* False where it is not there, or there was trouble. */
static bool load_recipient(
	struct batch *batch, uint64_t id, uint32_t number, struct holdq_held_recipient *recipient_r)
{
	uint8_t key[RECIPIENT_KEY];

	key_recipient(key, id, number);
	enum bdb_result result =
		bdb_get(batch->queue->recipients, batch->txn, key, sizeof(key), &batch->buffer);
	if (result == BDB_NOTFOUND || !batch_ok(batch, result))
		return false;
	if (recipient_decode(batch->buffer.data, batch->buffer.len, recipient_r) == 0)
		return true;
	batch_damaged(batch, id);
	return false;
}

static void save_recipient(struct batch *batch, uint64_t id, uint32_t number,
	const struct holdq_held_recipient *recipient)
{
	uint8_t key[RECIPIENT_KEY];

	key_recipient(key, id, number);
	str_reset(&batch->buffer);
	recipient_encode(&batch->buffer, recipient);
	batch_ok(batch, bdb_put(batch->queue->recipients, batch->txn, key, sizeof(key),
				batch->buffer.data, batch->buffer.len, 0));
}

static bool remove_recipient(struct batch *batch, uint64_t id, uint32_t number)
{
	struct holdq_held_recipient recipient;
	uint8_t key[RECIPIENT_KEY];

	if (!load_recipient(batch, id, number, &recipient))
		return false;
	key_recipient(key, id, number);
	if (batch_ok(batch, bdb_del(batch->queue->recipients, batch->txn, key, sizeof(key))))
		counts_remove(batch, recipient.mailbox, id, number);
	recipient_clear(&recipient);
	batch->totals.removed++;
	return true;
}

static enum holdq_result gone(struct batch *batch, uint64_t id)
{
	if (batch->trouble != BDB_OK)
		return HOLDQ_FAILED;
	return batch_refuse(
		batch, HOLDQ_GONE, "message %llu has no such recipient", (unsigned long long)id);
}

static enum holdq_result apply_notice(struct batch *batch, struct op *op)
{
	return op->put != NULL && batch->trouble == BDB_OK ? holdq_apply_put(batch, op->put)
							   : HOLDQ_OK;
}

static enum holdq_result apply_remove(struct batch *batch, struct op *op)
{
	size_t removed = 0;

	for (size_t i = 0; i < op->count && batch->trouble == BDB_OK; i++)
		removed += remove_recipient(batch, op->id, op->numbers[i]);
	if (removed == 0)
		return gone(batch, op->id);
	if (batch->trouble == BDB_OK && !has_recipients(batch, op->id))
		delete_message(batch, op->id);
	return apply_notice(batch, op);
}

static enum holdq_result apply_update(struct batch *batch, struct op *op)
{
	const struct holdq_held_recipient *now = op->recipient;
	struct holdq_held_recipient stored;

	if (!load_recipient(batch, op->id, now->number, &stored))
		return gone(batch, op->id);
	stored.release_began_us = now->release_began_us;
	stored.trouble_us = now->trouble_us;
	stored.attempts = now->attempts;
	stored.delay_told = now->delay_told;
	mem_free(&stored.last_reply);
	stored.last_reply = mem_strdup(now->last_reply ? now->last_reply : "");
	save_recipient(batch, op->id, now->number, &stored);
	recipient_clear(&stored);
	return apply_notice(batch, op);
}

static bool note_told(struct batch *batch, uint64_t id, uint32_t number)
{
	struct holdq_held_recipient recipient;

	if (!load_recipient(batch, id, number, &recipient))
		return false;
	recipient.delay_told = true;
	save_recipient(batch, id, number, &recipient);
	recipient_clear(&recipient);
	return true;
}

static enum holdq_result apply_tell(struct batch *batch, struct op *op)
{
	size_t told = 0;

	for (size_t i = 0; i < op->count && batch->trouble == BDB_OK; i++)
		told += note_told(batch, op->id, op->numbers[i]);
	return told > 0 ? apply_notice(batch, op) : gone(batch, op->id);
}

/* What the client wrote is in the notices about it (RFC 3461 section 5.2.7.2). */
static void keep_original(struct holdq_held_recipient *recipient)
{
	struct str params = STR_INIT;

	if (params_has(recipient->params, "ORCPT"))
		return;
	str_append_z(&params, recipient->params);
	if (params.len > 0)
		str_append_c(&params, ' ');
	orcpt_made(recipient->address, ORCPT_WIRE, &params);
	mem_free(&recipient->params);
	recipient->params = str_steal(&params);
}

static void readdress(struct holdq_held_recipient *recipient, const char *address)
{
	keep_original(recipient);
	mem_free(&recipient->address);
	recipient->address = mem_strdup(address);
	mem_free(&recipient->last_reply);
	recipient->last_reply = mem_strdup("");
	recipient->release_began_us = recipient->trouble_us = 0;
	recipient->attempts = 0;
}

static bool rehome_one(struct batch *batch, struct op *op, uint32_t number)
{
	struct holdq_held_recipient recipient;
	struct index_record index;
	uint8_t key[INDEX_KEY], value[64];
	size_t len;

	if (!load_recipient(batch, op->id, number, &recipient))
		return false;
	key_index(key, recipient.mailbox, op->id, number);
	if (batch_ok(batch, bdb_get_into(batch->queue->index, batch->txn, key, sizeof(key), value,
				    sizeof(value), &len)) &&
		index_decode(value, len, &index) != 0)
		batch_damaged(batch, op->id);
	if (batch->trouble == BDB_OK)
		counts_remove(batch, recipient.mailbox, op->id, number);
	memcpy(recipient.mailbox, op->mailbox, ROUTE_UUID_BYTES);
	if (op->address != NULL)
		readdress(&recipient, op->address);
	if (batch->trouble == BDB_OK)
		save_recipient(batch, op->id, number, &recipient);
	if (batch->trouble == BDB_OK)
		counts_add(batch, op->mailbox, op->id, number, &index);
	recipient_clear(&recipient);
	return true;
}

static enum holdq_result apply_rehome(struct batch *batch, struct op *op)
{
	size_t moved = 0;

	for (size_t i = 0; i < op->count && batch->trouble == BDB_OK; i++)
		moved += rehome_one(batch, op, op->numbers[i]);
	if (moved == 0)
		return gone(batch, op->id);
	batch_news(batch, op->mailbox);
	return HOLDQ_OK;
}

enum holdq_result holdq_apply(struct batch *batch, struct op *op)
{
	switch (op->kind) {
	case OP_PUT: return holdq_apply_put(batch, op->put);
	case OP_REMOVE: return apply_remove(batch, op);
	case OP_UPDATE: return apply_update(batch, op);
	case OP_TELL: return apply_tell(batch, op);
	case OP_REHOME: return apply_rehome(batch, op);
	}
	return HOLDQ_FAILED;
}
