#include "dirsync/reconcile.h"

#include <string.h>
#include <strings.h>

#include "dirsync/reconcile_internal.h"
#include "lib/clock.h"

/* --- a mailbox that has an entry ------------------------------------------------------------- */

static void returned(struct reconciling *r)
{
	if (r->entry->vanished_us == 0)
		return;
	build_set(&r->build, "restanteVanishedSince", NULL);
	build_because(&r->build, "listed by %s again", r->run->system);
}

static void update(struct reconciling *r, enum plan_kind kind)
{
	returned(r);
	if (r->build.count > 0 && kind == PLAN_MODIFY)
		kind = PLAN_RETURNED;
	if (kind == PLAN_ADOPT || kind == PLAN_REKEY)
		build_set(&r->build, "restanteSourceId", r->facts->id);
	address_update(r);
	value_physical(r);
	value_primary(r);
	value_foreign(r);
	value_attributes(r);
	build_emit(r, kind);
}

/* All that it has was written by hand: what the id listed before was never in this entry. */
static void adopt(struct reconciling *r)
{
	const struct reconcile_facts *known = r->facts;
	struct reconcile_facts facts = *known;

	facts.before = NULL;
	r->facts = &facts;
	build_because(&r->build, "adopted: the physical address is that of id %s", facts.id);
	update(r, PLAN_ADOPT);
	r->facts = known;
}

static void rekey(struct reconciling *r)
{
	const char *old = str_cstr(&r->entry->person.id);

	build_report(r, REPORT_REKEY, str_cstr(&r->facts->fresh->primary), NULL,
		"%s was made anew on %s: id %s instead of %s (%s)",
		str_cstr(&r->facts->fresh->primary), r->run->system, r->facts->id, old,
		str_cstr(&r->entry->dn));
	r->tally->counts.rekeyed++;
	r->build.counts |= PLAN_COUNTS_REKEY;
	build_because(&r->build, "made anew on %s: id %s instead of %s", r->run->system,
		r->facts->id, old);
	update(r, PLAN_REKEY);
}

/* --- orphans --------------------------------------------------------------------------------- */

static bool adoptable(const struct reconcile_facts *facts, const struct reconcile_run *run)
{
	const struct entry *orphan = facts->orphan;

	return orphan != NULL && orphan->person.id.len == 0 &&
	       strcasecmp(str_cstr(&orphan->system), run->system) == 0 &&
	       facts->fresh->physical_key.len > 0 &&
	       strcmp(str_cstr(&orphan->person.physical_key),
		       str_cstr(&facts->fresh->physical_key)) == 0;
}

bool reconcile_recreated(
	const struct person *fresh, const struct entry *orphan, const struct move *move)
{
	struct str wanted = STR_INIT, has = STR_INIT;
	bool same;

	add_primary_key(fresh, &wanted);
	add_primary_key(&orphan->person, &has);
	same = strcmp(str_cstr(&wanted), str_cstr(&has)) == 0 && wanted.len > 0 &&
	       orphan->person.id.len > 0 && !move_open(move) &&
	       strcmp(str_cstr(&orphan->person.id), str_cstr(&fresh->id)) != 0;
	str_free(&wanted);
	str_free(&has);
	return same;
}

static bool rekeyable(const struct reconciling *r)
{
	const struct entry *orphan = r->facts->orphan;

	return orphan != NULL && r->run->complete &&
	       strcasecmp(str_cstr(&orphan->system), r->run->system) == 0 &&
	       reconcile_recreated(r->facts->fresh, orphan, r->facts->own);
}

/* --- a mailbox that is not shown ------------------------------------------------------------- */

static void keep_trace(struct reconciling *r)
{
	const struct trace *before = r->facts->before;
	const struct strings *sets[] = { &before->addresses, &before->foreign, &before->lacking };
	struct strings *mine[] = { &r->trace->addresses, &r->trace->foreign, &r->trace->lacking };

	for (size_t i = 0; i < 3; i++) {
		str_append(&mine[i]->bytes, str_cstr(&sets[i]->bytes), sets[i]->bytes.len);
		mine[i]->count = sets[i]->count;
	}
	memcpy(r->trace->digest, before->digest, sizeof before->digest);
	r->trace->missing = before->missing;
	r->trace->missing_us = before->missing_us;
}

static void note_missing(struct reconciling *r)
{
	memset(r->trace->digest, 0, sizeof r->trace->digest);
	if (r->run->complete && (!r->run->again || r->trace->missing == 0))
		r->trace->missing++;
	if (r->trace->missing_us == 0)
		r->trace->missing_us = r->run->now_us;
}

static void mark(struct reconciling *r)
{
	char instant[32];

	r->tally->counts.vanished++;
	if (r->run->clock_agrees) {
		clock_generalized(instant, sizeof instant, r->run->now_us);
		build_assert(&r->build, "restanteVanishedSince", "");
		build_set(&r->build, "restanteVanishedSince", instant);
		build_because(&r->build, "not listed by %s any more", r->run->system);
		r->build.counts |= PLAN_COUNTS_VANISH;
	}
	build_emit(r, r->run->clock_agrees ? PLAN_VANISHED : PLAN_MODIFY);
}

static void expire(struct reconciling *r)
{
	const struct strings *has = &r->entry->person.addresses;
	char instant[32];

	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k))
		strings_add(&r->build.gives, k);
	clock_generalized(instant, sizeof instant, r->entry->vanished_us);
	str_append_z(&r->build.asserts, "(restanteVanishedSince=*)");
	r->build.state_matters = true;
	r->tally->counts.expired++;
	r->build.counts |= PLAN_COUNTS_EXPIRE;
	build_because(&r->build, "not listed by %s since %s", r->run->system, instant);
	build_emit(r, PLAN_EXPIRE);
}

