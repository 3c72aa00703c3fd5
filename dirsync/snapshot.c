#define _GNU_SOURCE
#include "dirsync/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirsync/folder.h"
#include "lib/bdb.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TABLE "traces"
/* Behind every id: a table is built in the order of its keys, and its head is known last. */
#define HEAD_KEY     "\xff\xffhead"
#define HEAD_KEY_LEN (sizeof HEAD_KEY - 1)
#define FORMAT       "restante snapshot 4"
/* Whenever it is opened the engine writes zeros up to the end of its log file, and syncs them. */
#define LOG_FILE (512U << 10)

struct snapshot {
	char *dir;
	uint64_t cache_bytes;
	struct bdb_env *env;
	struct bdb_table *table;
	struct snapshot_head head;
	bool damaged; /* goes when it is closed */
	/* of a walk */
	struct bdb_cursor *cursor;
	struct str id;
	/* of the next one */
	struct bdb_build *build;
	struct bdb_txn *txn;
	struct str value;
};

static _Thread_local char failure[700];

static const char *failed(const char *what)
{
	snprintf(failure, sizeof failure, "snapshot: %s: %s", what, bdb_reason());
	return failure;
}

/* --- the head ------------------------------------------------------------------------------- */

void snapshot_head_free(struct snapshot_head *head)
{
	str_free(&head->run);
	str_free(&head->parent);
	str_free(&head->mark);
	str_free(&head->counted);
	str_free(&head->settings);
	*head = (struct snapshot_head){ .persons = 0 };
}

static void copy_head(const struct snapshot_head *from, struct snapshot_head *to)
{
	snapshot_head_free(to);
	str_append_z(&to->run, str_cstr(&from->run));
	str_append_z(&to->parent, str_cstr(&from->parent));
	str_append_z(&to->mark, str_cstr(&from->mark));
	str_append_z(&to->counted, str_cstr(&from->counted));
	str_append_z(&to->settings, str_cstr(&from->settings));
	to->pending = from->pending;
	to->versions = from->versions;
	to->whole_us = from->whole_us;
	to->full_us = from->full_us;
	to->full_runs = from->full_runs;
	to->persons = from->persons;
}

static void put_text(struct str *out, const char *text)
{
	str_append(out, text, strlen(text) + 1);
}

static void encode_head(const struct snapshot_head *head, struct str *out)
{
	put_text(out, FORMAT);
	put_text(out, str_cstr(&head->run));
	put_text(out, str_cstr(&head->parent));
	put_text(out, str_cstr(&head->mark));
	put_text(out, str_cstr(&head->counted));
	put_text(out, str_cstr(&head->settings));
	str_append(out, &head->full_us, sizeof head->full_us);
	str_append(out, &head->full_runs, sizeof head->full_runs);
	str_append(out, &head->persons, sizeof head->persons);
	str_append(out, &head->pending, sizeof head->pending);
	str_append(out, &head->versions, sizeof head->versions);
	str_append(out, &head->whole_us, sizeof head->whole_us);
}

struct reader {
	const char *at, *end;
};

static const char *take_text(struct reader *r)
{
	const char *text = r->at;
	const char *nul = text < r->end ? memchr(text, '\0', (size_t)(r->end - text)) : NULL;

	if (nul == NULL)
		return NULL;
	r->at = nul + 1;
	return text;
}

static bool take_number(struct reader *r, void *number_r)
{
	if (r->end - r->at < 8)
		return false;
	memcpy(number_r, r->at, 8);
	r->at += 8;
	return true;
}

static int decode_head(const struct str *value, struct snapshot_head *head_r)
{
	struct reader r = { value->data, value->data + value->len };
	const char *format = take_text(&r), *run = take_text(&r), *parent = take_text(&r),
		   *mark = take_text(&r), *counted = take_text(&r), *settings = take_text(&r);

	if (settings == NULL || strcmp(format, FORMAT) != 0 || !take_number(&r, &head_r->full_us) ||
		!take_number(&r, &head_r->full_runs) || !take_number(&r, &head_r->persons) ||
		!take_number(&r, &head_r->pending) || !take_number(&r, &head_r->versions) ||
		!take_number(&r, &head_r->whole_us))
		return -1;
	str_append_z(&head_r->run, run);
	str_append_z(&head_r->parent, parent);
	str_append_z(&head_r->mark, mark);
	str_append_z(&head_r->counted, counted);
	str_append_z(&head_r->settings, settings);
	return 0;
}

void snapshot_head(const struct snapshot *snapshot, struct snapshot_head *head_r)
{
	*head_r = (struct snapshot_head){ .persons = 0 };
	copy_head(&snapshot->head, head_r);
}

