/* Pull, directory and snapshot, merged by id. What is equal needs nothing more. */
#define _GNU_SOURCE
#include "dirsync/up_meeting.h"

#include <string.h>

#include "lib/address.h"

/* --- what is equal ---------------------------------------------------------------------------- */

static bool same_text(const struct str *a, const struct str *b)
{
	return a->len == b->len && memcmp(str_cstr(a), str_cstr(b), a->len) == 0;
}

static bool same_person(const struct person *a, const struct person *b)
{
	return same_text(&a->physical, &b->physical) && same_text(&a->primary, &b->primary) &&
	       strings_equal(&a->addresses, &b->addresses) &&
	       strings_equal(&a->foreign, &b->foreign) &&
	       strings_equal(&a->attributes, &b->attributes);
}

/* All but the version. */
static bool same_trace(const struct trace *before, const struct person *fresh)
{
	uint8_t digest[PERSON_DIGEST_SIZE];

	if (before->missing != 0 || before->lacking.count != 0 ||
		!strings_equal(&before->addresses, &fresh->addresses) ||
		!strings_equal(&before->foreign, &fresh->foreign))
		return false;
	person_digest(fresh, digest);
	return memcmp(digest, before->digest, sizeof digest) == 0;
}

/* reconcile() would find nothing to do. */
static bool is_level(const struct met *met)
{
	return met->fresh != NULL && met->entry != NULL && met->before != NULL &&
	       met->entry->vanished_us == 0 && met->entry->going.count == 0 &&
	       met->entry->spelled.count == 0 && same_person(met->fresh, &met->entry->person) &&
	       same_trace(met->before, met->fresh);
}

/* As reconcile() would count it. */
static void count_level(struct up *up, struct guard_had had)
{
	struct guard_lost *lost = up->tally.lost;

	up->versions++;
	lost[up->tally.lost_count - 1].had += had.foreign;
	for (size_t i = 0; had.attributes != 0; i++, had.attributes >>= 1)
		lost[i].had += had.attributes & 1;
}

/* --- what is not ------------------------------------------------------------------------------ */

/* How a gain counts for up_owners. */
static char gain_kind(
	const struct up *up, const struct met *met, const char *key, const char *primary)
{
	const struct reconcile_facts facts = {
		.id = met->id,
		.fresh = met->fresh,
		.move = up_move_of_id(up, met->id, met->fresh),
	};

	if (met->entry != NULL)
		return UP_GAINS;
	if (!reconcile_addable(&up->rules, &facts))
		return UP_GAINS_NOTHING;
	return strcmp(key, primary) == 0 ? UP_GAINS_FIRST : UP_GAINS_NEW;
}

int meeting_traffic(struct up *up, const char *key, char kind, const char *id)
{
	struct str *out = &up->encoded;
	const char *error;

	str_reset(out);
	str_append_c(out, kind);
	str_append(out, id, strlen(id) + 1);
	if (bulk_add(up->addresses, key, strlen(key), out->data, out->len, &error) == 0)
		return 0;
	return up_fail(up, "%s", error);
}

static int put_gains(struct meeting *m, const struct met *met)
{
	struct address primary = { .key = "" };
	const char *error;

	if (met->fresh != NULL && met->fresh->primary.len > 0 &&
		address_parse(met->fresh->primary.data, &primary, &error) < 0)
		primary.key[0] = '\0';
	for (const char *k = strings_first(&m->gains); k != NULL; k = strings_next(&m->gains, k))
		if (meeting_traffic(m->up, k, gain_kind(m->up, met, k, primary.key), met->id) < 0)
			return -1;
	m->up->gain_count += m->gains.count;
	return 0;
}

static int put_loses(struct meeting *m, const struct met *met)
{
	for (const char *k = strings_first(&m->loses); k != NULL; k = strings_next(&m->loses, k))
		if (meeting_traffic(m->up, k, UP_LOSES, met->id) < 0)
			return -1;
	return 0;
}

/* Of a delta: what was marked, and is not lost now. */
static int put_keeps(struct meeting *m, const struct met *met)
{
	const struct strings *has = &met->entry->person.addresses;

	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k))
		if (!strings_has(&m->loses, k) && meeting_traffic(m->up, k, UP_KEEPS, met->id) < 0)
			return -1;
	return 0;
}

