/* Each id that is pending, with all that is known of it -> plan, reports, the next snapshot. */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <string.h>
#include <strings.h>

#include "lib/mem.h"

/* Of fewer than one in so many the snapshot is changed, of more it is made anew. */
#define ANEW_SHARE 4

struct parts {
	struct str id;
	struct up_fresh head; /* of fresh, or of what is level */
	struct person fresh;
	struct entry entry, adopt, rekey;
	struct trace before, adopt_before, rekey_before;
	struct str unusable, version;
	struct str texts; /* of taken: kept here, owners point into it */
	struct reconcile_owner *taken;
	size_t *at; /* of each in texts: it grows */
	size_t taken_count, taken_cap;
	struct strings passing;
	bool has_fresh, gone, has_unusable, has_entry, has_adopt, has_rekey, has_before, skip,
		has_version;
};

struct judging {
	struct up *up;
	struct parts parts;
	struct trace trace;
	bool anew;
	/* Made anew: what was not pending is taken over from the old one, in between. */
	struct trace old;
	struct str old_id;
	bool has_old;
	uint64_t done;
};

/* --- the parts of an id ----------------------------------------------------------------------- */

static void begin_parts(struct parts *p, const struct bulk_pair *pair)
{
	str_reset(&p->id);
	str_append(&p->id, pair->key, pair->key_len);
	str_reset(&p->texts);
	p->taken_count = 0;
	strings_reset(&p->passing);
	p->has_fresh = p->gone = p->has_unusable = p->has_entry = p->has_adopt = p->has_rekey =
		p->has_before = p->skip = p->has_version = false;
}

static void add_taken(struct parts *p, const char *texts, size_t len)
{
	if (p->taken_count == p->taken_cap) {
		p->taken_cap = p->taken_cap * 2 + 8;
		p->taken = mem_grow(p->taken, p->taken_cap, sizeof *p->taken);
		p->at = mem_grow(p->at, p->taken_cap, sizeof *p->at);
	}
	p->at[p->taken_count++] = p->texts.len;
	str_append(&p->texts, texts, len);
}

static int take_fresh(struct parts *p, const char *data, size_t len)
{
	if (len < sizeof p->head)
		return -1;
	memcpy(&p->head, data, sizeof p->head);
	p->has_fresh = true;
	return person_decode(data + sizeof p->head, len - sizeof p->head, &p->fresh);
}

static int take_version(struct parts *p, const char *data, size_t len)
{
	if (len <= sizeof p->head)
		return -1;
	memcpy(&p->head, data, sizeof p->head);
	str_reset(&p->version);
	str_append_z(&p->version, data + sizeof p->head);
	p->has_version = true;
	return 0;
}

static int add_part(struct parts *p, const struct bulk_pair *pair)
{
	const char *data = pair->value + 1;
	size_t len = pair->value_len - 1;

	switch (pair->value[0]) {
	case UP_FRESH: return take_fresh(p, data, len);
	case UP_ENTRY: p->has_entry = true; return entry_decode(data, len, &p->entry);
	case UP_BEFORE: p->has_before = true; return trace_decode(data, len, &p->before);
	case UP_ADOPT:
		p->has_adopt = true;
		return up_orphan_decode(data, len, &p->adopt, &p->adopt_before);
	case UP_REKEY:
		p->has_rekey = true;
		return up_orphan_decode(data, len, &p->rekey, &p->rekey_before);
	case UP_UNUSABLE:
		p->has_unusable = true;
		str_reset(&p->unusable);
		str_append_z(&p->unusable, data);
		return 0;
	case UP_TAKEN: add_taken(p, data, len); return 0;
	case UP_PASSING: strings_add(&p->passing, data); return 0;
	case UP_GONE: p->gone = true; return 0;
	case UP_SKIP: p->skip = true; return 0;
	case UP_VERSION: return take_version(p, data, len);
	default: return -1;
	}
}

/* --- facts ------------------------------------------------------------------------------------ */

/* The owner is pointed at; the address of its move comes last. */
static const char *read_owner(const char *texts, struct reconcile_owner *owner_r)
{
	const char **fields[] = { &owner_r->address, &owner_r->system, &owner_r->dn, &owner_r->id };

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		*fields[i] = texts;
		texts += strlen(texts) + 1;
	}
	return texts;
}

