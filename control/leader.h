/*
 * Who acts: a lease on the federation entry (restanteLeaseHolder, Term, Expiry, Length), taken and
 * renewed by compare-and-swap. The term rises with each new holder. Another's lease is taken over
 * only after its full length, as its holder has written it, has passed on our own monotonic clock
 * without a renewal: neither clocks nor settings of hosts are compared; the instant in the entry is
 * for people.
 */
#ifndef RESTANTE_CONTROL_LEADER_H
#define RESTANTE_CONTROL_LEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct leader;

/* A thread of its own; NULL: there is none. */
struct leader *leader_start(struct control *control);
/* Gives the lease back. */
void leader_stop(struct leader **leader);

/* The term under which we lead, 0 = we do not: asked right before anything is done. */
uint64_t leader_term(struct leader *leader);
/* A record has that term, higher than ours: the lease is looked at now. Where it is still ours it
 * was removed or set back by hand, and gets a term above all that were seen. */
void leader_doubt(struct leader *leader, uint64_t term);
/* Who does, for people. */
void leader_who(struct leader *leader, char *holder_r, size_t size);
bool leader_tried(struct leader *leader); /* it was asked for at least once */
/* How long another's lease is, where one stands in the way: microseconds. */
int64_t leader_patience_us(struct leader *leader);

#endif
