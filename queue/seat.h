/*
 * Private to the release: how many connections may be at a destination at once, and how often a
 * message may go there (system NAME {} of restante.conf).
 */
#ifndef RESTANTE_QUEUE_SEAT_H
#define RESTANTE_QUEUE_SEAT_H

#include "queue/release_core.h"

/* Threads for all destinations, and for one of them. The lock is held. */
unsigned seat_all(const struct release *release);
unsigned seat_most(const struct release *release, const struct lane *lane);
/* Whether that worker may have a mailbox for the lane, and so a connection. The lock is held. */
bool seat_free(const struct worker *worker, const struct lane *lane);
/* The mailbox waits for a worker; not each of them may have it. The lock is held. */
void seat_ring(struct release *release, const struct box *box);
/* Counts the worker's session as it is now. The lock is not held. */
void seat_count(struct worker *worker);

/* The right to send one message there now: taken, or false where it must be waited for. */
bool pace_take(struct worker *worker, struct lane *lane);
/* Waits for it. False: the release stops, or an administrator wants the mailbox. */
bool pace_wait(struct worker *worker, const struct box *box, struct lane *lane);

#endif
