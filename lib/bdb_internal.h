/* What the files of the seam share (lib/bdb*.c); nobody else includes it. */
#ifndef RESTANTE_LIB_BDB_INTERNAL_H
#define RESTANTE_LIB_BDB_INTERNAL_H

#include <db.h>
#include <pthread.h>

#include "lib/bdb.h"

struct bdb_env {
	DB_ENV *db;
	char *dir;
	int lock_fd;
	_Atomic bool broken; /* said once */
};

/*
 * Disk space ahead of a table's end. Berkeley DB adds pages in memory and writes them later; where
 * there is no space then, it waits for it forever, locks held. So blocks are allocated first.
 */
struct bdb_room {
	pthread_mutex_t lock;
	int fd;
	bool unsupported;       /* by this file system */
	uint64_t reserved_to;   /* end of the blocks allocated */
	_Atomic uint64_t slack; /* bytes of values that may be put before the next look */
};
int bdb_room_open(struct bdb_room *room, const char *path);
void bdb_room_close(struct bdb_room *room);
/* Before a put of that many bytes: 0, or ENOSPC. */
int bdb_room_take(struct bdb_room *room, DB *db, size_t bytes);
/* Where the table ends, pages that are in memory only included. */
int bdb_room_end(DB *db, uint64_t *end_r);
void bdb_room_forget(struct bdb_room *room); /* the file became shorter */

/* The Berkeley DB return code as a result; what failed goes into bdb_reason(). where: a table's
 * name, or NULL. */
enum bdb_result bdb_outcome(
	const struct bdb_env *env, int code, const char *what, const char *where);

/* What Berkeley DB has to say of a table without an environment comes to us, as that of others. */
void bdb_hear(DB *db);
/* Before a call: forgets what Berkeley DB told this thread earlier. */
void bdb_begin_call(void);
/* What it told since, or the text for the code. */
const char *bdb_engine_text(int code);
/* A line for *error_r, valid until this thread's next call. */
const char *bdb_set_reason(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
