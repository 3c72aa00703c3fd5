/* What the files of dirsync/apply*.c share; nobody else includes it. */
#ifndef RESTANTE_DIRSYNC_APPLY_INTERNAL_H
#define RESTANTE_DIRSYNC_APPLY_INTERNAL_H

#include "dirsync/apply.h"
#include "dirsync/apply_op.h"
#include "lib/ldap_async.h"

struct applying {
	const struct apply_options *options;
	struct plan *plan;
	struct ldap_session *session;
	struct handover *handover;
	struct apply_op *ops; /* as many as the window is wide */
	unsigned window, in_flight;
	char **csns; /* by change kept aside: entryCSN after its removals */
	struct apply_counts *counts;
	unsigned streak; /* refusals in a row that mean all of the server */
	bool stopping;   /* nothing more begins */
	bool lost;       /* the session is gone */
	const char *fault;
};

/* --- apply_send.c: an operation begins and ends --------------------------------------------- */

/* Sends it, or ends it at once where there is nothing to send. -1: the session is gone. */
int apply_send(struct applying *apply, struct apply_op *op);
/* Waits for one result and ends what it belongs to. -1: the session is gone. */
int apply_wait(struct applying *apply);
/* Tells a result to the caller of apply_plan. */
void apply_tell(struct applying *apply, const struct plan_change *change, enum apply_result result,
	const char *text);
/* 0 where the whole server refuses writes, and why; -1 always. */
int apply_fail(struct applying *apply, const char *what, const char *reason);

/* --- apply_taken.c: who has an address that was refused ------------------------------------- */

/* True: op waits for the answer. */
bool apply_ask_owner(struct applying *apply, struct apply_op *op);
/* An entry of that answer: adds to op->text. */
void apply_take_owner(struct apply_op *op, const struct ldap_entry *entry);

#endif
