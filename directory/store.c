#include "directory/store.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "directory/bytes.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define STORE_VERSION "restante replica 2"

static _Thread_local char store_error[1024];

static int fail(const char **error_r, const char *dir, const char *what)
{
	struct str text = STR_INIT;

	str_printf(&text, "%s: %s", dir, what);
	strncpy(store_error, str_cstr(&text), sizeof(store_error) - 1);
	str_free(&text);
	*error_r = store_error;
	return -1;
}

/* --- opening -------------------------------------------------------------------------------- */

static int open_tables(struct store *store, const char **error_r)
{
	struct {
		struct bdb_table **table;
		const char *name;
	} tables[] = { { &store->small, "small" }, { &store->holding, "holding" },
		{ &store->buried, "buried" }, { &store->doomed, "doomed" },
		{ &store->meta, "meta" } };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		*tables[i].table = bdb_table_open(store->env, tables[i].name, 0, 0, error_r);
		if (*tables[i].table == NULL)
			return -1;
	}
	return 0;
}

int store_open_loaded(struct store *store, const char **error_r)
{
	store->entries = bdb_table_open(store->env, STORE_ENTRIES, BDB_EXISTING, 0, error_r);
	if (store->entries != NULL)
		store->addresses =
			bdb_table_open(store->env, STORE_ADDRESSES, BDB_EXISTING, 0, error_r);
	if (store->addresses != NULL)
		return 0;
	snprintf(store_error, sizeof(store_error),
		"%s; or remove the directory and start again: the replica is loaded anew",
		*error_r);
	*error_r = store_error;
	return -1;
}

/* 0: says so (or said nothing and does now); -1: says something else, which is left in value. */
static int expect_meta(struct store *store, const char *key, const char *wanted)
{
	enum bdb_result result = bdb_get(store->meta, NULL, key, strlen(key), &store->value);

	if (result == BDB_NOTFOUND)
		result = bdb_put(store->meta, NULL, key, strlen(key), wanted, strlen(wanted), 0);
	else if (result == BDB_OK && strcasecmp(str_cstr(&store->value), wanted) != 0)
		return -1;
	return result == BDB_OK ? 0 : -1;
}

static int check_version(struct store *store, const char **error_r)
{
	if (expect_meta(store, "version", STORE_VERSION) == 0)
		return 0;
	return fail(error_r, store->dir,
		"this replica was made by another version; stop the program, remove the "
		"directory and start again: it is loaded anew");
}

/* One that was never loaded, as after a mistake in the settings, may change it. */
static int check_same(struct store *store, const char *key, const char *wanted, bool loaded)
{
	if (expect_meta(store, key, wanted) == 0)
		return 0;
	if (loaded)
		return -1;
	return bdb_put(store->meta, NULL, key, strlen(key), wanted, strlen(wanted), 0) == BDB_OK
		       ? 0
		       : -1;
}

static int fail_other(
	const struct store *store, const char *whose, const char *wanted, const char **error_r)
{
	struct str what = STR_INIT;
	bool base = strcmp(whose, "base") == 0;

	str_printf(&what,
		"this replica is of another %s (%s, not %s); set %s back, or remove the directory "
		"and start again: it is loaded anew",
		base ? "base" : "front door", str_cstr(&store->value), wanted,
		base ? "ldap.base" : "milter.node");
	fail(error_r, store->dir, str_cstr(&what));
	str_free(&what);
	return -1;
}

/* Of one front door: it was never shown the entry of another, and would not be by its cookie. */
static int check_whose(
	struct store *store, const char *base, const char *node, bool loaded, const char **error_r)
{
	if (check_same(store, "base", base, loaded) < 0)
		return fail_other(store, "base", base, error_r);
	if (check_same(store, "node", node, loaded) < 0)
		return fail_other(store, "node", node, error_r);
	return 0;
}

static void get_vector(struct bytes *in, struct csn_vector *vector_r)
{
	uint64_t len = bytes_number(in, 4);
	const uint8_t *text = bytes_take(in, len);

	if (text == NULL || cookie_parse((const char *)text, len, vector_r) < 0)
		in->bad = true;
}

