#define _GNU_SOURCE
#include "control/run_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/facts.h"
#include "control/fencing.h"
#include "control/follow.h"
#include "control/leader.h"
#include "control/syncing.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TURNS_MAX 64 /* of one run: more is a fault of ours, not of the move's */
#define SHOWN     600

/* --- what is decided -------------------------------------------------------------------------- */

static void report(const struct run *r, enum log_level level, const char *what, const char *text)
{
	char shown[SHOWN], address[256];

	log_value(address, sizeof address, r->move->address != NULL ? r->move->address : "");
	if (level == LOG_LEVEL_WARNING)
		log_warning("control", "%s id=%s move=%s: %s", what, run_id(r), address,
			log_value(shown, sizeof shown, text));
	else
		log_info("control", "%s id=%s move=%s%s%s", what, run_id(r), address,
			*text != '\0' ? " " : "", text);
}

static int64_t backoff_us(const struct run *r)
{
	const struct config_control *c = &r->settings->config->control;
	int64_t pause = c->retry_min;

	for (unsigned i = 1; i < r->task->failures && pause < c->retry_max; i++)
		pause *= 2;
	return pause < c->retry_max ? pause : c->retry_max;
}

/* The error of `end` is the reason of the end: nothing else is written over it. */
static void note_error(struct run *r, const char *error, bool stopped)
{
	bool reason = move_has(r->move, step_name(STEP_END));

	record_error(r->move, &r->change, reason && !stopped ? r->move->error : error, stopped);
}

/* A move that was stopped before stays so: a request that it was asked meanwhile waits. */
static void failed(struct run *r, enum step step, const char *why)
{
	char text[SHOWN];

	metric_add(&r->control->counts.failed, 1);
	r->task->failures++;
	r->task->facts.first_asked = false;
	r->due_us = clock_mono_us() + backoff_us(r);
	if (r->lost || atomic_load(&r->control->stopping))
		return;
	snprintf(text, sizeof text, "%s: %s", step_name(step), why);
	if (strcmp(r->move->error, text) != 0)
		report(r, LOG_LEVEL_WARNING, "a step failed and is tried again", text);
	note_error(r, text, r->move->stopped);
}

static void refused(struct run *r, enum step step, const char *why)
{
	char text[SHOWN];

	metric_add(&r->control->counts.refused, 1);
	snprintf(text, sizeof text, "%s: %s", step_name(step), why);
	report(r, LOG_LEVEL_WARNING, "stopped", text);
	note_error(r, text, true);
	r->due_us = STORE_NEVER;
}

/* True: go on with the next. */
static bool done(struct run *r, enum step step)
{
	/* syncs that are asked for again have not succeeded yet: their error stands until then */
	bool mended = step != STEP_ASK_SYNCS;

	metric_add(&r->control->counts.steps, 1);
	if (mended)
		r->task->failures = 0;
	r->task->facts.second_asked = step == STEP_EMPTY;
	r->task->facts.first_asked =
		step == STEP_LIST_FIRST || (step == STEP_EMPTY && r->task->facts.first_asked);
	record_done(r->move, &r->change, step, control_now_us(r->control));
	if (mended && *r->move->error != '\0' && !r->move->stopped)
		note_error(r, "", false);
	report(r, LOG_LEVEL_INFO, step_name(step), "");
	return !r->purged;
}

/* With the claim: who ends right after the swap leaves it behind. It is of this hold alone: after
 * an earlier one that was touched before the swap mail may have gone out once more. */
static void note_drained(struct run *r, enum step step)
{
	bool here = r->mailbox != NULL && strcmp(r->kept.fence_csn, r->mailbox->csn) == 0;

	if (here && r->kept.fenced)
		record_drained(
			r->move, &r->change, step, r->kept.drained, control_now_us(r->control));
}

static bool enter_room(const struct run *r)
{
	return store_enter(r->control->store, r->task, (size_t)r->settings->config->control.moves);
}

/* A hold that is seen later is somebody else's: it was not ours, nor one of an earlier try. */
static void withdraw_claim(struct run *r, enum step step, struct str *why)
{
	if (r->untouched && (step == STEP_HOLD || step == STEP_HOLD_BACK))
		run_write(r, STEP_NONE, false, 0, why);
}