/* An orphan that becomes ours is nobody else's. */
static const struct move *read_owners(
	const struct up *up, struct parts *p, const struct entry *orphan)
{
	const struct move *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < p->taken_count; i++) {
		struct reconcile_owner *owner = &p->taken[count];
		const char *key = read_owner(p->texts.data + p->at[i], owner);
		if (orphan != NULL && strcmp(owner->dn, str_cstr(&orphan->dn)) == 0)
			continue;
		found = up_better_move(found, *key != '\0' ? moves_find(&up->moves, key) : NULL);
		p->at[count++] = p->at[i];
	}
	p->taken_count = count;
	return found;
}

static void mark_moving(struct parts *p, const struct move *move)
{
	for (size_t i = 0; i < p->taken_count; i++) {
		const char *key = read_owner(p->texts.data + p->at[i], &p->taken[i]);
		p->taken[i].moving = move != NULL && strcmp(key, str_cstr(&move->key)) == 0;
	}
}

static const struct entry *orphan_of(struct parts *p, const struct trace **before_r)
{
	bool missing = p->has_fresh && !p->has_entry;

	if (missing && p->has_adopt)
		return &p->adopt;
	if (!missing || !p->has_rekey)
		return NULL;
	*before_r = &p->rekey_before;
	return &p->rekey;
}

static struct reconcile_facts facts_of(struct judging *j)
{
	struct parts *p = &j->parts;
	struct reconcile_facts facts = {
		.id = str_cstr(&p->id),
		.fresh = p->has_fresh ? &p->fresh : NULL,
		.gone = p->gone,
		.unusable = p->has_unusable ? str_cstr(&p->unusable) : NULL,
		.before = p->has_before ? &p->before : NULL,
		.entry = p->has_entry ? &p->entry : NULL,
		.passing = p->passing.count > 0 ? &p->passing : NULL,
	};

	facts.orphan = orphan_of(p, &facts.before);
	const struct move *move = read_owners(j->up, p, facts.orphan);
	const struct entry *own = facts.entry != NULL ? facts.entry : facts.orphan;
	facts.own = own != NULL ? up_move_of(&j->up->moves, own) : NULL;
	facts.move = up_better_move(move, up_move_of_id(j->up, facts.id, facts.fresh));
	mark_moving(p, facts.move);
	facts.taken = p->taken;
	facts.taken_count = p->taken_count;
	return facts;
}

/* --- what comes of it ------------------------------------------------------------------------- */

static int take_change(void *context, const struct plan_change *change)
{
	struct judging *j = context;
	const char *error;

	if (change->kind == PLAN_EXPIRE)
		return up_expire(j->up, change);
	if (plan_put(j->up->plan, change, &error) < 0)
		return up_fail(j->up, "%s", error);
	return 0;
}

static int take_report(void *context, const struct reconcile_finding *finding)
{
	struct judging *j = context;
	const struct report report = {
		.kind = reconcile_report_name(finding->kind),
		.id = finding->id,
		.address = finding->address,
		.place = finding->place,
		.owner = finding->owner_system,
		.owner_dn = finding->owner_dn,
		.text = finding->text,
	};

	reports_add(j->up->reports, &report);
	return 0;
}

/* --- the next snapshot ------------------------------------------------------------------------ */

static int next_old(struct judging *j)
{
	const char *id, *error;
	int got = j->up->has_before && j->anew
			  ? snapshot_next(j->up->snapshot, &id, &j->old, &error)
			  : 0;

	j->has_old = got == 1;
	str_reset(&j->old_id);
	if (got == 1)
		str_append_z(&j->old_id, id);
	return got < 0 ? up_fail(j->up, "%s", error) : 0;
}

static int put_trace(struct judging *j, const char *id, const struct trace *trace)
{
	const char *error;

	return snapshot_put(j->up->snapshot, id, trace, &error) < 0 ? up_fail(j->up, "%s", error)
								    : 0;
}

/* Those before this id (NULL: all that are left) were not pending, and stay. */
static int keep_until(struct judging *j, const char *id)
{
	while (j->has_old && (id == NULL || strcmp(str_cstr(&j->old_id), id) < 0))
		if (put_trace(j, j->old_id.data, &j->old) < 0 || next_old(j) < 0)
			return -1;
	if (j->has_old && id != NULL && strcmp(str_cstr(&j->old_id), id) == 0)
		return next_old(j);
	return 0;
}

static bool differs(const struct trace *a, const struct trace *b)
{
	struct str x = STR_INIT, y = STR_INIT;

	trace_encode(a, &x);
	trace_encode(b, &y);
	bool other = x.len != y.len || memcmp(str_cstr(&x), str_cstr(&y), x.len) != 0;
	str_free(&x);
	str_free(&y);
	return other;
}

