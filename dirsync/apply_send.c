/* An operation begins, and its result is judged. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dirsync/apply_internal.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SILENCE_US (10 * CLOCK_SECOND)
/* So many refusals in a row that are no entry's fault: the directory takes no writes. */
#define STREAK_MOST 20

static _Thread_local char fault[1280];

int apply_fail(struct applying *apply, const char *what, const char *reason)
{
	snprintf(fault, sizeof(fault), "%s: %s", what, reason);
	apply->fault = fault;
	return -1;
}

static int lose(struct applying *apply, const char *reason)
{
	apply->lost = true;
	return apply_fail(apply, "the directory went away while changes were written", reason);
}

/* --- results -------------------------------------------------------------------------------- */

static void count(struct apply_counts *counts, const struct plan_change *change)
{
	switch (change->kind) {
	case PLAN_ADD: counts->added++; break;
	case PLAN_EXPIRE: counts->deleted++; break;
	case PLAN_MODIFY:
	case PLAN_ADOPT:
	case PLAN_REKEY:
	case PLAN_VANISHED:
	case PLAN_RETURNED:
	case PLAN_CLAIM: counts->changed++; break;
	case PLAN_REPORT: break;
	}
}

void apply_tell(struct applying *apply, const struct plan_change *change, enum apply_result result,
	const char *text)
{
	switch (result) {
	case APPLY_DONE: count(apply->counts, change); break;
	case APPLY_CHANGED:
	case APPLY_TAKEN:
	case APPLY_REFUSED: apply->counts->refused++; break;
	case APPLY_DROPPED: apply->counts->dropped++; break;
	}
	if (apply->options->result != NULL)
		apply->options->result(apply->options->context, change, result, text);
}

/* RFC 4511 section 4.1.9: referral, adminLimitExceeded, busy, unavailable, unwillingToPerform (also
 * what a read-only database says), other (a full disk). */
static bool is_of_server(int code)
{
	return code == 10 || code == 11 || code == 51 || code == 52 || code == 53 || code == 80;
}

#define VALUE_EXISTS 20 /* typeOrValueExists */

static enum apply_result result_of(const struct apply_op *op, enum ldap_result result, int code)
{
	switch (result) {
	case LDAP_DONE: return APPLY_DONE;
	case LDAP_ASSERTION: return APPLY_CHANGED;
	/* what was to be deleted is gone; what was to be changed is gone; where it was to be added
	 * there is no such place */
	case LDAP_NO_ENTRY:
		return apply_op_deletes(op)          ? APPLY_DONE
		       : op->change.kind == PLAN_ADD ? APPLY_REFUSED
						     : APPLY_CHANGED;
	case LDAP_TAKEN:
		return code == VALUE_EXISTS && op->change.kind != PLAN_ADD ? APPLY_CHANGED
									   : APPLY_TAKEN;
	case LDAP_REFUSED:
	case LDAP_DOWN: break; /* of this operation: the connection is there */
	}
	return APPLY_REFUSED;
}

static void judge_server(
	struct applying *apply, enum apply_result result, int code, const char *text)
{
	if (result != APPLY_REFUSED || !is_of_server(code))
		apply->streak = 0;
	else if (++apply->streak == STREAK_MOST && !apply->stopping) {
		apply_fail(apply, "the directory takes no writes", text);
		apply->stopping = true;
	}
}

static void end_return(const struct apply_op *op, enum ldap_result result, const char *text)
{
	char dn[256], address[256];

	log_value(dn, sizeof(dn), op->change.dn);
	log_value(address, sizeof(address), str_cstr(&op->returned));
	if (result == LDAP_DONE)
		log_warning("sync", "given back, who was to have it was refused address=%s dn=%s",
			address, dn);
	else if (result != LDAP_TAKEN)
		log_error("sync",
			"an address that was given up is without an owner, the next run looks "
			"for one address=%s dn=%s: %s",
			address, dn, text);
}

static enum handover_result handover_of(
	const struct apply_op *op, enum apply_result result, enum ldap_result raw)
{
	if (result == APPLY_DONE)
		return HANDOVER_DONE;
	return raw == LDAP_NO_ENTRY && op->change.kind != PLAN_ADD ? HANDOVER_FREED
								   : HANDOVER_REFUSED;
}

