#include "control/machine_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- steps by name --------------------------------------------------------------------------- */

enum side { NOWHERE, ASSIGNOR, ASSIGNEE };

static const struct step_kind {
	const char *name;
	enum action action;
	enum side side;
	bool claimed;
} kinds[STEPS] = {
	[STEP_NONE] = { "-", ACTIONS, NOWHERE, false },
	[STEP_TAKE] = { "take", ACTIONS, NOWHERE, false },
	[STEP_CREATE] = { "create", ACTION_CREATE, ASSIGNEE, true },
	[STEP_REDIRECT_SECOND] = { "redirect-second", ACTION_REDIRECT, ASSIGNEE, true },
	[STEP_ADDRESSES] = { "addresses", ACTION_ADDRESSES, ASSIGNEE, true },
	[STEP_ASK_SYNCS] = { "ask-syncs", ACTIONS, NOWHERE, false },
	[STEP_LIST] = { "list", ACTION_LIST, ASSIGNEE, false },
	[STEP_OPEN_SECOND] = { "open-second", ACTION_OPEN, ASSIGNEE, true },
	[STEP_HOLD] = { "hold", ACTIONS, NOWHERE, true },
	[STEP_FENCE] = { "fence", ACTIONS, NOWHERE, false },
	[STEP_UNREDIRECT_SECOND] = { "unredirect-second", ACTION_UNREDIRECT, ASSIGNEE, true },
	[STEP_REDIRECT_FIRST] = { "redirect-first", ACTION_REDIRECT, ASSIGNOR, true },
	[STEP_DRAIN] = { "drain", ACTIONS, NOWHERE, false },
	[STEP_SWAP] = { "swap", ACTIONS, NOWHERE, true },
	[STEP_ASK_DOWN] = { "ask-down", ACTIONS, NOWHERE, false },
	[STEP_CLOSE] = { "close", ACTION_CLOSE, ASSIGNOR, true },
	[STEP_DELETE_OLD] = { "delete-old", ACTION_DELETE, ASSIGNOR, true },
	[STEP_CONTACT] = { "contact", ACTION_CONTACT, ASSIGNOR, true },
	[STEP_PURGE] = { "purge", ACTIONS, NOWHERE, false },
	[STEP_HOLD_BACK] = { "hold-back", ACTIONS, NOWHERE, true },
	[STEP_UNREDIRECT_FIRST] = { "unredirect-first", ACTION_UNREDIRECT, ASSIGNOR, true },
	[STEP_REDIRECT_BACK] = { "redirect-back", ACTION_REDIRECT, ASSIGNEE, true },
	[STEP_OPEN] = { "open", ACTION_OPEN, ASSIGNOR, true },
	[STEP_DRAIN_BACK] = { "drain-back", ACTIONS, NOWHERE, false },
	[STEP_SWAP_BACK] = { "swap-back", ACTIONS, NOWHERE, true },
	[STEP_UNHOLD] = { "unhold", ACTIONS, NOWHERE, true },
	[STEP_ASK_DOWN_BACK] = { "ask-down-back", ACTIONS, NOWHERE, false },
	[STEP_UNADDRESS] = { "unaddress", ACTION_UNADDRESS, ASSIGNEE, true },
	[STEP_EMPTY] = { "empty", ACTION_EMPTY, ASSIGNEE, false },
	[STEP_DELETE_SECOND] = { "delete-second", ACTION_DELETE, ASSIGNEE, true },
	[STEP_LIST_FIRST] = { "list-first", ACTION_LIST, ASSIGNOR, false },
	[STEP_UNREDIRECT_AGAIN] = { "unredirect-again", ACTION_UNREDIRECT, ASSIGNEE, true },
	[STEP_RESUME] = { "resume", ACTIONS, NOWHERE, false },
	[STEP_RETRY] = { "retry", ACTIONS, NOWHERE, false },
	[STEP_BACK] = { "back", ACTIONS, NOWHERE, false },
	[STEP_LEAVE_MAIL] = { "leave-mail", ACTIONS, NOWHERE, false },
	[STEP_END] = { "end", ACTIONS, NOWHERE, false },
	[STEP_DECLINE] = { "decline", ACTIONS, NOWHERE, false },
	[STEP_UNTURN] = { "unturn", ACTIONS, NOWHERE, false },
	[STEP_ADOPT] = { "adopted", ACTIONS, NOWHERE, false },
	[STEP_FOUND] = { "found", ACTIONS, NOWHERE, false },
	[STEP_OUTCOME] = { "outcome", ACTIONS, NOWHERE, false },
};

