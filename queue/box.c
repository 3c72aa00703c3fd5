#include "queue/box.h"

#include <string.h>

#include "lib/mem.h"

#define FIRST_BUCKETS 256

static size_t bucket_of(const struct box_table *table, const uint8_t *mailbox)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

	for (size_t i = 0; i < ROUTE_UUID_BYTES; i++)
		hash = (hash ^ mailbox[i]) * UINT64_C(1099511628211);
	return (size_t)(hash ^ (hash >> 32)) & (table->bucket_count - 1);
}

void box_table_init(struct box_table *table)
{
	memset(table, 0, sizeof *table);
	table->bucket_count = FIRST_BUCKETS;
	table->buckets = mem_zalloc(FIRST_BUCKETS * sizeof *table->buckets);
}

static void box_free(struct box *box)
{
	mem_free(&box->delays);
	mem_free(&box);
}

void box_table_clear(struct box_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct box *next;
		for (struct box *box = table->buckets[i]; box != NULL; box = next) {
			next = box->hash_next;
			box_free(box);
		}
	}
	mem_free(&table->buckets);
	memset(table, 0, sizeof *table);
}

struct box *box_find(const struct box_table *table, const uint8_t *mailbox)
{
	struct box *box = table->buckets[bucket_of(table, mailbox)];

	while (box != NULL && memcmp(box->mailbox, mailbox, ROUTE_UUID_BYTES) != 0)
		box = box->hash_next;
	return box;
}

static void link_in(struct box_table *table, struct box *box)
{
	size_t bucket = bucket_of(table, box->mailbox);

	box->hash_next = table->buckets[bucket];
	table->buckets[bucket] = box;
}

static void grow(struct box_table *table)
{
	struct box **old = table->buckets;
	size_t old_count = table->bucket_count;

	table->bucket_count *= 4;
	table->buckets = mem_zalloc(table->bucket_count * sizeof *table->buckets);
	for (size_t i = 0; i < old_count; i++) {
		struct box *next;
		for (struct box *box = old[i]; box != NULL; box = next) {
			next = box->hash_next;
			link_in(table, box);
		}
	}
	mem_free(&old);
}

static void push(struct box_table *table, struct box *box)
{
	struct box_line *line = box->line ? box->line : &table->line;

	box->line_next = NULL;
	if (line->tail != NULL)
		line->tail->line_next = box;
	else
		line->head = box;
	line->tail = box;
}

struct box *box_add(struct box_table *table, const uint8_t *mailbox)
{
	struct box *box = mem_zalloc(sizeof *box);

	if (table->count >= 2 * table->bucket_count)
		grow(table);
	memcpy(box->mailbox, mailbox, ROUTE_UUID_BYTES);
	box->state = BOX_RUNNABLE;
	table->states[BOX_RUNNABLE]++;
	table->count++;
	link_in(table, box);
	push(table, box);
	return box;
}

void box_drop(struct box_table *table, struct box *box)
{
	struct box **at = &table->buckets[bucket_of(table, box->mailbox)];

	while (*at != box)
		at = &(*at)->hash_next;
	*at = box->hash_next;
	table->states[box->state]--;
	table->count--;
	box_free(box);
}

void box_set(struct box_table *table, struct box *box, enum box_state state, int64_t due_us)
{
	table->states[box->state]--;
	table->states[state]++;
	box->state = state;
	box->due_us = due_us;
}

void box_run(struct box_table *table, struct box *box)
{
	if (box->state == BOX_RUNNABLE || box->state == BOX_RUNNING)
		return;
	box_set(table, box, BOX_RUNNABLE, INT64_MAX);
	push(table, box);
}

struct box *box_take(struct box_table *table, struct box_line *line)
{
	if (line == NULL)
		line = &table->line;
	struct box *box = line->head;

	if (box == NULL)
		return NULL;
	line->head = box->line_next;
	if (line->head == NULL)
		line->tail = NULL;
	box_set(table, box, BOX_RUNNING, INT64_MAX);
	if (box->woken) {
		box->cursor = 0;
		box->vanished = 0;
		box->pass_us = 0;
	}
	box->woken = box->stored = box->hurry = false;
	return box;
}

struct box *box_next(const struct box_table *table, const struct box *box)
{
	size_t bucket = 0;

	if (box != NULL) {
		if (box->hash_next != NULL)
			return box->hash_next;
		bucket = bucket_of(table, box->mailbox) + 1;
	}
	while (bucket < table->bucket_count && table->buckets[bucket] == NULL)
		bucket++;
	return bucket < table->bucket_count ? table->buckets[bucket] : NULL;
}

/* --- messages that step aside ------------------------------------------------------------- */

/* Where the id is, or would be. */
static size_t delay_place(const struct box *box, uint64_t id)
{
	size_t low = 0, high = box->delay_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (box->delays[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct box_delay *box_delay_find(const struct box *box, uint64_t id)
{
	size_t at = delay_place(box, id);

	return at < box->delay_count && box->delays[at].id == id ? &box->delays[at] : NULL;
}

void box_delay_set(struct box *box, const struct box_delay *delay)
{
	size_t at = delay_place(box, delay->id);

	if (at >= box->delay_count || box->delays[at].id != delay->id) {
		box->delays = mem_grow(box->delays, box->delay_count + 1, sizeof *delay);
		memmove(&box->delays[at + 1], &box->delays[at],
			(box->delay_count - at) * sizeof *delay);
		box->delay_count++;
	}
	box->delays[at] = *delay;
}

void box_delay_forget(struct box *box, uint64_t id)
{
	struct box_delay *delay = box_delay_find(box, id);

	if (delay == NULL)
		return;
	size_t behind = box->delay_count - (size_t)(delay - box->delays) - 1;
	memmove(delay, delay + 1, behind * sizeof *delay);
	if (--box->delay_count == 0)
		mem_free(&box->delays);
}

size_t box_delays_due(struct box *box, int64_t now_us, uint64_t *ids_r, size_t max)
{
	size_t from = box->retried ? delay_place(box, box->retried + 1) : 0, n = 0;

	for (size_t i = 0; i < box->delay_count && n < max; i++) {
		const struct box_delay *delay = &box->delays[(from + i) % box->delay_count];
		if (delay->due_us <= now_us)
			ids_r[n++] = delay->id;
	}
	box->retried = n == max ? ids_r[n - 1] : 0;
	return n;
}

int64_t box_delay_due(const struct box *box)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < box->delay_count; i++)
		if (box->delays[i].due_us < due)
			due = box->delays[i].due_us;
	return due;
}
