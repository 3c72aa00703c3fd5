#include "milter/plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

static enum reply refusal(enum route_verdict verdict, bool reentry)
{
	switch (verdict) {
	case ROUTE_DEFER: return REPLY_DEFER;
	case ROUTE_TRYAGAIN: return REPLY_TRYAGAIN;
	case ROUTE_LEAVE: return reentry ? REPLY_CIRCLE : REPLY_NONE;
	case ROUTE_NOBODY: return reentry ? REPLY_TRYAGAIN : REPLY_NONE;
	case ROUTE_REWRITE:
	case ROUTE_HOLD: break;
	}
	return REPLY_NONE;
}

static bool refuse(
	const struct plan_recipient *recipients, size_t count, bool reentry, struct plan *plan)
{
	for (size_t i = 0; i < count; i++) {
		plan->refused = refusal(recipients[i].verdict, reentry);
		plan->refused_by = i;
		if (plan->refused != REPLY_NONE)
			return true;
	}
	return false;
}

static bool stays(const struct plan_recipient *r)
{
	return r->verdict == ROUTE_LEAVE || r->verdict == ROUTE_NOBODY;
}

static void simple_steps(const struct plan_recipient *r, struct plan_step *step)
{
	step->del = !stays(r);
	step->add = r->verdict == ROUTE_REWRITE && !r->waits;
	step->hold = r->verdict == ROUTE_HOLD;
}

/* What is compared of a recipient; sorted, equal ones stand together. */
struct entry {
	const char *text;
	size_t index;
	bool stays; /* comes first among equal ones */
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcasecmp(x->text, y->text);

	if (c == 0 && x->stays != y->stays)
		return x->stays ? -1 : 1;
	return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

static int compare_exact(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

/* Each spelling is deleted once. */
static void merge_arguments(const struct plan_recipient *r, size_t count, struct entry *entries,
	struct plan_step *steps)
{
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct entry){ r[i].argument, i, false };
	qsort(entries, count, sizeof *entries, compare_exact);
	for (size_t i = 1; i < count; i++)
		if (strcmp(entries[i - 1].text, entries[i].text) == 0)
			steps[entries[i].index].del = false;
}

/* Spellings of one address do what the first of them does: it may have changed in between. */
static void merge_keys(const struct plan_recipient *r, size_t count, struct entry *entries,
	struct plan_step *steps)
{
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct entry){ r[i].key, i, false };
	qsort(entries, count, sizeof *entries, compare_exact);
	for (size_t i = 1; i < count; i++)
		if (strcmp(entries[i - 1].text, entries[i].text) == 0)
			steps[entries[i].index].add = steps[entries[i].index].hold = false;
}

/* Each physical address is added once, and not at all where it is a recipient already. */
static void merge_targets(const struct plan_recipient *r, size_t count, struct entry *entries,
	struct plan_step *steps)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		if (steps[i].add || stays(&r[i]))
			entries[used++] = (struct entry){ stays(&r[i]) ? r[i].key : r[i].physical,
				i, stays(&r[i]) };
	qsort(entries, used, sizeof *entries, compare_entries);
	for (size_t i = 1; i < used; i++)
		if (strcasecmp(entries[i - 1].text, entries[i].text) == 0)
			steps[entries[i].index].add = false;
}

static void merge(const struct plan_recipient *recipients, size_t count, struct plan_step *steps)
{
	struct entry *entries = mem_grow(NULL, count, sizeof *entries);

	merge_arguments(recipients, count, entries, steps);
	merge_keys(recipients, count, entries, steps);
	merge_targets(recipients, count, entries, steps);
	mem_free(&entries);
}

void plan_make(const struct plan_recipient *recipients, size_t count, bool reentry,
	struct plan_step *steps_r, struct plan *plan_r)
{
	*plan_r = (struct plan){ .refused = REPLY_NONE };
	if (refuse(recipients, count, reentry, plan_r))
		return;
	for (size_t i = 0; i < count; i++)
		simple_steps(&recipients[i], &steps_r[i]);
	if (count > 1)
		merge(recipients, count, steps_r);
	for (size_t i = 0; i < count; i++) {
		plan_r->deleted += steps_r[i].del;
		plan_r->added += steps_r[i].add;
		plan_r->held += steps_r[i].hold;
		plan_r->left += stays(&recipients[i]);
		plan_r->repeated += recipients[i].waits;
	}
}