const char *step_name(enum step step)
{
	return kinds[step].name;
}

enum step step_find(const char *name)
{
	for (int step = STEP_TAKE; step < STEPS; step++)
		if (strcmp(kinds[step].name, name) == 0)
			return (enum step)step;
	return STEP_NONE;
}

const char *step_mark(enum step step)
{
	static const char *const marks[STEPS] = {
		[STEP_CREATE] = "create-begun",
		[STEP_REDIRECT_SECOND] = "redirect-second-begun",
		[STEP_ADDRESSES] = "addresses-begun",
		[STEP_OPEN_SECOND] = "open-second-begun",
		[STEP_HOLD] = "hold-begun",
		[STEP_UNREDIRECT_SECOND] = "unredirect-second-begun",
		[STEP_REDIRECT_FIRST] = "redirect-first-begun",
		[STEP_SWAP] = "swap-begun",
		[STEP_CLOSE] = "close-begun",
		[STEP_DELETE_OLD] = "delete-old-begun",
		[STEP_CONTACT] = "contact-begun",
		[STEP_HOLD_BACK] = "hold-back-begun",
		[STEP_UNREDIRECT_FIRST] = "unredirect-first-begun",
		[STEP_REDIRECT_BACK] = "redirect-back-begun",
		[STEP_OPEN] = "open-begun",
		[STEP_SWAP_BACK] = "swap-back-begun",
		[STEP_UNHOLD] = "unhold-begun",
		[STEP_UNADDRESS] = "unaddress-begun",
		[STEP_DELETE_SECOND] = "delete-second-begun",
		[STEP_UNREDIRECT_AGAIN] = "unredirect-again-begun",
	};

	return marks[step];
}

enum action step_action(enum step step, bool *on_assignee_r)
{
	*on_assignee_r = kinds[step].side == ASSIGNEE;
	return kinds[step].action;
}

bool step_claimed(enum step step)
{
	return kinds[step].claimed;
}

/* --- what is decided ------------------------------------------------------------------------- */

static bool decide(struct asked *q, enum move_verdict verdict, const char *format, va_list list)
{
	q->decision->verdict = verdict;
	if (format != NULL)
		vsnprintf(q->decision->text, sizeof q->decision->text, format, list);
	return true;
}

#define DECIDE(verdict)                                                                            \
	do {                                                                                       \
		va_list list;                                                                      \
		va_start(list, format);                                                            \
		decide(q, (verdict), format, list);                                                \
		va_end(list);                                                                      \
	} while (0)

bool decide_do(struct asked *q, enum step step)
{
	q->decision->verdict = MOVE_DO;
	q->decision->step = step;
	return true;
}

bool decide_look(struct asked *q)
{
	q->decision->verdict = MOVE_LOOK;
	return true;
}

bool decide_wait(struct asked *q, int64_t until_us, const char *format, ...)
{
	DECIDE(MOVE_WAIT);
	q->decision->until_us = until_us;
	return true;
}

bool decide_trouble(struct asked *q, const char *format, ...)
{
	DECIDE(MOVE_WAIT);
	q->decision->trouble = true;
	return true;
}

bool decide_stop(struct asked *q, const char *format, ...)
{
	DECIDE(MOVE_STOP);
	return true;
}

bool decide_enter(struct asked *q, int state)
{
	q->decision->verdict = MOVE_ENTER;
	q->decision->state = state;
	return true;
}

bool decide_answer(struct asked *q, enum step step, const char *format, ...)
{
	DECIDE(MOVE_ANSWER);
	q->decision->step = step;
	return true;
}

bool decide_over(struct asked *q, enum move_outcome outcome, const char *format, ...)
{
	DECIDE(MOVE_OVER);
	q->decision->outcome = outcome;
	return true;
}

bool decide_idle(struct asked *q)
{
	q->decision->verdict = MOVE_IDLE;
	return true;
}

bool decide_held_already(struct asked *q)
{
	return decide_trouble(q,
		"the mailbox is on hold already, and not by this move, whose swap would release "
		"it: `restante unhold %s`, and the move goes on",
		q->move->address);
}

