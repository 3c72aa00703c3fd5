#define _GNU_SOURCE
#include "lib/bdb_internal.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

/* A read, or a write that is its own transaction, that lost a deadlock is simply done again. */
#define MAX_TRIES   1000
#define FIRST_GUESS 2048 /* bytes of a value: one try for most */
/* A compaction gives way when it waits that long for a lock. */
#define COMPACT_TIMEOUT_US 20000

struct bdb_table {
	DB *db;
	struct bdb_env *env;
	char *name;
	struct bdb_room room;
};

struct bdb_txn {
	DB_TXN *txn;
	struct bdb_env *env;
	int doomed; /* why it can only be aborted: a cursor lost a deadlock as it was closed */
};

#define WALK_BYTES (256U << 10) /* a multiple of 1 KB, as the engine wants it */

struct bdb_cursor {
	DBC *cursor;
	DBT many; /* of a walk: pairs, and where the next one is */
	void *next;
	struct bdb_table *table;
	struct bdb_txn *txn;
	uint32_t flags;
};

static DB_TXN *handle(const struct bdb_txn *txn)
{
	return txn ? txn->txn : NULL;
}

static DBT input(const void *data, size_t len)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	dbt.data = (void *)(uintptr_t)data;
	dbt.size = (uint32_t)len;
	return dbt;
}

static DBT output(void *buffer, size_t size)
{
	DBT dbt = input(buffer, 0);

	dbt.ulen = (uint32_t)(size < UINT32_MAX ? size : UINT32_MAX);
	dbt.flags = DB_DBT_USERMEM;
	return dbt;
}

static bool again(const struct bdb_txn *txn, int code, unsigned *tries)
{
	return txn == NULL && code == DB_LOCK_DEADLOCK && ++*tries < MAX_TRIES;
}

static enum bdb_result outcome(const struct bdb_table *table, int code, const char *what)
{
	return code == 0 ? BDB_OK : bdb_outcome(table->env, code, what, table->name);
}

/* --- tables ---------------------------------------------------------------------------------- */

static int open_file(struct bdb_table *table, unsigned flags, uint32_t page_bytes)
{
	DB *db = table->db;
	/* Pages carry checksums: what the disk spoiled is told, never taken for data. */
	int code = db->set_flags(db, DB_CHKSUM | (flags & BDB_DUPLICATES ? DB_DUPSORT : 0));
	char *file = mem_printf("%s.db", table->name);
	char *path = mem_printf("%s/%s", table->env->dir, file);
	uint32_t create = flags & BDB_EXISTING ? 0 : DB_CREATE;

	if (code == 0 && page_bytes != 0)
		code = db->set_pagesize(db, page_bytes);
	if (code == 0)
		code = db->open(
			db, NULL, file, NULL, DB_BTREE, create | DB_AUTO_COMMIT | DB_THREAD, 0600);
	if (code == 0)
		code = bdb_room_open(&table->room, path);
	mem_free(&path);
	mem_free(&file);
	return code;
}

struct bdb_table *bdb_table_open(struct bdb_env *env, const char *name, unsigned flags,
	uint32_t page_bytes, const char **error_r)
{
	struct bdb_table *table = mem_zalloc(sizeof(*table));

	bdb_begin_call();
	table->env = env;
	table->name = mem_strdup(name);
	table->room.fd = -1;
	int code = db_create(&table->db, env->db, 0);
	if (code == 0)
		code = open_file(table, flags, page_bytes);
	if (code == 0)
		return table;
	*error_r = bdb_set_reason("%s/%s.db: cannot open the table: %s: %s", env->dir, name,
		bdb_engine_text(code),
		code == ENOSPC ? "make room on the disk"
			       : "copy the directory, then put a sound copy of it in place");
	bdb_table_close(&table);
	return NULL;
}

