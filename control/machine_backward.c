/*
 * Cancel, rollback, ended. Mail goes to the second mailbox as long as the directory says so, or the
 * first redirects; so the order is: held and fenced where it was swapped, the redirections turned,
 * drained, swapped back; then addresses, and at last the mailbox itself where it is empty.
 */
#include "control/machine_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* Where the scenario waits for its queues without bound: as its default. */
#define GRACE_WITHOUT_BOUND INT64_C(60000000)

static bool is_made(const struct asked *q)
{
	return has(q, STEP_CREATE) || *q->move->physical != '\0';
}

/* The mailbox's entry was not read yet, or cannot be. */
static bool is_unknown(struct asked *q)
{
	if (q->facts->mailbox_known)
		return false;
	if (q->facts->mailbox_trouble != NULL)
		return decide_trouble(q, "%s", q->facts->mailbox_trouble);
	return decide_look(q);
}

/* Whether the way back has turned anything: from then on it is gone to its end. */
static bool is_turning(const struct asked *q)
{
	static const enum step steps[] = { STEP_UNREDIRECT_FIRST, STEP_REDIRECT_BACK, STEP_OPEN,
		STEP_SWAP_BACK, STEP_UNADDRESS };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (begun(q, steps[i]))
			return true;
	return false;
}

/* Held again, and front doors may still send mail to the second mailbox. */
static bool is_fencing(const struct asked *q)
{
	const struct move_facts *f = q->facts;

	return f->on_assignee && f->held && begun(q, STEP_HOLD_BACK) && !f->fenced;
}

/* Whatever the records of swap and swap back say: their writers may have ended in between. */
static bool was_swapped(const struct asked *q)
{
	return q->move->state >= MOVE_SWAPPED || has(q, STEP_SWAP) || has(q, STEP_HOLD_BACK);
}

/* --- what a rollback is refused for ----------------------------------------------------------- */