static int get_meta(struct store *store, struct store_meta *meta_r, const char **error_r)
{
	enum bdb_result result = bdb_get(store->meta, NULL, "state", 5, &store->value);
	struct bytes in = { .data = (const uint8_t *)store->value.data, .len = store->value.len };

	memset(meta_r, 0, sizeof(*meta_r));
	if (result == BDB_NOTFOUND)
		return 0;
	meta_r->loaded = bytes_number(&in, 1) == 1;
	meta_r->mailboxes = bytes_number(&in, 8);
	meta_r->addresses = bytes_number(&in, 8);
	meta_r->refused = bytes_number(&in, 8);
	get_vector(&in, &meta_r->vector);
	get_vector(&in, &meta_r->pending);
	if (result != BDB_OK || in.bad)
		return fail(error_r, store->dir,
			"the replica is damaged; remove the directory and start again: it is "
			"loaded anew");
	return 0;
}

static enum bdb_result clear_unless_empty(struct bdb_table *table)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(table, NULL, 0, &cursor);

	if (result != BDB_OK)
		return result;
	result = bdb_cursor_seek(cursor, NULL, 0, &item);
	bdb_cursor_close(&cursor);
	if (result == BDB_OK)
		return bdb_table_clear(table, NULL);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

int store_open(struct store *store, const char *dir, const char *base, const char *node,
	uint64_t cache_bytes, struct store_meta *meta_r, const char **error_r)
{
	struct bdb_options options = { .dir = dir, .cache_bytes = cache_bytes };

	store->dir = mem_strdup(dir);
	store->process = (uint64_t)clock_wall_us();
	if ((store->env = bdb_env_open(&options, error_r)) == NULL)
		return -1;
	if (open_tables(store, error_r) < 0 || check_version(store, error_r) < 0 ||
		get_meta(store, meta_r, error_r) < 0 ||
		check_whose(store, base, node, meta_r->loaded, error_r) < 0)
		return -1;
	if (!meta_r->loaded && store_clear(store) != BDB_OK)
		return fail(error_r, dir, bdb_reason());
	if (meta_r->loaded && store_open_loaded(store, error_r) < 0)
		return -1;
	/* left over where the process ended right after they were dealt with */
	if (meta_r->refused == 0 && clear_unless_empty(store->doomed) != BDB_OK)
		return fail(error_r, dir, bdb_reason());
	/* what the last process wrote without syncing decides from now on: make it durable */
	if (bdb_log_sync(store->env) != BDB_OK)
		return fail(error_r, dir, bdb_reason());
	return 0;
}

void store_close(struct store *store)
{
	bdb_table_close(&store->entries);
	bdb_table_close(&store->addresses);
	bdb_table_close(&store->small);
	bdb_table_close(&store->holding);
	bdb_table_close(&store->buried);
	bdb_table_close(&store->doomed);
	bdb_table_close(&store->meta);
	bdb_env_close(&store->env);
	record_free(&store->old);
	str_free(&store->value);
	str_free(&store->changed);
	mem_free(&store->dir);
}

static void put_vector(struct str *out, const struct csn_vector *vector)
{
	struct str text = STR_INIT;

	cookie_compose(vector, &text);
	bytes_put(out, text.len, 4);
	str_append(out, str_cstr(&text), text.len);
	str_free(&text);
}

enum bdb_result store_put_meta(
	struct store *store, struct bdb_txn *txn, const struct store_meta *meta)
{
	struct str *out = &store->value;

	str_reset(out);
	bytes_put(out, meta->loaded ? 1 : 0, 1);
	bytes_put(out, meta->mailboxes, 8);
	bytes_put(out, meta->addresses, 8);
	bytes_put(out, meta->refused, 8);
	put_vector(out, &meta->vector);
	put_vector(out, &meta->pending);
	return bdb_put(store->meta, txn, "state", 5, out->data, out->len, 0);
}

enum bdb_result store_clear(struct store *store)
{
	struct bdb_table *tables[] = { store->small, store->holding, store->buried, store->doomed };
	enum bdb_result result;

	/* of a first load that failed at its end */
	bdb_table_close(&store->entries);
	bdb_table_close(&store->addresses);
	result = bdb_table_remove(store->env, STORE_ENTRIES);
	if (result == BDB_OK)
		result = bdb_table_remove(store->env, STORE_ADDRESSES);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && result == BDB_OK; i++)
		result = clear_unless_empty(tables[i]);
	return result;
}