void bdb_table_close(struct bdb_table **table)
{
	if (*table == NULL)
		return;
	if ((*table)->db != NULL)
		(*table)->db->close((*table)->db, 0);
	bdb_room_close(&(*table)->room);
	mem_free(&(*table)->name);
	mem_free(table);
}

enum bdb_result bdb_table_clear(struct bdb_table *table, struct bdb_txn *txn)
{
	uint32_t count;

	bdb_begin_call();
	int code = table->db->truncate(table->db, handle(txn), &count, 0);
	bdb_room_forget(&table->room);
	return outcome(table, code, "clear");
}

enum bdb_result bdb_table_shrink(struct bdb_table *table)
{
	DB_COMPACT how;

	memset(&how, 0, sizeof(how));
	how.compact_timeout = COMPACT_TIMEOUT_US;
	bdb_begin_call();
	int code = table->db->compact(table->db, NULL, NULL, NULL, &how, DB_FREE_SPACE, NULL);
	bdb_room_forget(&table->room);
	return outcome(table, code, "shrinking");
}

uint64_t bdb_table_bytes(struct bdb_table *table)
{
	uint64_t bytes;

	return bdb_room_end(table->db, &bytes) == 0 ? bytes : 0;
}

/* --- transactions ---------------------------------------------------------------------------- */

enum bdb_result bdb_begin(struct bdb_env *env, unsigned flags, struct bdb_txn **txn_r)
{
	DB_TXN *txn;

	bdb_begin_call();
	*txn_r = NULL;
	int code = env->db->txn_begin(
		env->db, NULL, &txn, flags & BDB_NOSYNC ? DB_TXN_WRITE_NOSYNC : 0);
	if (code != 0)
		return bdb_outcome(env, code, "begin of a transaction", NULL);
	*txn_r = mem_zalloc(sizeof(**txn_r));
	(*txn_r)->txn = txn;
	(*txn_r)->env = env;
	return BDB_OK;
}

enum bdb_result bdb_commit(struct bdb_txn **txn)
{
	bdb_begin_call();
	int code = (*txn)->doomed;
	if (code != 0)
		(*txn)->txn->abort((*txn)->txn);
	else
		code = (*txn)->txn->commit((*txn)->txn, 0);
	enum bdb_result result = bdb_outcome((*txn)->env, code, "commit", NULL);
	mem_free(txn);
	return result;
}

void bdb_abort(struct bdb_txn **txn)
{
	if (*txn == NULL)
		return;
	(*txn)->txn->abort((*txn)->txn);
	mem_free(txn);
}

/* --- single records -------------------------------------------------------------------------- */

static int get_value(struct bdb_table *table, struct bdb_txn *txn, DBT *key, DBT *value)
{
	unsigned tries = 0;
	int code;

	bdb_begin_call();
	do
		code = table->db->get(table->db, handle(txn), key, value, 0);
	while (again(txn, code, &tries));
	return code;
}

enum bdb_result bdb_get_into(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, void *buffer, size_t size, size_t *len_r)
{
	DBT k = input(key, key_len), v = output(buffer, size);

	int code = get_value(table, txn, &k, &v);
	*len_r = code == 0 ? v.size : 0;
	return outcome(table, code, "read");
}

enum bdb_result bdb_get_part(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, size_t offset, void *buffer, size_t size, size_t *len_r)
{
	DBT k = input(key, key_len), v = output(buffer, size);

	v.flags |= DB_DBT_PARTIAL;
	v.doff = (uint32_t)offset;
	v.dlen = v.ulen;
	int code = get_value(table, txn, &k, &v);
	*len_r = code == 0 ? v.size : 0;
	return outcome(table, code, "read");
}

enum bdb_result bdb_get(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, struct str *value_r)
{
	DBT k = input(key, key_len), v;
	size_t room = FIRST_GUESS;
	int code;

