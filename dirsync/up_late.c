/*
 * A delta shows who gains an address, not who has it: the owner, of the same system, may have been
 * marked in it by an earlier run. Then the address passes, as in a complete pull.
 */
#define _GNU_SOURCE
#include "dirsync/up_asking.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define OWNER_ID 3 /* fields of texts */
#define GAIN     5

void late_put(struct asking *a, const char *texts, size_t len)
{
	if (a->late_count == a->late_cap) {
		a->late_cap = a->late_cap * 2 + 64;
		a->late = mem_grow(a->late, a->late_cap, sizeof *a->late);
	}
	a->late[a->late_count++] = (struct late){ mem_dup(texts, len), len, false };
}

/* --- the entries ------------------------------------------------------------------------------ */

static const char *owner_id(const struct late *late)
{
	return asking_field(late->texts, OWNER_ID);
}

static int compare(const void *left, const void *right)
{
	return strcmp(owner_id(left), owner_id(right));
}

/* The first of that owner. */
static struct late *find(struct asking *a, const char *id)
{
	size_t low = 0, high = a->late_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(owner_id(&a->late[middle]), id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return &a->late[low];
}

static bool note_passing(struct asking *a, const char *id, const struct strings *loses)
{
	const struct late *end = a->late + a->late_count;
	bool any = false;

	for (struct late *late = find(a, id); late < end && strcmp(owner_id(late), id) == 0; late++)
		if (strings_has(loses, late->texts))
			any = late->passes = true;
	return any;
}

/* What up_meet would have put, had the delta shown it. */
static int put_owner(struct up *up, const struct entry *entry)
{
	const char *id = str_cstr(&entry->person.id), *error;
	struct str encoded = STR_INIT;
	struct trace before = TRACE_INIT;
	int got = snapshot_get(up->snapshot, id, &before, &error);
	int done = got < 0 ? up_fail(up, "%s", error) : 0;

	up->pending_count++;
	up_recount(up, entry);
	entry_encode(entry, &encoded);
	if (done == 0)
		done = up_part(up, id, UP_ENTRY, encoded.data, encoded.len);
	str_reset(&encoded);
	trace_encode(&before, &encoded);
	if (done == 0 && got == 1)
		done = up_part(up, id, UP_BEFORE, encoded.data, encoded.len);
	str_free(&encoded);
	trace_free(&before);
	return done;
}

static int take_entry(void *context, const struct entry *entry)
{
	struct asking *a = context;
	const struct reconcile_facts facts = { .id = str_cstr(&entry->person.id), .entry = entry };
	struct strings loses = STRINGS_INIT;
	int done = 0;

	reconcile_loses(&a->up->rules, &facts, &loses);
	if (note_passing(a, facts.id, &loses))
		done = put_owner(a->up, entry);
	strings_free(&loses);
	return done;
}

/* Each owner once. */
static int read_entries(struct asking *a)
{
	const char *ids[UP_BATCH], *error;
	size_t count = 0;

	qsort(a->late, a->late_count, sizeof *a->late, compare);
	for (size_t i = 0; i < a->late_count; i++) {
		if (i == 0 || compare(&a->late[i - 1], &a->late[i]) != 0)
			ids[count++] = owner_id(&a->late[i]);
		if (count == 0 || (count < UP_BATCH && i + 1 < a->late_count))
			continue;
		if (view_find_ids(a->up->view, a->up->session, ids, count, take_entry, a, &error) <
			0)
			return up_fail(a->up, "%s", error);
		count = 0;
	}
	return 0;
}

/* --- what comes of it ------------------------------------------------------------------------- */

int late_settle(struct asking *a)
{
	int done = a->late_count > 0 ? read_entries(a) : 0;

	for (size_t i = 0; i < a->late_count && done == 0; i++) {
		const struct late *late = &a->late[i];

		done = late->passes ? asking_passes(a, late->texts, late->len)
				    : asking_taken(a, asking_field(late->texts, GAIN), late->texts,
					      late->len);
	}
	return done;
}

void late_free(struct asking *a)
{
	for (size_t i = 0; i < a->late_count; i++)
		mem_free(&a->late[i].texts);
	mem_free(&a->late);
	a->late_count = a->late_cap = 0;
}