bool is_withheld(struct asked *q)
{
	return q->facts->other_state != NULL &&
	       decide_trouble(q,
		       "the mailbox's state is `%s`, which a hold would write over: set it to "
		       "`active`, and the move goes on",
		       q->facts->other_state);
}

/* --- what was done --------------------------------------------------------------------------- */

bool has(const struct asked *q, enum step step)
{
	return move_has(q->move, step_name(step));
}

int64_t done_us(const struct asked *q, enum step step)
{
	for (size_t i = 0; i < q->move->done_count; i++)
		if (strcmp(q->move->done[i].step, step_name(step)) == 0)
			return q->move->done[i].at_us;
	return 0;
}

bool move_begun(const struct move *move, enum step step)
{
	return move_has(move, step_name(step)) || strcmp(move->work.step, step_name(step)) == 0 ||
	       (step_claimed(step) && move_has(move, step_mark(step)));
}

bool begun(const struct asked *q, enum step step)
{
	return move_begun(q->move, step);
}

bool need(struct asked *q, enum step step)
{
	return !has(q, step) && !q->facts->action_absent[step] && decide_do(q, step);
}

bool must(struct asked *q, enum step step)
{
	bool on_assignee;
	const char *action = action_name(step_action(step, &on_assignee));

	if (has(q, step))
		return false;
	if (!q->facts->action_absent[step])
		return decide_do(q, step);
	return decide_stop(q, "actions %s.%s is not set: set it, then retry",
		on_assignee ? q->move->target : q->move->assignor, action);
}

bool is_drained(const struct asked *q, bool redirected)
{
	return q->facts->drained || (q->facts->drain_over && redirected);
}

bool move_backward(const struct move *move)
{
	return move_has(move, step_name(STEP_BACK)) || move_has(move, step_name(STEP_END));
}

bool step_opposite(enum step step, enum step *set_r, enum step *unset_r)
{
	*set_r = step == STEP_REDIRECT_FIRST ? STEP_REDIRECT_SECOND : STEP_REDIRECT_FIRST;
	*unset_r = step == STEP_REDIRECT_FIRST ? STEP_UNREDIRECT_SECOND : STEP_UNREDIRECT_FIRST;
	return step == STEP_REDIRECT_FIRST || step == STEP_REDIRECT_BACK;
}

bool step_unturned(const struct move *move, enum step step)
{
	switch (step) {
	case STEP_BACK:
	case STEP_LEAVE_MAIL:
	case STEP_HOLD_BACK:
	case STEP_UNREDIRECT_FIRST:
	case STEP_REDIRECT_BACK:
	case STEP_OPEN:
	case STEP_DRAIN_BACK:
	case STEP_UNHOLD:
	case STEP_UNREDIRECT_AGAIN: return true;
	/* what was taken away already is not there any more */
	case STEP_REDIRECT_FIRST: return move_begun(move, STEP_UNREDIRECT_FIRST);
	case STEP_CLOSE: return move_begun(move, STEP_OPEN);
	default: return false;
	}
}

bool move_may_hold(const struct move *move)
{
	return move_open(move) && (move_begun(move, STEP_HOLD) || move_begun(move, STEP_HOLD_BACK));
}

static bool is_before_swap(const struct move *move)
{
	return move->outcome == MOVE_OPEN_OR_DONE && !move_backward(move) &&
	       move->state < MOVE_SWAPPED;
}

bool move_holds_mail(const struct move *move)
{
	return is_before_swap(move) && (move->state >= MOVE_FENCED || move_begun(move, STEP_HOLD));
}

bool move_keeps_room(const struct move *move)
{
	bool waits = move->stopped || move->request == MOVE_ASKED_PAUSE;

	if (move_holds_mail(move))
		return true;
	return is_before_swap(move) && !waits &&
	       (move->state >= MOVE_ADDRESSED || move_begun(move, STEP_ADDRESSES));
}

/* The list is of the moment of the hold: whoever waits for room makes a new one. */
bool step_needs_room(enum step step)
{
	return step == STEP_ADDRESSES || step == STEP_LIST || step == STEP_HOLD;
}

/* --- a record that was changed ------------------------------------------------------------------
 */

