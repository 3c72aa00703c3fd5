/*
 * Decisions in flight (DESIGN section 5): begun before the look-up, ended after its effect was
 * answered, by end-of-message callbacks and release workers alike. An acknowledgement waits until
 * each one begun before a given instant has ended. Thread-safe.
 */
#ifndef RESTANTE_MILTER_DECISIONS_H
#define RESTANTE_MILTER_DECISIONS_H

#include <stdbool.h>
#include <stdint.h>

struct decisions;

struct decisions *decisions_new(void);
void decisions_free(struct decisions **decisions); /* none may be in flight */

/* A token for decisions_end; never 0. */
uint64_t decisions_begin(struct decisions *decisions);
void decisions_end(struct decisions *decisions, uint64_t token);

/* "Now", as a number: decisions begun later have a number that is not smaller. */
uint64_t decisions_mark(struct decisions *decisions);
/* Whether every decision begun before that mark has ended. */
bool decisions_passed(struct decisions *decisions, uint64_t mark);
/*
 * callback is called once, by the thread that ends the last decision begun before the mark, or at
 * once by this one; it must call nothing of this module. A later watch replaces an earlier one;
 * mark 0: there is none any more.
 */
void decisions_watch(
	struct decisions *decisions, uint64_t mark, void (*callback)(void *context), void *context);
/* Waits for decisions_passed; false at the deadline (monotonic microseconds). */
bool decisions_wait(struct decisions *decisions, uint64_t mark, int64_t deadline_us);

/* For status: how many, and for how long the oldest (0 = none). */
unsigned decisions_count(struct decisions *decisions, int64_t *oldest_age_us_r);

#endif
