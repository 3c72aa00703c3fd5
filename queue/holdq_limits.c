#define _GNU_SOURCE
#include "queue/holdq_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SPACE_CACHED_US (100 * CLOCK_MS)
/* New messages stop here, so that removals, which need log space, go on. */
#define SPACE_FLOOR (UINT64_C(16) << 20)
/* More than that, or each message that is larger than others would say that it is full again. */
#define ROOM_AGAIN (2 * SPACE_FLOOR)
/* A message is in the log and in its table, pages half full at worst. */
#define SPACE_FACTOR  3
#define RESERVE_BYTES (8 << 20)
#define TELL_FULL_US  (60 * CLOCK_SECOND)

static uint64_t look(const char *dir)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) != 0) {
		log_warning("queue", "cannot ask for free space dir=%s: %s", dir, strerror(errno));
		return 0;
	}
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* What is to be written counts as gone until the next look. */
static uint64_t free_after(struct holdq *queue, uint64_t bytes)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&queue->space_lock);
	if (queue->space_checked_us == 0 || now - queue->space_checked_us > SPACE_CACHED_US) {
		queue->space_free = look(queue->dir);
		queue->space_checked_us = now;
	}
	uint64_t need = SPACE_FACTOR * bytes;
	uint64_t left = queue->space_free > need ? queue->space_free - need : 0;
	queue->space_free = left;
	pthread_mutex_unlock(&queue->space_lock);
	return left;
}

uint64_t holdq_free_space(struct holdq *queue)
{
	return free_after(queue, 0);
}

void holdq_space_gone(struct holdq *queue)
{
	pthread_mutex_lock(&queue->space_lock);
	queue->space_free = 0;
	queue->space_checked_us = clock_mono_us();
	pthread_mutex_unlock(&queue->space_lock);
}

/* Each message refused is a line of its own; this is the one that says what to do. */
static void tell_full(struct holdq *queue)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&queue->space_lock);
	bool tell = queue->full_told_us == 0 || now - queue->full_told_us > TELL_FULL_US;
	if (tell)
		queue->full_told_us = now;
	pthread_mutex_unlock(&queue->space_lock);
	if (tell)
		log_error("queue",
			"too little room on the disk: mail for held mailboxes gets 452 and stays "
			"with its "
			"senders, all other mail flows; make room there, or lower "
			"milter.queue_free "
			"dir=%s",
			queue->dir);
}

void holdq_tell_room(struct holdq *queue, uint64_t limit_free)
{
	pthread_mutex_lock(&queue->space_lock);
	bool told = queue->full_told_us != 0;
	pthread_mutex_unlock(&queue->space_lock);
	if (!told || holdq_free_space(queue) < limit_free + ROOM_AGAIN)
		return;
	pthread_mutex_lock(&queue->space_lock);
	queue->full_told_us = 0;
	pthread_mutex_unlock(&queue->space_lock);
	log_info("queue",
		"there is room on the disk again: mail for held mailboxes is taken "
		"dir=%s",
		queue->dir);
}

enum holdq_result holdq_space(struct holdq *queue, uint64_t limit_free, uint64_t bytes)
{
	uint64_t left = free_after(queue, bytes);

	if (left >= limit_free && left - limit_free >= SPACE_FLOOR)
		return HOLDQ_OK;
	tell_full(queue);
	return holdq_refuse(HOLDQ_FULL, "too little free space on the disk of %s", queue->dir);
}

static enum holdq_result mailbox_room(struct holdq *queue, uint64_t limit, const uint8_t *mailbox)
{
	struct holdq_mailbox held;
	enum bdb_result result = counts_read(queue, NULL, mailbox, &held);

	if (result != BDB_OK)
		return holdq_store_result(queue, result);
	if (held.bytes >= limit)
		return holdq_refuse(HOLDQ_FULL, "the limit per mailbox is reached");
	return HOLDQ_OK;
}

enum holdq_result holdq_room(struct holdq *queue, const uint8_t *mailbox)
{
	if (queue->broken)
		return holdq_refuse(HOLDQ_BROKEN, "the store is unusable until the next start");
	pthread_mutex_lock(&queue->lock);
	struct limits limits = queue->limits;
	uint64_t held = queue->totals.bytes;
	pthread_mutex_unlock(&queue->lock);
	if (limits.bytes != 0 && held >= limits.bytes)
		return holdq_refuse(HOLDQ_FULL, "the limit of the hold queue is reached");
	enum holdq_result result = holdq_space(queue, limits.free, 0);
	if (result == HOLDQ_OK && mailbox != NULL && limits.mailbox != 0)
		result = mailbox_room(queue, limits.mailbox, mailbox);
	return result;
}

/* --- the reserve ----------------------------------------------------------------------------- */

static char *reserve_path(const char *dir)
{
	return mem_printf("%s/RESERVE", dir);
}

/* Only where there is plenty: it must not itself make the disk full. */
bool holdq_reserve_make(struct holdq *queue)
{
	char *path = reserve_path(queue->dir);
	bool made = access(path, F_OK) == 0;

	if (!made && look(queue->dir) > RESERVE_BYTES + SPACE_FLOOR) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		made = fd >= 0 && posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
		if (fd >= 0)
			close(fd);
		if (!made)
			unlink(path);
	}
	mem_free(&path);
	return made;
}

bool holdq_reserve_drop(const char *dir)
{
	char *path = reserve_path(dir);
	bool dropped = unlink(path) == 0;

	if (dropped)
		log_warning("queue",
			"disk full: its reserve is given up, so that what is held can be released; "
			"make room, and it is made again file=%s",
			path);
	mem_free(&path);
	return dropped;
}
