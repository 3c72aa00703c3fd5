/* The mailboxes that are held now, and all of them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "directory/replica_internal.h"
#include "lib/mem.h"

#define AT_ONCE 128

/* A part of a table is copied before anybody is called: no lock is held meanwhile. */
struct part {
	struct {
		uint8_t uuid[ROUTE_UUID_BYTES];
		char physical[ADDRESS_MAX + 1];
	} items[AT_ONCE];
	size_t count;
	uint8_t last[ROUTE_UUID_BYTES]; /* where the next part begins (it is left out) */
	bool started, ended;
};

typedef bool (*take_function)(const struct bdb_item *item, void *context, char *physical_r);

static void take_item(
	struct part *part, const struct bdb_item *item, take_function take, void *context)
{
	memcpy(part->last, item->key, ROUTE_UUID_BYTES);
	part->started = true;
	if (!take(item, context, part->items[part->count].physical))
		return;
	memcpy(part->items[part->count].uuid, item->key, ROUTE_UUID_BYTES);
	part->count++;
}

static enum bdb_result seek_part(
	struct bdb_cursor *cursor, const struct part *part, struct bdb_item *item)
{
	enum bdb_result result =
		bdb_cursor_seek(cursor, part->last, part->started ? ROUTE_UUID_BYTES : 0, item);

	if (result == BDB_OK && part->started && item->key_len == ROUTE_UUID_BYTES &&
		memcmp(item->key, part->last, ROUTE_UUID_BYTES) == 0)
		result = bdb_cursor_next(cursor, item);
	return result;
}

static enum bdb_result read_part(
	struct bdb_table *table, struct part *part, take_function take, void *context)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(table, NULL, 0, &cursor);

	part->count = 0;
	if (result != BDB_OK)
		return result;
	result = seek_part(cursor, part, &item);
	for (int seen = 0; result == BDB_OK && part->count < AT_ONCE && seen < 64 * AT_ONCE;
		seen++) {
		if (item.key_len == ROUTE_UUID_BYTES)
			take_item(part, &item, take, context);
		result = bdb_cursor_next(cursor, &item);
	}
	bdb_cursor_close(&cursor);
	part->ended = result == BDB_NOTFOUND;
	/* a reader that lost a deadlock goes on from where it was */
	return result == BDB_NOTFOUND || result == BDB_RETRY ? BDB_OK : result;
}

/* 0, or what the callback said, or -1 where the store failed. */
static int walk(struct bdb_table *table, take_function take, void *take_context,
	replica_held_callback callback, void *context)
{
	struct part *part = mem_zalloc(sizeof(*part));
	int stop = 0;

	while (stop == 0 && !part->ended) {
		if (read_part(table, part, take, take_context) != BDB_OK)
			stop = -1;
		for (size_t i = 0; i < part->count && stop == 0; i++)
			stop = callback(context, part->items[i].uuid, part->items[i].physical);
	}
	mem_free(&part);
	return stop;
}

static bool take_holding(const struct bdb_item *item, void *context, char *physical_r)
{
	(void)context;
	if (item->value_len > ADDRESS_MAX)
		return false;
	memcpy(physical_r, item->value, item->value_len);
	physical_r[item->value_len] = '\0';
	return true;
}

struct held_systems {
	char (*names)[ROUTE_SYSTEM_MAX + 1];
	size_t count;
	struct record record;
};

static bool take_of_held_system(const struct bdb_item *item, void *context, char *physical_r)
{
	struct held_systems *held = context;
	struct record *record = &held->record;

	if (record_decode(item->value, item->value_len, item->key, record) < 0 ||
		record->kind != RECORD_MAILBOX || record->state == STATE_HOLDING)
		return false;
	for (size_t i = 0; i < held->count; i++)
		if (strcasecmp(held->names[i], record->name) == 0) {
			strcpy(physical_r, record->physical);
			return true;
		}
	return false;
}

static void find_held_systems(struct replica *replica, struct held_systems *held)
{
	pthread_rwlock_rdlock(&replica->lock);
	for (size_t i = 0; i < replica->known.count; i++) {
		const struct record *record = &replica->known.records[i];

		if (record->kind != RECORD_SYSTEM || record->state != STATE_HOLDING)
			continue;
		held->names = mem_grow(held->names, held->count + 1, sizeof(held->names[0]));
		memcpy(held->names[held->count++], record->name, sizeof(held->names[0]));
	}
	pthread_rwlock_unlock(&replica->lock);
}

int replica_each_held(struct replica *replica, replica_held_callback callback, void *context)
{
	struct held_systems held = { .count = 0 };
	int stop;

	if (!replica_loaded(replica))
		return 0;
	stop = walk(replica->store.holding, take_holding, NULL, callback, context);
	if (stop != 0)
		return stop;
	find_held_systems(replica, &held);
	if (held.count > 0)
		stop = walk(replica->store.entries, take_of_held_system, &held, callback, context);
	mem_free(&held.names);
	record_free(&held.record);
	return stop;
}

static bool take_mailbox(const struct bdb_item *item, void *context, char *physical_r)
{
	struct record *record = context;

	if (record_decode(item->value, item->value_len, item->key, record) < 0 ||
		record->kind != RECORD_MAILBOX)
		return false;
	strcpy(physical_r, record->physical);
	return true;
}

int replica_each_mailbox(struct replica *replica, replica_held_callback callback, void *context)
{
	struct record record = { .kind = RECORD_NONE };
	int stop = 0;

	if (replica_loaded(replica))
		stop = walk(replica->store.entries, take_mailbox, &record, callback, context);
	record_free(&record);
	return stop;
}

void replica_mailbox_name(struct replica *replica, const uint8_t *uuid, char *name_r, size_t size)
{
	struct record record = { .kind = RECORD_NONE };
	struct str value = STR_INIT;
	const char *name = "";
	size_t len;

	if (replica_loaded(replica) &&
		store_get(&replica->store, NULL, uuid, &value, &record) == BDB_OK) {
		name = record_first(&record);
		if (name == NULL)
			name = str_cstr(&record.dn);
	}
	len = strlen(name);
	if (size > 0) {
		len = len < size ? len : size - 1;
		memcpy(name_r, name, len);
		name_r[len] = '\0';
	}
	record_free(&record);
	str_free(&value);
}

static enum route_state state_of_system(struct replica *replica, const char *name)
{
	enum route_state state = STATE_ACTIVE;

	pthread_rwlock_rdlock(&replica->lock);
	for (size_t i = 0; i < replica->known.count; i++) {
		const struct record *record = &replica->known.records[i];

		if (record->kind == RECORD_SYSTEM && strcasecmp(record->name, name) == 0)
			state = record->state;
	}
	pthread_rwlock_unlock(&replica->lock);
	return state;
}

bool replica_mailbox_version(
	struct replica *replica, const uint8_t *uuid, struct replica_version *version_r)
{
	struct record record = { .kind = RECORD_NONE };
	struct str value = STR_INIT;
	bool found = replica_loaded(replica) &&
		     store_get(&replica->store, NULL, uuid, &value, &record) == BDB_OK &&
		     record.kind == RECORD_MAILBOX;

	if (found) {
		snprintf(version_r->csn, sizeof version_r->csn, "%s", record.csn);
		version_r->state = record.state;
		version_r->system_state = state_of_system(replica, record.name);
	}
	record_free(&record);
	str_free(&value);
	return found;
}
