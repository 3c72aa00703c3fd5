/* What the files of the seam share (lib/bdb.c, lib/bdb_env.c); nobody else includes it. */
#ifndef RESTANTE_LIB_BDB_INTERNAL_H
#define RESTANTE_LIB_BDB_INTERNAL_H

#include <db.h>

#include "lib/bdb.h"

struct bdb_env {
	DB_ENV *db;
	char *dir;
	int lock_fd;
};

/* The Berkeley DB return code as a result; what failed goes into bdb_reason(). where: a table's
 * name, or NULL. */
enum bdb_result bdb_outcome(
	const struct bdb_env *env, int code, const char *what, const char *where);

/* Before a call: forgets what Berkeley DB told this thread earlier. */
void bdb_begin_call(void);
/* What it told since, or the text for the code. */
const char *bdb_engine_text(int code);
/* A line for *error_r, valid until this thread's next call. */
const char *bdb_set_reason(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