/* The second mailbox is of that system and of that person: nothing may be done to another one. */
static bool is_altered(const struct asked *q, char *text, size_t size)
{
	const struct move *m = q->move;
	char now[640];

	snprintf(now, sizeof now, "%s %s %s", m->target, m->mailbox, m->address);
	if (*m->made == '\0' || strcasecmp(m->made, now) == 0)
		return false;
	snprintf(text, size,
		"the record was changed after its second mailbox was made: that is of `%s` "
		"(system, "
		"mailbox, address), and the record says `%.180s`; put it back, then retry; what is "
		"wanted now is another move",
		m->made, now);
	return true;
}

/* --- requests -------------------------------------------------------------------------------- */

/* From state 10 on the move is opened once more: nothing else may stand in its way. */
static bool is_not_to_be_opened(struct asked *q)
{
	const struct move_facts *f = q->facts;

	if (!f->mailbox_known)
		return decide_look(q);
	if (f->other_open != NULL || f->moves_back)
		return decide_answer(q, STEP_DECLINE,
			"not rolled back: another move of the mailbox was recorded since");
	if (!f->on_assignee)
		return decide_answer(q, STEP_DECLINE,
			"not rolled back: the mailbox is not where this move brought it");
	return false;
}

static bool turn(struct asked *q, enum step step)
{
	char text[sizeof q->decision->text];

	if (is_altered(q, text, sizeof text)) {
		q->decision->stops = true;
		return decide_answer(q, STEP_DECLINE, "%s", text);
	}
	if (begun(q, STEP_DELETE_OLD))
		return decide_answer(q, STEP_DECLINE,
			"not rolled back: the old mailbox is deleted, or about to be; record a "
			"move back");
	if (q->move->state >= MOVE_SWAPPED && q->move->old_gone)
		return decide_answer(q, STEP_DECLINE,
			"not rolled back: the up sync found the old mailbox, %s on %s, gone; "
			"record "
			"a move back",
			q->move->old_physical, q->move->assignor);
	if (q->move->state >= MOVE_COMPLETE && is_not_to_be_opened(q))
		return true;
	if (!move_backward(q->move) && is_declined(q, step))
		return true;
	decide_answer(q, step, "%s", "");
	if (q->move->state >= MOVE_COMPLETE)
		q->decision->state = MOVE_SWAPPED; /* open until it is over */
	return true;
}

static bool answer_request(struct asked *q)
{
	switch (q->move->request) {
	case MOVE_ASKED_NOTHING: return false;
	case MOVE_ASKED_PAUSE: return decide_idle(q);
	case MOVE_ASKED_RESUME: return decide_answer(q, STEP_RESUME, "%s", "");
	case MOVE_ASKED_RETRY: return decide_answer(q, STEP_RETRY, "%s", "");
	case MOVE_ASKED_CANCEL:
	case MOVE_ASKED_ROLLBACK: return turn(q, STEP_BACK);
	case MOVE_ASKED_ROLLBACK_LEAVE_MAIL: return turn(q, STEP_LEAVE_MAIL);
	case MOVE_ASKED_UNKNOWN: break;
	}
	return decide_answer(q, STEP_DECLINE,
		"the request was none of pause, resume, retry, cancel, rollback, rollback "
		"leave-mail");
}

static void decide_over_already(struct asked *q)
{
	bool known = q->move->outcome != MOVE_OUTCOME_UNKNOWN;

	if (known && q->move->request != MOVE_ASKED_NOTHING)
		decide_answer(q, STEP_DECLINE, "the move is over: nothing was done");
	else if (known)
		retire(q);
	else
		decide_idle(q);
}

void move_decide(const struct move *move, const struct config_scenario *scenario,
	const struct move_facts *facts, int64_t now_us, struct move_decision *decision_r)
{
	struct asked q = { move, scenario, facts, now_us, decision_r };
	char text[sizeof decision_r->text];

	memset(decision_r, 0, sizeof *decision_r);
	if (move->outcome != MOVE_OPEN_OR_DONE)
		decide_over_already(&q);
	else if (*move->fault != '\0' && move->state == MOVE_NEW)
		decide_over(&q, MOVE_ENDED, "%s", move->fault);
	else if (*move->fault != '\0')
		decide_trouble(&q, "%s", move->fault);
	else if (answer_request(&q))
		return;
	else if (move->stopped)
		decide_idle(&q);
	else if (is_altered(&q, text, sizeof text))
		decide_stop(&q, "%s", text);
	else if (move_backward(move))
		backward(&q);
	else if (move->state >= MOVE_COMPLETE)
		finished(&q);
	else
		forward(&q);
}
