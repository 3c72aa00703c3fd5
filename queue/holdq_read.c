#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <string.h>

#include "lib/mem.h"

#define MAX_TRIES 1000

static enum holdq_result damaged(uint64_t id)
{
	return holdq_refuse(
		HOLDQ_FAILED, "the record of message %llu is damaged", (unsigned long long)id);
}

enum holdq_result holdq_read_record(
	struct holdq *queue, struct bdb_txn *txn, uint64_t id, struct message_record *record_r)
{
	struct str value = STR_INIT;
	uint8_t key[ID_KEY];
	enum holdq_result result = HOLDQ_OK;

	key_id(key, id);
	enum bdb_result got = bdb_get(queue->messages, txn, key, sizeof(key), &value);
	if (got == BDB_NOTFOUND)
		result = holdq_refuse(HOLDQ_GONE, "no message %llu", (unsigned long long)id);
	else if (got != BDB_OK)
		result = holdq_store_result(queue, got);
	else if (message_decode(value.data, value.len, record_r) != 0)
		result = damaged(id);
	str_free(&value);
	return result;
}

/* --- a message ------------------------------------------------------------------------------- */

void holdq_message_free(struct holdq_message **message)
{
	struct holdq_message *m = *message;

	if (m == NULL)
		return;
	envelope_clear(&m->envelope);
	for (size_t i = 0; i < m->count; i++)
		recipient_clear(&m->recipients[i]);
	mem_free(&m->recipients);
	mem_free(message);
}

static bool add_recipient(struct holdq_message *message, const struct bdb_item *item)
{
	size_t n = message->count;

	if ((n & (n - 1)) == 0) /* 0, 1, 2, 4, ...: room for twice as many */
		message->recipients =
			mem_grow(message->recipients, n ? 2 * n : 1, sizeof(*message->recipients));
	if (recipient_decode(item->value, item->value_len, &message->recipients[n]) != 0)
		return false;
	message->recipients[n].number = key_u32(item->key, item->key_len, 8);
	message->count++;
	return true;
}

static enum bdb_result read_recipients(struct holdq *queue, struct holdq_message *message)
{
	uint8_t key[RECIPIENT_KEY];
	struct bdb_cursor *cursor;
	struct bdb_item item;

	key_recipient(key, message->id, 0);
	enum bdb_result result = bdb_cursor_open(queue->recipients, NULL, 0, &cursor);
	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
	while (result == BDB_OK && key_u64(item.key, item.key_len, 0) == message->id) {
		if (!add_recipient(message, &item)) {
			damaged(message->id);
			result = BDB_EXISTS;
			break;
		}
		result = bdb_cursor_next(cursor, &item);
	}
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

static enum holdq_result read_once(
	struct holdq *queue, uint64_t id, struct holdq_message **message_r, bool *again_r)
{
	struct message_record record;
	enum holdq_result result = holdq_read_record(queue, NULL, id, &record);

	*again_r = false;
	if (result != HOLDQ_OK)
		return result;
	struct holdq_message *message = mem_zalloc(sizeof(*message));
	message->id = id;
	message->envelope = record.envelope;
	message->bytes = record.bytes;
	enum bdb_result got = read_recipients(queue, message);
	if (got == BDB_OK && message->count > 0) {
		*message_r = message;
		return HOLDQ_OK;
	}
	*again_r = got == BDB_RETRY;
	if (got == BDB_OK)
		result = holdq_refuse(HOLDQ_GONE, "no message %llu", (unsigned long long)id);
	else if (got == BDB_EXISTS)
		result = HOLDQ_FAILED;
	else
		result = holdq_store_result(queue, got);
	holdq_message_free(&message);
	return result;
}

enum holdq_result holdq_read(struct holdq *queue, uint64_t id, struct holdq_message **message_r)
{
	enum holdq_result result;
	bool again;
	int tries = 0;

	*message_r = NULL;
	do
		result = read_once(queue, id, message_r, &again);
	while (again && ++tries < MAX_TRIES);
	return result;
}

/* --- content --------------------------------------------------------------------------------- */

static enum bdb_result content_part(struct holdq *queue, const struct message_record *record,
	uint64_t offset, void *buffer, size_t size, size_t *len_r)
{
	uint8_t key[CHUNK_KEY];

	if (!record->large) {
		key_id(key, record->content);
		return bdb_get_part(
			queue->content, NULL, key, ID_KEY, (size_t)offset, buffer, size, len_r);
	}
	key_chunk(key, record->content, (uint32_t)(offset / HOLDQ_CHUNK));
	return bdb_get_part(queue->chunks, NULL, key, sizeof(key), (size_t)(offset % HOLDQ_CHUNK),
		buffer, size, len_r);
}

enum holdq_result holdq_content(
	struct holdq *queue, uint64_t id, uint64_t offset, void *buffer, size_t size, size_t *len_r)
{
	struct message_record record;
	enum holdq_result result = holdq_read_record(queue, NULL, id, &record);

