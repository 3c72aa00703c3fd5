#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>

#include "lib/mem.h"

enum bdb_result counts_read(struct holdq *queue, struct bdb_txn *txn, const uint8_t *mailbox,
	struct holdq_mailbox *mailbox_r)
{
	uint8_t value[64];
	size_t len;

	memset(mailbox_r, 0, sizeof(*mailbox_r));
	memcpy(mailbox_r->mailbox, mailbox, ROUTE_UUID_BYTES);
	enum bdb_result result = bdb_get_into(
		queue->mailboxes, txn, mailbox, ROUTE_UUID_BYTES, value, sizeof(value), &len);
	if (result == BDB_OK)
		mailbox_decode(value, len, mailbox_r);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

static void write_counts(struct batch *batch, const struct holdq_mailbox *mailbox)
{
	struct bdb_table *table = batch->queue->mailboxes;

	if (mailbox->recipients == 0) {
		batch->totals.mailboxes--;
		batch_ok(batch, bdb_del(table, batch->txn, mailbox->mailbox, ROUTE_UUID_BYTES));
		return;
	}
	str_reset(&batch->buffer);
	mailbox_encode(&batch->buffer, mailbox);
	batch_ok(batch, bdb_put(table, batch->txn, mailbox->mailbox, ROUTE_UUID_BYTES,
				batch->buffer.data, batch->buffer.len, 0));
}

void counts_add(struct batch *batch, const uint8_t *mailbox, uint64_t id, uint32_t number,
	const struct index_record *record)
{
	struct holdq_mailbox held;
	uint8_t key[INDEX_KEY];

	key_index(key, mailbox, id, number);
	str_reset(&batch->buffer);
	index_encode(&batch->buffer, record);
	if (!batch_ok(batch, bdb_put(batch->queue->index, batch->txn, key, sizeof(key),
				     batch->buffer.data, batch->buffer.len, 0)) ||
		!batch_ok(batch, counts_read(batch->queue, batch->txn, mailbox, &held)))
		return;
	if (held.recipients++ == 0)
		batch->totals.mailboxes++;
	held.bytes += record->bytes;
	if (held.oldest_us == 0 || record->arrived_us < held.oldest_us)
		held.oldest_us = record->arrived_us;
	batch->totals.recipients++;
	write_counts(batch, &held);
}

/* The first entry that is left is the oldest. */
static enum bdb_result find_oldest(struct batch *batch, struct holdq_mailbox *held)
{
	uint8_t key[INDEX_KEY];
	struct bdb_cursor *cursor;
	struct bdb_item item;
	struct index_record record;

	held->oldest_us = 0;
	key_index(key, held->mailbox, 0, 0);
	enum bdb_result result = bdb_cursor_open(batch->queue->index, batch->txn, 0, &cursor);
	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
	if (result == BDB_OK && item.key_len == sizeof(key) &&
		memcmp(item.key, held->mailbox, ROUTE_UUID_BYTES) == 0 &&
		index_decode(item.value, item.value_len, &record) == 0)
		held->oldest_us = record.arrived_us;
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

void counts_remove(struct batch *batch, const uint8_t *mailbox, uint64_t id, uint32_t number)
{
	struct index_record record = { 0, 0 };
	struct holdq_mailbox held;
	uint8_t key[INDEX_KEY], value[64];
	size_t len;

	key_index(key, mailbox, id, number);
	if (!batch_ok(batch, bdb_get_into(batch->queue->index, batch->txn, key, sizeof(key), value,
				     sizeof(value), &len)) ||
		!batch_ok(batch, bdb_del(batch->queue->index, batch->txn, key, sizeof(key))) ||
		!batch_ok(batch, counts_read(batch->queue, batch->txn, mailbox, &held)))
		return;
	index_decode(value, len, &record);
	batch->totals.recipients--;
	held.recipients -= held.recipients > 0;
	held.bytes -= record.bytes < held.bytes ? record.bytes : held.bytes;
	if (held.recipients > 0 && record.arrived_us <= held.oldest_us &&
		!batch_ok(batch, find_oldest(batch, &held)))
		return;
	write_counts(batch, &held);
}