static int put_traffic(struct meeting *m, const struct met *met)
{
	const struct reconcile_facts facts = {
		.id = met->id,
		.fresh = met->fresh,
		.gone = met->gone,
		.unusable = met->unusable,
		.before = met->before,
		.entry = met->entry,
	};

	strings_reset(&m->gains);
	strings_reset(&m->loses);
	reconcile_gains(&m->up->rules, &facts, &m->gains);
	reconcile_loses(&m->up->rules, &facts, &m->loses);
	if (put_gains(m, met) < 0 || put_loses(m, met) < 0)
		return -1;
	if (m->up->rules.complete || met->entry == NULL ||
		(met->entry->going.count == 0 && met->entry->vanished_us == 0))
		return 0;
	return put_keeps(m, met);
}

static int put_join(struct up *up, char kind, const struct str *address, const struct str *value)
{
	struct address parsed;
	struct str key = STR_INIT;
	const char *error;

	if (address->len == 0 || address_parse(address->data, &parsed, &error) < 0)
		return 0;
	str_printf(&key, "%c%s", kind, parsed.key);
	int done = bulk_add(up->joins, key.data, key.len, value->data, value->len, &error);
	str_free(&key);
	return done == 0 ? 0 : up_fail(up, "%s", error);
}

/* A mailbox without an entry: one that lost its own may be for it (up_join). */
static int put_newcomer(struct meeting *m, const struct met *met)
{
	struct up *up = m->up;

	str_reset(&m->encoded);
	str_append_c(&m->encoded, 'N');
	str_append(&m->encoded, met->id, strlen(met->id) + 1);
	/* of a delta it is not known whether there are any */
	bool orphans = !up->rules.complete || view_counts(up->view).orphans > 0;
	if (orphans && put_join(up, UP_ADOPT, &met->fresh->physical, &m->encoded) < 0)
		return -1;
	if (!up->rules.complete || up->tally.counts.had == 0)
		return 0;
	person_encode(met->fresh, &m->encoded);
	return put_join(up, UP_REKEY, &met->fresh->primary, &m->encoded);
}

int meeting_orphan(
	struct up *up, enum up_part kind, const struct entry *entry, const struct trace *before)
{
	const struct str *key = kind == UP_ADOPT ? &entry->person.physical : &entry->person.primary;
	struct str value = STR_INIT;

	str_append_c(&value, 'O');
	up_orphan_encode(entry, before, &value);
	int done = put_join(up, (char)kind, key, &value);
	str_free(&value);
	return done;
}

static int put_parts(struct meeting *m, const struct met *met)
{
	struct up *up = m->up;
	struct str *out = &m->encoded;
	int done = 0;

	str_reset(out);
	if (met->fresh != NULL) {
		str_append(out, met->head, sizeof(struct up_fresh));
		person_encode(met->fresh, out);
		done = up_part(up, met->id, UP_FRESH, out->data, out->len);
	} else if (met->gone) {
		done = up_part(up, met->id, UP_GONE, "", 0);
	} else if (met->unusable != NULL) {
		done = up_text(up, met->id, UP_UNUSABLE, met->unusable);
	}
	if (done == 0 && met->entry != NULL) {
		str_reset(out);
		entry_encode(met->entry, out);
		done = up_part(up, met->id, UP_ENTRY, out->data, out->len);
	}
	if (done == 0 && met->before != NULL) {
		str_reset(out);
		trace_encode(met->before, out);
		done = up_part(up, met->id, UP_BEFORE, out->data, out->len);
	}
	return done;
}

static int go_on(struct up *up)
{
	if ((++up->met & 1023) != 0)
		return 0;
	up_progress(up, "compare", up->met, up->record->outcome.persons);
	return up_stopped(up) ? up_fail(up, "stopped") : 0;
}

/* Nothing is to be written but, in the snapshot, the version of the entry and what it came from. */
static int put_version(struct meeting *m, const char *id, const void *trace, size_t len,
	const struct up_fresh *fresh, const char *version)
{
	struct up *up = m->up;
	struct str *out = &m->encoded;

	up->pending_count++;
	if (up_part(up, id, UP_BEFORE, trace, len) < 0)
		return -1;
	str_reset(out);
	str_append(out, fresh, sizeof *fresh);
	str_append(out, version, strlen(version) + 1);
	return up_part(up, id, UP_VERSION, out->data, out->len);
}

/* The trace says already what it came from, or that is not known. */
static bool same_raw(const uint8_t raw[TRACE_RAW_SIZE], const struct up_fresh *fresh)
{
	static const uint8_t none[TRACE_RAW_SIZE];

	return memcmp(fresh->raw, none, sizeof none) == 0 ||
	       (raw != NULL && memcmp(raw, fresh->raw, TRACE_RAW_SIZE) == 0);
}

