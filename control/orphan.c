/*
 * A move whose record was deleted while it may have had its mailbox on hold. Nothing can be claimed
 * any more, so nothing of it is carried on or undone; but nobody else would ever release the
 * mailbox. It is released where the entry is as this move's hold left it and the mailbox in use
 * does not redirect: then mail goes where it went before. Else it stays on hold, for mail that is
 * held is safe, and mail in a mailbox that nobody reads is not. Either way the log says so.
 */
#include "control/run.h"

#include <string.h>

#include "control/fencing.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define AGAIN (2 * CLOCK_SECOND)

/* Mail for the mailbox that is in use rests there. */
static bool is_unturned(const struct move *move)
{
	return move_begun(move, STEP_HOLD_BACK) ? !move_begun(move, STEP_REDIRECT_BACK)
						: !move_begun(move, STEP_REDIRECT_FIRST);
}

/* As it left it: whoever has touched the entry since knows what he wants of it. */
static bool is_own_hold(const struct run *r)
{
	return strcmp(r->mailbox->csn, r->kept.fence_csn) == 0 ||
	       strcmp(r->mailbox->csn, r->move->hold_csn) == 0;
}

static void stays(const struct run *r, const char *why)
{
	const struct move *m = r->move;

	metric_add(&r->control->counts.deleted, 1);
	log_error("control",
		"the record of a move was deleted and its mailbox stays on hold, %s: see that %s "
		"on %s "
		"and %s on %s do not redirect to each other, then `restante unhold %s` move=%s "
		"id=%s",
		why, m->old_physical, m->assignor, *m->physical != '\0' ? m->physical : "nothing",
		m->target, m->address, m->address, m->identifier);
}

static enum progress release(struct run *r, struct str *why)
{
	const struct move *m = r->move;
	const char *error = NULL;
	enum ldap_result result =
		mailbox_set_state(r->worker->session, r->mailbox, STATE_ACTIVE, &error);

	if (result != LDAP_DONE)
		return run_judge(r, result, error, why);
	metric_add(&r->control->counts.deleted, 1);
	log_error("control",
		"the record of a move was deleted while its mailbox was on hold: released; what "
		"was "
		"made of %s on %s is left there move=%s id=%s",
		*m->physical != '\0' ? m->physical : "a second mailbox", m->target, m->address,
		m->identifier);
	return STEP_DONE;
}

static enum progress settle(struct run *r, struct str *why)
{
	struct ldap_session *session = run_session(r, why);
	struct move *there = NULL;
	enum ldap_result result;

	if (session == NULL)
		return STEP_FAILED;
	result = move_read(session, r->move->dn, &there);
	move_free(&there);
	if (result == LDAP_DONE) /* it was put back: it will be followed again */
		return STEP_PENDING;
	if (result != LDAP_NO_ENTRY)
		return run_judge(r, result, NULL, why);
	if (run_look(r, why) != STEP_DONE)
		return STEP_FAILED;
	if (r->mailbox == NULL || r->mailbox->state != STATE_HOLDING)
		return STEP_DONE;
	if (!is_own_hold(r))
		stays(r, "for its entry was changed since");
	else if (!is_unturned(r->move))
		stays(r, "for it may redirect to the other one");
	else
		return release(r, why);
	return STEP_DONE;
}

bool orphan_settle(struct run *r)
{
	struct str why = STR_INIT;
	enum progress progress;

	store_kept(r->control->store, r->task, &r->kept);
	progress = settle(r, &why);
	if (progress == STEP_REFUSED)
		stays(r, str_cstr(&why));
	if (progress == STEP_FAILED)
		log_warning("control", "what a deleted record left is looked at again id=%s: %s",
			r->move->identifier, str_cstr(&why));
	if (progress == STEP_FAILED || progress == STEP_PENDING)
		r->due_us = clock_mono_us() + AGAIN;
	else
		fencing_forget(r->control->fencing, r->task->uuid);
	str_free(&why);
	return progress == STEP_DONE || progress == STEP_REFUSED;
}
