#include "dirsync/apply.h"

#include <string.h>

#include "dirsync/apply_internal.h"
#include "lib/mem.h"

#define WINDOW_MOST 1000

/* --- room for one more ---------------------------------------------------------------------- */

/* How many may be in flight now; 0 = none any more. */
static unsigned limit_of(struct applying *apply)
{
	unsigned limit = apply->window;

	if (apply->stopping)
		return 0;
	if (apply->options->allowed != NULL)
		limit = apply->options->allowed(apply->options->context);
	if (limit == 0)
		apply->stopping = true;
	return limit < apply->window ? limit : apply->window;
}

static bool is_written(const struct applying *apply, uint64_t entry)
{
	for (unsigned i = 0; i < apply->window; i++)
		if (apply->ops[i].number != 0 && apply->ops[i].entry == entry)
			return true;
	return false;
}

static struct apply_op *free_op(struct applying *apply)
{
	for (unsigned i = 0; i < apply->window; i++)
		if (apply->ops[i].number == 0)
			return &apply->ops[i];
	return NULL;
}

/* Waits until fewer than `limit` are in flight, and none for this entry. */
static int make_room(struct applying *apply, unsigned limit, uint64_t entry)
{
	while (apply->in_flight > 0 && (apply->in_flight >= limit || is_written(apply, entry)))
		if (apply_wait(apply) < 0)
			return -1;
	return 0;
}

static int drain(struct applying *apply)
{
	while (apply->in_flight > 0)
		if (apply_wait(apply) < 0)
			return -1;
	return 0;
}

/* --- what waits for nobody ------------------------------------------------------------------ */

static int read_on(struct applying *apply, struct plan_change *change_r)
{
	const char *error;
	int got = plan_next(apply->plan, change_r, &error);

	return got < 0 ? apply_fail(apply, "the plan is not applied any further", error) : got;
}

static int see_all(struct applying *apply)
{
	struct plan_change change;
	int got;

	plan_rewind(apply->plan);
	while ((got = read_on(apply, &change)) > 0)
		if (change.kind != PLAN_REPORT)
			handover_see(apply->handover, &change.gains, &change.gives);
	return got;
}

static int write_one(struct applying *apply, const struct plan_change *change)
{
	unsigned limit = limit_of(apply);
	struct apply_op *op;

	if (limit == 0)
		return 0;
	if (make_room(apply, limit, apply_entry(change->dn)) < 0)
		return -1;
	op = free_op(apply);
	apply_op_take(op, change, NULL);
	return apply_send(apply, op);
}

static int write_free(struct applying *apply)
{
	struct handover *handover = apply->handover;
	struct plan_change change;
	int got;

	plan_rewind(apply->plan);
	while (!apply->stopping && (got = read_on(apply, &change)) != 0) {
		if (got < 0)
			return -1;
		if (change.kind == PLAN_REPORT)
			continue;
		if (handover_concerns(handover, &change.gains, &change.gives))
			handover_put(
				handover, plan_place(apply->plan), &change.gains, &change.gives);
		else if (write_one(apply, &change) < 0)
			return -1;
	}
	return 0;
}

/* --- addresses that pass -------------------------------------------------------------------- */

static int read_at(struct applying *apply, uint64_t place, struct plan_change *change_r)
{
	int got;

	plan_seek(apply->plan, place);
	got = read_on(apply, change_r);
	return got == 0 ? apply_fail(apply, "the plan is not applied any further", "it is cut off")
			: got;
}

static int tell_dropped(struct applying *apply, const struct handover_todo *todo)
{
	struct str text = STR_INIT;
	struct plan_change change;
	int got = read_at(apply, todo->because_place, &change);

	if (got > 0) {
		str_printf(&text, "an address comes from %s, whose change was not done", change.dn);
		got = read_at(apply, todo->place, &change);
	}
	if (got > 0)
		apply_tell(apply, &change, APPLY_DROPPED, str_cstr(&text));
	str_free(&text);
	return got < 0 ? -1 : 0;
}

static int write_step(struct applying *apply, const struct handover_todo *todo)
{
	struct plan_change change;
	struct apply_op *op;

	if (todo->step == HANDOVER_DROP)
		return tell_dropped(apply, todo);
	if (read_at(apply, todo->place, &change) < 0 ||
		make_room(apply, apply->window, apply_entry(change.dn)) < 0)
		return -1;
	op = free_op(apply);
	apply_op_take(op, &change, todo);
	return apply_send(apply, op);
}

/* Where nothing may begin any more, what was begun is brought to its end. */
static int write_passing(struct applying *apply)
{
	struct handover_todo todo;

	handover_settle(apply->handover);
	for (;;) {
		unsigned limit = limit_of(apply);

		if (limit == 0) {
			handover_stop(apply->handover);
			limit = apply->window;
		}
		if (make_room(apply, limit, 0) < 0)
			return -1;
		if (handover_next(apply->handover, &todo)) {
			if (write_step(apply, &todo) < 0)
				return -1;
		} else if (apply->in_flight == 0)
			return 0;
		else if (apply_wait(apply) < 0)
			return -1;
	}
}

/* --- all of it ------------------------------------------------------------------------------ */

static int run(struct applying *apply)
{
	if (see_all(apply) < 0 || write_free(apply) < 0)
		return -1;
	if (handover_count(apply->handover) > 0 && !apply->stopping && write_passing(apply) < 0)
		return -1;
	if (drain(apply) < 0)
		return -1;
	if (apply->stopping && apply->fault == NULL)
		apply_fail(apply, "stopped", "what is left is done by the next run");
	return apply->stopping ? -1 : 0;
}

static void free_all(struct applying *apply)
{
	for (unsigned i = 0; i < apply->window; i++)
		apply_op_free(&apply->ops[i]);
	for (size_t i = 0; apply->csns != NULL && i < handover_count(apply->handover); i++)
		mem_free(&apply->csns[i]);
	mem_free(&apply->csns);
	mem_free(&apply->ops);
	handover_free(&apply->handover);
	ldap_session_close(&apply->session);
}

int apply_plan(const struct apply_options *options, struct plan *plan,
	struct apply_counts *counts_r, const char **error_r)
{
	struct applying apply = { .options = options, .plan = plan, .counts = counts_r };
	int result;

	memset(counts_r, 0, sizeof(*counts_r));
	if (plan_count(plan) == 0)
		return 0;
	if ((apply.session = ldap_session_open(options->ldap, error_r)) == NULL)
		return -1;
	apply.window = options->window < 1             ? 1
		       : options->window > WINDOW_MOST ? WINDOW_MOST
						       : options->window;
	apply.ops = mem_zalloc(apply.window * sizeof(*apply.ops));
	apply.handover = handover_new(plan_count(plan));
	result = run(&apply);
	if (result < 0 && !apply.lost && apply.in_flight > 0)
		drain(&apply);
	if (result < 0)
		*error_r = apply.fault;
	free_all(&apply);
	return result;
}
