/*
 * What an end of message does to the envelope: a pure function of the recipients and their
 * verdicts (DESIGN section 4, TRAPS 1, 2, 6).
 */
#ifndef RESTANTE_MILTER_PLAN_H
#define RESTANTE_MILTER_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/route.h"
#include "milter/reply.h"

struct plan_recipient {
	const char *argument; /* of RCPT, exactly as it came */
	const char *key;      /* normal form; "" where it is no address of ours */
	const char *physical; /* ROUTE_REWRITE only */
	enum route_verdict verdict;
	bool waits; /* ROUTE_REWRITE: an earlier copy is in the hold queue and will be released */
};

struct plan_step {
	bool del;  /* hand the argument back for deletion: once for each spelling */
	bool add;  /* add the physical address: once for each */
	bool hold; /* store: once for each recipient */
};

struct plan {
	enum reply refused; /* the whole message; no step counts then */
	size_t refused_by;  /* index of the recipient that calls for it */
	size_t deleted, added, held, left, repeated;
};

/*
 * steps_r has room for count. `reentry`: a recipient that would leave as it came is refused, it
 * would come back.
 */
void plan_make(const struct plan_recipient *recipients, size_t count, bool reentry,
	struct plan_step *steps_r, struct plan *plan_r);

#endif
