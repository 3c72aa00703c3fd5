/*
 * The seam that hides Berkeley DB: nobody else includes db.h. One environment belongs to one
 * process (decision 5): opened private (no shared regions), guarded by a lock file, and recovered
 * at every start. Disk space for the pages a write adds is reserved before it, so a full disk fails
 * that write (BDB_FULL) and nothing later. All functions are thread-safe; a transaction and a
 * cursor belong to one thread.
 */
#ifndef RESTANTE_LIB_BDB_H
#define RESTANTE_LIB_BDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

enum bdb_result {
	BDB_OK = 0,
	BDB_NOTFOUND, /* nothing there; nothing wrong */
	BDB_EXISTS,   /* BDB_NEW_ONLY and the key is there */
	BDB_RETRY,    /* deadlock: abort the transaction and do all of it again */
	BDB_FULL,     /* no space on the disk: abort; the environment is still usable */
	BDB_BROKEN,   /* the environment is unusable until the process starts again (recovery) */
	BDB_FAILED,   /* this operation failed, bdb_reason() says why */
};

struct bdb_env;
struct bdb_table;
struct bdb_txn;
struct bdb_cursor;

struct bdb_options {
	const char *dir;         /* made with mode 0700 where it is missing */
	uint64_t cache_bytes;    /* memory for pages */
	uint32_t log_file_bytes; /* size of one log file; 0 = 16 MB */
	bool sync;               /* commits reach the disk before they return */
};

/*
 * NULL and *error_r (a line that says what to do; valid until the thread's next call here) when
 * the directory cannot be used, belongs to another running process, or recovery fails.
 */
struct bdb_env *bdb_env_open(const struct bdb_options *options, const char **error_r);
void bdb_env_close(struct bdb_env **env); /* close all tables first */

/* "5.3.28": what this was built for, and what it runs with; each has that size. */
void bdb_versions(char *built_r, char *runs_r, size_t size);

/* The reason of this thread's last result that was none of OK, NOTFOUND, EXISTS, RETRY. */
const char *bdb_reason(void);

/* All commits so far, unsynced ones included, are on disk when it returns OK. */
enum bdb_result bdb_log_sync(struct bdb_env *env);
/* Checkpoint once more than kbytes of log were written since the last (0: now); old log files go.
 */
enum bdb_result bdb_checkpoint(struct bdb_env *env, uint32_t kbytes);

#define BDB_DUPLICATES 1 /* several sorted values for a key */
#define BDB_EXISTING   2 /* it is not made where it is missing: that is an error */
/* page_bytes 0 = the default of the file system. */
struct bdb_table *bdb_table_open(struct bdb_env *env, const char *name, unsigned flags,
	uint32_t page_bytes, const char **error_r);
void bdb_table_close(struct bdb_table **table);
enum bdb_result bdb_table_clear(struct bdb_table *table, struct bdb_txn *txn);
/*
 * Gives the space of deleted values back to the file system: moves what is left to the front, and
 * cuts the file. In small transactions of its own, beside readers and writers; BDB_RETRY: another
 * time.
 */
enum bdb_result bdb_table_shrink(struct bdb_table *table);
/* Size of the table's file, what was deleted included. */
uint64_t bdb_table_bytes(struct bdb_table *table);

/* Its file goes, and what a build of it left. It must not be open. */
enum bdb_result bdb_table_remove(struct bdb_env *env, const char *name);

/*
 * A table that is filled once, in the order of its keys, before anybody sees it: beside the
 * environment, so without locks and without a log. It belongs to one thread. NULL and *error_r as
 * above.
 */
struct bdb_build;
struct bdb_build *bdb_build_begin(struct bdb_env *env, const char *name, const char **error_r);
enum bdb_result bdb_build_put(struct bdb_build *build, const void *key, size_t key_len,
	const void *value, size_t value_len);
/*
 * On disk, and called `name` from now on: bdb_table_open opens it. No table of that name may be
 * open. *build is gone whatever the result; where it is not BDB_OK there is no table.
 */
enum bdb_result bdb_build_finish(struct bdb_build **build);
void bdb_build_drop(struct bdb_build **build);

#define BDB_NOSYNC 1 /* this commit is not synced, whatever the environment says */
enum bdb_result bdb_begin(struct bdb_env *env, unsigned flags, struct bdb_txn **txn_r);
enum bdb_result bdb_commit(struct bdb_txn **txn); /* *txn is gone whatever the result */
void bdb_abort(struct bdb_txn **txn);             /* nothing happens where *txn is NULL */

/* txn may be NULL for a read, or for a write that is a transaction of its own. */
enum bdb_result bdb_get(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, struct str *value_r); /* replaces what value_r held */
/* The value into a caller's buffer; BDB_FAILED where it does not fit. */
enum bdb_result bdb_get_into(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, void *buffer, size_t size, size_t *len_r);
/* As above, but at most size bytes from offset; *len_r 0 where the value ends before it. */
enum bdb_result bdb_get_part(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, size_t offset, void *buffer, size_t size, size_t *len_r);
#define BDB_NEW_ONLY 1 /* BDB_EXISTS where the key is there (with duplicates: the pair) */
enum bdb_result bdb_put(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, const void *value, size_t value_len, unsigned flags);
enum bdb_result bdb_del(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len); /* all duplicates */
/* One pair of a table with duplicates. */
enum bdb_result bdb_del_pair(struct bdb_table *table, struct bdb_txn *txn, const void *key,
	size_t key_len, const void *value, size_t value_len);

#define BDB_CURSOR_WRITE 1 /* will delete: take write locks at once */
/* Only goes through everything, with bdb_cursor_next from the first pair on: reads many at once. */
#define BDB_CURSOR_WALK 2
/*
 * Without a transaction a cursor keeps its page from writers until it moves on, and nothing else
 * may be read or written by its thread meanwhile: such a deadlock is not found.
 */
enum bdb_result bdb_cursor_open(
	struct bdb_table *table, struct bdb_txn *txn, unsigned flags, struct bdb_cursor **cursor_r);
void bdb_cursor_close(struct bdb_cursor **cursor);

struct bdb_item {
	const void *key;
	size_t key_len;
	const void *value;
	size_t value_len;
}; /* valid until the cursor's next move */

/* The first pair with a key not smaller than the given one (key_len 0: the first of all). */
enum bdb_result bdb_cursor_seek(
	struct bdb_cursor *cursor, const void *key, size_t key_len, struct bdb_item *item_r);
enum bdb_result bdb_cursor_next(struct bdb_cursor *cursor, struct bdb_item *item_r);
enum bdb_result bdb_cursor_last(struct bdb_cursor *cursor, struct bdb_item *item_r);
enum bdb_result bdb_cursor_del(struct bdb_cursor *cursor);

#endif