/* Over its time, or its answer was lost: the system may do it later, when it counts as undone. */
static void note_unclear(struct run *r, enum step step)
{
	bool on_assignee;

	if (step_action(step, &on_assignee) == ACTION_REDIRECT)
		record_begun(r->move, &r->change, step, control_now_us(r->control));
}

/* What is refused here is no fault of a step: it tells the machine what to do next. */
static bool is_answer(struct run *r, enum step step, const char *why)
{
	struct task_facts *f = &r->task->facts;

	switch (step) {
	case STEP_CREATE: /* refused or not, it may have made something: the claim stays */
		if (!move_backward(r->move))
			return false;
		record_text(&f->create_refused, why);
		return true;
	case STEP_EMPTY: /* asked for a rollback that was not begun */
		if (move_backward(r->move))
			return false;
		record_text(&f->second_trouble, why);
		f->second_asked = true;
		f->second_empty = false;
		return true;
	case STEP_LIST_FIRST:
		record_text(&f->first_gone, why);
		f->first_asked = true;
		return true;
	default: return false;
	}
}

static bool try_step(struct run *r, enum step step)
{
	struct str why = STR_INIT;
	enum progress progress = STEP_DONE;
	bool on_assignee, go_on = false, again = move_begun(r->move, step);

	if (step_needs_room(step) && !enter_room(r)) {
		store_queue(r->control->store, r->task);
		return false;
	}
	if (step == STEP_SWAP || step == STEP_SWAP_BACK)
		note_drained(r, step == STEP_SWAP ? STEP_DRAIN : STEP_DRAIN_BACK);
	if (step == STEP_CREATE && !again)
		record_made(r->move, &r->change);
	if (step_claimed(step))
		progress = run_claim(r, step, run_claim_length_us(r, step), &why);
	if (progress == STEP_DONE && step == STEP_CREATE)
		store_index(r->control->store, r->task);
	r->untouched = false;
	if (progress == STEP_DONE)
		progress = step_run(r, step, &why);
	switch (progress) {
	case STEP_DONE: go_on = done(r, step); break;
	case STEP_PENDING:
		if (!again)
			withdraw_claim(r, step, &why);
		break;
	case STEP_FAILED:
		note_unclear(r, step);
		failed(r, step, str_cstr(&why));
		break;
	case STEP_REFUSED:
		go_on = is_answer(r, step, str_cstr(&why));
		if (go_on)
			break;
		if (step_action(step, &on_assignee) != ACTIONS || step_claimed(step) ||
			step == STEP_TAKE)
			refused(r, step, str_cstr(&why));
		else
			failed(r, step, str_cstr(&why));
		break;
	}
	str_free(&why);
	return go_on;
}

static bool do_step(struct run *r, enum step step, const char *trouble)
{
	bool on_assignee, go_on;
	bool acts = step_action(step, &on_assignee) != ACTIONS;
	const char *system = on_assignee ? r->move->target : r->move->assignor;

	if (*trouble != '\0' && !r->task->rested) {
		failed(r, step, trouble); /* asked again, but not at once */
		r->task->rested = true;
		return false;
	}
	r->task->rested = false;
	if (acts && !store_slot_enter(r->control->store, r->task, system,
			    settings_concurrency(r->settings, system),
			    (unsigned)r->settings->config->control.workers)) {
		r->soon = true;
		return false;
	}
	go_on = try_step(r, step);
	if (acts)
		store_slot_leave(r->control->store, system);
	return go_on;
}

static void answer(struct run *r, const struct move_decision *d)
{
	int64_t now = control_now_us(r->control);

	r->change.request = r->move->request != MOVE_ASKED_NOTHING;
	r->answered = true;
	r->task->failures = 0;
	r->task->facts.listed = false;
	if (d->step != STEP_BACK && d->step != STEP_LEAVE_MAIL)
		r->task->facts.first_asked = r->task->facts.second_asked = false;
	switch (d->step) {
	case STEP_RESUME: break;
	case STEP_DECLINE: /* what a move that is over has to report stays */
		if (r->move->outcome == MOVE_OPEN_OR_DONE || *r->move->error == '\0')
			record_error(r->move, &r->change, d->text, r->move->stopped || d->stops);
		break;
	case STEP_UNTURN:
		record_error(r->move, &r->change, d->text, d->stops);
		record_unturned(r->move, &r->change);
		break;
	case STEP_END:
		record_error(r->move, &r->change, d->text, false);
		record_done(r->move, &r->change, STEP_END, now);
		break;
	default:
		note_error(r, "", false);
		if (d->step == STEP_LEAVE_MAIL)
			record_done(r->move, &r->change, STEP_LEAVE_MAIL, now);
		if (d->step != STEP_RETRY)
			record_done(r->move, &r->change, STEP_BACK, now);
		break;
	}
	if (d->state != 0) {
		record_state(r->move, &r->change, d->state, now);
		store_index(r->control->store, r->task); /* open, or not any more */
	}
	report(r, LOG_LEVEL_INFO, step_name(d->step), d->text);
}

