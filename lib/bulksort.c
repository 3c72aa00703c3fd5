#define _GNU_SOURCE
#include "lib/bulksort.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define READ_BYTES (256 * 1024)
/* What comes that few places too late is put into its place at once: whatever was written by many
 * operations in flight is out of order by no more. */
#define LATE_MAX 64

/* A pair in memory and in a run file: two lengths, key, value. */
struct header {
	uint32_t value_len;
	uint16_t key_len;
};
#define HEADER_BYTES 6

struct place {
	uint64_t prefix; /* the first bytes of the key, so that most comparisons end here */
	size_t at;
};

/* A run that is being read. */
struct source {
	int fd;
	char *buffer;
	size_t start, end, cap;
	struct bulk_pair pair;
	uint64_t prefix;
};

struct bulk {
	char *dir, *name;
	size_t memory;
	char *data; /* pairs that are not in a run yet */
	size_t len;
	struct place *places;
	size_t count, cap;
	bool unordered; /* they are not in the order of their keys as they came */
	unsigned runs;
	struct source *sources; /* while merging */
	size_t *heap;           /* of indexes into sources */
	size_t heap_count;
	bool started;
};

static _Thread_local char bulk_error[512];

static int fail(struct bulk *bulk, const char *what, const char **error_r)
{
	snprintf(bulk_error, sizeof(bulk_error), "%s: %s a sorted run: %s", bulk->dir, what,
		strerror(errno));
	*error_r = bulk_error;
	return -1;
}

struct bulk *bulk_new(const char *dir, const char *name, size_t memory)
{
	struct bulk *bulk = mem_zalloc(sizeof(*bulk));

	bulk->dir = mem_strdup(dir);
	bulk->name = mem_strdup(name);
	bulk->memory = memory;
	bulk->data = mem_alloc(memory);
	return bulk;
}

static char *run_path(const struct bulk *bulk, unsigned run)
{
	return mem_printf("%s/%s.%u", bulk->dir, bulk->name, run);
}

void bulk_free(struct bulk **bulk)
{
	struct bulk *b = *bulk;

	if (b == NULL)
		return;
	for (unsigned run = 0; run < b->runs; run++) {
		char *path = run_path(b, run);

		unlink(path);
		mem_free(&path);
		if (b->sources != NULL) {
			close(b->sources[run].fd);
			mem_free(&b->sources[run].buffer);
		}
	}
	mem_free(&b->sources);
	mem_free(&b->heap);
	mem_free(&b->places);
	mem_free(&b->data);
	mem_free(&b->dir);
	mem_free(&b->name);
	mem_free(bulk);
}

/* --- sorting -------------------------------------------------------------------------------- */

static uint64_t prefix_of(const char *key, size_t len)
{
	uint64_t prefix = 0;

	for (size_t i = 0; i < 8; i++)
		prefix = prefix << 8 | (i < len ? (uint8_t)key[i] : 0);
	return prefix;
}

static void pair_at(const char *data, struct bulk_pair *pair_r)
{
	struct header header;

	memcpy(&header.value_len, data, 4);
	memcpy(&header.key_len, data + 4, 2);
	pair_r->key = data + HEADER_BYTES;
	pair_r->key_len = header.key_len;
	pair_r->value = pair_r->key + header.key_len;
	pair_r->value_len = header.value_len;
}