	str_reset(value_r);
	do {
		str_reserve(value_r, room);
		v = output(value_r->data, value_r->cap - 1);
		code = get_value(table, txn, &k, &v);
		room = v.size;
	} while (code == DB_BUFFER_SMALL && v.size > v.ulen);
	value_r->len = code == 0 ? v.size : 0;
	value_r->data[value_r->len] = '\0';
	return outcome(table, code, "read");
}

enum bdb_result bdb_put(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, const void *value, size_t value_len, unsigned flags)
{
	uint32_t overwrite = flags & BDB_NEW_ONLY ? DB_NOOVERWRITE : 0;
	uint32_t db_flags = 0;
	DBT k = input(key, key_len), v = input(value, value_len);
	unsigned tries = 0;
	int code;

	bdb_begin_call();
	code = bdb_room_take(&table->room, table->db, key_len + value_len);
	if (code != 0)
		return outcome(table, code, "write");
	if (overwrite && table->db->get_flags(table->db, &db_flags) == 0 && db_flags & DB_DUPSORT)
		overwrite = DB_NODUPDATA;
	do
		code = table->db->put(table->db, handle(txn), &k, &v, overwrite);
	while (again(txn, code, &tries));
	/* The very pair is there already: without BDB_NEW_ONLY that is what was asked for. */
	if (code == DB_KEYEXIST && !(flags & BDB_NEW_ONLY))
		code = 0;
	return outcome(table, code, "write");
}

enum bdb_result bdb_del(
	struct bdb_table *table, struct bdb_txn *txn, const void *key, size_t key_len)
{
	DBT k = input(key, key_len);
	unsigned tries = 0;
	int code;

	bdb_begin_call();
	do
		code = table->db->del(table->db, handle(txn), &k, 0);
	while (again(txn, code, &tries));
	return outcome(table, code, "deletion");
}

/* A cursor deletes within a transaction only, so a lone deletion gets one. */
static int del_pair(struct bdb_table *table, DB_TXN *txn, DBT *key, DBT *value)
{
	DBC *cursor;
	int code = table->db->cursor(table->db, txn, &cursor, 0);

	if (code != 0)
		return code;
	code = cursor->get(cursor, key, value, DB_GET_BOTH | DB_RMW);
	if (code == 0)
		code = cursor->del(cursor, 0);
	int closed = cursor->close(cursor);
	return code ? code : closed;
}

static enum bdb_result del_pair_alone(struct bdb_table *table, const void *key, size_t key_len,
	const void *value, size_t value_len)
{
	enum bdb_result result;
	unsigned tries = 0;

	do {
		struct bdb_txn *txn;
		result = bdb_begin(table->env, 0, &txn);
		if (result == BDB_OK)
			result = bdb_del_pair(table, txn, key, key_len, value, value_len);
		if (result == BDB_OK)
			result = bdb_commit(&txn);
		else
			bdb_abort(&txn);
	} while (result == BDB_RETRY && ++tries < MAX_TRIES);
	return result;
}

enum bdb_result bdb_del_pair(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, const void *value, size_t value_len)
{
	if (txn == NULL)
		return del_pair_alone(table, key, key_len, value, value_len);
	DBT k = input(key, key_len), v = input(value, value_len);

	bdb_begin_call();
	return outcome(table, del_pair(table, txn->txn, &k, &v), "deletion");
}

/* --- cursors --------------------------------------------------------------------------------- */

static void grow_many(struct bdb_cursor *cursor, uint32_t size)
{
	DBT *many = &cursor->many;

	many->ulen = (size + 1023) / 1024 * 1024;
	many->data = mem_realloc(many->data, many->ulen);
	many->flags = DB_DBT_USERMEM;
}

enum bdb_result bdb_cursor_open(
	struct bdb_table *table, struct bdb_txn *txn, unsigned flags, struct bdb_cursor **cursor_r)
{
	DBC *cursor;

