#define _GNU_SOURCE
#include "lib/bdb_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

#define DEFAULT_LOG_FILE (16U << 20)
#define LOG_BUFFER       (1U << 20)
#define GIGABYTE         (UINT64_C(1) << 30)
#define MAX_LOCKS        1000000 /* a limit, not memory taken: table_clear locks every page */
#define LOCK_TABLE       16384   /* its hash table; the default, sized for the limit, takes 80 MB */
#define MAX_TRANSACTIONS 10000

static _Thread_local char reason[640];
static _Thread_local char engine[256];

const char *bdb_reason(void)
{
	return reason;
}

const char *bdb_set_reason(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return reason;
}

void bdb_begin_call(void)
{
	engine[0] = '\0';
}

const char *bdb_engine_text(int code)
{
	return engine[0] ? engine : db_strerror(code);
}

/* Of several lines the first names the cause. */
static void on_engine_error(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env, (void)prefix;
	if (engine[0] == '\0')
		snprintf(engine, sizeof(engine), "%s", text);
	log_debug("bdb", "%s", text);
}

void bdb_hear(DB *db)
{
	db->set_errcall(db, on_engine_error);
}

static void on_engine_event(DB_ENV *env, uint32_t event, void *info)
{
	(void)info;
	struct bdb_env *self = env->app_private;

	if (event == DB_EVENT_PANIC && !atomic_exchange(&self->broken, true))
		log_warning("bdb", "unusable until the next start dir=%s: %s", self->dir, engine);
}

enum bdb_result bdb_outcome(
	const struct bdb_env *env, int code, const char *what, const char *where)
{
	switch (code) {
	case 0: return BDB_OK;
	case DB_NOTFOUND:
	case DB_KEYEMPTY: return BDB_NOTFOUND;
	case DB_KEYEXIST: return BDB_EXISTS;
	case DB_LOCK_DEADLOCK:
	case DB_LOCK_NOTGRANTED: return BDB_RETRY;
	default: break;
	}
	bdb_set_reason("%s%s%s: %s: %s", env->dir, where ? "/" : "", where ? where : "", what,
		bdb_engine_text(code));
	switch (code) {
	case ENOSPC:
	case EDQUOT: return BDB_FULL;
	case DB_RUNRECOVERY: return BDB_BROKEN;
	default: return BDB_FAILED;
	}
}

/* --- one owner per directory ----------------------------------------------------------------- */

static const char *lock_refused(const char *dir, int fd)
{
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return bdb_set_reason("%s: in use by process %s: stop it first; two programs must never "
			      "share a database directory",
		dir, pid[0] ? pid : "(unknown)");
}

static int lock_directory(struct bdb_env *env, const char **error_r)
{
	char *path = mem_printf("%s/LOCK", env->dir);
	env->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	mem_free(&path);
	if (env->lock_fd < 0) {
		*error_r = bdb_set_reason("%s: cannot open its LOCK file: %s: check owner and mode",
			env->dir, strerror(errno));
		return -1;
	}
	if (flock(env->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		*error_r = lock_refused(env->dir, env->lock_fd);
		return -1;
	}
	/* Only for people who read the refusal: a full disk must not keep us from starting. */
	if (ftruncate(env->lock_fd, 0) != 0 || dprintf(env->lock_fd, "%ld\n", (long)getpid()) < 0)
		log_debug("bdb", "cannot note our pid in LOCK dir=%s", env->dir);
	return 0;
}

static int prepare_directory(const char *dir, const char **error_r)
{
	struct stat st;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		*error_r = bdb_set_reason("%s: cannot make the directory: %s: make it for the user "
					  "of this program",
			dir, strerror(errno));
		return -1;
	}
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode) || access(dir, R_OK | W_OK | X_OK) != 0) {
		*error_r = bdb_set_reason("%s: not a directory that this program can write to: "
					  "check owner and mode",
			dir);
		return -1;
	}
	return 0;
}

/* --- the environment ------------------------------------------------------------------------- */

static int set_cache(DB_ENV *db, uint64_t bytes)
{
	if (bytes < (1U << 20))
		bytes = 1U << 20;
	int regions = (int)(bytes / (4 * GIGABYTE)) + 1;
	return db->set_cachesize(
		db, (uint32_t)(bytes / GIGABYTE), (uint32_t)(bytes % GIGABYTE), regions);
}