static int compare_keys(const struct bulk_pair *a, const struct bulk_pair *b)
{
	size_t common = a->key_len < b->key_len ? a->key_len : b->key_len;
	int order = memcmp(a->key, b->key, common);

	if (order != 0)
		return order;
	return (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static int compare_places(const void *left, const void *right, void *data)
{
	const struct place *a = left, *b = right;
	struct bulk_pair x, y;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	pair_at((const char *)data + a->at, &x);
	pair_at((const char *)data + b->at, &y);
	return compare_keys(&x, &y);
}

static void sort_memory(struct bulk *bulk)
{
	if (bulk->unordered)
		qsort_r(bulk->places, bulk->count, sizeof(bulk->places[0]), compare_places,
			bulk->data);
}

/* --- writing runs --------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			data += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

static int write_sorted(struct bulk *bulk, int fd)
{
	char *buffer = mem_alloc(READ_BYTES);
	size_t used = 0;
	int result = 0;

	for (size_t i = 0; i < bulk->count && result == 0; i++) {
		const char *data = bulk->data + bulk->places[i].at;
		struct bulk_pair pair;
		size_t len;

		pair_at(data, &pair);
		len = HEADER_BYTES + pair.key_len + pair.value_len;
		if (used > 0 && used + len > READ_BYTES) {
			result = write_all(fd, buffer, used);
			used = 0;
		}
		if (len > READ_BYTES) {
			result = write_all(fd, data, len);
		} else {
			memcpy(buffer + used, data, len);
			used += len;
		}
	}
	if (result == 0)
		result = write_all(fd, buffer, used);
	mem_free(&buffer);
	return result;
}

static int write_run(struct bulk *bulk, const char **error_r)
{
	char *path = run_path(bulk, bulk->runs);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int result;

	mem_free(&path);
	if (fd < 0)
		return fail(bulk, "cannot make", error_r);
	bulk->runs++;
	sort_memory(bulk);
	result = write_sorted(bulk, fd);
	if (result < 0)
		fail(bulk, "cannot write", error_r);
	close(fd);
	bulk->len = bulk->count = 0;
	bulk->unordered = false;
	return result;
}

/* The last one; false where it would have to go too far. Equal keys stay as they came. */
static bool put_in_place(struct bulk *bulk)
{
	size_t last = bulk->count - 1, i = last, least = last > LATE_MAX ? last - LATE_MAX : 0;
	struct place place = bulk->places[last];

	while (i > least && compare_places(&bulk->places[i - 1], &place, bulk->data) > 0)
		i--;
	if (i > 0 && i == least && compare_places(&bulk->places[i - 1], &place, bulk->data) > 0)
		return false;
	memmove(&bulk->places[i + 1], &bulk->places[i], (last - i) * sizeof(place));
	bulk->places[i] = place;
	return true;
}

static void append(
	struct bulk *bulk, const void *key, size_t key_len, const void *value, size_t value_len)
{
	char *data = bulk->data + bulk->len;
	struct header header = { (uint32_t)value_len, (uint16_t)key_len };

	memcpy(data, &header.value_len, 4);
	memcpy(data + 4, &header.key_len, 2);
	memcpy(data + HEADER_BYTES, key, key_len);
	if (value_len > 0)
		memcpy(data + HEADER_BYTES + key_len, value, value_len);
	if (bulk->count == bulk->cap) {
		bulk->cap = bulk->cap > 0 ? bulk->cap * 2 : 4096;
		bulk->places = mem_grow(bulk->places, bulk->cap, sizeof(bulk->places[0]));
	}
	bulk->places[bulk->count++] = (struct place){ prefix_of(key, key_len), bulk->len };
	if (!bulk->unordered)
		bulk->unordered = !put_in_place(bulk);
	bulk->len += HEADER_BYTES + key_len + value_len;
}

int bulk_add(struct bulk *bulk, const void *key, size_t key_len, const void *value,
	size_t value_len, const char **error_r)
{
	size_t need = HEADER_BYTES + key_len + value_len;

	if (key_len > UINT16_MAX || value_len > UINT32_MAX / 2) {
		errno = EFBIG;
		return fail(bulk, "cannot put so big an entry into", error_r);
	}
	if (bulk->len + need > bulk->memory) {
		if (bulk->count > 0 && write_run(bulk, error_r) < 0)
			return -1;
		/* one that is larger than the bound has the memory grown for it */
		if (need > bulk->memory) {
			bulk->data = mem_realloc(bulk->data, need);
			bulk->memory = need;
		}
	}
	append(bulk, key, key_len, value, value_len);
	return 0;
}

/* --- reading them back ---------------------------------------------------------------------- */

/* Makes at least `need` bytes available: 1, 0 where the file ends before, -1. */
static int fill(struct source *source, size_t need)
{
	while (source->end - source->start < need) {
		ssize_t got;

		if (source->start > 0) {
			memmove(source->buffer, source->buffer + source->start,
				source->end - source->start);
			source->end -= source->start;
			source->start = 0;
		}
		if (need > source->cap) {
			source->buffer = mem_realloc(source->buffer, need);
			source->cap = need;
		}
		got = read(source->fd, source->buffer + source->end, source->cap - source->end);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		source->end += (size_t)got;
	}
	return 1;
}

/* The next pair of one run: 1, 0 at its end, -1. */
static int advance(struct source *source)
{
	size_t len;
	int got = fill(source, HEADER_BYTES);

	if (got <= 0)
		return got == 0 && source->end > source->start ? -1 : got;
	pair_at(source->buffer + source->start, &source->pair);
	len = HEADER_BYTES + source->pair.key_len + source->pair.value_len;
	if (fill(source, len) != 1)
		return -1;
	pair_at(source->buffer + source->start, &source->pair);
	source->start += len;
	source->prefix = prefix_of(source->pair.key, source->pair.key_len);
	return 1;
}

static bool before(const struct bulk *bulk, size_t a, size_t b)
{
	const struct source *x = &bulk->sources[a], *y = &bulk->sources[b];

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix;
	return compare_keys(&x->pair, &y->pair) < 0;
}

static void sift(struct bulk *bulk, size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < bulk->heap_count &&
				before(bulk, bulk->heap[child], bulk->heap[least]))
				least = child;
		if (least == i)
			return;
		size_t moved = bulk->heap[i];
		bulk->heap[i] = bulk->heap[least];
		bulk->heap[least] = moved;
		i = least;
	}
}

