/*
 * Whether a run may be applied: the mass-deletion guards of both directions. Pure.
 *
 * Everything that is pending counts, not what this run adds: mailboxes and addresses marked by
 * earlier runs and not expired yet are counted anew by each. What a finished move explains does
 * not count.
 */
#ifndef RESTANTE_DIRSYNC_GUARD_H
#define RESTANTE_DIRSYNC_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

#define GUARD_LEAST          3 /* so few deletions are no mass deletion, however small the system */
#define GUARD_ATTRIBUTES_MAX 64
#define GUARD_LOST_MAX       (GUARD_ATTRIBUTES_MAX + 1) /* and foreign addresses */
#define GUARD_FOREIGN        "restanteForeignAddress"   /* the name of these: they have a grace */

struct guard_limits {
	uint64_t most;         /* max_delete: more than that many ... */
	unsigned percent;      /* ... or more than that share of the system's mailboxes ... */
	uint64_t least;        /* ... unless they are no more than these */
	unsigned lost_percent; /* of the entries that had an attribute, so many may lack it now */
};

/* Of one system, over everything that is pending. reconcile() adds to all but the first two. */
struct guard_counts {
	uint64_t had;            /* mailboxes that the directory has of it */
	uint64_t addresses;      /* access addresses that these have */
	uint64_t vanished;       /* mailboxes that are marked, or are to be */
	uint64_t expired;        /* mailboxes to be deleted; not in vanished */
	uint64_t addresses_gone; /* marked, to be marked, or to be removed */
	uint64_t rekeyed;
	uint64_t explained; /* by finished moves: not in the others */
};

/* What a guard counts of an entry, or would count of one with this person. */
struct guard_had {
	uint64_t attributes; /* a bit for each of tally->lost but the last */
	bool foreign;        /* the last: foreign addresses */
};

/* For each mapped attribute: how many entries have it in the directory, and how many of these lack
 * it in the pull. */
struct guard_lost {
	const char *name;
	uint64_t had, lacks;
};

/* What reconcile() counts. lost: one for each name of reconcile_policy_names(), in that order. */
struct guard_tally {
	struct guard_counts counts;
	uint64_t waiting; /* physical addresses that wait for a move or a hold to end */
	struct guard_lost lost[GUARD_LOST_MAX];
	size_t lost_count;
};

/* Lists by kind (lib/synclist.h); NULL is none. */
struct guard_approvals {
	const char *fresh;    /* what `restante sync approve` was said for */
	const char *standing; /* what was used before, and is pending still */
};

/* What else the verdict rests on. */
struct guard_run {
	const char *system;
	bool complete;    /* a full pull; of a delta `persons` says nothing */
	uint64_t persons; /* that the pull showed */
	struct guard_approvals approvals;
	bool new_system; /* declared new: it may be empty */
};

/* Lists as in lib/synclist.h. */
struct guard_answer {
	bool stops;
	struct str list;   /* what is too much, but for what stands: to be approved, as one */
	struct str needed; /* the same with what stands */
	struct str reason; /* one line: what is too much and not approved; "" where nothing stops */
	struct str allowed; /* of `list`: what is approved already */
};
void guard_answer_free(struct guard_answer *answer);

/*
 * All that is too much, in the order attributes, other ids, deletions. Each kind passes up to the
 * number that was approved of that kind, and no other; where any does not, nothing does. An empty
 * source is judged alone, and nothing lets it pass but new_system: its list is empty.
 */
void guard_judge(const struct guard_limits *limits, const struct guard_tally *tally,
	const struct guard_run *run, struct guard_answer *answer_r);

/*
 * For who counts otherwise (down syncs). Whether so many are too many; the attributes that were
 * lost; one kind that is too much, with the words for it; the end of the reason. All but the first
 * add to `answer`, which begins with zeros.
 */
bool guard_too_many(const struct guard_limits *limits, uint64_t number, uint64_t had);
void guard_add_lost(struct guard_answer *answer, const struct guard_approvals *approvals,
	const struct guard_limits *limits, const struct guard_lost *lost, size_t count,
	const char *whose);
void guard_add(struct guard_answer *answer, const struct guard_approvals *approvals,
	const char *kind, uint64_t number, const char *words);
void guard_close(struct guard_answer *answer, const char *system, const char *option);

/*
 * Of what a run needed: what is pending still when it is complete, and is not to be approved anew.
 * rest: it could not do all that it was to do. standing: what stood before, where the run did not
 * count all that is pending (a delta); NULL where it did.
 */
void guard_lasting(const char *needed, bool rest, const char *standing, struct str *lasting_r);

#endif
