/*
 * What a run leaves for the next one. Where something will wake it in a moment (a keeper, a place
 * on a system), what was done is not written by itself but with the claim of the next step: the
 * claim of the last one stands in the record meanwhile, and who dies now leaves no more behind than
 * who dies right after a step.
 */
#include "control/run.h"

#include "lib/clock.h"
#include "lib/mem.h"

/* So long a write is kept back at most. */
#define LEAVE_MAX CLOCK_SECOND
/* An entry that was read before that is read again. */
#define SEEN_MAX CLOCK_SECOND

void left_free(struct left **left)
{
	if (*left == NULL)
		return;
	ldap_entry_free(&(*left)->entry);
	mailbox_free(&(*left)->mailbox);
	mem_free(left);
}

/* What is compared with the list of the assignee is read for that. */
static bool is_fresh(const struct run *r, const struct left *left)
{
	bool lists = r->move->state == MOVE_ADDRESSED && !move_has(r->move, step_name(STEP_HOLD));

	return left->mailbox != NULL && !lists && clock_mono_us() - left->looked_us < SEEN_MAX;
}

static void take_seen(struct run *r, struct left *left)
{
	if (!is_fresh(r, left) || r->mailbox != NULL)
		return;
	r->entry = left->entry;
	r->mailbox = left->mailbox;
	r->looked_us = left->looked_us;
	left->entry = NULL;
	left->mailbox = NULL;
}

void leave_seen(struct run *r)
{
	if (!r->soon || r->lost || r->mailbox == NULL)
		return;
	r->task->seen = mem_zalloc(sizeof *r->task->seen);
	*r->task->seen = (struct left){
		.term = r->term, .entry = r->entry, .mailbox = r->mailbox, .looked_us = r->looked_us
	};
	r->entry = NULL;
	r->mailbox = NULL;
}

void leave_take_seen(struct run *r)
{
	struct left *seen = r->task->seen;

	r->task->seen = NULL;
	if (seen != NULL && seen->term == r->term)
		take_seen(r, seen);
	left_free(&seen);
}

bool leave_take(struct run *r)
{
	struct left *left = r->task->left;
	bool ours = left != NULL && left->term == r->term;

	if (left == NULL)
		return false;
	r->task->left = NULL;
	if (!ours) { /* another one may have led meanwhile: its record counts */
		r->task->stale = true;
	} else {
		r->change = left->change;
		take_seen(r, left);
	}
	left_free(&left);
	return ours;
}

static bool is_loud(const struct record_change *c)
{
	return c->error || c->stopped || c->request || c->outcome;
}

bool leave_it(struct run *r)
{
	struct task *task = r->task;
	int64_t now = clock_mono_us();

	if (!r->soon || r->lost || !record_changed(&r->change) || is_loud(&r->change) ||
		atomic_load(&r->control->stopping))
		return false;
	if (task->write_by_us == 0)
		task->write_by_us = now + LEAVE_MAX;
	if (now >= task->write_by_us)
		return false;
	task->left = mem_zalloc(sizeof *task->left);
	*task->left = (struct left){ r->change, r->term, r->entry, r->mailbox, r->looked_us };
	r->change = (struct record_change){ .done = 0 };
	r->entry = NULL;
	r->mailbox = NULL;
	if (r->due_us > task->write_by_us)
		r->due_us = task->write_by_us;
	return true;
}