static void over(struct run *r, const struct move_decision *d)
{
	record_outcome(r->move, &r->change, d->outcome);
	record_done(r->move, &r->change, STEP_OUTCOME, control_now_us(r->control));
	record_error(r->move, &r->change, d->text, false);
	if (r->move->state == MOVE_NEW)
		record_state(r->move, &r->change, MOVE_RECORDED, control_now_us(r->control));
	metric_add(&r->control->counts.over, 1);
	report(r, LOG_LEVEL_INFO, r->move->outcome_text, d->text);
}

static void enter(struct run *r, int state)
{
	char text[64];

	record_state(r->move, &r->change, state, control_now_us(r->control));
	if (state == MOVE_SWAPPED) {
		metric_add(&r->control->counts.swapped, 1);
		metric_observe(&r->control->counts.held, &metric_work, hold_length_us(r->move));
	}
	if (state == MOVE_COMPLETE) {
		store_index(r->control->store, r->task);
		store_wake_others(r->control->store, r->task);
	}
	snprintf(text, sizeof text, "state=%d", state);
	report(r, LOG_LEVEL_INFO, move_state_text(state), text);
}

/* From a wall clock; an hour at most, for that one can be turned. */
static int64_t mono_of(const struct run *r, int64_t until_us)
{
	int64_t left = until_us - control_now_us(r->control);

	if (until_us == 0)
		return STORE_NEVER;
	if (left > 3600 * CLOCK_SECOND)
		left = 3600 * CLOCK_SECOND;
	return clock_mono_us() + (left > 0 ? left : 0);
}

/* A system that never syncs is not to hold up those that others sync. */
static void wait_for_syncs(struct run *r)
{
	int64_t patience = r->settings->config->control.retry_max,
		until = r->move->reached_us[MOVE_ADDRESSED] + patience;

	r->task->yields = control_now_us(r->control) >= until;
	r->due_us = r->task->yields ? STORE_NEVER : mono_of(r, until);
}

static void wait_for(struct run *r, const struct move_decision *d)
{
	r->due_us = mono_of(r, d->until_us);
	if (d->trouble) {
		if (strcmp(r->move->error, d->text) != 0)
			report(r, LOG_LEVEL_WARNING, "cannot go on", d->text);
		note_error(r, d->text, r->move->stopped);
		r->task->failures++;
		r->due_us = clock_mono_us() + backoff_us(r);
	} else if (r->move->state == MOVE_ADDRESSED) {
		syncing_watch(r->control->syncing, r->task->uuid, r->move);
		r->soon = true;
		wait_for_syncs(r);
	} else if (d->until_us == 0) {
		store_queue(r->control->store, r->task);
	}
}

/* What came meanwhile of what others write. The rest of it comes back with what we write next;
 * where that is nothing, at the end of the run. */
static void take_newer(struct run *r)
{
	struct move *newer = store_newer(r->control->store, r->task);

	if (newer == NULL)
		return;
	if (strcmp(newer->csn, r->move->csn) >= 0 || !r->answered)
		r->move->request = newer->request;
	r->move->may_delete = newer->may_delete;
	r->move->instant_us = newer->instant_us;
	if (record_changed(&r->change) || strcmp(newer->csn, r->move->csn) <= 0)
		move_free(&newer);
	else
		store_put_newer(r->control->store, r->task, newer);
}