	bdb_begin_call();
	*cursor_r = NULL;
	int code = table->db->cursor(table->db, handle(txn), &cursor, 0);
	if (code != 0)
		return outcome(table, code, "cursor");
	*cursor_r = mem_alloc(sizeof(**cursor_r));
	(*cursor_r)->cursor = cursor;
	(*cursor_r)->table = table;
	(*cursor_r)->txn = txn;
	(*cursor_r)->flags = flags & BDB_CURSOR_WRITE ? DB_RMW : 0;
	(*cursor_r)->next = NULL;
	memset(&(*cursor_r)->many, 0, sizeof((*cursor_r)->many));
	if (flags & BDB_CURSOR_WALK)
		grow_many(*cursor_r, WALK_BYTES);
	return BDB_OK;
}

void bdb_cursor_close(struct bdb_cursor **cursor)
{
	if (*cursor == NULL)
		return;
	struct bdb_cursor *c = *cursor;
	/* What a cursor deleted goes from its page only now, which may need locks. */
	int code = c->cursor->close(c->cursor);
	if (code != 0 && c->txn != NULL && c->txn->doomed == 0)
		c->txn->doomed = code;
	mem_free(&c->many.data);
	mem_free(cursor);
}

static enum bdb_result move(
	struct bdb_cursor *cursor, DBT *key, uint32_t where, struct bdb_item *item_r)
{
	DBT value;

	memset(&value, 0, sizeof(value));
	bdb_begin_call();
	int code = cursor->cursor->get(cursor->cursor, key, &value, where | cursor->flags);
	if (code != 0)
		return outcome(cursor->table, code, "read");
	item_r->key = key->data;
	item_r->key_len = key->size;
	item_r->value = value.data;
	item_r->value_len = value.size;
	return BDB_OK;
}

enum bdb_result bdb_cursor_seek(
	struct bdb_cursor *cursor, const void *key, size_t key_len, struct bdb_item *item_r)
{
	DBT k = input(key, key_len); /* the key found comes back in the cursor's memory */

	return move(cursor, &k, key_len ? DB_SET_RANGE : DB_FIRST, item_r);
}

static enum bdb_result read_many(struct bdb_cursor *cursor)
{
	DBT key, *many = &cursor->many;
	int code;

	memset(&key, 0, sizeof(key));
	bdb_begin_call();
	while ((code = cursor->cursor->get(
			cursor->cursor, &key, many, DB_NEXT | DB_MULTIPLE_KEY)) == DB_BUFFER_SMALL)
		grow_many(cursor, many->size > many->ulen ? many->size : 2 * many->ulen);
	if (code != 0)
		return outcome(cursor->table, code, "read");
	DB_MULTIPLE_INIT(cursor->next, many);
	return BDB_OK;
}

static enum bdb_result walk_on(struct bdb_cursor *cursor, struct bdb_item *item_r)
{
	void *key = NULL, *value = NULL;

	for (;;) {
		if (cursor->next != NULL)
			DB_MULTIPLE_KEY_NEXT(cursor->next, &cursor->many, key, item_r->key_len,
				value, item_r->value_len);
		if (cursor->next != NULL)
			break;
		enum bdb_result result = read_many(cursor);
		if (result != BDB_OK)
			return result;
	}
	item_r->key = key;
	item_r->value = value;
	return BDB_OK;
}

enum bdb_result bdb_cursor_next(struct bdb_cursor *cursor, struct bdb_item *item_r)
{
	if (cursor->many.data != NULL)
		return walk_on(cursor, item_r);
	DBT k;

	memset(&k, 0, sizeof(k));
	return move(cursor, &k, DB_NEXT, item_r);
}

enum bdb_result bdb_cursor_last(struct bdb_cursor *cursor, struct bdb_item *item_r)
{
	DBT k;

	memset(&k, 0, sizeof(k));
	return move(cursor, &k, DB_LAST, item_r);
}

enum bdb_result bdb_cursor_del(struct bdb_cursor *cursor)
{
	bdb_begin_call();
	return outcome(cursor->table, cursor->cursor->del(cursor->cursor, 0), "deletion");
}
