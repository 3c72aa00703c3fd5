/* From request to state 10: a function for each row of the table in DESIGN section 6. */
#include "control/machine_internal.h"

#include <string.h>

/* Before anything was made it is over at once; else what was made is taken back first. */
static bool end(struct asked *q, const char *why)
{
	if (begun(q, STEP_CREATE) || *q->move->physical != '\0')
		return decide_answer(q, STEP_END, "%s", why);
	return decide_over(q, MOVE_ENDED, "%s", why);
}

/* --- conditions ------------------------------------------------------------------------------ */

/* E1: what an order must fulfil, checked again until something was made. */
static bool is_no_order(struct asked *q)
{
	const struct move_facts *f = q->facts;

	if (f->mailbox_gone)
		return end(q, "no mailbox has the address");
	if (!f->target_known)
		return end(q, "the target is no system below ou=systems");
	if (f->at_target)
		return end(q, "the mailbox is on that system already");
	return false;
}

static bool is_gone(struct asked *q)
{
	if (!q->facts->mailbox_gone)
		return false;
	if (q->move->state < MOVE_ADDRESSED)
		return end(q, "the mailbox is gone from the directory");
	return decide_stop(q, "the mailbox is gone from the directory: put its entry back, then "
			      "retry; or rollback");
}

/* Somebody swapped it by hand, or gave it another address. Until the swap it must be where it was.
 */
static bool is_elsewhere(struct asked *q)
{
	const struct move_facts *f = q->facts;

	if (f->on_assignor || (f->on_assignee && q->move->state >= MOVE_FENCED))
		return false;
	if (f->on_assignee)
		return decide_stop(
			q, "the mailbox was swapped by hand in state %d: rollback", q->move->state);
	return decide_stop(q,
		"the directory has the mailbox neither at %s (%s) nor at the second mailbox: "
		"somebody changed it; put it back, then retry; or rollback",
		q->move->old_physical, q->move->assignor);
}

static bool is_too_early(struct asked *q, int state, const char *what)
{
	int64_t due = scenario_time_us(q->scenario, q->move, state);

	return q->now_us < due && decide_wait(q, due, "%s", what);
}

/* Asked before the directory is: fifty thousand may wait for their instant. */
static bool may_not_begin(struct asked *q)
{
	int state = q->move->state;

	if (state == MOVE_RECORDED && !begun(q, STEP_CREATE))
		return is_too_early(q, MOVE_CREATED, "the time of create");
	if (state < MOVE_CREATED || state >= MOVE_ADDRESSED || begun(q, STEP_ADDRESSES))
		return false;
	if (is_too_early(q, MOVE_ADDRESSED, "its instant"))
		return true;
	if (!q->facts->working_hours)
		return decide_wait(q, q->facts->hours_us, "working hours");
	return !q->facts->room && decide_wait(q, 0, "other moves to reach their swap");
}

/* After the swap its entry counts for `close` alone, which speaks of the person. */
static bool asks_nothing_of_it(const struct asked *q)
{
	return q->move->state >= MOVE_SWAPPED && (!q->scenario->close || has(q, STEP_CLOSE));
}

/* What makes any further step senseless, or comes too early. */
static bool is_hindered(struct asked *q)
{
	const struct move_facts *f = q->facts;
	bool early = q->move->state < MOVE_CREATED && !begun(q, STEP_CREATE);

	if (f->scenario_fault != NULL && early)
		return end(q, f->scenario_fault);
	if (f->scenario_fault != NULL || q->scenario == NULL)
		return decide_trouble(q, "%s",
			f->scenario_fault != NULL ? f->scenario_fault : "no such scenario");
	if (f->other_open != NULL && q->move->state < MOVE_ADDRESSED)
		return end(q, f->other_open);
	if (may_not_begin(q))
		return true;
	if (asks_nothing_of_it(q))
		return false;
	if (!f->mailbox_known && f->mailbox_trouble != NULL && q->move->state == MOVE_NEW)
		return end(q, f->mailbox_trouble);
	if (!f->mailbox_known && f->mailbox_trouble != NULL)
		return decide_trouble(q, "%s", f->mailbox_trouble);
	if (!f->mailbox_known)
		return decide_look(q);
	return early && is_no_order(q);
}

/* --- the rows -------------------------------------------------------------------------------- */

/* 1: the second mailbox, redirecting to the first. */
static bool way_to_created(struct asked *q)
{
	if (is_gone(q) || is_elsewhere(q))
		return true;
	if (must(q, STEP_CREATE))
		return true;
	if (q->scenario->redirect && q->facts->assignee_redirects && need(q, STEP_REDIRECT_SECOND))
		return true;
	return decide_enter(q, MOVE_CREATED);
}

