/* Whether a run may be applied: the mass-deletion guards. Pure. */
#ifndef RESTANTE_DIRSYNC_GUARD_H
#define RESTANTE_DIRSYNC_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"

struct guard_limits {
	uint64_t most;    /* max_delete: more than that many ... */
	unsigned percent; /* ... or more than that share of what the system had ... */
	uint64_t least;   /* ... but never for so few */
};

/* Of one system, over everything that is pending, marked earlier and not expired included. */
struct guard_counts {
	uint64_t had;       /* mailboxes that the directory has of it */
	uint64_t addresses; /* access addresses that it has */
	uint64_t vanished, expired, addresses_gone, rekeyed;
	uint64_t explained; /* by finished moves: not in the others */
};

#define GUARD_ATTRIBUTES_MAX 64

/* For each mapped attribute: how many entries had it before, and how many of these lack it now. */
struct guard_lost {
	const char *name;
	uint64_t had, lacks;
};

enum guard_verdict { GUARD_PASS, GUARD_DELETIONS, GUARD_REKEYS, GUARD_ATTRIBUTE, GUARD_EMPTY };

/*
 * approved: `restante sync approve` was said for a list of at least this size. new_system: declared
 * new, it may be empty. reason_r gets one line with the numbers and the way to approve.
 */
enum guard_verdict guard_judge(const char *system, const struct guard_limits *limits,
	const struct guard_counts *counts, const struct guard_lost *lost, size_t lost_count,
	uint64_t persons, uint64_t approved, bool new_system, struct str *reason_r);

#endif
