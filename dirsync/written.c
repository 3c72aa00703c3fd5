#define _GNU_SOURCE
#include "dirsync/written.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dirsync/folder.h"
#include "lib/bdb.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TABLE        "written"
#define HEAD_KEY     "=" /* no id is that */
#define PUTS_AT_ONCE 1000
#define LOG_KB       (16 * 1024)
#define NAMES_MAX    64

/* What an id stands for. Without `has` in tables of earlier versions. */
struct value {
	uint8_t digest[PERSON_DIGEST_SIZE];
	uint64_t has;
};

struct written {
	struct bdb_env *env;
	struct bdb_table *table;
	struct bdb_txn *txn; /* of the puts so far */
	unsigned puts;
	struct str run, before, seal; /* before: the run before that one */
	/* Names that bits in the table stand for, in this order, whatever the settings say since.
	 */
	char *names[NAMES_MAX];
	size_t name_count;
	bool new_names;      /* that the head in the table lacks */
	int bits[NAMES_MAX]; /* of each name of the caller: its place in `names`, -1 = none */
	size_t bit_count;
};

static _Thread_local char written_error[600];

static int fail(enum bdb_result result, const char **error_r)
{
	snprintf(written_error, sizeof(written_error), "the record of what was written: %s",
		result == BDB_RETRY ? "deadlock" : bdb_reason());
	*error_r = written_error;
	return -1;
}

/* --- the head: "RUN\0BEFORE\0SEAL\0NAME\0NAME\0..." ------------------------------------------- */

static bool take_text(const char **at, size_t *left, struct str *text)
{
	size_t len = strnlen(*at, *left);

	if (len == *left)
		return false;
	str_append(text, *at, len);
	*at += len + 1;
	*left -= len + 1;
	return true;
}

static void free_names(struct written *w)
{
	for (size_t i = 0; i < w->name_count; i++)
		mem_free(&w->names[i]);
	w->name_count = 0;
}

static void take_names(struct written *w, const char *at, size_t left)
{
	struct str name = STR_INIT;

	while (w->name_count < NAMES_MAX && take_text(&at, &left, &name)) {
		w->names[w->name_count++] = mem_strdup(str_cstr(&name));
		str_reset(&name);
	}
	str_free(&name);
}

static int read_head(struct written *w, const char **error_r)
{
	struct str value = STR_INIT;
	enum bdb_result result = bdb_get(w->table, NULL, HEAD_KEY, strlen(HEAD_KEY), &value);
	const char *at = str_cstr(&value);
	size_t left = value.len;

	if (result == BDB_OK &&
		(!take_text(&at, &left, &w->run) || !take_text(&at, &left, &w->before) ||
			!take_text(&at, &left, &w->seal)))
		str_reset(&w->run);
	else if (result == BDB_OK)
		take_names(w, at, left);
	str_free(&value);
	return result == BDB_OK || result == BDB_NOTFOUND ? 0 : fail(result, error_r);
}

/* A run that ended between its commit here and its record in the directory names the one before. */
static bool is_of(const struct written *w, const char *run)
{
	return w->run.len > 0 &&
	       (strcmp(str_cstr(&w->run), run) == 0 || strcmp(str_cstr(&w->before), run) == 0);
}

static int forget(struct written *w, const char **error_r)
{
	struct bdb_table *table = w->table;
	const char *name = TABLE;

	w->table = NULL;
	bdb_table_close(&table);
	str_reset(&w->run);
	str_reset(&w->before);
	str_reset(&w->seal);
	free_names(w);
	if (bdb_table_remove(w->env, name) != BDB_OK)
		return fail(BDB_FAILED, error_r);
	w->table = bdb_table_open(w->env, name, 0, 0, error_r);
	return w->table != NULL ? 0 : -1;
}

static int place_of(struct written *w, const char *name)
{
	for (size_t i = 0; i < w->name_count; i++)
		if (strcasecmp(w->names[i], name) == 0)
			return (int)i;
	if (w->name_count == NAMES_MAX)
		return -1;
	w->names[w->name_count++] = mem_strdup(name);
	w->new_names = true;
	return (int)w->name_count - 1;
}

static void set_names(struct written *w, const char *const *names)
{
	for (; *names != NULL && w->bit_count < NAMES_MAX; names++)
		w->bits[w->bit_count++] = place_of(w, *names);
}

static uint64_t to_table(const struct written *w, uint64_t has)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < w->bit_count; i++)
		if (w->bits[i] >= 0 && (has >> i & 1) != 0)
			bits |= (uint64_t)1 << w->bits[i];
	return bits;
}

static uint64_t from_table(const struct written *w, uint64_t bits)
{
	uint64_t has = 0;

	for (size_t i = 0; i < w->bit_count; i++)
		if (w->bits[i] >= 0 && (bits >> w->bits[i] & 1) != 0)
			has |= (uint64_t)1 << i;
	return has;
}

/* --- opening -------------------------------------------------------------------------------- */

static int open_table(struct written *w, const char *run, const char **error_r)
{
	w->table = bdb_table_open(w->env, TABLE, 0, 0, error_r);
	if (w->table == NULL || read_head(w, error_r) < 0)
		return -1;
	if (is_of(w, run))
		return 0;
	if (w->run.len > 0)
		log_warning("dirsync",
			"what was written is of another run, everything is written again run=%s "
			"recorded=%s",
			str_cstr(&w->run), run);
	return forget(w, error_r);
}

/* The folder has nothing else. */
static void remove_files(const char *dir)
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_type == DT_REG)
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
}

