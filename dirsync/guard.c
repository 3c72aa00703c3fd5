#include "dirsync/guard.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "lib/synclist.h"

#define NAMES_MAX 8 /* attributes in the reason; the list has all of them */

void guard_answer_free(struct guard_answer *answer)
{
	str_free(&answer->list);
	str_free(&answer->needed);
	str_free(&answer->reason);
	str_free(&answer->allowed);
}

/* More than that share of the whole. */
static bool above(uint64_t part, uint64_t whole, unsigned percent)
{
	return part * 100 > whole * percent;
}

bool guard_too_many(const struct guard_limits *limits, uint64_t number, uint64_t had)
{
	if (number > limits->most)
		return true;
	return number > limits->least && above(number, had, limits->percent);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Whether it is to be spoken of: too much, and not approved. */
static bool note(struct guard_answer *answer, const struct guard_approvals *approvals,
	const char *kind, uint64_t number)
{
	sync_list_add(&answer->needed, kind, number);
	if (number <= sync_list_number(approvals->standing, kind))
		return false;
	sync_list_add(&answer->list, kind, number);
	if (number <= sync_list_number(approvals->fresh, kind)) {
		sync_list_add(&answer->allowed, kind, number);
		return false;
	}
	answer->stops = true;
	return true;
}

static void say(struct guard_answer *answer, const char *words)
{
	if (answer->reason.len > 0)
		str_append_z(&answer->reason, "; ");
	str_append_z(&answer->reason, words);
}

void guard_add(struct guard_answer *answer, const struct guard_approvals *approvals,
	const char *kind, uint64_t number, const char *words)
{
	if (note(answer, approvals, kind, number))
		say(answer, words);
}

void guard_close(struct guard_answer *answer, const char *system, const char *option)
{
	struct str words = STR_INIT;

	if (!answer->stops)
		return;
	if (answer->allowed.len > 0) {
		str_append_z(&words, "approved already: ");
		sync_list_words(str_cstr(&answer->allowed), &words);
		say(answer, str_cstr(&words));
		str_reset(&words);
	}
	str_printf(&words,
		"`restante sync diff %s%s` shows it; if it is right, `restante sync approve %s`",
		option, system, system);
	say(answer, str_cstr(&words));
	str_free(&words);
}

/* What is marked first. */
static bool has_grace(const char *kind)
{
	return strcasecmp(kind, SYNC_LIST_DELETIONS) == 0 ||
	       strcasecmp(kind, SYNC_LIST_LOST GUARD_FOREIGN) == 0;
}

void guard_lasting(const char *needed, bool rest, const char *standing, struct str *lasting_r)
{
	const uint64_t foreign = sync_list_number(standing, SYNC_LIST_LOST GUARD_FOREIGN);
	struct str kind = STR_INIT;
	uint64_t number;

	if (sync_list_number(needed, SYNC_LIST_LOST GUARD_FOREIGN) < foreign)
		sync_list_add(lasting_r, SYNC_LIST_LOST GUARD_FOREIGN, foreign);
	else
		standing = NULL;
	while (sync_list_next(&needed, &kind, &number)) {
		bool stands = standing != NULL &&
			      strcasecmp(str_cstr(&kind), SYNC_LIST_LOST GUARD_FOREIGN) == 0;

		if (!stands && (rest || has_grace(str_cstr(&kind))))
			sync_list_add(lasting_r, str_cstr(&kind), number);
	}
	str_free(&kind);
}

/* --- attributes ------------------------------------------------------------------------------- */

static void say_lost(
	const struct guard_lost *lost, unsigned said, const char *whose, struct str *words)
{
	if (said == 0)
		str_printf(words,
			"%" PRIu64 " of %" PRIu64 " %s had the attribute %s and lack it now",
			lost->lacks, lost->had, whose, lost->name);
	else if (said < NAMES_MAX)
		str_printf(words, ", %" PRIu64 " of %" PRIu64 " %s", lost->lacks, lost->had,
			lost->name);
	else if (said == NAMES_MAX)
		str_append_z(words, ", and more");
}

void guard_add_lost(struct guard_answer *answer, const struct guard_approvals *approvals,
	const struct guard_limits *limits, const struct guard_lost *lost, size_t count,
	const char *whose)
{
	struct str words = STR_INIT, kind = STR_INIT;
	unsigned said = 0;

	for (size_t i = 0; i < count; i++) {
		if (lost[i].lacks <= limits->least ||
			!above(lost[i].lacks, lost[i].had, limits->lost_percent))
			continue;
		str_reset(&kind);
		str_printf(&kind, SYNC_LIST_LOST "%s", lost[i].name);
		if (note(answer, approvals, str_cstr(&kind), lost[i].lacks))
			say_lost(&lost[i], said++, whose, &words);
	}
	if (said > 0) {
		str_append_z(&words, ": can the account of the sync still read it?");
		say(answer, str_cstr(&words));
	}
	str_free(&kind);
	str_free(&words);
}

/* --- an up sync ------------------------------------------------------------------------------- */

static void add_rekeys(
	struct guard_answer *answer, const struct guard_counts *counts, const struct guard_run *run)
{
	struct str words = STR_INIT;

	str_printf(&words,
		"%" PRIu64 " of %" PRIu64 " mailboxes of %s have another id than before: was the "
		"system restored or made anew?",
		counts->rekeyed, counts->had, run->system);
	guard_add(answer, &run->approvals, SYNC_LIST_REKEYED, counts->rekeyed, str_cstr(&words));
	str_free(&words);
}

static void add_deletions(struct guard_answer *answer, const struct guard_counts *counts,
	uint64_t number, const struct guard_run *run)
{
	struct str words = STR_INIT;

	str_printf(&words,
		"%" PRIu64 " deletions are pending of %s: %" PRIu64 " mailboxes vanished, %" PRIu64
		" to be deleted, %" PRIu64 " addresses removed; it has %" PRIu64
		" mailboxes with %" PRIu64 " addresses",
		number, run->system, counts->vanished, counts->expired, counts->addresses_gone,
		counts->had, counts->addresses);
	guard_add(answer, &run->approvals, SYNC_LIST_DELETIONS, number, str_cstr(&words));
	str_free(&words);
}

static void judge_empty(
	const struct guard_counts *counts, const struct guard_run *run, struct guard_answer *answer)
{
	answer->stops = true;
	str_printf(&answer->reason,
		"%s shows no mailbox, and the directory has %" PRIu64
		" of it: that is taken for an "
		"outage. If it is meant to be empty, set new_system = true in up %s {}",
		run->system, counts->had, run->system);
}

void guard_judge(const struct guard_limits *limits, const struct guard_tally *tally,
	const struct guard_run *run, struct guard_answer *answer_r)
{
	const struct guard_counts *counts = &tally->counts;
	uint64_t deletions = counts->vanished + counts->expired + counts->addresses_gone;
	struct str whose = STR_INIT;

	*answer_r = (struct guard_answer){ .stops = false };
	if (run->complete && run->persons == 0 && !run->new_system) {
		judge_empty(counts, run, answer_r);
		return;
	}
	str_printf(&whose, "entries of %s", run->system);
	guard_add_lost(answer_r, &run->approvals, limits, tally->lost, tally->lost_count,
		str_cstr(&whose));
	str_free(&whose);
	if (guard_too_many(limits, counts->rekeyed, counts->had))
		add_rekeys(answer_r, counts, run);
	if (guard_too_many(limits, deletions, counts->had))
		add_deletions(answer_r, counts, deletions, run);
	guard_close(answer_r, run->system, "");
}
