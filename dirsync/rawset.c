#define _GNU_SOURCE
#include "dirsync/rawset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define BUFFER_BYTES (256 * 1024)
#define WORDS        (TRACE_RAW_SIZE / sizeof(uint64_t))

/* A zero digest is that of no entry: it marks what is free. */
struct place {
	uint64_t raw[WORDS];
	uint64_t at; /* of its bytes in the file, and 1; 0 = it was not read */
};

struct rawset {
	char *dir;
	struct place *places; /* open addressing, a third of them free */
	uint64_t room, count, most, seen;
	int fd;            /* -1: nothing was kept yet */
	struct str buffer; /* of what goes into the file next */
	uint64_t written;
};

static _Thread_local char rawset_error[512];

static int fail(const struct rawset *set, const char *what, const char **error_r)
{
	snprintf(rawset_error, sizeof rawset_error, "%s: cannot %s what was read: %s", set->dir,
		what, strerror(errno));
	*error_r = rawset_error;
	return -1;
}

struct rawset *rawset_new(const char *dir, uint64_t most)
{
	struct rawset *set = mem_zalloc(sizeof *set);

	set->dir = mem_strdup(dir);
	set->most = most;
	set->room = most + most / 2 + 1;
	set->places = mem_zalloc(set->room * sizeof *set->places);
	set->fd = -1;
	return set;
}

void rawset_free(struct rawset **set)
{
	struct rawset *s = *set;

	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	str_free(&s->buffer);
	mem_free(&s->places);
	mem_free(&s->dir);
	mem_free(set);
}

/* --- places --------------------------------------------------------------------------------- */

static bool is_free(const struct place *place)
{
	return place->raw[0] == 0 && place->raw[1] == 0;
}

/* Its own, or the free one where it would be. */
static struct place *find(const struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE])
{
	uint64_t words[WORDS], i;

	memcpy(words, raw, sizeof words);
	i = words[0] % set->room;
	while (!is_free(&set->places[i]) &&
		(set->places[i].raw[0] != words[0] || set->places[i].raw[1] != words[1]))
		i = i + 1 < set->room ? i + 1 : 0;
	return &set->places[i];
}

void rawset_add(struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE])
{
	struct place *place = find(set, raw);

	if (!is_free(place) || set->count == set->most)
		return;
	memcpy(place->raw, raw, sizeof place->raw);
	set->count += !is_free(place); /* a zero digest takes none */
}

bool rawset_seen(const struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE])
{
	return find(set, raw)->at != 0;
}

uint64_t rawset_seen_count(const struct rawset *set)
{
	return set->seen;
}

/* --- the file ------------------------------------------------------------------------------- */

static int make_file(struct rawset *set)
{
	char *path = mem_printf("%s/raw", set->dir);

	set->fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (set->fd >= 0)
		unlink(path);
	mem_free(&path);
	return set->fd >= 0 ? 0 : -1;
}

static int flush(struct rawset *set, const char **error_r)
{
	size_t done = 0;

	if (set->fd < 0 && make_file(set) < 0)
		return fail(set, "keep", error_r);
	while (done < set->buffer.len) {
		ssize_t wrote = write(set->fd, set->buffer.data + done, set->buffer.len - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return fail(set, "keep", error_r);
		done += (size_t)wrote;
	}
	set->written += done;
	str_reset(&set->buffer);
	return 0;
}

int rawset_see(struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE], const void *bytes, size_t len,
	const char **error_r)
{
	struct place *place = find(set, raw);
	uint32_t size = (uint32_t)len;

	if (is_free(place) || place->at != 0)
		return 0;
	place->at = set->written + set->buffer.len + 1;
	set->seen++;
	str_append(&set->buffer, &size, sizeof size);
	str_append(&set->buffer, bytes, len);
	if (set->buffer.len >= BUFFER_BYTES && flush(set, error_r) < 0)
		return -1;
	return 1;
}

static int read_at(
	const struct rawset *set, uint64_t at, void *data, size_t len, const char **error_r)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = pread(set->fd, (char *)data + done, len - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? EIO : errno;
			return fail(set, "read again", error_r);
		}
		done += (size_t)got;
	}
	return 0;
}

int rawset_read(struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE], struct str *bytes,
	const char **error_r)
{
	uint64_t at = find(set, raw)->at - 1;
	uint32_t size;

	str_reset(bytes);
	if (set->buffer.len > 0 && flush(set, error_r) < 0)
		return -1;
	if (read_at(set, at, &size, sizeof size, error_r) < 0)
		return -1;
	str_reserve(bytes, size);
	if (read_at(set, at + sizeof size, bytes->data, size, error_r) < 0)
		return -1;
	bytes->len = size;
	bytes->data[size] = '\0';
	return 0;
}
