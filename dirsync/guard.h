/*
 * Whether a run may be applied: the mass-deletion guards. Pure.
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

enum guard_verdict { GUARD_PASS, GUARD_DELETIONS, GUARD_REKEYS, GUARD_ATTRIBUTE, GUARD_EMPTY };

/* What else the verdict rests on. */
struct guard_run {
	const char *system;
	bool complete;     /* a full pull; of a delta `persons` says nothing */
	uint64_t persons;  /* that the pull showed */
	uint64_t approved; /* `restante sync approve` was said for a list of that size; 0 = none */
	bool new_system;   /* declared new: it may be empty */
};

/*
 * The first that stops it, in the order EMPTY, ATTRIBUTE, REKEYS, DELETIONS. An approval lets a
 * list pass that is not longer than the one it was given for; nothing lets an empty source pass but
 * new_system. reason_r gets one line with the numbers and the way out ("" with GUARD_PASS); size_r
 * (may be NULL) the size of the list, as it is to be approved.
 */
enum guard_verdict guard_judge(const struct guard_limits *limits, const struct guard_tally *tally,
	const struct guard_run *run, struct str *reason_r, uint64_t *size_r);

#endif
