#include "control/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

/* --- into memory ------------------------------------------------------------------------------ */

bool record_changed(const struct record_change *c)
{
	return c->mailbox || c->physical || c->waits || c->hold || c->identifier || c->error ||
	       c->stopped || c->request || c->outcome || c->state || c->done > 0 || c->done_anew ||
	       c->made || c->reached != 0;
}

void record_text(char **field, const char *text)
{
	char *copy = mem_strdup(text);

	mem_free(field);
	*field = copy;
}

static void add_done(
	struct move *move, struct record_change *change, const char *text, int64_t now_us)
{
	if (move_has(move, text))
		return;
	move->done = mem_grow(move->done, move->done_count + 1, sizeof *move->done);
	move->done[move->done_count++] = (struct move_done){ mem_strdup(text), now_us };
	change->done++;
}

void record_done(struct move *move, struct record_change *change, enum step step, int64_t now_us)
{
	add_done(move, change, step_name(step), now_us);
}

void record_begun(struct move *move, struct record_change *change, enum step step, int64_t now_us)
{
	if (step_claimed(step) && !move_has(move, step_name(step)))
		add_done(move, change, step_mark(step), now_us);
}

static void remove_done(struct move *move, struct record_change *change, const char *text)
{
	size_t kept = 0;

	if (!move_has(move, text))
		return;
	for (size_t i = 0; i < move->done_count; i++)
		if (strcmp(move->done[i].step, text) == 0)
			mem_free(&move->done[i].step);
		else
			move->done[kept++] = move->done[i];
	move->done_count = kept;
	change->done_anew = true;
}

void record_undone(struct move *move, struct record_change *change, enum step step)
{
	remove_done(move, change, step_name(step));
}

void record_unturned(struct move *move, struct record_change *change)
{
	bool undone[STEPS];

	for (int step = STEP_TAKE; step < STEPS; step++)
		undone[step] = step_unturned(move, (enum step)step);
	for (int step = STEP_TAKE; step < STEPS; step++) {
		if (!undone[step])
			continue;
		remove_done(move, change, step_name((enum step)step));
		if (step_claimed((enum step)step))
			remove_done(move, change, step_mark((enum step)step));
	}
}

void record_made(struct move *move, struct record_change *change)
{
	if (*move->made != '\0')
		return;
	mem_free(&move->made);
	move->made = mem_printf("%s %s %s", move->target, move->mailbox, move->address);
	change->made = true;
}

void record_state(struct move *move, struct record_change *change, int state, int64_t now_us)
{
	move->state = state;
	change->state = true;
	if (move->reached_us[state] != 0)
		return;
	move->reached_us[state] = now_us;
	change->reached |= UINT32_C(1) << state;
}

void record_error(struct move *move, struct record_change *change, const char *error, bool stopped)
{
	if (strcmp(move->error, error) != 0) {
		record_text(&move->error, error);
		change->error = true;
	}
	if (move->stopped != stopped) {
		move->stopped = stopped;
		change->stopped = true;
	}
}

void record_outcome(struct move *move, struct record_change *change, enum move_outcome outcome)
{
	move->outcome = outcome;
	record_text(&move->outcome_text, move_outcome_name(outcome));
	change->outcome = true;
}

void record_drained(struct move *move, struct record_change *change, enum step step, bool drained,
	int64_t now_us)
{
	if (drained)
		record_done(move, change, step, now_us);
	else
		record_undone(move, change, step);
}

/* --- into the directory ----------------------------------------------------------------------- */

#define CHANGES_MAX 24
#define VALUES_MAX  128
#define DONE_MAX    (2 * STEPS) /* each step and its mark */

/* A modify being put together; texts live until it is sent. */
struct modify {
	struct ldap_change changes[CHANGES_MAX];
	size_t count;
	const char *values[VALUES_MAX];
	size_t value_count;
	char *texts[VALUES_MAX];
	size_t text_count;
};

static const char *const *values_of(struct modify *m, const char *const *texts, size_t count)
{
	const char **first = m->values + m->value_count;

	for (size_t i = 0; i < count; i++)
		m->values[m->value_count++] = texts[i];
	m->values[m->value_count++] = NULL;
	return first;
}

static void change_values(struct modify *m, enum ldap_change_kind kind, const char *attribute,
	const char *const *values)
{
	m->changes[m->count++] = (struct ldap_change){ kind, attribute, values };
}

/* "" removes it. */
static void put(struct modify *m, const char *attribute, const char *text)
{
	change_values(
		m, LDAP_CHANGE_REPLACE, attribute, *text != '\0' ? values_of(m, &text, 1) : NULL);
}

static const char *keep(struct modify *m, char *text)
{
	return m->texts[m->text_count++] = text;
}

static char *with_instant(const char *word, int64_t at_us)
{
	char instant[32];

	return mem_printf("%s %s", word, clock_generalized(instant, sizeof instant, at_us));
}

static void put_done(struct modify *m, const struct move *move, const struct record_change *c)
{
	const char *texts[DONE_MAX];
	size_t count = 0, first = c->done_anew ? 0 : move->done_count - c->done;

	for (size_t i = first; i < move->done_count && count < DONE_MAX; i++)
		texts[count++] = keep(m, with_instant(move->done[i].step, move->done[i].at_us));
	change_values(m, c->done_anew ? LDAP_CHANGE_REPLACE : LDAP_CHANGE_ADD, "restanteMoveDone",
		values_of(m, texts, count));
}

