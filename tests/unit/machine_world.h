/*
 * A small world for the state machine: two mailboxes with redirections and addresses, the entry of
 * the mailbox in DIR, a front door with a replica that lags and a queue, mail. Steps have their
 * effect in it, and each effect is judged: what must never happen ends up in `fault`.
 */
#ifndef RESTANTE_TESTS_UNIT_MACHINE_WORLD_H
#define RESTANTE_TESTS_UNIT_MACHINE_WORLD_H

#include "control/machine.h"

enum { FIRST, SECOND, ELSEWHERE };

struct world_mailbox {
	bool there, redirects, closed, addresses, contact;
	unsigned has; /* addresses; DIR: `wanted` */
	unsigned mail;
};

struct world {
	struct world_mailbox box[2];
	/* DIR */
	bool gone, held;
	int at;       /* FIRST, SECOND, ELSEWHERE */
	unsigned csn; /* rises with each change */
	unsigned wanted;
	/* the front door */
	unsigned seen; /* csn of its replica */
	int seen_at;
	bool seen_held;
	unsigned queued[3], kept; /* decided; held */
	/* the queue of the old mailbox's system: mail that it redirects; none is older than two
	 * turns */
	unsigned relayed[2];
	unsigned sent;
	bool bare;      /* the second mailbox does not always redirect: mail may rest there */
	bool touched;   /* somebody changed the mailbox by hand: some rules are off */
	bool lost;      /* somebody deleted the old mailbox by hand */
	bool left_mail; /* an administrator said that mail may stay in the second mailbox */
	const char *fault;
};

void world_begin(struct world *world);
/* A message comes, is delivered; the replica catches up. */
void world_mail(struct world *world);
void world_deliver(struct world *world, int to);
void world_see(struct world *world);
/* From somebody on the assignee itself, whose system knows the second mailbox by its addresses. */
void world_mail_there(struct world *world);
/* Who reads the second mailbox deletes what is in it. */
void world_read(struct world *world);
/* Somebody deletes the old mailbox on its system; what is for it later is not ours any more. */
void world_lose_first(struct world *world);
/* A turn has passed in the old system's queue. */
void world_relay(struct world *world);
/* The effect of a step, however often. fenced, drained: what the machine was told. */
void world_step(struct world *world, enum step step, bool fenced, bool drained);
/* Everything under way arrives. */
void world_settle(struct world *world);

#endif