	*len_r = 0;
	if (result != HOLDQ_OK)
		return result;
	envelope_clear(&record.envelope);
	while (*len_r < size && offset < record.bytes) {
		size_t part;
		enum bdb_result got = content_part(
			queue, &record, offset, (char *)buffer + *len_r, size - *len_r, &part);
		if (got != BDB_OK)
			return holdq_store_result(queue, got);
		if (part == 0)
			return damaged(id);
		*len_r += part;
		offset += part;
	}
	return HOLDQ_OK;
}

/* --- lists ----------------------------------------------------------------------------------- */

struct id_list {
	uint64_t *ids;
	size_t count, max;
};

static void add_id(struct id_list *list, uint64_t id)
{
	if (list->count == 0 || list->ids[list->count - 1] != id)
		list->ids[list->count++] = id;
}

/* Ids stand in the key after the prefix. */
static enum bdb_result list_ids(struct bdb_table *table, const uint8_t *key, size_t key_len,
	size_t prefix, struct id_list *list)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(table, NULL, 0, &cursor);

	list->count = 0;
	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, key, key_len, &item);
	while (result == BDB_OK && list->count < list->max && item.key_len == key_len &&
		memcmp(item.key, key, prefix) == 0) {
		add_id(list, key_u64(item.key, item.key_len, prefix));
		result = bdb_cursor_next(cursor, &item);
	}
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

static size_t list_all(struct holdq *queue, struct bdb_table *table, const uint8_t *key,
	size_t key_len, size_t prefix, struct id_list *list)
{
	enum bdb_result result;
	int tries = 0;

	do
		result = list_ids(table, key, key_len, prefix, list);
	while (result == BDB_RETRY && ++tries < MAX_TRIES);
	if (result == BDB_OK)
		return list->count;
	holdq_store_result(queue, result);
	return 0;
}

size_t holdq_ids(
	struct holdq *queue, const uint8_t *mailbox, uint64_t after, uint64_t *ids_r, size_t max)
{
	struct id_list list = { ids_r, 0, max };
	uint8_t key[INDEX_KEY];

	if (max == 0 || after == UINT64_MAX)
		return 0;
	key_index(key, mailbox, after + 1, 0);
	return list_all(queue, queue->index, key, sizeof(key), ROUTE_UUID_BYTES, &list);
}

size_t holdq_all_ids(struct holdq *queue, uint64_t after, uint64_t *ids_r, size_t max)
{
	struct id_list list = { ids_r, 0, max };
	uint8_t key[ID_KEY];

	if (max == 0 || after == UINT64_MAX)
		return 0;
	key_id(key, after + 1);
	return list_all(queue, queue->messages, key, sizeof(key), 0, &list);
}

/* --- mailboxes ------------------------------------------------------------------------------- */

#define MAILBOXES_AT_ONCE 64

static enum bdb_result read_mailboxes(
	struct holdq *queue, const uint8_t *after, struct holdq_mailbox *found, size_t *count_r)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(queue->mailboxes, NULL, 0, &cursor);

	*count_r = 0;
	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, after, after ? ROUTE_UUID_BYTES : 0, &item);
	if (result == BDB_OK && after != NULL && item.key_len == ROUTE_UUID_BYTES &&
		memcmp(item.key, after, ROUTE_UUID_BYTES) == 0)
		result = bdb_cursor_next(cursor, &item);
	while (result == BDB_OK && *count_r < MAILBOXES_AT_ONCE) {
		if (item.key_len == ROUTE_UUID_BYTES &&
			mailbox_decode(item.value, item.value_len, &found[*count_r]) == 0)
			memcpy(found[(*count_r)++].mailbox, item.key, ROUTE_UUID_BYTES);
		result = bdb_cursor_next(cursor, &item);
	}
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

/* The callback runs without any lock of the store. */
enum holdq_result holdq_each_mailbox(
	struct holdq *queue, holdq_mailbox_callback callback, void *context)
{
	struct holdq_mailbox found[MAILBOXES_AT_ONCE];
	uint8_t after[ROUTE_UUID_BYTES];
	const uint8_t *from = NULL;
	size_t count;
	int tries = 0;

	for (;;) {
		enum bdb_result result = read_mailboxes(queue, from, found, &count);
		if (result == BDB_RETRY && ++tries < MAX_TRIES)
			continue;
		if (result != BDB_OK)
			return holdq_store_result(queue, result);
		for (size_t i = 0; i < count; i++)
			if (callback(context, &found[i]) != 0)
				return HOLDQ_OK;
		if (count < MAILBOXES_AT_ONCE)
			return HOLDQ_OK;
		memcpy(after, found[count - 1].mailbox, sizeof(after));
		from = after;
	}
}

/* --- totals ---------------------------------------------------------------------------------- */

static int64_t oldest(struct holdq *queue)
{
	struct message_record record;
	uint64_t id;

	if (holdq_all_ids(queue, 0, &id, 1) == 0 ||
		holdq_read_record(queue, NULL, id, &record) != HOLDQ_OK)
		return 0;
	envelope_clear(&record.envelope);
	return record.envelope.arrived_us;
}

void holdq_totals(struct holdq *queue, struct holdq_totals *totals_r)
{
	pthread_mutex_lock(&queue->lock);
	*totals_r = queue->totals;
	pthread_mutex_unlock(&queue->lock);
	totals_r->lags = queue->sync_due_us != 0;
	totals_r->oldest_us = totals_r->messages ? oldest(queue) : 0;
}
