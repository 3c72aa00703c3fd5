#include "dirsync/guard.h"

#include <inttypes.h>

/* More than that share of the whole. */
static bool above(uint64_t part, uint64_t whole, unsigned percent)
{
	return part * 100 > whole * percent;
}

static bool too_many(const struct guard_limits *limits, uint64_t number, uint64_t had)
{
	if (number > limits->most)
		return true;
	return number > limits->least && above(number, had, limits->percent);
}

static enum guard_verdict stop(enum guard_verdict verdict, uint64_t size, uint64_t *size_r)
{
	if (size_r != NULL)
		*size_r = size;
	return verdict;
}

static enum guard_verdict judge_attribute(const struct guard_lost *lost,
	const struct guard_run *run, struct str *reason_r, uint64_t *size_r)
{
	str_printf(reason_r,
		"%" PRIu64 " of %" PRIu64
		" entries of %s had the attribute %s and lack it now: can "
		"the account of the sync still read it? If it is right, `restante sync approve %s`",
		lost->lacks, lost->had, run->system, lost->name, run->system);
	return stop(GUARD_ATTRIBUTE, lost->lacks, size_r);
}

static enum guard_verdict judge_rekeys(const struct guard_counts *counts,
	const struct guard_run *run, struct str *reason_r, uint64_t *size_r)
{
	str_printf(reason_r,
		"%" PRIu64 " of %" PRIu64 " mailboxes of %s have another id than before: was the "
		"system restored or made anew? If it is right, `restante sync approve %s`",
		counts->rekeyed, counts->had, run->system, run->system);
	return stop(GUARD_REKEYS, counts->rekeyed, size_r);
}

static enum guard_verdict judge_deletions(const struct guard_counts *counts, uint64_t number,
	const struct guard_run *run, struct str *reason_r, uint64_t *size_r)
{
	str_printf(reason_r,
		"%" PRIu64 " deletions are pending of %s: %" PRIu64 " mailboxes vanished, %" PRIu64
		" to be deleted, %" PRIu64 " addresses removed; it has %" PRIu64
		" mailboxes with %" PRIu64
		" addresses. `restante sync diff %s` shows them; if it is right, `restante "
		"sync approve %s`",
		number, run->system, counts->vanished, counts->expired, counts->addresses_gone,
		counts->had, counts->addresses, run->system, run->system);
	return stop(GUARD_DELETIONS, number, size_r);
}

static enum guard_verdict judge_empty(
	const struct guard_counts *counts, const struct guard_run *run, struct str *reason_r)
{
	str_printf(reason_r,
		"%s shows no mailbox, and the directory has %" PRIu64
		" of it: that is taken for an "
		"outage. If it is meant to be empty, set new_system = true in up %s {}",
		run->system, counts->had, run->system);
	return GUARD_EMPTY;
}

/* In the order of the attributes. NULL: none is lost. */
static const struct guard_lost *find_lost(
	const struct guard_limits *limits, const struct guard_tally *tally, uint64_t approved)
{
	for (size_t i = 0; i < tally->lost_count; i++) {
		const struct guard_lost *lost = &tally->lost[i];

		if (lost->lacks > limits->least && lost->lacks > approved &&
			above(lost->lacks, lost->had, limits->lost_percent))
			return lost;
	}
	return NULL;
}

enum guard_verdict guard_judge(const struct guard_limits *limits, const struct guard_tally *tally,
	const struct guard_run *run, struct str *reason_r, uint64_t *size_r)
{
	const struct guard_counts *counts = &tally->counts;
	const struct guard_lost *lost = find_lost(limits, tally, run->approved);
	uint64_t deletions = counts->vanished + counts->expired + counts->addresses_gone;

	str_reset(reason_r);
	stop(GUARD_PASS, 0, size_r);
	if (run->complete && run->persons == 0 && !run->new_system)
		return judge_empty(counts, run, reason_r);
	if (lost != NULL)
		return judge_attribute(lost, run, reason_r, size_r);
	if (counts->rekeyed > run->approved && too_many(limits, counts->rekeyed, counts->had))
		return judge_rekeys(counts, run, reason_r, size_r);
	if (deletions > run->approved && too_many(limits, deletions, counts->had))
		return judge_deletions(counts, deletions, run, reason_r, size_r);
	return GUARD_PASS;
}
