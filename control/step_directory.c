/* Steps that are writes in DIR, and those that a keeper waits for. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/fencing.h"
#include "control/run.h"
#include "control/syncing.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/when.h"

#define TOUCHED_PAUSE (10 * CLOCK_MS)
/* A write that was sent is done within its timeout, or soon after. */
#define DIRECTORY_REST (500 * CLOCK_MS)

/* The identifier is the record's name: what `restante move` and the log go by. */
static void take_identifier(struct run *r)
{
	const char *dn = r->move->dn, *name = strchr(dn, '=');
	size_t len = name != NULL ? strcspn(name + 1, ",+") : 0;

	if (*r->move->identifier != '\0' || len == 0)
		return;
	mem_free(&r->move->identifier);
	r->move->identifier = mem_strndup(name + 1, len);
	r->change.identifier = true;
}

enum progress step_take(struct run *r, struct str *why)
{
	struct move *move = r->move;
	const struct mailbox *m = r->mailbox;

	(void)why;
	record_text(&move->mailbox, m->uuid);
	record_text(&move->assignor, m->system);
	record_text(&move->old_physical, m->physical);
	record_text(&move->old_source_id, m->source_id != NULL ? m->source_id : "");
	r->change.mailbox = true;
	take_identifier(r);
	record_state(move, &r->change, MOVE_RECORDED, control_now_us(r->control));
	store_index(r->control->store, r->task);
	return STEP_DONE;
}

/* --- hold and swap ---------------------------------------------------------------------------- */

/* Touched since it was read: it is read again at once, and the fence passed again. */
static enum progress judge_write(
	struct run *r, enum ldap_result result, const char *error, struct str *why)
{
	if (result == LDAP_ASSERTION) {
		r->untouched = true;
		run_forget_mailbox(r);
		r->task->facts.listed = false; /* it may have got another address */
		r->task->facts.first_asked = false;
		r->due_us = clock_mono_us() + TOUCHED_PAUSE;
		return STEP_PENDING;
	}
	enum progress progress = run_judge(r, result, error, why);

	if (progress != STEP_DONE)
		run_forget_mailbox(r);
	return progress;
}

/* The version to be asserted by the swap, and what the fence is of. */
enum progress step_hold(struct run *r, bool back, struct str *why)
{
	enum step step = back ? STEP_HOLD_BACK : STEP_HOLD;
	struct ldap_session *session = run_session(r, why);
	const char *error = NULL;
	enum progress progress = STEP_DONE;

	if (session == NULL || !run_may_act(r, step, why))
		return STEP_FAILED;
	if (r->mailbox->state != STATE_HOLDING)
		progress = judge_write(r,
			mailbox_set_state_seen(session, r->mailbox, STATE_HOLDING, &error), error,
			why);
	if (progress != STEP_DONE)
		return progress;
	run_note_mailbox(r);
	if (!back && *r->move->hold_csn == '\0') {
		record_text(&r->move->hold_csn, r->mailbox->csn);
		r->change.hold = true;
	}
	return STEP_DONE;
}

int64_t hold_length_us(const struct move *move)
{
	int64_t from = when_csn_us(move->hold_csn), to = when_csn_us(move->swap_csn);

	return from > 0 && to > from ? to - from : 0;
}

static enum progress note_swap(struct run *r)
{
	record_text(&r->move->swap_csn, r->mailbox->csn);
	r->change.hold = true;
	run_note_mailbox(r);
	take_identifier(r);
	fencing_forget(r->control->fencing, r->task->uuid);
	return STEP_DONE;
}

static bool is_there(const struct run *r, bool back)
{
	const char *physical = back ? r->move->old_physical : r->move->physical;

	return strcmp(r->mailbox->physical, physical) == 0;
}

enum progress step_swap(struct run *r, bool back, struct str *why)
{
	enum step step = back ? STEP_SWAP_BACK : STEP_SWAP;
	const struct move *m = r->move;
	const char *id = back ? m->old_source_id : m->source_id, *error = NULL;
	struct ldap_session *session = run_session(r, why);
	enum ldap_result result;

	if (session == NULL)
		return STEP_FAILED;
	if (is_there(r, back))
		return note_swap(r);
	if (*(back ? m->old_physical : m->physical) == '\0') {
		str_append_z(why, "the record has no physical address to swap to; correct "
				  "restanteMovePhysical and restanteMoveOldPhysical");
		return STEP_REFUSED;
	}
	if (!run_may_act(r, step, why))
		return STEP_FAILED;
	result = mailbox_swap(session, r->mailbox, back ? m->assignor : m->target,
		back ? m->old_physical : m->physical, *id != '\0' ? id : NULL, &error);
	if (result != LDAP_DONE)
		return judge_write(r, result, error, why);
	if (back)
		metric_add(&r->control->counts.rolled_back, 1);
	return note_swap(r);
}

enum progress step_unhold(struct run *r, struct str *why)
{
	struct ldap_session *session = run_session(r, why);
	const char *error = NULL;

	if (session == NULL || !run_may_act(r, STEP_UNHOLD, why))
		return STEP_FAILED;
	fencing_forget(r->control->fencing, r->task->uuid);
	enum progress progress = judge_write(
		r, mailbox_set_state(session, r->mailbox, STATE_ACTIVE, &error), error, why);
	run_forget_mailbox(r);
	return progress;
}

enum progress step_purge(struct run *r, struct str *why)
{
	struct ldap_session *session = run_session(r, why);
	struct str assertion = STR_INIT;