/* --- opening -------------------------------------------------------------------------------- */

static bool is_ours(const char *name)
{
	size_t len = strlen(name);

	return strncmp(name, "log.", 4) == 0 || strncmp(name, "__db", 4) == 0 ||
	       (len > 3 && strcmp(name + len - 3, ".db") == 0) ||
	       (len > 6 && strcmp(name + len - 6, ".build") == 0);
}

static void remove_files(const char *dir)
{
	DIR *open = opendir(dir);
	const struct dirent *entry;

	if (open == NULL)
		return;
	while ((entry = readdir(open)) != NULL)
		if (is_ours(entry->d_name))
			unlinkat(dirfd(open), entry->d_name, 0);
	closedir(open);
}

static void close_engine(struct snapshot *s)
{
	bdb_cursor_close(&s->cursor);
	if (s->table != NULL)
		bdb_table_close(&s->table);
	bdb_env_close(&s->env);
}

static int open_table(struct snapshot *s, const char **error_r)
{
	s->table = bdb_table_open(s->env, TABLE, 0, 0, error_r);
	return s->table != NULL ? 0 : -1;
}

/* -1: it is damaged. One that is new has no head. */
static int load_head(struct snapshot *s, const char **error_r)
{
	struct str value = STR_INIT;
	enum bdb_result result = bdb_get(s->table, NULL, HEAD_KEY, HEAD_KEY_LEN, &value);
	int done = 0;

	if (result == BDB_OK && decode_head(&value, &s->head) < 0) {
		*error_r = "its head is none";
		done = -1;
	} else if (result != BDB_OK && result != BDB_NOTFOUND) {
		*error_r = bdb_reason();
		done = -1;
	}
	str_free(&value);
	return done;
}

static int open_engine(struct snapshot *s, const char **error_r)
{
	const struct bdb_options options = { .dir = s->dir,
		.cache_bytes = s->cache_bytes,
		.log_file_bytes = LOG_FILE,
		.sync = true };

	s->env = bdb_env_open(&options, error_r);
	if (s->env == NULL || open_table(s, error_r) < 0 || load_head(s, error_r) < 0) {
		snprintf(failure, sizeof failure, "%s", *error_r);
		*error_r = failure;
		close_engine(s);
		snapshot_head_free(&s->head);
		return -1;
	}
	return 0;
}

static void release(struct snapshot **snapshot)
{
	struct snapshot *s = *snapshot;

	snapshot_head_free(&s->head);
	str_free(&s->id);
	str_free(&s->value);
	mem_free(&s->dir);
	mem_free(snapshot);
}

struct snapshot *snapshot_open(
	const char *dir, const char *system, uint64_t cache_bytes, const char **error_r)
{
	struct snapshot *s = mem_zalloc(sizeof *s);

	s->dir = folder_of(dir, system);
	s->cache_bytes = cache_bytes;
	int done = open_engine(s, error_r);
	if (done < 0 && access(s->dir, R_OK | W_OK | X_OK) == 0 && !folder_in_use(s->dir)) {
		log_warning("sync",
			"the snapshot is damaged and is begun anew, the next run reads everything "
			"system=%s: %s",
			system, *error_r);
		remove_files(s->dir);
		done = open_engine(s, error_r);
	}
	if (done < 0)
		release(&s);
	return s;
}

void snapshot_close(struct snapshot **snapshot)
{
	struct snapshot *s = *snapshot;

	if (s == NULL)
		return;
	snapshot_abort(s);
	close_engine(s);
	if (s->damaged) {
		log_warning("sync", "the snapshot is damaged and is begun anew dir=%s", s->dir);
		remove_files(s->dir);
	}
	release(snapshot);
}

/* --- reading -------------------------------------------------------------------------------- */

static int spoiled(struct snapshot *s, const char *what, const char **error_r)
{
	s->damaged = true;
	*error_r = failed(what);
	return -1;
}

static int decode(struct snapshot *s, const void *data, size_t len, struct trace *trace_r,
	const char **error_r)
{
	if (trace_decode(data, len, trace_r) == 0)
		return 1;
	s->damaged = true;
	*error_r = "snapshot: an entry of it is none";
	return -1;
}

int snapshot_get(struct snapshot *s, const char *id, struct trace *trace_r, const char **error_r)
{
	enum bdb_result result = bdb_get(s->table, s->txn, id, strlen(id), &s->value);

	if (result == BDB_NOTFOUND)
		return 0;
	if (result != BDB_OK)
		return spoiled(s, "reading", error_r);
	return decode(s, s->value.data, s->value.len, trace_r, error_r);
}

