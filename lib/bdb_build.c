/* Tables that are filled once, in the order of their keys, before anybody sees them. */
#define _GNU_SOURCE
#include "lib/bdb_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

/* Keys come in order: only the pages at the right edge of the tree are read again. */
#define BUILD_CACHE (4U << 20)

struct bdb_build {
	DB *db;
	struct bdb_env *env;
	char *name, *path;
	struct bdb_room room;
};

static char *path_of(const struct bdb_env *env, const char *name, const char *suffix)
{
	return mem_printf("%s/%s.%s", env->dir, name, suffix);
}

static enum bdb_result result_of(const struct bdb_build *build, int code, const char *what)
{
	return code == 0 ? BDB_OK : bdb_outcome(build->env, code, what, build->name);
}

static int open_build(struct bdb_build *build)
{
	DB *db = build->db;
	int code = db->set_cachesize(db, 0, BUILD_CACHE, 1);

	if (code == 0)
		code = db->set_flags(db, DB_CHKSUM);
	if (code == 0 && unlink(build->path) != 0 && errno != ENOENT)
		code = errno;
	if (code == 0)
		code = db->open(db, NULL, build->path, NULL, DB_BTREE, DB_CREATE | DB_EXCL, 0600);
	if (code == 0)
		code = bdb_room_open(&build->room, build->path);
	return code;
}

struct bdb_build *bdb_build_begin(struct bdb_env *env, const char *name, const char **error_r)
{
	struct bdb_build *build = mem_zalloc(sizeof(*build));

	bdb_begin_call();
	build->env = env;
	build->name = mem_strdup(name);
	build->path = path_of(env, name, "build");
	build->room.fd = -1;
	int code = db_create(&build->db, NULL, 0);
	if (code == 0) {
		bdb_hear(build->db);
		code = open_build(build);
	}
	if (code == 0)
		return build;
	*error_r =
		bdb_set_reason("%s: cannot begin a table: %s", build->path, bdb_engine_text(code));
	bdb_build_drop(&build);
	return NULL;
}

enum bdb_result bdb_build_put(struct bdb_build *build, const void *key, size_t key_len,
	const void *value, size_t value_len)
{
	DBT k = { .data = (void *)(uintptr_t)key, .size = (uint32_t)key_len };
	DBT v = { .data = (void *)(uintptr_t)value, .size = (uint32_t)value_len };

	bdb_begin_call();
	int code = bdb_room_take(&build->room, build->db, key_len + value_len);
	if (code == 0)
		code = build->db->put(build->db, NULL, &k, &v, 0);
	return result_of(build, code, "write");
}

static void release(struct bdb_build **build)
{
	bdb_room_close(&(*build)->room);
	mem_free(&(*build)->name);
	mem_free(&(*build)->path);
	mem_free(build);
}

void bdb_build_drop(struct bdb_build **build)
{
	if (*build == NULL)
		return;
	if ((*build)->db != NULL)
		(*build)->db->close((*build)->db, DB_NOSYNC);
	unlink((*build)->path);
	release(build);
}

/* What the file is called is durable as well. */
static int sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	int code = fsync(fd) == 0 ? 0 : errno;
	close(fd);
	return code;
}

static int put_in_place(struct bdb_build *build)
{
	char *path = path_of(build->env, build->name, "db");
	int code = build->db->close(build->db, 0);

	build->db = NULL;
	if (code == 0 && fsync(build->room.fd) != 0)
		code = errno;
	if (code == 0 && rename(build->path, path) != 0)
		code = errno;
	mem_free(&path);
	return code == 0 ? sync_directory(build->env->dir) : code;
}

enum bdb_result bdb_build_finish(struct bdb_build **build)
{
	bdb_begin_call();
	int code = put_in_place(*build);
	enum bdb_result result = result_of(*build, code, "end of a new table");

	if (code == 0)
		release(build);
	else
		bdb_build_drop(build);
	return result;
}

enum bdb_result bdb_table_remove(struct bdb_env *env, const char *name)
{
	static const char *const suffixes[] = { "db", "build" };
	int code = 0;

	bdb_begin_call();
	for (size_t i = 0; i < 2 && code == 0; i++) {
		char *path = path_of(env, name, suffixes[i]);
		if (unlink(path) != 0 && errno != ENOENT)
			code = errno;
		mem_free(&path);
	}
	if (code == 0)
		code = sync_directory(env->dir);
	return code == 0 ? BDB_OK : bdb_outcome(env, code, "removal of the table", name);
}