/* Everything that is to be known of it is known. */
static void finish(struct applying *apply, struct apply_op *op, enum ldap_result raw,
	enum apply_result result, const char *text)
{
	op->number = 0;
	op->asking = false;
	if (op->todo.step == HANDOVER_RETURN)
		end_return(op, raw, text);
	else if (op->todo.step != HANDOVER_REMOVE || result != APPLY_DONE)
		apply_tell(apply, &op->change, result, text);
	if (op->aside)
		handover_result(apply->handover, &op->todo, handover_of(op, result, raw));
}

static void keep_csn(struct applying *apply, const struct apply_op *op)
{
	const char *csn = ldap_async_csn(apply->session);

	if (op->todo.step != HANDOVER_REMOVE || *csn == '\0')
		return;
	if (apply->csns == NULL)
		apply->csns = mem_zalloc(handover_count(apply->handover) * sizeof(*apply->csns));
	apply->csns[op->todo.change] = mem_strdup(csn);
}

static void end(struct applying *apply, struct apply_op *op, enum ldap_result raw, const char *text)
{
	int code = ldap_session_code(apply->session);
	enum apply_result result = result_of(op, raw, code);

	judge_server(apply, result, code, text);
	if (raw == LDAP_DONE)
		keep_csn(apply, op);
	if (result == APPLY_TAKEN && op->todo.step != HANDOVER_RETURN) {
		str_reset(&op->text);
		str_append_z(&op->text, text);
		if (apply_ask_owner(apply, op))
			return;
	}
	finish(apply, op, raw, result, result == APPLY_DONE ? "" : text);
}

/* --- sending -------------------------------------------------------------------------------- */

static enum ldap_result send_write(struct applying *apply, struct apply_op *op)
{
	const char *assertion = op->assertion.len > 0 ? str_cstr(&op->assertion) : NULL;
	struct ldap_session *session = apply->session;

	if (apply_op_deletes(op))
		return ldap_async_delete(session, op->change.dn, assertion, &op->number);
	if (op->change.kind == PLAN_ADD && op->todo.step != HANDOVER_RETURN)
		return ldap_async_add(session, op->change.dn, op->changes, op->count, &op->number);
	if (op->todo.step == HANDOVER_REMOVE)
		return ldap_async_modify_csn(
			session, op->change.dn, op->changes, op->count, assertion, &op->number);
	return ldap_async_modify(
		session, op->change.dn, op->changes, op->count, assertion, &op->number);
}

int apply_send(struct applying *apply, struct apply_op *op)
{
	const char *csn = "";
	enum ldap_result result;

	if (op->todo.step == HANDOVER_REST && apply->csns != NULL &&
		apply->csns[op->todo.change] != NULL)
		csn = apply->csns[op->todo.change];
	apply_op_compose(op, csn);
	if (op->count == 0 && !apply_op_deletes(op)) {
		finish(apply, op, LDAP_DONE, APPLY_DONE, "");
		return 0;
	}
	result = send_write(apply, op);
	if (result == LDAP_DOWN)
		return lose(apply, ldap_session_reason(apply->session));
	if (result != LDAP_DONE) {
		op->number = 0;
		finish(apply, op, result, APPLY_REFUSED, ldap_session_reason(apply->session));
		return 0;
	}
	apply->in_flight++;
	return 0;
}

/* --- waiting -------------------------------------------------------------------------------- */

struct waiting {
	struct applying *apply;
	int number; /* of what came last */
};

static struct apply_op *find_op(struct applying *apply, int number)
{
	for (unsigned i = 0; i < apply->window; i++)
		if (apply->ops[i].number == number)
			return &apply->ops[i];
	return NULL;
}

static int take_entry(void *context, const struct ldap_entry *entry)
{
	struct waiting *waiting = context;
	struct apply_op *op = find_op(waiting->apply, waiting->number);

	if (op != NULL)
		apply_take_owner(op, entry);
	return 0;
}

int apply_wait(struct applying *apply)
{
	int64_t silence = apply->options->ldap->timeout_us;
	struct waiting waiting = { apply, 0 };
	enum ldap_result result = LDAP_DOWN;
	struct apply_op *op;
	const char *text;
	int got = ldap_async_result(apply->session, silence > 0 ? silence : SILENCE_US,
		&waiting.number, &result, &text, take_entry, &waiting);

	if (got < 0)
		return lose(apply, ldap_session_reason(apply->session));
	if (got == 0)
		return lose(apply, "it did not answer in time");
	op = find_op(apply, waiting.number);
	if (op == NULL)
		return 0;
	apply->in_flight--;
	if (op->asking)
		finish(apply, op, LDAP_TAKEN, APPLY_TAKEN, str_cstr(&op->text));
	else
		end(apply, op, result, text);
	return 0;
}
