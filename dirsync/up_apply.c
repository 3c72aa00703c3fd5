/* Guards, the snapshot, the plan. */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <inttypes.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char *kind_name(enum plan_kind kind)
{
	switch (kind) {
	case PLAN_ADD: return "add";
	case PLAN_MODIFY: return "modify";
	case PLAN_ADOPT: return "adopt";
	case PLAN_REKEY: return "rekey";
	case PLAN_VANISHED: return "vanished";
	case PLAN_RETURNED: return "returned";
	case PLAN_EXPIRE: return "expire";
	case PLAN_CLAIM: return "claim";
	case PLAN_REPORT: return "report";
	}
	return "";
}

/* --- the guards ------------------------------------------------------------------------------- */

static void judge(const struct up *up, struct guard_answer *answer)
{
	const struct guard_limits limits = {
		.most = (uint64_t)up->settings->max_delete,
		.percent = (unsigned)up->settings->max_delete_percent,
		.least = GUARD_LEAST,
		.lost_percent = (unsigned)up->settings->lost_percent,
	};
	const struct guard_run run = {
		.system = up->options->system,
		.complete = up->rules.complete,
		.persons = up->result.persons,
		.approvals = { str_cstr(&up->backend.approved), str_cstr(&up->backend.standing) },
		.new_system = up->settings->new_system,
	};

	guard_judge(&limits, &up->tally, &run, answer);
}

static int stop(struct up *up, const struct guard_answer *answer)
{
	up->record->outcome.word = SYNC_STOPPED;
	run_record_stop(up->record, &up->backend, answer);
	return 1;
}

/* --- the snapshot ----------------------------------------------------------------------------- */

static struct snapshot_head next_head(const struct up *up)
{
	const struct guard_counts *counts = &up->tally.counts;
	struct snapshot_head head = {
		.full_us = up->head.full_us,
		.full_runs = up->head.full_runs,
		.persons = up->head.persons,
		.pending = counts->vanished + counts->addresses_gone,
		.versions = up->head.versions,
		.whole_us = up->head.whole_us,
	};

	if (up->rules.complete) {
		str_append_z(&head.counted, str_cstr(&up->result.mark));
		str_append_z(&head.settings, up->settings_digest);
		head.versions = up->versions;
		if (view_is_whole(up->view))
			head.whole_us = up->record->start_us;
	} else {
		str_append_z(&head.counted, str_cstr(&up->head.counted));
		str_append_z(&head.settings, str_cstr(&up->head.settings));
	}
	str_append_z(&head.run, str_cstr(&up->record->run));
	str_append_z(&head.parent, str_cstr(&up->backend.run));
	return head;
}

/*
 * Before the first change: what we are about to write into the directory must be known as this
 * system's by whoever comes after a crash. Without a mark the run after it reads everything.
 */
static int commit_traces(struct up *up)
{
	struct snapshot_head head;
	const char *error;

	if (!up->dirty) {
		snapshot_abort(up->snapshot);
		return 0;
	}
	head = next_head(up);
	int done = snapshot_commit(up->snapshot, &head, &error);
	snapshot_head_free(&head);
	return done < 0 ? up_fail(up, "%s", error) : 0;
}

/* What the next delta would not show: then the next pull is of everything. */
bool up_is_settled(const struct up *up)
{
	/* everything was tried: what is refused still is so for a reason that stays */
	bool failed = !up->rules.complete && up->applied.refused + up->applied.dropped > 0;

	return up->edited == 0 && !up->unsettled && !failed;
}

static int commit_head(struct up *up)
{
	struct snapshot_head head = next_head(up);
	const char *error;

	if (up->rules.complete) {
		head.full_us = up->record->start_us;
		head.full_runs++;
		head.persons = up->result.persons;
	}
	up_waiting_keep(up);
	if (up_is_settled(up))
		str_append_z(&head.mark, str_cstr(&up->result.mark));
	int done = snapshot_begin(up->snapshot, false, &error);
	if (done == 0)
		done = snapshot_commit(up->snapshot, &head, &error);
	snapshot_head_free(&head);
	return done < 0 ? up_fail(up, "%s", error) : 0;
}

/* --- the plan --------------------------------------------------------------------------------- */

#define TELL_EVERY 20 /* changes */

struct applying {
	struct up *up;
	uint64_t tried, all;
};

/* Somebody passes the fence: what is in flight ends, and nothing more begins for a moment. */
static void give_way(const struct up *up)
{
	int64_t until = keeper_give_way(up->keeper);

	while (clock_mono_us() < until && !up_stopped(up))
		clock_sleep_us(CLOCK_MS);
}

