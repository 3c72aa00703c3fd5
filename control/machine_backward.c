/*
 * Cancel, rollback, ended. Mail goes to the second mailbox as long as the directory says so, or the
 * first redirects; so the order is: held and fenced where it was swapped, the redirections turned,
 * drained, swapped back; then addresses, and at last the mailbox itself where it is empty.
 */
#include "control/machine_internal.h"

static bool is_made(const struct asked *q)
{
	return has(q, STEP_CREATE) || *q->move->physical != '\0';
}

/* Whether the way back has touched anything: from then on it is gone to its end. */
static bool is_turning(const struct asked *q)
{
	static const enum step steps[] = { STEP_HOLD_BACK, STEP_UNREDIRECT_FIRST,
		STEP_REDIRECT_BACK, STEP_OPEN, STEP_SWAP_BACK, STEP_UNHOLD, STEP_UNADDRESS };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (begun(q, steps[i]))
			return true;
	return false;
}

/* Until the mover can bring it back, mail in the second mailbox needs an administrator's word. */
static bool is_refused(struct asked *q)
{
	bool reachable = q->move->state >= MOVE_ADDRESSED || has(q, STEP_ADDRESSES);

	if (!reachable || has(q, STEP_LEAVE_MAIL) || has(q, STEP_END) || is_turning(q))
		return false;
	if (!q->facts->action_absent[STEP_EMPTY] && !q->facts->second_asked)
		return decide_do(q, STEP_EMPTY);
	if (q->facts->second_empty)
		return false;
	return decide_stop(q,
		"not rolled back: mail is in the second mailbox, %s on %s, or may be; move it "
		"back, "
		"then retry; or rollback and leave it there",
		q->move->physical, q->move->target);
}

/* Each only after the opposite one is gone. Where a scenario does not redirect nothing was set. */
static bool turn_redirections(struct asked *q)
{
	const struct move_facts *f = q->facts;
	bool first = has(q, STEP_UNREDIRECT_SECOND) || begun(q, STEP_REDIRECT_FIRST) ||
		     q->move->state >= MOVE_FENCED;
	bool second = q->move->state >= MOVE_FENCED || begun(q, STEP_UNREDIRECT_SECOND);

	if (q->scenario != NULL && !q->scenario->redirect)
		return false;
	if (first && f->assignor_redirects && need(q, STEP_UNREDIRECT_FIRST))
		return true;
	return second && f->assignee_redirects && need(q, STEP_REDIRECT_BACK);
}

/* Whatever the records of swap and swap back say: their writers may have ended in between. */
static bool was_swapped(const struct asked *q)
{
	return q->move->state >= MOVE_SWAPPED || has(q, STEP_SWAP) || has(q, STEP_HOLD_BACK);
}

static bool is_closed(const struct asked *q)
{
	return has(q, STEP_ASK_DOWN) && (q->scenario == NULL || q->scenario->close);
}

static bool swap_back(struct asked *q)
{
	if (!q->facts->held || !has(q, STEP_HOLD_BACK))
		return decide_do(q, STEP_HOLD_BACK);
	if (!q->facts->fenced)
		return decide_do(q, STEP_FENCE);
	if (turn_redirections(q))
		return true;
	if (is_closed(q) && need(q, STEP_OPEN))
		return true;
	if (!is_drained(q, has(q, STEP_REDIRECT_BACK)))
		return decide_do(q, STEP_DRAIN_BACK);
	return decide_do(q, STEP_SWAP_BACK);
}

/* The address is where it was, or never was elsewhere. */
static bool restore(struct asked *q)
{
	bool held_by_us = has(q, STEP_LIST) || begun(q, STEP_HOLD) || has(q, STEP_HOLD_BACK) ||
			  q->move->state >= MOVE_FENCED;

	if (turn_redirections(q))
		return true;
	if (is_closed(q) && need(q, STEP_OPEN))
		return true;
	if (q->facts->held && held_by_us)
		return decide_do(q, STEP_UNHOLD);
	return was_swapped(q) && need(q, STEP_ASK_DOWN_BACK);
}

/* --- the second mailbox ---------------------------------------------------------------------- */

/* Mail may still be under way to it where draining was cut short. */
static const char *stays_because(const struct asked *q)
{
	if (q->facts->action_absent[STEP_DELETE_SECOND])
		return "its system has no action `delete`";
	if (was_swapped(q) && !has(q, STEP_DRAIN_BACK))
		return "mail for it may still be under way";
	if (q->facts->action_absent[STEP_EMPTY])
		return "its system has no action `empty`";
	return q->facts->second_asked && !q->facts->second_empty ? "mail is in it" : NULL;
}

static bool over(struct asked *q, const char *stays)
{
	enum move_outcome outcome =
		q->move->state < MOVE_ADDRESSED ? MOVE_CANCELLED : MOVE_ROLLED_BACK;

	if (has(q, STEP_END))
		outcome = MOVE_ENDED;
	if (stays != NULL)
		return decide_over(q, outcome,
			"the second mailbox, %s on %s, was not deleted: %s; it redirects to %s",
			q->move->physical, q->move->target, stays, q->move->old_physical);
	return decide_over(q, outcome, "%s", outcome == MOVE_ENDED ? q->move->error : "");
}

static bool remove_second(struct asked *q)
{
	const char *stays = stays_because(q);

	if (has(q, STEP_DELETE_SECOND))
		return over(q, NULL);
	if (begun(q, STEP_DELETE_SECOND)) /* it was found empty; it may be gone already */
		return decide_do(q, STEP_DELETE_SECOND);
	if (stays != NULL)
		return over(q, stays);
	return decide_do(q, q->facts->second_asked ? STEP_DELETE_SECOND : STEP_EMPTY);
}

void backward(struct asked *q)
{
	const struct move_facts *f = q->facts;

	/* Made or not? Nobody knows: to make it tells its address. */
	if (!is_made(q) && begun(q, STEP_CREATE))
		decide_do(q, STEP_CREATE);
	else if (!is_made(q))
		over(q, NULL);
	else if (!f->mailbox_known && f->mailbox_trouble != NULL)
		decide_trouble(q, "%s", f->mailbox_trouble);
	else if (!f->mailbox_known)
		decide_look(q);
	else if (is_refused(q))
		return;
	else if (f->on_assignee && !f->mailbox_gone ? swap_back(q) : restore(q))
		return;
	else if (!need(q, STEP_UNADDRESS))
		remove_second(q);
}