/* What is held, or moves, is not deleted under the hands of whoever does that. */
static void marked(struct reconciling *r)
{
	bool due = address_due(r->run, r->entry->vanished_us, r->trace->missing);

	if (due && !move_open(r->facts->own) && r->entry->state == STATE_ACTIVE) {
		build_drop(&r->build);
		expire(r);
		return;
	}
	r->tally->counts.vanished++;
	if (due)
		build_report(r, REPORT_WAITS, "", NULL,
			"id %s of %s (%s) has vanished; it is not deleted while it is held or "
			"moves",
			r->facts->id, r->run->system, str_cstr(&r->entry->dn));
	build_emit(r, PLAN_MODIFY);
}

/* The marks that stand, where nothing else is looked at. */
static void count_pending(struct reconciling *r)
{
	if (r->entry->vanished_us != 0)
		r->tally->counts.vanished++;
	else
		address_count_pending(r);
}

/* Gone in a complete pull: it claims nothing of a move any more. */
static void forget_claims(struct reconciling *r)
{
	const struct move *move = r->facts->move;

	if (r->run->complete && move_is_second(r->run, r->facts) && move->source_id.len > 0 &&
		move->claims.count > 0)
		move_unclaim(r);
}

static void absent(struct reconciling *r)
{
	if (r->facts->before != NULL)
		keep_trace(r);
	address_pass(r);
	if (!r->run->complete && !r->facts->gone) {
		count_pending(r);
		build_emit(r, PLAN_MODIFY);
		return;
	}
	note_missing(r);
	if (r->entry->vanished_us == 0)
		mark(r);
	else
		marked(r);
	build_free(&r->build); /* the record of the move is another entry */
	forget_claims(r);
}

/* --- which of them it is --------------------------------------------------------------------- */

static void note_listed(struct reconciling *r)
{
	const struct person *fresh = r->facts->fresh;
	const struct strings *sets[] = { &fresh->addresses, &fresh->foreign };
	struct strings *mine[] = { &r->trace->addresses, &r->trace->foreign };

	for (size_t i = 0; i < 2; i++)
		for (const char *t = strings_first(sets[i]); t != NULL;
			t = strings_next(sets[i], t))
			strings_add(mine[i], t);
}

/* Shown, and the directory has no entry of this system and id. */
static void shown_without(struct reconciling *r)
{
	const struct reconcile_facts *facts = r->facts;

	if (adoptable(facts, r->run) || rekeyable(r)) {
		r->entry = facts->orphan;
		if (r->entry->person.id.len == 0)
			adopt(r);
		else
			rekey(r);
	} else if (move_is_second(r->run, facts)) {
		note_listed(r);
		move_claim(r);
	} else if (move_is_old(r->run, facts)) {
		note_listed(r);
		r->tally->counts.explained++;
	} else {
		add_mailbox(r);
	}
}

static void shown(struct reconciling *r)
{
	person_digest(r->facts->fresh, r->trace->digest);
	if (r->entry != NULL)
		update(r, PLAN_MODIFY);
	else
		shown_without(r);
}

static void unusable(struct reconciling *r)
{
	build_report(r, REPORT_UNREADABLE, "", NULL, "id %s of %s is left as it is: %s",
		r->facts->id, r->run->system, r->facts->unusable);
	if (r->facts->before != NULL)
		keep_trace(r);
	if (r->entry != NULL)
		count_pending(r);
}

int reconcile(const struct reconcile_run *run, const struct reconcile_facts *facts,
	const struct reconcile_sink *sink, struct guard_tally *tally, struct trace *trace_r)
{
	struct reconciling r = { .run = run,
		.facts = facts,
		.sink = sink,
		.entry = facts->entry,
		.tally = tally,
		.trace = trace_r };
	bool keeps = true;

	trace_reset(trace_r);
	if (facts->unusable != NULL) {
		unusable(&r);
		keeps = facts->before != NULL;
	} else if (facts->fresh != NULL) {
		shown(&r);
	} else if (r.entry != NULL) {
		absent(&r);
	} else {
		forget_claims(&r);
		keeps = false;
	}
	build_free(&r.build);
	return r.stopped ? -1 : keeps ? 1 : 0;
}

/* --- what is to be looked up ----------------------------------------------------------------- */

void reconcile_gains(const struct reconcile_run *run, const struct reconcile_facts *facts,
	struct strings *gains_r)
{
	const struct strings *lists;

	if (facts->fresh == NULL || facts->unusable != NULL)
		return;
	lists = &facts->fresh->addresses;
	for (const char *k = strings_first(lists); k != NULL; k = strings_next(lists, k))
		if ((facts->entry == NULL || !strings_has(&facts->entry->person.addresses, k)) &&
			address_federated(run, k))
			strings_add(gains_r, k);
}

static bool loses(
	const struct reconcile_run *run, const struct reconcile_facts *facts, const char *key)
{
	int64_t instant;

	if (facts->fresh == NULL &&
		(run->complete || facts->gone || facts->entry->vanished_us != 0))
		return true;
	if (address_mark(facts->entry, key, &instant))
		return facts->fresh == NULL || !strings_has(&facts->fresh->addresses, key);
	return facts->fresh != NULL && facts->before != NULL &&
	       strings_has(&facts->before->addresses, key) &&
	       !strings_has(&facts->fresh->addresses, key);
}

void reconcile_loses(const struct reconcile_run *run, const struct reconcile_facts *facts,
	struct strings *loses_r)
{
	const struct strings *has;

	if (facts->entry == NULL || facts->unusable != NULL)
		return;
	has = &facts->entry->person.addresses;
	for (const char *k = strings_first(has); k != NULL; k = strings_next(has, k))
		if (loses(run, facts, k))
			strings_add(loses_r, k);
}