int snapshot_read(struct snapshot *s, const void *bytes, size_t len, struct trace *trace_r,
	const char **error_r)
{
	return decode(s, bytes, len, trace_r, error_r) == 1 ? 0 : -1;
}

int snapshot_walk(struct snapshot *s, const char **error_r)
{
	bdb_cursor_close(&s->cursor);
	if (bdb_cursor_open(s->table, NULL, BDB_CURSOR_WALK, &s->cursor) != BDB_OK)
		return spoiled(s, "reading", error_r);
	return 0;
}

int snapshot_next(
	struct snapshot *s, const char **id_r, struct trace *trace_r, const char **error_r)
{
	const void *bytes;
	size_t len;
	int got = snapshot_next_bytes(s, id_r, &bytes, &len, error_r);

	return got == 1 ? decode(s, bytes, len, trace_r, error_r) : got;
}

int snapshot_next_bytes(struct snapshot *s, const char **id_r, const void **bytes_r, size_t *len_r,
	const char **error_r)
{
	struct bdb_item item;
	enum bdb_result result;

	if (s->cursor == NULL)
		return 0;
	result = bdb_cursor_next(s->cursor, &item);
	if (result != BDB_OK && result != BDB_NOTFOUND)
		return spoiled(s, "reading", error_r);
	if (result == BDB_NOTFOUND ||
		(item.key_len == HEAD_KEY_LEN && memcmp(item.key, HEAD_KEY, HEAD_KEY_LEN) == 0)) {
		bdb_cursor_close(&s->cursor);
		return 0;
	}
	str_reset(&s->id);
	str_append(&s->id, item.key, item.key_len);
	*id_r = s->id.data;
	*bytes_r = item.value;
	*len_r = item.value_len;
	return 1;
}

/* --- writing -------------------------------------------------------------------------------- */

int snapshot_begin(struct snapshot *s, bool anew, const char **error_r)
{
	snapshot_abort(s);
	if (anew) {
		s->build = bdb_build_begin(s->env, TABLE, error_r);
		return s->build != NULL ? 0 : -1;
	}
	if (bdb_begin(s->env, 0, &s->txn) != BDB_OK) {
		*error_r = failed("beginning a transaction");
		return -1;
	}
	return 0;
}

static enum bdb_result put(struct snapshot *s, const char *key, size_t key_len)
{
	return s->build != NULL
		       ? bdb_build_put(s->build, key, key_len, s->value.data, s->value.len)
		       : bdb_put(s->table, s->txn, key, key_len, s->value.data, s->value.len, 0);
}

int snapshot_put(
	struct snapshot *s, const char *id, const struct trace *trace, const char **error_r)
{
	str_reset(&s->value);
	trace_encode(trace, &s->value);
	if (put(s, id, strlen(id)) == BDB_OK)
		return 0;
	*error_r = failed("writing");
	return -1;
}

int snapshot_drop(struct snapshot *s, const char *id, const char **error_r)
{
	enum bdb_result result;

	if (s->build != NULL)
		return 0; /* what is not put is not in it */
	result = bdb_del(s->table, s->txn, id, strlen(id));
	if (result == BDB_OK || result == BDB_NOTFOUND)
		return 0;
	*error_r = failed("writing");
	return -1;
}

/* The old table must be closed for the new one to have its name. */
static int finish_build(struct snapshot *s, const char **error_r)
{
	enum bdb_result result;

	bdb_cursor_close(&s->cursor);
	bdb_table_close(&s->table);
	result = bdb_build_finish(&s->build);
	if (result != BDB_OK)
		*error_r = failed("putting the new one in place");
	const char *reason;
	if (open_table(s, &reason) < 0) {
		if (result == BDB_OK)
			*error_r = failed("opening the new one");
		s->damaged = true;
		return -1;
	}
	return result == BDB_OK ? 0 : -1;
}

int snapshot_commit(struct snapshot *s, const struct snapshot_head *head, const char **error_r)
{
	int done = 0;

	str_reset(&s->value);
	encode_head(head, &s->value);
	if (put(s, HEAD_KEY, HEAD_KEY_LEN) != BDB_OK) {
		*error_r = failed("writing");
		done = -1;
	} else if (s->build != NULL) {
		done = finish_build(s, error_r);
	} else if (bdb_commit(&s->txn) != BDB_OK) {
		*error_r = failed("committing");
		done = -1;
	}
	if (done == 0)
		copy_head(head, &s->head);
	else
		snapshot_abort(s);
	return done;
}

void snapshot_abort(struct snapshot *s)
{
	bdb_abort(&s->txn);
	bdb_build_drop(&s->build);
}
