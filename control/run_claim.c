/* What a run writes: claims of steps, what was done, and what it takes over from an earlier leader.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/follow.h"
#include "control/leader.h"
#include "control/run_internal.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/runner.h"

/* --- the worker's session --------------------------------------------------------------------- */

struct ldap_session *run_session(struct run *r, struct str *why)
{
	struct worker *w = r->worker;
	const struct ldap_options options = config_control_options(r->settings->config);
	const char *error;

	if (w->session != NULL &&
		(w->serial != r->settings->serial || ldap_session_ended(w->session)))
		ldap_session_close(&w->session);
	if (w->session != NULL)
		return w->session;
	w->session = ldap_session_open(&options, &error);
	w->serial = r->settings->serial;
	if (w->session == NULL)
		str_append_z(why, error);
	return w->session;
}

enum progress run_judge(struct run *r, enum ldap_result result, const char *error, struct str *why)
{
	if (result == LDAP_DONE)
		return STEP_DONE;
	str_append_z(why, error != NULL ? error : ldap_session_reason(r->worker->session));
	if (result == LDAP_DOWN)
		ldap_session_close(&r->worker->session);
	return result == LDAP_REFUSED ? STEP_REFUSED : STEP_FAILED;
}

/* --- writing ---------------------------------------------------------------------------------- */

const char *run_id(const struct run *r)
{
	return r->move->identifier[0] != '\0' ? r->move->identifier : r->move->uuid;
}

/* The record as it is now instead of what we had; what was not written is forgotten: every step can
 * be done again. */
enum progress run_reread(struct run *r, struct str *why)
{
	struct ldap_session *session = run_session(r, why);
	struct move *fresh = NULL;
	enum ldap_result result;

	if (session == NULL)
		return STEP_FAILED;
	result = move_read(session, r->move->dn, &fresh);
	if (result == LDAP_NO_ENTRY) {
		r->lost = true;
		return STEP_DONE;
	}
	if (result != LDAP_DONE)
		return run_judge(r, result, NULL, why);
	r->change = (struct record_change){ .done = 0 };
	store_replace(r->control->store, r->task, fresh);
	r->move = fresh;
	if (fresh->work.term > r->term) {
		r->lost = true;
		leader_doubt(r->control->leader, fresh->work.term);
	}
	return STEP_DONE;
}

/* claim->step STEPS: the change alone. length_us: how long something of it may go on. */
enum progress run_write(
	struct run *r, enum step step, bool ended, int64_t length_us, struct str *why)
{
	const struct record_claim claim = { step, ended, r->term,
		r->settings->config->control.holder, length_us };
	struct ldap_session *session = run_session(r, why);
	enum ldap_result result;

	if (session == NULL)
		return STEP_FAILED;
	if (leader_term(r->control->leader) != r->term) {
		r->lost = true;
		str_append_z(why, "this controller does not lead any more");
		return STEP_FAILED;
	}
	result = record_write(session, r->move, &r->change, &claim, control_now_us(r->control));
	if (result == LDAP_DONE) {
		r->task->write_by_us = 0;
		control_note_csn(r->control, r->move->csn);
	}
	metric_add(&r->control->counts.writes, 1);
	if (result == LDAP_ASSERTION && run_reread(r, why) == STEP_DONE) {
		str_append_z(why, "its record was changed by somebody else meanwhile");
		return STEP_FAILED;
	}
	return run_judge(r, result, NULL, why);
}

enum progress run_claim(struct run *r, enum step step, int64_t length_us, struct str *why)
{
	enum step before = step_find(r->move->work.step);

	if (before != step)
		record_begun(r->move, &r->change, before, control_now_us(r->control));
	r->claimed_us = clock_boot_us();
	return run_write(r, step, false, length_us, why);
}

/* What is left to write; a claim whose action runs no more says so. */
enum progress run_flush(struct run *r, struct str *why)
{
	bool working = strcmp(r->move->work.step, step_name(STEP_NONE)) != 0 &&
		       *r->move->work.step != '\0';
	enum step step = STEPS;
	bool ended = false;

	if (r->lost)
		return STEP_DONE;
	if (working && r->move->work.term == r->term && r->move->work.since_us > 0) {
		step = step_find(r->move->work.step);
		ended = !move_has(r->move, r->move->work.step);
		if (!ended)
			step = STEP_NONE;
	}
	if (!record_changed(&r->change) && step == STEPS)
		return STEP_DONE;
	return run_write(r, step, ended, 0, why);
}

bool run_may_act(const struct run *r, enum step step, struct str *why)
{
	int64_t age = clock_boot_us() - r->claimed_us;

	if (age < step_limit_us(r, step) / 2 && leader_term(r->control->leader) == r->term)
		return true;
	str_append_z(why, "the claim of this step became too old before it was begun");
	return false;
}

int64_t run_until_us(const struct run *r, enum step step)
{
	return step_claimed(step) ? r->claimed_us + step_limit_us(r, step) / 2 * 3 : 0;
}

/* How long after a claim something of it may still go on: begun at the half of its limit, run for
 * all of it, and then ended. */
int64_t run_claim_length_us(const struct run *r, enum step step)
{
	return step_limit_us(r, step) / 2 * 3 + step_rest_us(r, step);
}

/*
 * A claim of an older term: its action may still run. Our term goes into the record first, so that
 * its holder claims nothing more; then what that claim allows is waited out, by the settings of
 * its holder: they stand in it.
 */
bool run_takes_over(struct run *r, struct str *why)
{
	enum step step = step_find(r->move->work.step);
	int64_t length = r->move->work.length_us;
	bool on_assignee;

	if (r->move->work.term == r->term && r->task->taken_over == r->term)
		return clock_boot_us() < r->task->hold_off_us;
	if (r->move->work.term >= r->term || r->move->work.since_us <= 0 || !step_claimed(step))
		return false;
	if (length == 0)
		length = run_claim_length_us(r, step);
	/* whose system may do it later still */
	if (step_action(step, &on_assignee) == ACTION_REDIRECT)
		record_begun(r->move, &r->change, step, control_now_us(r->control));
	if (run_claim(r, step, length, why) != STEP_DONE)
		return false;
	r->task->taken_over = r->term;
	r->task->hold_off_us = clock_boot_us() + length;
	log_info("control", "an older claim is waited out id=%s move=%s step=%s wait_ms=%" PRId64,
		run_id(r), r->move->address, step_name(step), length / CLOCK_MS);
	return true;
}