	if (session == NULL)
		return STEP_FAILED;
	str_append_z(&assertion, "(entryCSN=");
	ldap_filter_escape(r->move->csn, &assertion);
	str_append_c(&assertion, ')');
	enum ldap_result result = ldap_session_delete(session, r->move->dn, str_cstr(&assertion));
	str_free(&assertion);
	if (result == LDAP_NO_ENTRY)
		result = LDAP_DONE;
	r->purged = result == LDAP_DONE;
	r->lost = r->purged;
	return run_judge(r, result, NULL, why);
}

/* --- keepers ---------------------------------------------------------------------------------- */

static enum progress fence(struct run *r, enum step step)
{
	bool back = move_backward(r->move);
	const struct kept *k = &r->kept;
	bool of_this = strcmp(k->fence_csn, r->mailbox->csn) == 0;

	if (step == STEP_FENCE) /* until now mail may have come in */
		r->task->facts.second_asked = false;
	r->task->facts.first_asked = false; /* it is waited for */
	fencing_want(r->control->fencing, r->task->uuid, r->mailbox->csn,
		back ? r->move->physical : r->move->old_physical);
	/* "": what it waited for before has come */
	record_error(r->move, &r->change, of_this ? k->fence_trouble : "", false);
	if (step != STEP_FENCE && r->scenario != NULL && r->scenario->drain > 0)
		r->due_us = k->fenced_us + r->scenario->drain;
	r->soon = true;
	return STEP_PENDING;
}

static void forget_asked(void *context, struct kept *kept)
{
	(void)context;
	kept->asked_down = false;
	kept->asked_count = 0;
	kept->syncs = SYNC_WAITS;
}

static enum progress ask_down(struct run *r)
{
	if (!r->kept.asked_down) {
		syncing_ask(r->control->syncing, r->task->uuid, SYNC_DOWN, r->move->assignor,
			r->move->target);
		r->soon = true;
		return STEP_PENDING;
	}
	store_keep(r->control->store, r->task->uuid, forget_asked, NULL, false);
	return STEP_DONE;
}

static void take_waits(struct run *r)
{
	struct move *move = r->move;

	for (size_t i = 0; i < move->wait_count; i++)
		mem_free(&move->waits[i].system);
	move->wait_count = r->kept.asked_count;
	move->waits = mem_grow(move->waits, move->wait_count + 1, sizeof *move->waits);
	for (size_t i = 0; i < move->wait_count; i++)
		move->waits[i] = (struct move_wait){ mem_strdup(r->kept.asked[i].system),
			r->kept.asked[i].number };
	r->change.waits = true;
}

/* Their numbers come with the run that the keeper wakes. */
static enum progress ask_up(struct run *r)
{
	r->task->facts.listed = false;
	if (r->kept.asked_count == 0) {
		syncing_ask(r->control->syncing, r->task->uuid, SYNC_UP, r->move->assignor,
			r->move->target);
		r->soon = true;
		return STEP_PENDING;
	}
	take_waits(r);
	store_keep(r->control->store, r->task->uuid, forget_asked, NULL, false);
	return STEP_DONE;
}

enum progress step_run(struct run *r, enum step step, struct str *why)
{
	bool on_assignee;

	switch (step) {
	case STEP_TAKE: return step_take(r, why);
	case STEP_ASK_SYNCS: return ask_up(r);
	case STEP_HOLD: return step_hold(r, false, why);
	case STEP_HOLD_BACK: return step_hold(r, true, why);
	case STEP_FENCE:
	case STEP_DRAIN:
	case STEP_DRAIN_BACK: return fence(r, step);
	case STEP_SWAP: return step_swap(r, false, why);
	case STEP_SWAP_BACK: return step_swap(r, true, why);
	case STEP_UNHOLD: return step_unhold(r, why);
	case STEP_ASK_DOWN:
	case STEP_ASK_DOWN_BACK: return ask_down(r);
	case STEP_PURGE: return step_purge(r, why);
	default: break;
	}
	if (step_action(step, &on_assignee) != ACTIONS)
		return step_action_run(r, step, why);
	str_printf(why, "%s is no step that could be done", step_name(step));
	return STEP_REFUSED;
}

/* NULL: it is none, or has no settings. */
static const struct actions *actions_of(const struct run *r, enum step step)
{
	bool on_assignee;
	enum action action = step_action(step, &on_assignee);

	if (action == ACTIONS)
		return NULL;
	return settings_actions(r->settings, on_assignee ? r->move->target : r->move->assignor);
}

int64_t step_limit_us(const struct run *r, enum step step)
{
	const struct actions *actions = actions_of(r, step), *other = NULL;
	enum step set, unset;

	/* before that the opposite redirection may be looked for */
	if (step_opposite(step, &set, &unset) && move_has(r->move, step_mark(set)))
		other = actions_of(r, unset);
	if (actions != NULL && other != NULL)
		return actions_limit_us(actions) + actions_limit_us(other);
	if (actions != NULL) /* before the second mailbox goes it is asked whether it is empty */
		return actions_limit_us(actions) * (step == STEP_DELETE_SECOND ? 3 : 1);
	return r->settings->config->ldap.timeout;
}

int64_t step_rest_us(const struct run *r, enum step step)
{
	const struct actions *actions = actions_of(r, step);

	return actions != NULL ? actions_rest_us(actions) : DIRECTORY_REST;
}
