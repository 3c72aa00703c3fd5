/*
 * How many messages this front door held for each mailbox, told to the record of the move that held
 * it: once the mailbox is not held any more, a value of restanteMoveHeld, by a thread with an LDAP
 * session to write_uri of its own. A hold that no move asked for is not told. What is not told yet
 * is in memory alone: after a start it is what the queue has for mailboxes that are held.
 */
#ifndef RESTANTE_MILTER_TALLY_H
#define RESTANTE_MILTER_TALLY_H

struct front;
struct tally;

/* Before any message is held. NULL where no thread can be had, or the queue cannot be read. */
struct tally *tally_start(struct front *front);
/* What is not told yet is lost, but for what the queue still has. */
void tally_stop(struct tally **tally);

#endif