static int meet_equal(struct meeting *m, const struct met *met)
{
	struct up *up = m->up;
	const char *version = str_cstr(&met->entry->csn);
	struct up_fresh fresh;

	memcpy(&fresh, met->head, sizeof fresh);
	count_level(up, fresh.had);
	if (!up->rules.complete || (strcmp(str_cstr(&met->before->version), version) == 0 &&
					   same_raw(met->before->raw, &fresh)))
		return 0;
	str_reset(&m->encoded);
	trace_encode(met->before, &m->encoded);
	return put_version(m, met->id, m->encoded.data, m->encoded.len, &fresh, version);
}

int meeting_meet(struct meeting *m, const struct met *met)
{
	struct up *up = m->up;

	if (go_on(up) < 0)
		return -1;
	if (met->fresh != NULL || met->unusable != NULL)
		up_moves_seen(up, met->id);
	if (met->entry != NULL && up->rules.complete && !view_is_whole(up->view))
		up->tally.counts.addresses += met->entry->person.addresses.count;
	if (is_level(met))
		return meet_equal(m, met);
	up->pending_count++;
	if (met->entry != NULL && !up->rules.complete)
		up_recount(up, met->entry);
	if (put_parts(m, met) < 0 || put_traffic(m, met) < 0)
		return -1;
	if (met->fresh != NULL && met->entry == NULL)
		return put_newcomer(m, met);
	if (met->fresh == NULL && met->unusable == NULL && met->entry != NULL && up->rules.complete)
		return meeting_orphan(up, UP_REKEY, met->entry, met->before);
	return 0;
}

/* --- everything ------------------------------------------------------------------------------- */

static int next_entry(struct meeting *m)
{
	const char *error;
	int got = view_next(m->up->view, &m->item, &error);

	m->has_entry = got == 1;
	return got < 0 ? up_fail(m->up, "%s", error) : got;
}

static int next_trace(struct meeting *m)
{
	const char *error;
	int got = 0;

	if (m->up->has_before)
		got = snapshot_next_bytes(
			m->up->snapshot, &m->trace_id, &m->trace_bytes, &m->trace_len, &error);
	m->has_trace = got == 1;
	if (got == 1)
		trace_look(m->trace_bytes, m->trace_len, &m->look);
	return got < 0 ? up_fail(m->up, "%s", error) : got;
}

/* The smallest of the three that are at hand, NULL at the end of all. */
static const char *first_id(const struct meeting *m)
{
	const char *ids[] = { m->shown.end ? NULL : str_cstr(&m->shown.id),
		m->has_entry ? m->item.id : NULL, m->has_trace ? m->trace_id : NULL };
	const char *first = NULL;

	for (size_t i = 0; i < 3; i++)
		if (ids[i] != NULL && (first == NULL || strcmp(ids[i], first) < 0))
			first = ids[i];
	return first;
}

/* The trace is of the person at hand: what it says of the entry's version. */
static bool knows_version(
	const struct meeting *m, struct person_bytes *bytes_r, const char **version_r)
{
	const struct shown *s = &m->shown;
	const char *person = s->bytes.data + sizeof(struct up_fresh);

	return s->has_person &&
	       person_bytes(person, s->bytes.len - sizeof(struct up_fresh), bytes_r) == 0 &&
	       trace_is_of(
		       m->trace_bytes, m->trace_len, bytes_r, (uint8_t *)s->bytes.data, version_r);
}

/* is_level() of what is at hand, by its bytes: most are so, and need not be read. */
static bool is_level_by_bytes(const struct meeting *m)
{
	const struct str *s = &m->shown.bytes;

	return m->item.plain && m->item.person_len == s->len - sizeof(struct up_fresh) &&
	       memcmp(m->item.person, s->data + sizeof(struct up_fresh), m->item.person_len) == 0;
}

/* 1: all is level, and counted; 0: it has to be read. */
static int meet_level(struct meeting *m)
{
	struct up *up = m->up;
	struct person_bytes bytes;
	const char *version;
	struct up_fresh fresh;

	if (!knows_version(m, &bytes, &version))
		return 0;
	bool known = *version != '\0' && strcmp(version, m->item.version) == 0;
	if (view_is_whole(up->view) ? !is_level_by_bytes(m) : !known)
		return 0;
	if (go_on(up) < 0)
		return -1;
	up_moves_seen(up, m->item.id);
	memcpy(&fresh, m->shown.bytes.data, sizeof fresh);
	count_level(up, fresh.had); /* the same as the entry's */
	if (!view_is_whole(up->view))
		up->tally.counts.addresses += bytes.addresses;
	if (known && same_raw(m->look.raw, &fresh))
		return 1;
	return put_version(m, m->item.id, m->trace_bytes, m->trace_len, &fresh, m->item.version) < 0
		       ? -1
		       : 1;
}