static unsigned allowed(void *context)
{
	const struct applying *applying = context;
	const struct up *up = applying->up;

	give_way(up);
	if (up_stopped(up))
		return 0;
	return (unsigned)(keeper_pressing(up->keeper) ? up->config->dirsync.window_moving
						      : up->config->dirsync.window);
}

static void log_change(const struct up *up, const struct plan_change *change)
{
	char dn[600], id[300];

	log_info("sync", "%s system=%s run=%s dn=%s id=%s: %s", kind_name(change->kind),
		up->options->system, str_cstr(&up->record->run),
		log_value(dn, sizeof dn, change->dn), log_value(id, sizeof id, change->id),
		change->reason);
}

static void report_refused(
	struct up *up, const struct plan_change *change, const char *what, const char *text)
{
	struct str line = STR_INIT;
	char dn[600];

	str_printf(&line, "%s of %s %s: %s", kind_name(change->kind), change->dn, what, text);
	const struct report report = {
		.kind = "refused", .id = change->id, .place = change->dn, .text = line.data
	};
	reports_add(up->reports, &report);
	log_warning("sync", "%s %s system=%s dn=%s: %s", kind_name(change->kind), what,
		up->options->system, log_value(dn, sizeof dn, change->dn), text);
	str_free(&line);
}

static void take_result(
	void *context, const struct plan_change *change, enum apply_result result, const char *text)
{
	struct applying *applying = context;
	struct up *up = applying->up;

	if (++applying->tried % TELL_EVERY == 0)
		up_progress(up, "apply", applying->tried, applying->all);
	switch (result) {
	case APPLY_DONE: log_change(up, change); break;
	case APPLY_CHANGED:
		up->edited++;
		report_refused(up, change, "overtaken",
			"somebody changed the entry meanwhile; the "
			"next run sees it");
		break;
	case APPLY_TAKEN: report_refused(up, change, "refused", text); break;
	case APPLY_REFUSED: report_refused(up, change, "refused", text); break;
	case APPLY_DROPPED: report_refused(up, change, "dropped", text); break;
	}
}

static int apply(struct up *up)
{
	struct applying applying = { .up = up, .all = plan_count(up->plan) };
	const struct apply_options options = {
		.ldap = &up->ldap,
		.window = (unsigned)up->config->dirsync.window,
		.allowed = allowed,
		.result = take_result,
		.context = &applying,
	};
	const char *error;
	int done = 0;

	up_progress(up, "apply", 0, applying.all);
	if (applying.all > 0) {
		keeper_watch(up->keeper, true);
		done = apply_plan(&options, up->plan, &up->applied, &error);
		keeper_watch(up->keeper, false);
	}
	up->record->outcome.added = up->applied.added;
	up->record->outcome.changed = up->applied.changed;
	up->record->outcome.deleted = up->applied.deleted;
	return done < 0 ? up_fail(up, "%s", error) : 0;
}

static int print(struct up *up)
{
	struct plan_change change;
	const char *error;
	int got;

	plan_rewind(up->plan);
	while ((got = plan_next(up->plan, &change, &error)) == 1) {
		str_reset(&up->encoded);
		plan_ldif(&change, &up->encoded);
		const struct run_change shown = { kind_name(change.kind), change.dn, change.id,
			change.reason, str_cstr(&up->encoded) };
		if (up->options->change != NULL)
			up->options->change(up->options->context, &shown);
	}
	return got < 0 ? up_fail(up, "%s", error) : 0;
}

static bool has_all(const struct up *up)
{
	return up->applied.refused + up->applied.dropped + up->edited == 0;
}

int up_apply(struct up *up)
{
	struct guard_answer v;
	int done;

	judge(up, &v);
	if (up->options->dry_run) {
		done = print(up);
		if (done == 0 && v.stops)
			done = stop(up, &v);
	} else if (v.stops) {
		done = stop(up, &v);
	} else {
		done = commit_traces(up);
		if (done == 0)
			done = apply(up);
		if (done == 0)
			done = commit_head(up);
		if (done == 0 && up->rules.complete)
			up_moves_gone(up);
		/* one that was not needed must not wait for another list of that size */
		up->record->uses_approval = done == 0;
		guard_lasting(str_cstr(&v.needed), !has_all(up),
			up->rules.complete ? NULL : str_cstr(&up->backend.standing),
			&up->record->standing);
	}
	guard_answer_free(&v);
	return done;
}
