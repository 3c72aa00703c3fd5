/* From state 10 on: the old mailbox goes, a contact takes its place, the record is purged. */
#include "control/machine_internal.h"

#include <string.h>

#define QUEUE_LIFETIME (INT64_C(5) * 24 * 3600 * 1000000)

/* The old mailbox is the mailbox again: nothing to explain any more. Closed is it not either. */
static bool moved_back(struct asked *q)
{
	if (begun(q, STEP_CLOSE) && !begun(q, STEP_DELETE_OLD) && must(q, STEP_OPEN))
		return true;
	return decide_over(q, MOVE_MOVED_BACK, "%s", "");
}

static bool is_moved_back(struct asked *q)
{
	const struct move_facts *f = q->facts;

	if (f->mailbox_gone)
		return decide_stop(q, "the old mailbox is not deleted: the mailbox is gone from "
				      "the directory; delete it by hand, or put the entry back");
	if (f->at_assignor)
		return moved_back(q);
	if (f->moves_back)
		return decide_stop(q,
			"the old mailbox is not deleted: a move back to %s was "
			"recorded; once that is over retry deletes it after all",
			q->move->assignor);
	return false;
}

/* Where no data was transferred, only with explicit confirmation. */
static bool is_unconfirmed(struct asked *q)
{
	if (q->move->may_delete || strcmp(q->scenario->transfer, "none") != 0)
		return false;
	return decide_stop(q,
		"the old mailbox, %s on %s, is not deleted: no data was transferred; "
		"set restanteMoveMayDelete to TRUE, then retry",
		q->move->old_physical, q->move->assignor);
}

/* Where draining was cut short mail for the old mailbox may be in a queue for as long as MTAs keep
 * it, and needs its redirection. */
static int64_t delete_time(const struct asked *q)
{
	int64_t due = scenario_time_us(q->scenario, q->move, MOVE_DELETED),
		left = q->move->reached_us[MOVE_SWAPPED] + QUEUE_LIFETIME;

	return has(q, STEP_DRAIN) || left < due ? due : left;
}

/* Needs the mailbox's addresses and names; one that is gone meanwhile has no contact. */
static void leave_contact(struct asked *q)
{
	const struct move_facts *f = q->facts;
	bool wanted = !has(q, STEP_CONTACT) && !f->action_absent[STEP_CONTACT];

	if (wanted && !f->mailbox_known && f->mailbox_trouble != NULL)
		decide_trouble(q, "%s", f->mailbox_trouble);
	else if (wanted && !f->mailbox_known)
		decide_look(q);
	else if (f->mailbox_gone || !need(q, STEP_CONTACT))
		decide_enter(q, MOVE_DELETED);
}

static void delete_old(struct asked *q)
{
	int64_t due = delete_time(q);

	if (!begun(q, STEP_DELETE_OLD)) {
		if (q->now_us < due) {
			decide_wait(q, due, "the time of delete");
			return;
		}
		if (!q->facts->working_hours) {
			decide_wait(q, q->facts->hours_us, "working hours");
			return;
		}
	}
	if (!has(q, STEP_DELETE_OLD)) {
		if (!q->facts->mailbox_known && q->facts->mailbox_trouble != NULL)
			decide_trouble(q, "%s", q->facts->mailbox_trouble);
		else if (!q->facts->mailbox_known)
			decide_look(q);
		else if (!is_moved_back(q) && !is_unconfirmed(q))
			must(q, STEP_DELETE_OLD);
		return;
	}
	leave_contact(q);
}

void finished(struct asked *q)
{
	if (q->facts->returned)
		moved_back(q);
	else if (q->move->state >= MOVE_DELETED)
		retire(q);
	else if (q->scenario == NULL)
		decide_trouble(q, "%s",
			q->facts->scenario_fault != NULL ? q->facts->scenario_fault
							 : "no such scenario");
	else if (q->scenario->delete == INT64_MAX)
		retire(q);
	else
		delete_old(q);
}

static int64_t last_us(const struct move *move)
{
	int64_t last = 0;

	for (int state = 0; state < MOVE_STATES; state++)
		if (move->reached_us[state] > last)
			last = move->reached_us[state];
	for (size_t i = 0; i < move->done_count; i++)
		if (move->done[i].at_us > last)
			last = move->done[i].at_us;
	return last;
}

/* The record of a move that was made explains the old mailbox until that was seen gone. */
void retire(struct asked *q)
{
	bool explains = q->move->outcome == MOVE_OPEN_OR_DONE && !q->move->old_gone;
	int64_t due;

	if (q->scenario == NULL || q->scenario->retention == 0 || explains) {
		decide_idle(q);
		return;
	}
	due = last_us(q->move) + q->scenario->retention;
	if (q->now_us < due)
		decide_wait(q, due, "the end of its retention");
	else
		decide_do(q, STEP_PURGE);
}