/* Nothing of the way back has an effect: it is as if it had not been asked for. */
static bool decide_unturn(struct asked *q, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static bool decide_unturn(struct asked *q, const char *format, ...)
{
	char text[sizeof q->decision->text];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	decide_answer(q, STEP_UNTURN, "%s", text);
	if (q->move->reached_us[MOVE_COMPLETE] != 0)
		q->decision->state = MOVE_COMPLETE;
	return true;
}

/* True: decided, for it must be asked first, or there is mail in it, or may be. */
static bool has_mail(struct asked *q, bool *mail_r)
{
	const struct move_facts *f = q->facts;

	*mail_r = false;
	if (!f->action_absent[STEP_EMPTY] && !f->second_asked)
		return decide_do(q, STEP_EMPTY);
	*mail_r = !f->second_empty;
	return *mail_r;
}

/* In state 4 nobody wants it to be swapped after all; later it stays where it is used. */
static const char *mail_text(const struct asked *q, bool stops)
{
	static _Thread_local char text[512];
	const char *trouble = q->facts->second_trouble;

	snprintf(text, sizeof text,
		"not rolled back: mail is in the second mailbox, %s on %s, or may be%s%s; "
		"move it back and roll back again; or roll back and leave it there%s",
		q->move->physical, q->move->target, trouble != NULL ? ", for " : "",
		trouble != NULL ? trouble : "", stops ? "; or retry, and the move goes on" : "");
	return text;
}

/* The system is asked by what needs the mailbox; where it cannot be, up syncs tell. */
static bool is_first_gone(struct asked *q, const char **gone_r)
{
	const struct move_facts *f = q->facts;

	*gone_r = NULL;
	if (f->action_absent[STEP_LIST_FIRST])
		*gone_r = q->move->old_gone ? "an up sync found it gone" : NULL;
	else if (!f->first_asked)
		return decide_do(q, STEP_LIST_FIRST);
	else
		*gone_r = f->first_gone;
	return *gone_r != NULL;
}

static const char *gone_text(const struct asked *q, const char *gone)
{
	static _Thread_local char text[512];

	snprintf(text, sizeof text,
		"not rolled back: the old mailbox, %s on %s, is gone: %s; record a move "
		"back",
		q->move->old_physical, q->move->assignor, gone);
	return text;
}

static bool is_reachable(const struct asked *q)
{
	return q->move->state >= MOVE_ADDRESSED || has(q, STEP_ADDRESSES);
}

bool is_declined(struct asked *q, enum step step)
{
	const char *gone;
	bool mail, swapped;

	if (!is_reachable(q))
		return false;
	if (is_unknown(q))
		return true;
	swapped = q->facts->on_assignee && !q->facts->mailbox_gone;
	if (swapped && is_first_gone(q, &gone))
		return gone == NULL || decide_answer(q, STEP_DECLINE, "%s", gone_text(q, gone));
	/* who is held before the swap is given back first, whatever is in the second mailbox */
	if (step == STEP_LEAVE_MAIL || (!swapped && begun(q, STEP_HOLD)))
		return false;
	if (!has_mail(q, &mail))
		return false;
	if (!mail)
		return true;
	q->decision->stops = !was_swapped(q);
	return decide_answer(q, STEP_DECLINE, "%s", mail_text(q, q->decision->stops));
}

/* Until the mover can bring it back, mail in the second mailbox needs an administrator's word.
 * Asked before it is held again, and once more behind the fence: then it is released again, and
 * stays where it is. */
static bool is_refused(struct asked *q)
{
	bool mail;

	if (!is_reachable(q) || has(q, STEP_LEAVE_MAIL) || has(q, STEP_END) || is_turning(q) ||
		is_fencing(q))
		return false;
	if (!has_mail(q, &mail))
		return false;
	if (!mail)
		return true;
	if (q->facts->held && begun(q, STEP_HOLD_BACK))
		return decide_do(q, STEP_UNHOLD);
	return decide_unturn(q, "%s", mail_text(q, false));
}

/* Not swapped: it is given back to where it was, and what is to be taken from the second mailbox
 * waits until that is empty. */
static bool is_kept(struct asked *q)
{
	bool going = was_swapped(q) ? is_turning(q) : begun(q, STEP_UNADDRESS), mail;

	if (!is_reachable(q) || has(q, STEP_LEAVE_MAIL) || has(q, STEP_END) || going)
		return false;
	if (!has_mail(q, &mail))
		return false;
	if (!mail)
		return true;
	if (begun(q, STEP_HOLD))
		return decide_stop(q,
			"rolled back but for the second mailbox, %s on %s: mail is in it, or may "
			"be; move it, then retry; or roll back and leave it there",
			q->move->physical, q->move->target);
	q->decision->stops = true;
	return decide_unturn(q, "%s", mail_text(q, true));
}

/* Nobody is to be sent to a mailbox that is not there, nor redirected to it: the mailbox is used on
 * where it is. */
static bool is_lost(struct asked *q)
{
	const char *gone;

	if (!is_first_gone(q, &gone))
		return false;
	if (gone == NULL)
		return true;
	if (begun(q, STEP_REDIRECT_BACK) && must(q, STEP_UNREDIRECT_AGAIN))
		return true;
	if (q->facts->held && begun(q, STEP_HOLD_BACK))
		return decide_do(q, STEP_UNHOLD);
	return decide_unturn(q, "%s", gone_text(q, gone));
}

/* --- the ways ----------------------------------------------------------------------------------
 */

/* Each only after the opposite one is gone. What may have been set is taken away, whatever the
 * settings say now; set again is only what they still allow. */
static bool turn_redirections(struct asked *q)
{
	bool allowed = (q->scenario == NULL || q->scenario->redirect) &&
		       q->facts->assignee_redirects && !begun(q, STEP_DELETE_SECOND);

	if (begun(q, STEP_REDIRECT_FIRST) && must(q, STEP_UNREDIRECT_FIRST))
		return true;
	return allowed && begun(q, STEP_UNREDIRECT_SECOND) && need(q, STEP_REDIRECT_BACK);
}

static bool reopen(struct asked *q)
{
	return begun(q, STEP_CLOSE) && must(q, STEP_OPEN);
}

static bool swap_back(struct asked *q)
{
	if (q->facts->held && !begun(q, STEP_HOLD_BACK))
		return decide_held_already(q);
	if (is_withheld(q))
		return true;
	if (!q->facts->held || !has(q, STEP_HOLD_BACK))
		return is_lost(q) || decide_do(q, STEP_HOLD_BACK);
	if (!q->facts->fenced)
		return decide_do(q, STEP_FENCE);
	if (!is_turning(q) && is_lost(q))
		return true;
	if (turn_redirections(q))
		return true;
	if (reopen(q))
		return true;
	if (!is_drained(q, has(q, STEP_REDIRECT_BACK)))
		return decide_do(q, STEP_DRAIN_BACK);
	return is_lost(q) || decide_do(q, STEP_SWAP_BACK);
}

/* The address is where it was, or never was elsewhere. */
static bool restore(struct asked *q)
{
	bool held_by_us = begun(q, STEP_HOLD_BACK) || (begun(q, STEP_HOLD) && !has(q, STEP_UNHOLD));

	if (turn_redirections(q))
		return true;
	if (reopen(q))
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

static enum move_outcome outcome_of(const struct asked *q)
{
	if (has(q, STEP_END))
		return MOVE_ENDED;
	return q->move->state < MOVE_ADDRESSED ? MOVE_CANCELLED : MOVE_ROLLED_BACK;
}

static bool over(struct asked *q, const char *stays)
{
	bool redirects = has(q, STEP_REDIRECT_BACK) ||
			 (has(q, STEP_REDIRECT_SECOND) && !begun(q, STEP_UNREDIRECT_SECOND));
	enum move_outcome outcome = outcome_of(q);

	if (stays == NULL)
		return decide_over(q, outcome, "%s", outcome == MOVE_ENDED ? q->move->error : "");
	return decide_over(q, outcome, "the second mailbox, %s on %s, was not deleted: %s; it %s%s",
		q->move->physical, q->move->target, stays,
		redirects ? "redirects to " : "does not redirect: what reaches it stays there",
		redirects ? q->move->old_physical : "");
}

/* What the old system has taken on while the first mailbox redirected gets as long to arrive as the
 * front doors' queues do. */
static int64_t arrived_us(const struct asked *q)
{
	int64_t bound = q->scenario != NULL && q->scenario->drain > 0 ? q->scenario->drain
								      : GRACE_WITHOUT_BOUND;

	return begun(q, STEP_REDIRECT_FIRST) ? done_us(q, STEP_UNREDIRECT_FIRST) + bound : 0;
}

static bool remove_second(struct asked *q)
{
	const struct move_facts *f = q->facts;
	const char *stays = stays_because(q);

	if (has(q, STEP_DELETE_SECOND))
		return over(q, NULL);
	if (has(q, STEP_ADOPT)) /* it was there before this move, and is another one's to delete */
		return over(q, "an earlier move left it there");
	/* it may be gone already, and cannot be asked: the step looks itself, right before */
	if (begun(q, STEP_DELETE_SECOND) && !f->second_asked &&
		!f->action_absent[STEP_DELETE_SECOND])
		return decide_do(q, STEP_DELETE_SECOND);
	if (stays != NULL)
		return over(q, stays);
	if (q->now_us < arrived_us(q))
		return decide_wait(q, arrived_us(q), "mail that the old system may have under way");
	return decide_do(q, f->second_asked ? STEP_DELETE_SECOND : STEP_EMPTY);
}

/* Made or not? Nobody knows: to make it tells its address. */
static bool find_second(struct asked *q)
{
	if (!begun(q, STEP_CREATE))
		return over(q, NULL);
	if (q->facts->create_refused == NULL) /* made as it was: by all that the entry says */
		return is_unknown(q) || decide_do(q, STEP_CREATE);
	return decide_over(q, outcome_of(q),
		"%s%screate was refused, and what it may have left on %s is not known, look there: "
		"%s",
		has(q, STEP_END) ? q->move->error : "", has(q, STEP_END) ? "; " : "",
		q->move->target, q->facts->create_refused);
}

void backward(struct asked *q)
{
	const struct move_facts *f = q->facts;

	if (!is_made(q))
		find_second(q);
	else if (is_unknown(q))
		return;
	else if (f->on_assignee && !f->mailbox_gone)
		(void)(is_refused(q) || swap_back(q));
	else if (was_swapped(q) ? is_kept(q) || restore(q) : restore(q) || is_kept(q))
		return;
	else if (has(q, STEP_ADOPT))
		remove_second(q);
	else if (begun(q, STEP_ADDRESSES) ? !must(q, STEP_UNADDRESS) : !need(q, STEP_UNADDRESS))
		remove_second(q);
}
