#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

const uint8_t holdq_notices[ROUTE_UUID_BYTES];
const uint8_t holdq_redirected[ROUTE_UUID_BYTES] = { 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255 };

static _Thread_local char reason[REASON_SIZE];

const char *holdq_reason(void)
{
	return reason;
}

enum holdq_result holdq_refuse(enum holdq_result result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return result;
}

enum holdq_result holdq_store_result(struct holdq *queue, enum bdb_result result)
{
	switch (result) {
	case BDB_OK: return HOLDQ_OK;
	case BDB_NOTFOUND: return holdq_refuse(HOLDQ_GONE, "no such record");
	case BDB_FULL:
		holdq_space_gone(queue);
		return holdq_refuse(HOLDQ_FULL, "disk full: %s", bdb_reason());
	case BDB_BROKEN:
		queue->broken = true;
		return holdq_refuse(HOLDQ_BROKEN, "%s", bdb_reason());
	case BDB_RETRY: return holdq_refuse(HOLDQ_FAILED, "the store is too busy");
	case BDB_EXISTS: return holdq_refuse(HOLDQ_FAILED, "a record is there already");
	case BDB_FAILED: break;
	}
	return holdq_refuse(HOLDQ_FAILED, "%s", bdb_reason());
}

/* --- tables ---------------------------------------------------------------------------------- */

/* Pages as large as a disk writes in one piece, so that a loss of power cannot tear one. */
#define PAGE_BYTES 4096

struct table_place {
	const char *name;
	size_t offset;
};

static const struct table_place places[] = {
	{ "messages", offsetof(struct holdq, messages) },
	{ "recipients", offsetof(struct holdq, recipients) },
	{ "index", offsetof(struct holdq, index) },
	{ "mailboxes", offsetof(struct holdq, mailboxes) },
	{ "digests", offsetof(struct holdq, digests) },
	{ "content", offsetof(struct holdq, content) },
	{ "chunks", offsetof(struct holdq, chunks) },
	{ "large", offsetof(struct holdq, large) },
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static struct bdb_table **table_at(struct holdq *queue, const struct table_place *place)
{
	return (struct bdb_table **)((char *)queue + place->offset);
}

static int open_tables(struct holdq *queue, const char **error_r)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct bdb_table *table =
			bdb_table_open(queue->env, places[i].name, 0, PAGE_BYTES, error_r);
		if (table == NULL)
			return -1;
		*table_at(queue, &places[i]) = table;
	}
	return 0;
}

static void close_tables(struct holdq *queue)
{
	for (size_t i = 0; i < PLACES; i++)
		bdb_table_close(table_at(queue, &places[i]));
	bdb_table_close(&queue->meta);
}

/* --- identity -------------------------------------------------------------------------------- */