static int set_log(DB_ENV *db, uint32_t file_bytes)
{
	uint32_t file = file_bytes ? file_bytes : DEFAULT_LOG_FILE;
	uint32_t buffer = LOG_BUFFER < file / 4 ? LOG_BUFFER : file / 4;
	int code = db->set_lg_bsize(db, buffer);

	if (code == 0)
		code = db->set_lg_max(db, file);
	if (code == 0)
		code = db->log_set_config(db, DB_LOG_AUTO_REMOVE, 1);
	return code;
}

/* A reader has no write locks, so it is the one to lose a deadlock, and can simply ask again. */
static int set_locks(DB_ENV *db)
{
	int code = db->set_lk_detect(db, DB_LOCK_MINWRITE);

	if (code == 0)
		code = db->set_lk_max_locks(db, MAX_LOCKS);
	if (code == 0)
		code = db->set_lk_max_objects(db, MAX_LOCKS);
	if (code == 0)
		code = db->set_lk_tablesize(db, LOCK_TABLE);
	if (code == 0)
		code = db->set_lk_max_lockers(db, 2 * MAX_TRANSACTIONS);
	if (code == 0)
		code = db->set_tx_max(db, MAX_TRANSACTIONS);
	return code;
}

static int open_engine(struct bdb_env *env, const struct bdb_options *options)
{
	const uint32_t flags = DB_CREATE | DB_PRIVATE | DB_THREAD | DB_RECOVER | DB_INIT_TXN |
			       DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL;
	int code = db_env_create(&env->db, 0);
	if (code != 0)
		return code;
	DB_ENV *db = env->db;

	env->broken = true; /* of an open that fails its caller tells */
	db->app_private = env;
	db->set_errcall(db, on_engine_error);
	db->set_event_notify(db, on_engine_event);
	code = set_cache(db, options->cache_bytes);
	if (code == 0)
		code = set_log(db, options->log_file_bytes);
	if (code == 0)
		code = set_locks(db);
	if (code == 0 && !options->sync)
		code = db->set_flags(db, DB_TXN_WRITE_NOSYNC, 1);
	if (code == 0)
		code = db->open(db, env->dir, flags, 0600);
	env->broken = code != 0;
	return code;
}

static void release(struct bdb_env *env)
{
	if (env->db != NULL)
		env->db->close(env->db, 0);
	if (env->lock_fd >= 0)
		close(env->lock_fd);
	mem_free(&env->dir);
	mem_free(&env);
}

static const char *open_failed(const char *dir, int code)
{
	/* Recovery gives some other code than the one that it told. */
	if (code == ENOSPC || code == EDQUOT || strstr(engine, strerror(ENOSPC)) != NULL)
		return bdb_set_reason("%s: cannot recover the databases, the disk is full: make "
				      "room and start again",
			dir);
	if (code == EACCES || code == EPERM)
		return bdb_set_reason("%s: cannot open the databases: %s: all files there must "
				      "belong to the user of this program",
			dir, bdb_engine_text(code));
	return bdb_set_reason("%s: cannot recover the databases: %s: copy the directory, then try "
			      "`db5.3_recover -c -h %s`, or put a sound copy in its place",
		dir, bdb_engine_text(code), dir);
}

struct bdb_env *bdb_env_open(const struct bdb_options *options, const char **error_r)
{
	bdb_begin_call();
	if (prepare_directory(options->dir, error_r) != 0)
		return NULL;
	struct bdb_env *env = mem_zalloc(sizeof(*env));
	env->lock_fd = -1;
	env->dir = mem_strdup(options->dir);
	if (lock_directory(env, error_r) != 0) {
		release(env);
		return NULL;
	}
	int code = open_engine(env, options);
	if (code != 0) {
		*error_r = open_failed(options->dir, code);
		release(env);
		return NULL;
	}
	return env;
}

void bdb_env_close(struct bdb_env **env)
{
	if (*env == NULL)
		return;
	bdb_checkpoint(*env, 0);
	release(*env);
	*env = NULL;
}

enum bdb_result bdb_log_sync(struct bdb_env *env)
{
	bdb_begin_call();
	return bdb_outcome(env, env->db->log_flush(env->db, NULL), "sync of the log", NULL);
}

enum bdb_result bdb_checkpoint(struct bdb_env *env, uint32_t kbytes)
{
	bdb_begin_call();
	return bdb_outcome(env, env->db->txn_checkpoint(env->db, kbytes, 0, 0), "checkpoint", NULL);
}

void bdb_versions(char *built_r, char *runs_r, size_t size)
{
	int major, minor, patch;

	db_version(&major, &minor, &patch);
	snprintf(built_r, size, "%d.%d.%d", DB_VERSION_MAJOR, DB_VERSION_MINOR, DB_VERSION_PATCH);
	snprintf(runs_r, size, "%d.%d.%d", major, minor, patch);
}