/* 4: its addresses, and the numbers of the syncs that will show them. 2 and 3 are passed over. */
static bool way_to_addressed(struct asked *q)
{
	if (is_gone(q) || is_elsewhere(q))
		return true;
	if (need(q, STEP_ADDRESSES))
		return true;
	if (q->move->wait_count == 0 && need(q, STEP_ASK_SYNCS))
		return true;
	return decide_enter(q, MOVE_ADDRESSED);
}

static bool is_unsynced(struct asked *q)
{
	switch (q->facts->syncs) {
	case SYNC_ANSWERED: return false;
	case SYNC_WAITS: return decide_wait(q, 0, "the up syncs of both systems");
	case SYNC_REFUSED: break;
	}
	decide_do(q, STEP_ASK_SYNCS);
	snprintf(q->decision->text, sizeof q->decision->text, "the up sync failed: %s",
		q->facts->sync_reason != NULL ? q->facts->sync_reason : "no reason is given");
	return true;
}

static bool is_unheld(struct asked *q)
{
	if (q->facts->held && !begun(q, STEP_HOLD))
		return decide_held_already(q);
	if (is_withheld(q))
		return true;
	if (!q->facts->held || !has(q, STEP_HOLD))
		return decide_do(q, STEP_HOLD);
	return !q->facts->fenced && decide_do(q, STEP_FENCE);
}

/* The second mailbox lacks an address, or must be asked for those that it has. */
static bool is_incomplete(struct asked *q)
{
	const struct move_facts *f = q->facts;

	if (f->action_absent[STEP_LIST])
		return must(q, STEP_LIST);
	if (!f->listed)
		return decide_do(q, STEP_LIST);
	return f->missing != NULL &&
	       decide_stop(q,
		       "%s has not %s: the mailbox stays where it is%s; add what is missing there, "
		       "then retry",
		       q->move->target, f->missing, f->held ? ", on hold" : "");
}

/* A mailbox that create has made is open. */
static bool was_found(const struct asked *q)
{
	return has(q, STEP_FOUND) || has(q, STEP_ADOPT);
}

/* 5: complete on the assignee, held, fenced. */
static bool way_to_fenced(struct asked *q)
{
	if (is_gone(q) || is_elsewhere(q))
		return true;
	if (!has(q, STEP_HOLD) && (is_unsynced(q) || is_incomplete(q)))
		return true;
	/* closed by an earlier move back, where this one found it: from the swap on its user is to
	 * get in. Who was held before is not kept waiting for it. */
	if (!begun(q, STEP_HOLD) && was_found(q) && need(q, STEP_OPEN_SECOND))
		return true;
	return is_unheld(q) || decide_enter(q, MOVE_FENCED);
}

/* Where one may have been set it goes, whatever the settings say now. Else it is looked at all the
 * same: an earlier move may have left one there, and the first is to redirect to it. */
static bool unredirect_second(struct asked *q)
{
	if (begun(q, STEP_REDIRECT_SECOND))
		return must(q, STEP_UNREDIRECT_SECOND);
	return need(q, STEP_UNREDIRECT_SECOND);
}

static bool turn_redirections(struct asked *q)
{
	if (unredirect_second(q))
		return true;
	return q->scenario->redirect && q->facts->assignor_redirects &&
	       need(q, STEP_REDIRECT_FIRST);
}

/* The swap was done and its record was not; or somebody swapped it by hand, before the redirections
 * were turned. */
static bool note_swap(struct asked *q)
{
	if (turn_redirections(q))
		return true;
	return need(q, STEP_SWAP) || decide_enter(q, MOVE_SWAPPED);
}

/* 6: the redirections turned, drained, swapped. */
static bool way_to_swapped(struct asked *q)
{
	if (is_gone(q) || is_elsewhere(q))
		return true;
	if (q->facts->on_assignee)
		return note_swap(q);
	/* it was listed before the hold: again only where it may have changed since */
	if (is_unheld(q) || is_incomplete(q) || turn_redirections(q))
		return true;
	if (!is_drained(q, has(q, STEP_REDIRECT_FIRST)))
		return decide_do(q, STEP_DRAIN);
	return decide_do(q, STEP_SWAP);
}

/* 10: no branch was asked for, or the scenario would have been refused. */
static bool way_to_complete(struct asked *q)
{
	if (need(q, STEP_ASK_DOWN))
		return true;
	if (q->scenario->close && must(q, STEP_CLOSE))
		return true;
	return decide_enter(q, MOVE_COMPLETE);
}

void forward(struct asked *q)
{
	if (is_hindered(q))
		return;
	switch (q->move->state) {
	case MOVE_NEW: decide_do(q, STEP_TAKE); break;
	case MOVE_RECORDED: way_to_created(q); break;
	case MOVE_CREATED:
	case MOVE_STATION_CHECKED:
	case MOVE_STATION_RECHECKED: way_to_addressed(q); break;
	case MOVE_ADDRESSED: way_to_fenced(q); break;
	case MOVE_FENCED: way_to_swapped(q); break;
	default: way_to_complete(q); break;
	}
}