/* --- what reads as it did -------------------------------------------------------------------- */

static bool is_same(const struct meeting *m)
{
	return m->up->same != NULL && m->look.raw != NULL && rawset_seen(m->up->same, m->look.raw);
}

/* 1: its entry is as it was, too. */
static int meet_same(struct meeting *m)
{
	struct up *up = m->up;

	if (view_is_whole(up->view) || strcmp(m->look.version, m->item.version) != 0)
		return 0;
	if (go_on(up) < 0)
		return -1;
	up_moves_seen(up, m->item.id);
	count_level(up, m->look.had);
	up->tally.counts.addresses += m->look.addresses;
	return 1;
}

/* Else it has to be looked at after all. */
static int tell_same(struct meeting *m, const char *id, bool shown)
{
	if (shown && m->shown.has_person)
		up_report(m->up, "duplicate", id, "",
			"the pull shows two mailboxes of this id; the first counts");
	return shown_again(m, id, m->look.raw);
}

/* What is at hand of this id is read. */
static int meet_read(struct meeting *m, const char *id, struct shown *shown, bool entry, bool trace)
{
	struct met met = { .id = id };
	const char *error;

	if (shown != NULL && shown_read(m, shown) < 0)
		return -1;
	if (shown != NULL)
		met = shown_met(shown);
	if (entry && view_entry(m->up->view, &m->entry, &error) < 0)
		return up_fail(m->up, "%s", error);
	if (trace &&
		snapshot_read(m->up->snapshot, m->trace_bytes, m->trace_len, &m->trace, &error) < 0)
		return up_fail(m->up, "%s", error);
	met.entry = entry ? &m->entry : NULL;
	met.before = trace ? &m->trace : NULL;
	return meeting_meet(m, &met);
}

static int meet_next(struct meeting *m, const char *id)
{
	bool shown = !m->shown.end && strcmp(str_cstr(&m->shown.id), id) == 0;
	bool entry = m->has_entry && strcmp(m->item.id, id) == 0;
	bool trace = m->has_trace && strcmp(m->trace_id, id) == 0, same = trace && is_same(m);
	struct shown *told = same ? &m->again : shown ? &m->shown : NULL;
	int done = 0;

	if (same && entry && !shown)
		done = meet_same(m);
	else if (!same && shown && entry && trace)
		done = meet_level(m);
	if (done == 0 && same && tell_same(m, id, shown) < 0)
		return -1;
	if (done == 0 && entry && !view_is_whole(m->up->view))
		done = meeting_defer(m, id, told);
	else if (done == 0)
		done = meet_read(m, id, told, entry, trace);
	if (done < 0)
		return -1;
	if (shown && shown_next(m) < 0)
		return -1;
	if (entry && next_entry(m) < 0)
		return -1;
	return trace && next_trace(m) < 0 ? -1 : 0;
}

static int put_orphans(struct meeting *m)
{
	const char *error;
	int got;

	while ((got = view_orphan(m->up->view, &m->entry, &error)) == 1)
		if (meeting_orphan(m->up, UP_ADOPT, &m->entry, NULL) < 0)
			return -1;
	return got < 0 ? up_fail(m->up, "%s", error) : 0;
}

static int meet_all(struct meeting *m)
{
	const char *id, *error;

	if (put_orphans(m) < 0)
		return -1;
	if (m->up->has_before && snapshot_walk(m->up->snapshot, &error) < 0)
		return up_fail(m->up, "%s", error);
	if (shown_next(m) < 0 || next_entry(m) < 0 || next_trace(m) < 0)
		return -1;
	while ((id = first_id(m)) != NULL)
		if (meet_next(m, id) < 0)
			return -1;
	return meeting_settle(m);
}

/* What the guards compare with. A delta sees little of it. */
static void count_all(struct up *up)
{
	struct guard_counts *counts = &up->tally.counts;

	if (up->rules.complete) {
		counts->had = view_counts(up->view).entries;
		counts->addresses = view_counts(up->view).addresses;
	} else {
		counts->had = counts->addresses = up->head.persons;
		counts->addresses_gone = up->head.pending;
	}
}

int up_meet(struct up *up)
{
	struct meeting m = { .up = up, .trace = TRACE_INIT };
	int done;

	count_all(up);
	done = up->rules.complete ? meet_all(&m) : meeting_delta(&m);
	meeting_free(&m);
	shown_free(&m.shown);
	shown_free(&m.again);
	entry_free(&m.entry);
	trace_free(&m.trace);
	str_free(&m.encoded);
	strings_free(&m.gains);
	strings_free(&m.loses);
	return done;
}