/* True: once more. */
static bool turn(struct run *r)
{
	struct move_decision d;
	struct move_facts facts;
	struct str why = STR_INIT;
	bool more = true;

	facts_gather(r, &facts);
	move_decide(r->move, r->scenario, &facts, control_now_us(r->control), &d);
	switch (d.verdict) {
	case MOVE_DO: more = do_step(r, d.step, d.text); break;
	case MOVE_LOOK:
		more = run_look(r, &why) == STEP_DONE;
		if (!more)
			failed(r, STEP_TAKE, str_cstr(&why));
		break;
	case MOVE_WAIT:
		wait_for(r, &d);
		more = false;
		break;
	case MOVE_STOP:
		report(r, LOG_LEVEL_WARNING, "stopped", d.text);
		note_error(r, d.text, true);
		more = false;
		break;
	case MOVE_ENTER: enter(r, d.state); break;
	case MOVE_ANSWER:
		answer(r, &d);
		/* nothing of the way back is claimed any more, either */
		more = run_write(r, d.step == STEP_UNTURN ? STEP_NONE : STEPS, false, 0, &why) ==
		       STEP_DONE;
		if (!more)
			failed(r, d.step, str_cstr(&why));
		break;
	case MOVE_OVER: over(r, &d); break;
	case MOVE_IDLE: /* until somebody has it go on: it may be long */
		r->task->facts.listed = false;
		more = false;
		break;
	}
	str_free(&why);
	return more && !r->lost;
}

static void carry_on(struct run *r)
{
	struct str why = STR_INIT;
	int turns = 0;

	if (run_takes_over(r, &why)) {
		/* the claim stands while it is waited out: should we die, the next one waits, too
		 */
		r->due_us = clock_mono_us() + (r->task->hold_off_us - clock_boot_us());
		str_free(&why);
		return;
	}
	if (why.len > 0) {
		failed(r, STEP_NONE, str_cstr(&why));
	} else {
		while (!atomic_load(&r->control->stopping) && turn(r) && ++turns < TURNS_MAX)
			take_newer(r);
	}
	if (turns >= TURNS_MAX) {
		log_error("control", "a move does not come to rest id=%s move=%s", run_id(r),
			r->move->address);
		r->due_us = clock_mono_us() + r->settings->config->control.retry_max;
	}
	str_reset(&why);
	if (!leave_it(r) && run_flush(r, &why) != STEP_DONE && !r->lost) {
		char shown[SHOWN];
		log_warning("control", "what was done is not recorded yet id=%s move=%s: %s",
			run_id(r), r->move->address,
			log_value(shown, sizeof shown, str_cstr(&why)));
		r->task->failures++;
		r->due_us = clock_mono_us() + backoff_us(r);
		r->task->stale = true;
	}
	if (r->lost && record_changed(&r->change))
		r->task->stale = true;
	str_free(&why);
}

/*
 * Whether the record may be worked on. What could not be recorded is read again before anything
 * else, and done again; a term above ours is another leader's.
 */
static bool may_work(struct run *r)
{
	struct str why = STR_INIT;

	if (r->task->stale) {
		if (run_reread(r, &why) != STEP_DONE)
			failed(r, STEP_NONE, str_cstr(&why));
		else
			r->task->stale = false;
	}
	if (!r->task->stale && !r->lost && r->move->work.term > r->term) {
		log_warning("control",
			"the record has a higher term than this controller's: another one leads, "
			"or the lease was reset id=%s move=%s term=%" PRIu64,
			run_id(r), r->move->address, r->move->work.term);
		leader_doubt(r->control->leader, r->move->work.term);
		r->task->failures++;
		r->due_us = clock_mono_us() + backoff_us(r);
		r->lost = true;
	}
	str_free(&why);
	return !r->task->stale && !r->lost;
}

int64_t run_task(struct worker *worker, struct task *task, bool *gone_r)
{
	struct control *control = worker->control;
	struct run r = { .worker = worker,
		.control = control,
		.settings = settings_hold(control),
		.task = task,
		.move = task->move,
		.term = leader_term(control->leader),
		.due_us = STORE_NEVER };

	if (leave_take(&r))
		take_newer(&r);
	if (!task->orphan)
		leave_take_seen(&r);
	if (task->orphan) {
		r.purged = r.term != 0 && orphan_settle(&r);
	} else if (r.term != 0 && follow_loaded(control->follow)) {
		facts_scenario(&r);
		/* after a start nobody is in */
		if (move_holds_mail(r.move))
			enter_room(&r);
		if (may_work(&r))
			carry_on(&r);
		task->yields = (task->yields || task->failures > 0) && !move_holds_mail(task->move);
	}
	*gone_r = r.purged;
	leave_seen(&r);
	run_forget_mailbox(&r);
	settings_drop(&r.settings);
	return r.due_us;
}