/* kept: trace is what the snapshot says of it from now on; else nothing. */
static int write_trace(struct judging *j, bool kept)
{
	const struct parts *p = &j->parts;
	const char *id = str_cstr(&p->id), *error;

	if (j->anew)
		return kept ? put_trace(j, id, &j->trace) : 0;
	if (kept && p->has_before && !differs(&p->before, &j->trace))
		return 0;
	if (!kept && !p->has_before)
		return 0;
	j->up->dirty = true;
	if (kept)
		return put_trace(j, id, &j->trace);
	return snapshot_drop(j->up->snapshot, id, &error) < 0 ? up_fail(j->up, "%s", error) : 0;
}

/* What the person of the trace came from. */
static void learn_raw(const struct up_fresh *head, struct trace *trace)
{
	if (memcmp(trace->digest, head->digest, sizeof trace->digest) != 0)
		return;
	memcpy(trace->raw, head->raw, sizeof trace->raw);
	trace->had = head->had;
}

/* All is level: there is nothing to judge. */
static int learn_version(struct judging *j)
{
	struct trace *trace = &j->parts.before;

	learn_raw(&j->parts.head, trace);
	str_reset(&trace->version);
	str_append(&trace->version, str_cstr(&j->parts.version), j->parts.version.len);
	j->up->dirty = true;
	return put_trace(j, j->parts.id.data, trace);
}

static int judge(struct judging *j)
{
	struct up *up = j->up;
	const struct reconcile_sink sink = { j, take_change, take_report };
	int kept = 0;

	if (j->parts.id.len == 0)
		return 0;
	if (keep_until(j, j->parts.id.data) < 0)
		return -1;
	if (j->parts.has_version)
		return learn_version(j);
	trace_reset(&j->trace);
	if (!j->parts.skip) {
		struct reconcile_facts facts = facts_of(j);
		uint64_t waiting = up->tally.waiting;
		kept = reconcile(&up->rules, &facts, &sink, &up->tally, &j->trace);
		if (up->tally.waiting > waiting)
			up_waiting_add(up, facts.id);
	}
	if (kept < 0)
		return -1;
	if (kept == 1 && j->parts.has_fresh)
		learn_raw(&j->parts.head, &j->trace);
	if ((++j->done & 1023) == 0)
		up_progress(up, "judge", j->done, up->pending_count);
	return write_trace(j, kept == 1);
}

static int judge_all(struct judging *j)
{
	struct parts *p = &j->parts;
	struct bulk_pair pair;
	const char *error;
	int got;

	while ((got = bulk_next(j->up->pending, &pair, &error)) == 1) {
		if (p->id.len != pair.key_len || memcmp(p->id.data, pair.key, pair.key_len) != 0) {
			if (judge(j) < 0)
				return -1;
			begin_parts(p, &pair);
		}
		if (add_part(p, &pair) < 0)
			return up_fail(j->up, "what was sorted is not what was written");
	}
	if (got < 0)
		return up_fail(j->up, "%s", error);
	return judge(j) < 0 ? -1 : keep_until(j, NULL);
}

static int begin(struct judging *j)
{
	struct up *up = j->up;
	const char *error;

	j->anew = up->rules.complete &&
		  (!up->has_before || up->pending_count > up->head.persons / ANEW_SHARE);
	up->dirty = j->anew;
	if (bulk_sort(up->pending, &error) < 0)
		return up_fail(up, "%s", error);
	if (j->anew && up->has_before && snapshot_walk(up->snapshot, &error) < 0)
		return up_fail(up, "%s", error);
	if (snapshot_begin(up->snapshot, j->anew, &error) < 0)
		return up_fail(up, "%s", error);
	return next_old(j);
}

int up_judge(struct up *up)
{
	struct judging j = { .up = up, .trace = TRACE_INIT, .old = TRACE_INIT };
	struct parts *p = &j.parts;
	int done = begin(&j);

	if (done == 0)
		done = judge_all(&j);
	str_free(&p->id);
	person_free(&p->fresh);
	entry_free(&p->entry);
	entry_free(&p->adopt);
	entry_free(&p->rekey);
	trace_free(&p->before);
	trace_free(&p->adopt_before);
	trace_free(&p->rekey_before);
	str_free(&p->unusable);
	str_free(&p->version);
	str_free(&p->texts);
	mem_free(&p->taken);
	mem_free(&p->at);
	strings_free(&p->passing);
	trace_free(&j.trace);
	trace_free(&j.old);
	str_free(&j.old_id);
	bulk_free(&up->pending);
	return done;
}
