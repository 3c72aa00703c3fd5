#define _GNU_SOURCE
#include "lib/bdb_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

/* A value takes at most this many times its bytes in new pages: an overflow page that is a quarter
 * full, or a leaf split. PER_PUT is what the record itself needs. */
#define AMPLIFICATION 4
#define PER_PUT       128
#define AHEAD_MIN     (UINT64_C(256) << 10)
#define AHEAD_MAX     (UINT64_C(8) << 20)

int bdb_room_open(struct bdb_room *room, const char *path)
{
	pthread_mutex_init(&room->lock, NULL);
	room->fd = open(path, O_RDWR | O_CLOEXEC);
	return room->fd < 0 ? errno : 0;
}

void bdb_room_close(struct bdb_room *room)
{
	if (room->fd >= 0)
		close(room->fd);
	pthread_mutex_destroy(&room->lock);
}

void bdb_room_forget(struct bdb_room *room)
{
	pthread_mutex_lock(&room->lock);
	room->reserved_to = 0;
	room->slack = 0;
	pthread_mutex_unlock(&room->lock);
}

int bdb_room_end(DB *db, uint64_t *end_r)
{
	db_pgno_t last;
	uint32_t page;
	DB_MPOOLFILE *file = db->get_mpf(db);

	int code = db->get_pagesize(db, &page);
	if (code == 0)
		code = file->get_last_pgno(file, &last);
	if (code == 0)
		*end_r = ((uint64_t)last + 1) * page;
	return code;
}

/* Allocates blocks without changing the length of the file, which is how Berkeley DB finds its end.
 */
static int allocate(struct bdb_room *room, uint64_t from, uint64_t to)
{
	int done;

	if (room->unsupported || from >= to)
		return 0;

	do
		done = fallocate(room->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from));
	while (done != 0 && errno == EINTR);
	if (done != 0 && (errno == ENOSPC || errno == EDQUOT))
		return errno;
	room->unsupported = done != 0;
	room->reserved_to = to;
	return 0;
}

static int look(struct bdb_room *room, DB *db, uint64_t wanted)
{
	uint64_t end;
	int code = bdb_room_end(db, &end);

	if (code != 0)
		return code;
	uint64_t ahead = end / 4;
	if (ahead < AHEAD_MIN)
		ahead = AHEAD_MIN;
	if (ahead > AHEAD_MAX)
		ahead = AHEAD_MAX;
	if (end + AMPLIFICATION * wanted + ahead / 2 > room->reserved_to)
		code = allocate(room, room->reserved_to, end + AMPLIFICATION * wanted + ahead);
	if (code == 0)
		room->slack = ahead / 2 / AMPLIFICATION;
	return code;
}

int bdb_room_take(struct bdb_room *room, DB *db, size_t bytes)
{
	uint64_t wanted = (uint64_t)bytes + PER_PUT;
	uint64_t slack = room->slack;

	while (slack >= wanted)
		if (atomic_compare_exchange_weak(&room->slack, &slack, slack - wanted))
			return 0;
	pthread_mutex_lock(&room->lock);
	int code = look(room, db, wanted);
	pthread_mutex_unlock(&room->lock);
	return code;
}
