/*
 * Late commits (DESIGN section 5): the MTA writes its queue file after our answer and does not
 * say when. A connection whose last end of message was answered with physical addresses is
 * remembered until its next event, or until late_commit after the answer. Thread-safe.
 */
#ifndef RESTANTE_MILTER_LATENESS_H
#define RESTANTE_MILTER_LATENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"
#include "milter/physical.h"

struct lateness;

/* Part of a connection; `struct lateness_slot slot = LATENESS_SLOT_INIT`. */
struct lateness_slot {
	struct lateness_slot *previous, *next;
	bool listed;          /* only its own connection reads it without the lock */
	int64_t until_us;     /* monotonic */
	struct str physicals; /* one after the other, each with its NUL */
};
#define LATENESS_SLOT_INIT                                                                         \
	{                                                                                          \
		NULL, NULL, false, 0, STR_INIT                                                     \
	}

/* Counts from now: what an earlier process answered may be late as well. */
struct lateness *lateness_new(int64_t late_commit_us);
void lateness_free(struct lateness **lateness);
void lateness_configure(struct lateness *lateness, int64_t late_commit_us);

/* The end of message is about to be answered; physicals as in the slot, may be empty. */
void lateness_answer(
	struct lateness *lateness, struct lateness_slot *slot, const struct str *physicals);
/* The connection's next event, or its end. Cheap when nothing is remembered. */
void lateness_event(struct lateness *lateness, struct lateness_slot *slot);
void lateness_slot_free(struct lateness *lateness, struct lateness_slot *slot);
/* A release whose outcome is unknown. */
void lateness_unclear(struct lateness *lateness, const char *physical);

/*
 * Until when (monotonic) a message for one of the set may still be committed as far as known now;
 * 0 = none. set NULL: any.
 */
int64_t lateness_until(
	struct lateness *lateness, const struct physical_set *set, const char *delimiters);
/* Adds every physical address of which that may be so, in the forms of
 * physical_set_add_recipient. */
void lateness_collect(struct lateness *lateness, struct physical_set *set, const char *delimiters);
/* Waits until that is none; false when lateness_interrupt was called meanwhile. */
bool lateness_wait(
	struct lateness *lateness, const struct physical_set *set, const char *delimiters);
void lateness_interrupt(struct lateness *lateness); /* for good: the process stops */

#endif