static void put_state(struct modify *m, const struct move *move, uint32_t reached)
{
	const char *texts[MOVE_STATES];
	char number[16];
	size_t count = 0;

	snprintf(number, sizeof number, "%d", move->state);
	put(m, "restanteMoveState", keep(m, mem_strdup(number)));
	for (int state = 0; state < MOVE_STATES; state++) {
		if ((reached & (UINT32_C(1) << state)) == 0)
			continue;
		snprintf(number, sizeof number, "%d", state);
		texts[count++] = keep(m, with_instant(number, move->reached_us[state]));
	}
	if (count > 0)
		change_values(
			m, LDAP_CHANGE_ADD, "restanteMoveReached", values_of(m, texts, count));
}

static void put_waits(struct modify *m, const struct move *move)
{
	const char *texts[8];
	size_t count = 0;

	for (size_t i = 0; i < move->wait_count && count < 8; i++)
		texts[count++] = keep(
			m, mem_printf("%s %" PRIu64, move->waits[i].system, move->waits[i].number));
	change_values(m, LDAP_CHANGE_REPLACE, "restanteMoveWaits",
		count > 0 ? values_of(m, texts, count) : NULL);
}

static void put_mailbox(struct modify *m, const struct move *move)
{
	put(m, "restanteMoveMailbox", move->mailbox);
	put(m, "restanteMoveAssignor", move->assignor);
	put(m, "restanteMoveOldPhysical", move->old_physical);
	put(m, "restanteMoveOldSourceId", move->old_source_id);
}

static void put_hold(struct modify *m, const struct move *move)
{
	put(m, "restanteMoveHold",
		*move->swap_csn != '\0'
			? keep(m, mem_printf("%s %s", move->hold_csn, move->swap_csn))
			: move->hold_csn);
}

static void put_change(struct modify *m, const struct move *move, const struct record_change *c)
{
	if (c->mailbox)
		put_mailbox(m, move);
	if (c->physical) {
		put(m, "restanteMovePhysical", move->physical);
		put(m, "restanteMoveSourceId", move->source_id);
	}
	if (c->waits)
		put_waits(m, move);
	if (c->hold)
		put_hold(m, move);
	if (c->made)
		put(m, "restanteMoveMade", move->made);
	if (c->identifier)
		put(m, "restanteMoveIdentifier", move->identifier);
	if (c->error)
		put(m, "restanteMoveError", move->error);
	if (c->stopped)
		put(m, "restanteMoveStopped", move->stopped ? "TRUE" : "");
	if (c->request)
		put(m, "restanteMoveRequest", "");
	if (c->outcome)
		put(m, "restanteMoveOutcome", move->outcome_text);
	if (c->state)
		put_state(m, move, c->reached);
	if (c->done > 0 || c->done_anew)
		put_done(m, move, c);
}

static void assert_text(const char *attribute, const char *text, struct str *out)
{
	if (*text == '\0') {
		str_printf(out, "(!(%s=*))", attribute);
		return;
	}
	str_printf(out, "(%s=", attribute);
	ldap_filter_escape(text, out);
	str_append_c(out, ')');
}

static char *work_text(const struct record_claim *claim, int64_t now_us)
{
	char instant[32] = "-";

	if (!claim->ended)
		clock_generalized(instant, sizeof instant, now_us);
	if (claim->length_us <= 0)
		return mem_printf("%" PRIu64 " %s %s %s", claim->term, step_name(claim->step),
			instant, claim->holder);
	return mem_printf("%" PRIu64 " %s %s %s %" PRId64, claim->term, step_name(claim->step),
		instant, claim->holder, (claim->length_us + CLOCK_SECOND - 1) / CLOCK_SECOND);
}

static void take_work(struct move *move, const struct record_claim *claim, char *work, int64_t now)
{
	mem_free(&move->work_text);
	move->work_text = work;
	move->work.term = claim->term;
	move->work.since_us = claim->ended ? 0 : now;
	move->work.length_us = claim->length_us;
	record_text(&move->work.step, step_name(claim->step));
	record_text(&move->work.holder, claim->holder);
}

/* What was asked is removed only where it is what was answered. */
static void assert_all(const struct move *move, const struct record_change *change, struct str *out)
{
	str_append_z(out, "(&");
	assert_text("restanteMoveWork", move->work_text, out);
	if (change->request && move->request == MOVE_ASKED_UNKNOWN)
		str_append_z(out, "(restanteMoveRequest=*)");
	else if (change->request)
		assert_text("restanteMoveRequest", move_request_name(move->request), out);
	str_append_c(out, ')');
}

enum ldap_result record_write(struct ldap_session *session, struct move *move,
	struct record_change *change, const struct record_claim *claim, int64_t now_us)
{
	char *work = claim->step != STEPS ? work_text(claim, now_us) : NULL, csn[64] = "";
	struct str assertion = STR_INIT;
	struct modify m = { .count = 0 };

	put_change(&m, move, change);
	if (work != NULL)
		put(&m, "restanteMoveWork", work);
	assert_all(move, change, &assertion);
	enum ldap_result result = ldap_session_modify(
		session, move->dn, m.changes, m.count, str_cstr(&assertion), csn, sizeof csn);
	if (result == LDAP_DONE) {
		if (work != NULL)
			take_work(move, claim, work, now_us);
		if (change->request)
			move->request = MOVE_ASKED_NOTHING;
		record_text(&move->csn, csn);
		*change = (struct record_change){ .done = 0 };
	} else {
		mem_free(&work);
	}
	for (size_t i = 0; i < m.text_count; i++)
		mem_free(&m.texts[i]);
	str_free(&assertion);
	return result;
}