static struct written *try_open(
	const struct bdb_options *options, const char *run, const char **error_r)
{
	struct written *w = mem_zalloc(sizeof(*w));

	w->env = bdb_env_open(options, error_r);
	if (w->env != NULL && open_table(w, run, error_r) == 0)
		return w;
	/* closing may change the text */
	if (*error_r != written_error)
		snprintf(written_error, sizeof(written_error), "%s", *error_r);
	*error_r = written_error;
	written_close(&w);
	return NULL;
}

static struct written *open_any(
	const char *dir, const struct bdb_options *options, const char *run, const char **error_r)
{
	struct written *w = try_open(options, run, error_r);

	if (w != NULL || access(dir, R_OK | W_OK | X_OK) < 0 || folder_in_use(dir))
		return w;
	log_warning("dirsync",
		"the record of what was written is damaged, everything is written again dir=%s: %s",
		dir, *error_r);
	remove_files(dir);
	return try_open(options, run, error_r);
}

struct written *written_open(const char *dir, uint64_t cache_bytes, const char *run,
	const char *const *names, const char **error_r)
{
	const struct bdb_options options = {
		.dir = dir, .cache_bytes = cache_bytes, .sync = false
	};
	struct written *w = open_any(dir, &options, run, error_r);

	if (w != NULL)
		set_names(w, names);
	return w;
}

void written_close(struct written **written)
{
	struct written *w = *written;

	if (w == NULL)
		return;
	bdb_abort(&w->txn);
	bdb_table_close(&w->table);
	bdb_env_close(&w->env);
	str_free(&w->run);
	str_free(&w->before);
	str_free(&w->seal);
	free_names(w);
	mem_free(written);
}

const char *written_seal(const struct written *written)
{
	return str_cstr(&written->seal);
}

/* --- reading and writing -------------------------------------------------------------------- */

typedef int (*written_callback)(
	void *context, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE], uint64_t has);

static int tell(const struct written *w, const struct bdb_item *item, struct str *id,
	written_callback callback, void *context)
{
	struct value value = { .has = 0 };

	if ((item->value_len != PERSON_DIGEST_SIZE && item->value_len != sizeof(value)) ||
		(item->key_len == strlen(HEAD_KEY) &&
			memcmp(item->key, HEAD_KEY, item->key_len) == 0))
		return 0;
	str_reset(id);
	str_append(id, item->key, item->key_len);
	memcpy(&value, item->value, item->value_len);
	return callback(context, str_cstr(id), value.digest, from_table(w, value.has));
}

int written_list(
	struct written *written, written_callback callback, void *context, const char **error_r)
{
	struct bdb_cursor *cursor = NULL;
	struct str id = STR_INIT;
	struct bdb_item item;
	enum bdb_result result;
	int done = 0;

	result = bdb_cursor_open(written->table, NULL, 0, &cursor);
	if (result == BDB_OK)
		result = bdb_cursor_seek(cursor, "", 0, &item);
	for (; result == BDB_OK && done == 0; result = bdb_cursor_next(cursor, &item))
		done = tell(written, &item, &id, callback, context);
	bdb_cursor_close(&cursor);
	str_free(&id);
	if (done == 0 && result != BDB_NOTFOUND)
		return fail(result, error_r);
	return done;
}

static int commit(struct written *w, const char **error_r)
{
	enum bdb_result result = BDB_OK;

	w->puts = 0;
	if (w->txn != NULL)
		result = bdb_commit(&w->txn);
	if (result == BDB_OK)
		result = bdb_checkpoint(w->env, LOG_KB);
	return result == BDB_OK ? 0 : fail(result, error_r);
}

static int put(
	struct written *w, const char *key, const void *value, size_t len, const char **error_r)
{
	enum bdb_result result = BDB_OK;

	if (w->txn == NULL)
		result = bdb_begin(w->env, 0, &w->txn);
	if (result == BDB_OK && value != NULL)
		result = bdb_put(w->table, w->txn, key, strlen(key), value, len, 0);
	else if (result == BDB_OK)
		result = bdb_del(w->table, w->txn, key, strlen(key));
	if (result != BDB_OK && result != BDB_NOTFOUND) {
		bdb_abort(&w->txn);
		return fail(result, error_r);
	}
	return ++w->puts >= PUTS_AT_ONCE ? commit(w, error_r) : 0;
}

static int put_head(struct written *w, const char *run, const char *before, const char *seal,
	const char **error_r)
{
	struct str head = STR_INIT;
	int result;

	str_append(&head, run, strlen(run) + 1);
	str_append(&head, before, strlen(before) + 1);
	str_append(&head, seal, strlen(seal) + 1);
	for (size_t i = 0; i < w->name_count; i++)
		str_append(&head, w->names[i], strlen(w->names[i]) + 1);
	result = put(w, HEAD_KEY, head.data, head.len, error_r);
	str_free(&head);
	return result;
}

/* A name is in the table no later than the first bit that stands for it. */
static int put_names(struct written *w, const char **error_r)
{
	if (!w->new_names)
		return 0;
	w->new_names = false;
	return put_head(w, str_cstr(&w->run), str_cstr(&w->before), str_cstr(&w->seal), error_r);
}

int written_put(struct written *written, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE],
	uint64_t has, const char **error_r)
{
	struct value value = { .has = to_table(written, has) };

	if (put_names(written, error_r) < 0)
		return -1;
	if (digest == NULL)
		return put(written, id, NULL, 0, error_r);
	memcpy(value.digest, digest, sizeof(value.digest));
	return put(written, id, &value, sizeof(value), error_r);
}

int written_commit(struct written *written, const char *run, const char *seal, const char **error_r)
{
	int result = put_head(written, run, str_cstr(&written->run), seal, error_r);

	if (result == 0)
		result = commit(written, error_r);
	if (result == 0 && bdb_log_sync(written->env) != BDB_OK)
		result = fail(BDB_FAILED, error_r);
	return result;
}
