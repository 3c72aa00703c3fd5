/* Ids whose entries are read by them, some at a time: all that a delta shows, and of a full pull
 * those that are not level. */
#define _GNU_SOURCE
#include "dirsync/up_meeting.h"

#include <string.h>

#include "lib/mem.h"

/* All that is pending was taken over from the run before: what is judged anew counts anew. */
void up_recount(struct up *up, const struct entry *entry)
{
	uint64_t *gone = &up->tally.counts.addresses_gone, pending = reconcile_pending(entry);

	*gone -= pending < *gone ? pending : *gone;
}

/* Some ids of a delta, and what the directory has of them. */
struct batch {
	struct meeting *m;
	struct shown shown[UP_BATCH];
	struct entry entries[UP_BATCH];
	bool has_entry[UP_BATCH];
	size_t count;
};

static int keep_shown(struct batch *b, struct shown *s)
{
	struct shown *kept = &b->shown[b->count];
	/* what was kept there is given back for the next one */
	struct shown old = *kept;

	*kept = *s;
	s->id = old.id;
	s->unusable = old.unusable;
	s->person = old.person;
	s->bytes = old.bytes;
	b->has_entry[b->count++] = false;
	return shown_read(b->m, kept);
}

static void keep_id(struct batch *b, const char *id)
{
	struct shown *kept = &b->shown[b->count];

	str_reset(&kept->id);
	str_append_z(&kept->id, id);
	str_reset(&kept->unusable);
	kept->has_person = kept->gone = false;
	b->has_entry[b->count++] = false;
}

static int take_entry(void *context, const struct entry *entry)
{
	struct batch *b = context;
	struct str encoded = STR_INIT;
	int done = 0;

	for (size_t i = 0; i < b->count; i++) {
		if (b->has_entry[i] ||
			strcmp(str_cstr(&b->shown[i].id), str_cstr(&entry->person.id)) != 0)
			continue;
		entry_encode(entry, &encoded);
		done = entry_decode(encoded.data, encoded.len, &b->entries[i]);
		b->has_entry[i] = true;
	}
	str_free(&encoded);
	return done;
}

static int take_orphan(void *context, const struct entry *entry)
{
	const struct batch *b = context;

	return meeting_orphan(b->m->up, UP_ADOPT, entry, NULL);
}

/* Of a full pull all orphans are known. */
static int ask_orphans(struct batch *b)
{
	struct up *up = b->m->up;
	const char *physicals[UP_BATCH], *error;
	size_t without = 0;

	if (up->rules.complete)
		return 0;
	for (size_t i = 0; i < b->count; i++)
		if (!b->has_entry[i] && b->shown[i].has_person)
			physicals[without++] = str_cstr(&b->shown[i].person.physical);
	if (without > 0 && view_find_orphans(up->view, up->session, physicals, without, take_orphan,
				   b, &error) < 0)
		return up_fail(up, "%s", error);
	return 0;
}

static int ask_batch(struct batch *b)
{
	struct up *up = b->m->up;
	const char *ids[UP_BATCH], *error;

	for (size_t i = 0; i < b->count; i++)
		ids[i] = str_cstr(&b->shown[i].id);
	if (view_find_ids(up->view, up->session, ids, b->count, take_entry, b, &error) < 0)
		return up_fail(up, "%s", error);
	return ask_orphans(b);
}

static int meet_batch(struct batch *b)
{
	struct meeting *m = b->m;
	const char *error;

	if (ask_batch(b) < 0)
		return -1;
	for (size_t i = 0; i < b->count; i++) {
		struct met met = shown_met(&b->shown[i]);
		int got = m->up->has_before || !m->up->rules.complete
				  ? snapshot_get(m->up->snapshot, met.id, &m->trace, &error)
				  : 0;

		if (got < 0)
			return up_fail(m->up, "%s", error);
		met.before = got == 1 ? &m->trace : NULL;
		met.entry = b->has_entry[i] ? &b->entries[i] : NULL;
		if (met.entry == NULL && met.before == NULL && met.fresh == NULL && !met.gone &&
			met.unusable == NULL)
			continue; /* an entry that is none: it has been reported */
		reports_seen(m->up->reports, met.id);
		if (meeting_meet(m, &met) < 0)
			return -1;
	}
	return 0;
}

static struct batch *batch_of(struct meeting *m)
{
	if (m->batch == NULL) {
		m->batch = mem_zalloc(sizeof *m->batch);
		m->batch->m = m;
	}
	return m->batch;
}

void meeting_free(struct meeting *m)
{
	struct batch *b = m->batch;

	for (size_t i = 0; b != NULL && i < UP_BATCH; i++) {
		shown_free(&b->shown[i]);
		entry_free(&b->entries[i]);
	}
	mem_free(&m->batch);
}

int meeting_settle(struct meeting *m)
{
	struct batch *b = batch_of(m);
	int done = b->count > 0 ? meet_batch(b) : 0;

	b->count = 0;
	return done;
}

int meeting_defer(struct meeting *m, const char *id, struct shown *shown)
{
	struct batch *b = batch_of(m);

	if (shown == NULL)
		keep_id(b, id);
	else if (keep_shown(b, shown) < 0)
		return -1;
	return b->count == UP_BATCH ? meeting_settle(m) : 0;
}

int meeting_delta(struct meeting *m)
{
	int got;

	while ((got = shown_next(m)) == 1)
		if (meeting_defer(m, NULL, &m->shown) < 0)
			return -1;
	return got < 0 ? -1 : meeting_settle(m);
}
