/*
 * Addresses that pass from one entry to another within a plan: which changes wait for which. Pure:
 * it knows keys, places and results, and no directory.
 *
 * A change that gains an address waits for the result of the one that gives it up. What is left
 * when nothing else can go on are cycles: there each first removes what it gives up, and when all
 * have, each writes the rest. A refused removal drops the change that waits for it, and in a cycle
 * all of them; an address that was given up and that nobody gained goes back.
 *
 * The plan may be as long as the directory. So it is seen twice: the first time the keys go into
 * two filters of fixed size (B. H. Bloom, Space/time trade-offs in hash coding with allowable
 * errors, 1970), the second time only those changes are kept aside, a few bytes each, whose keys
 * seem to be both gained and given up. A change that is kept aside for nothing does no harm.
 */
#ifndef RESTANTE_DIRSYNC_HANDOVER_H
#define RESTANTE_DIRSYNC_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/strings.h"

struct handover;

/* changes: length of the plan, for the size of the filters. */
struct handover *handover_new(uint64_t changes);
void handover_free(struct handover **handover);

uint64_t handover_key(const char *key); /* the number that stands for an address */

/* First pass: each change. */
void handover_see(
	struct handover *handover, const struct strings *gains, const struct strings *gives);
/* Second pass: false: it may be written at any time; true: handover_put it. */
bool handover_concerns(
	const struct handover *handover, const struct strings *gains, const struct strings *gives);
/* place: where the caller finds it again. */
void handover_put(struct handover *handover, uint64_t place, const struct strings *gains,
	const struct strings *gives);
/* No more are put; handover_next follows. */
void handover_settle(struct handover *handover);
size_t handover_count(const struct handover *handover); /* of changes put */

enum handover_step {
	HANDOVER_WHOLE,  /* all of the change */
	HANDOVER_REMOVE, /* of a cycle: the addresses that it gives up go, nothing else */
	HANDOVER_REST,   /* of a cycle: all the rest of it */
	HANDOVER_RETURN, /* the entry gets the address `key` back, if it is free */
	HANDOVER_DROP,   /* not written: `because` was refused. Only told, has no result */
};

struct handover_todo {
	enum handover_step step;
	uint32_t change; /* number of the change, in the order put */
	uint64_t place;
	uint64_t key;           /* RETURN */
	uint64_t because_place; /* DROP */
};

enum handover_result {
	HANDOVER_DONE,
	HANDOVER_FREED, /* not done, but the entry is not there any more: its addresses are free */
	HANDOVER_REFUSED, /* nothing of it was done */
};

/* What may be written now; false: nothing, before another result has come. Where none is awaited
 * all is over. */
bool handover_next(struct handover *handover, struct handover_todo *todo_r);
void handover_result(
	struct handover *handover, const struct handover_todo *todo, enum handover_result result);
/* From now on nothing begins: what handover_next still gives brings begun cycles to their end, and
 * returns addresses that were given up to somebody who will not gain them any more. */
void handover_stop(struct handover *handover);

#endif