static const char *refuse_open(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *refuse_open(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return reason;
}

/* result: of the store; BDB_OK: it gave what makes no sense. */
static int start_failed(struct holdq *queue, enum bdb_result result, const char **error_r)
{
	*error_r = refuse_open("%s: cannot read the hold queue: %s: copy the directory, then put "
			       "a sound copy of it in place",
		queue->dir, result == BDB_OK ? "a record is damaged" : bdb_reason());
	return -1;
}

/* The value of a name that never changes, written where there is none. */
static enum bdb_result meta_fixed(
	struct holdq *queue, const char *name, const char *value, struct str *found_r)
{
	size_t len = strlen(name);
	enum bdb_result result = bdb_get(queue->meta, NULL, name, len, found_r);

	if (result != BDB_NOTFOUND)
		return result;
	str_append_z(found_r, value);
	return bdb_put(queue->meta, NULL, name, len, value, strlen(value), 0);
}

static int check_fixed(struct holdq *queue, const char *name, const char *value,
	const char *complaint, const char **error_r)
{
	struct str found = STR_INIT;
	int code = -1;
	enum bdb_result result = meta_fixed(queue, name, value, &found);

	if (result != BDB_OK)
		start_failed(queue, result, error_r);
	else if (strcmp(str_cstr(&found), value) != 0)
		*error_r = refuse_open(complaint, queue->dir, str_cstr(&found), value);
	else
		code = 0;
	str_free(&found);
	return code;
}

static int check_identity(struct holdq *queue, const char *node, const char **error_r)
{
	if (check_fixed(queue, "format", HOLDQ_FORMAT,
		    "%s: this hold queue has format %s, this program needs %s: release its "
		    "messages with the program that wrote them",
		    error_r) != 0)
		return -1;
	return check_fixed(queue, "node", node,
		"%s: this is the hold queue of node %s, not of %s: give each front door a queue "
		"directory of its own, or set milter.node back",
		error_r);
}

/* --- state at start -------------------------------------------------------------------------- */

/* key_len: of a sound key; what has another one is as good as the last id there can be. */
static enum bdb_result last_id(struct bdb_table *table, size_t key_len, uint64_t *id_r)
{
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(table, NULL, 0, &cursor);

	*id_r = 0;
	if (result != BDB_OK)
		return result;
	result = bdb_cursor_last(cursor, &item);
	if (result == BDB_OK)
		*id_r = item.key_len == key_len ? key_u64(item.key, item.key_len, 0) : UINT64_MAX;
	bdb_cursor_close(&cursor);
	return result == BDB_NOTFOUND ? BDB_OK : result;
}

/* An id is never given twice: the noted number is ahead of all that were given. */
static int load_next_id(struct holdq *queue, const char **error_r)
{
	uint8_t noted[8] = { 0 };
	uint64_t message = 0, chunk = 0;
	size_t len;
	enum bdb_result result =
		bdb_get_into(queue->meta, NULL, "next", 4, noted, sizeof(noted), &len);

	if (result == BDB_OK || result == BDB_NOTFOUND)
		result = last_id(queue->messages, ID_KEY, &message);
	if (result == BDB_OK)
		result = last_id(queue->chunks, CHUNK_KEY, &chunk);
	if (result != BDB_OK || message == UINT64_MAX || chunk == UINT64_MAX)
		return start_failed(queue, result, error_r);
	uint64_t next = key_u64(noted, len, 0);
	if (next <= message)
		next = message + 1;
	if (next <= chunk)
		next = chunk + 1;
	queue->next_id = queue->id_limit = next;
	return 0;
}

static int load_totals(struct holdq *queue, const char **error_r)
{
	struct str value = STR_INIT;
	enum bdb_result result = bdb_get(queue->meta, NULL, "totals", 6, &value);
	int code = 0;

	if (result == BDB_OK)
		code = totals_decode(value.data, value.len, &queue->totals);
	if (code != 0 || (result != BDB_OK && result != BDB_NOTFOUND))
		code = start_failed(queue, result, error_r);
	str_free(&value);
	return code;
}

static const uint8_t no_digest[DIGEST_BYTES];

/* From one day to the next, whatever lies between. */
static int load_days(struct holdq *queue, const char **error_r)
{
	uint8_t key[DIGEST_KEY];
	struct bdb_cursor *cursor;
	struct bdb_item item;
	enum bdb_result result = bdb_cursor_open(queue->digests, NULL, 0, &cursor);
	uint64_t from = 0;

	while (result == BDB_OK && from <= UINT32_MAX) {
		key_digest(key, (uint32_t)from, no_digest, 0);
		result = bdb_cursor_seek(cursor, key, sizeof(key), &item);
		if (result != BDB_OK || item.key_len != sizeof(key))
			break;
		from = key_u32(item.key, item.key_len, 0);
		holdq_note_day(queue, (uint32_t)from++);
	}
	bdb_cursor_close(&cursor);
	return result == BDB_OK || result == BDB_NOTFOUND ? 0
							  : start_failed(queue, result, error_r);
}

/* --- open and close -------------------------------------------------------------------------- */

static int load(struct holdq *queue, const struct holdq_options *options, const char **error_r)
{
	queue->meta = bdb_table_open(queue->env, "meta", 0, PAGE_BYTES, error_r);
	if (queue->meta == NULL || check_identity(queue, options->node, error_r) != 0 ||
		open_tables(queue, error_r) != 0 || load_next_id(queue, error_r) != 0 ||
		load_totals(queue, error_r) != 0 || load_days(queue, error_r) != 0)
		return -1;
	if (holdq_sweep(queue) != 0)
		return start_failed(queue, BDB_FAILED, error_r);
	return 0;
}

static void release(struct holdq *queue)
{
	close_tables(queue);
	bdb_env_close(&queue->env);
	pthread_mutex_destroy(&queue->lock);
	pthread_mutex_destroy(&queue->space_lock);
	pthread_mutex_destroy(&queue->observer_lock);
	pthread_cond_destroy(&queue->work);
	pthread_cond_destroy(&queue->chore);
	mem_free(&queue->garbage);
	mem_free(&queue->dir);
	mem_free(&queue);
}

/* Recovery may need space: the reserve is there for this, too. */
static struct bdb_env *open_env(const struct holdq_options *options, const char **error_r)
{
	struct bdb_options env = { options->dir, options->cache_bytes, 0, true };
	struct bdb_env *opened = bdb_env_open(&env, error_r);

	if (opened == NULL && strstr(*error_r, "disk is full") != NULL &&
		holdq_reserve_drop(options->dir))
		opened = bdb_env_open(&env, error_r);
	return opened;
}

struct holdq *holdq_open(const struct holdq_options *options, const char **error_r)
{
	struct bdb_env *env = open_env(options, error_r);
	if (env == NULL)
		return NULL;
	struct holdq *queue = mem_zalloc(sizeof(*queue));
	queue->env = env;
	queue->dir = mem_strdup(options->dir);
	queue->last = &queue->first;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_mutex_init(&queue->space_lock, NULL);
	pthread_mutex_init(&queue->observer_lock, NULL);
	clock_cond_init(&queue->work);
	clock_cond_init(&queue->chore);
	queue->enough = 1;
	holdq_configure(queue, options);
	if (load(queue, options, error_r) != 0) {
		release(queue);
		return NULL;
	}
	queue->reserve_wanted = !holdq_reserve_make(queue);
	if (pthread_create(&queue->writer, NULL, holdq_writer, queue) != 0 ||
		pthread_create(&queue->chores, NULL, holdq_chores, queue) != 0) {
		log_error("queue", "cannot start threads");
		abort();
	}
	return queue;
}

void holdq_close(struct holdq **queue)
{
	struct holdq *q = *queue;

	if (q == NULL)
		return;
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->writer, NULL);
	pthread_mutex_lock(&q->lock);
	q->chores_stopping = true;
	pthread_cond_signal(&q->chore);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->chores, NULL);
	release(q);
	*queue = NULL;
}

void holdq_configure(struct holdq *queue, const struct holdq_options *options)
{
	pthread_mutex_lock(&queue->lock);
	queue->limits.bytes = options->limit_bytes;
	queue->limits.free = options->limit_free;
	queue->limits.mailbox = options->limit_mailbox;
	pthread_mutex_unlock(&queue->lock);
}

void holdq_observe_stored(struct holdq *queue, holdq_observer observer, void *context)
{
	pthread_mutex_lock(&queue->observer_lock);
	queue->stored_observer = observer;
	queue->stored_context = context;
	pthread_mutex_unlock(&queue->observer_lock);
}

void holdq_observe(struct holdq *queue, holdq_observer observer, void *context)
{
	pthread_mutex_lock(&queue->observer_lock);
	queue->observer = observer;
	queue->observer_context = context;
	pthread_mutex_unlock(&queue->observer_lock);
}