static int open_source(struct bulk *bulk, unsigned run, const char **error_r)
{
	struct source *source = &bulk->sources[run];
	char *path = run_path(bulk, run);
	int got;

	source->fd = open(path, O_RDONLY | O_CLOEXEC);
	mem_free(&path);
	source->cap = READ_BYTES;
	source->buffer = mem_alloc(source->cap);
	got = source->fd < 0 ? -1 : advance(source);
	if (got < 0)
		return fail(bulk, "cannot read", error_r);
	if (got == 1)
		bulk->heap[bulk->heap_count++] = run;
	return 0;
}

int bulk_sort(struct bulk *bulk, const char **error_r)
{
	/* what fits into memory never sees the disk */
	if (bulk->runs == 0) {
		sort_memory(bulk);
		return 0;
	}
	if (bulk->count > 0 && write_run(bulk, error_r) < 0)
		return -1;
	mem_free(&bulk->data);
	mem_free(&bulk->places);
	bulk->sources = mem_zalloc(bulk->runs * sizeof(bulk->sources[0]));
	bulk->heap = mem_zalloc(bulk->runs * sizeof(bulk->heap[0]));
	for (unsigned run = 0; run < bulk->runs; run++)
		bulk->sources[run].fd = -1;
	for (unsigned run = 0; run < bulk->runs; run++)
		if (open_source(bulk, run, error_r) < 0)
			return -1;
	for (size_t i = bulk->heap_count; i-- > 0;)
		sift(bulk, i);
	return 0;
}

static int next_in_memory(struct bulk *bulk, struct bulk_pair *pair_r)
{
	/* len counts the pairs given out from now on */
	if (!bulk->started) {
		bulk->started = true;
		bulk->len = 0;
	}
	if (bulk->len == bulk->count)
		return 0;
	pair_at(bulk->data + bulk->places[bulk->len++].at, pair_r);
	return 1;
}

int bulk_next(struct bulk *bulk, struct bulk_pair *pair_r, const char **error_r)
{
	int got;

	if (bulk->runs == 0)
		return next_in_memory(bulk, pair_r);
	/* the top was given out last time: only now may its buffer move */
	if (bulk->started && bulk->heap_count > 0) {
		got = advance(&bulk->sources[bulk->heap[0]]);
		if (got < 0)
			return fail(bulk, "cannot read", error_r);
		if (got == 0)
			bulk->heap[0] = bulk->heap[--bulk->heap_count];
		sift(bulk, 0);
	}
	bulk->started = true;
	if (bulk->heap_count == 0)
		return 0;
	*pair_r = bulk->sources[bulk->heap[0]].pair;
	return 1;
}
