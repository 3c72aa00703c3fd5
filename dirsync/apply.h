/*
 * Writes a plan into the directory: asynchronous LDAP operations in a bounded window, one in flight
 * per entry, a change being one operation. An address that passes from one entry to another makes
 * the entry that gains it wait for the result of the one that gives it up; in a cycle all removals
 * come first, then all additions (dirsync/handover.h). A refused removal drops the addition; a
 * refused addition gives the address back where it is still free. RFC 5805 transactions are never
 * used (TRAPS 36). Memory does not grow with the plan, but for a few bytes for each change whose
 * addresses pass.
 */
#ifndef RESTANTE_DIRSYNC_APPLY_H
#define RESTANTE_DIRSYNC_APPLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "dirsync/plan.h"
#include "lib/ldap_session.h"

enum apply_result {
	APPLY_DONE,
	APPLY_CHANGED, /* the assertion failed: somebody edited the entry; the next run sees it */
	APPLY_TAKEN,   /* a uniqueness rule refused it */
	APPLY_REFUSED, /* rights, schema, quota: the server's words */
	APPLY_DROPPED, /* another change that it depends on was refused */
};

struct apply_counts {
	uint64_t added, changed, deleted, refused, dropped;
};

struct apply_options {
	const struct ldap_options *ldap; /* of write_uri */
	unsigned window;                 /* operations in flight, 1 to 1000 */
	/* Asked before each operation: how wide the window may be now (a move stands between hold
	 * and swap: narrower), 0 = stop. NULL: always `window`. */
	unsigned (*allowed)(void *context);
	/* Each result, once, for the log and the reports; change is valid in the call. text: the
	 * server's words, and whose an address is that was refused; "" where it is done. Changes
	 * that were in flight when the directory went away, or not begun, have none. */
	void (*result)(void *context, const struct plan_change *change, enum apply_result result,
		const char *text);
	void *context;
};

/*
 * 0: all were tried. -1 with *error_r: the directory went away, takes no writes at all (read-only,
 * a full disk: after 20 such refusals in a row), or `allowed` said stop; what is left was not done.
 * After a stop no address is left without an owner; where the directory went away one may be, until
 * the next run: it should follow within vanish_grace (5 minutes).
 */
int apply_plan(const struct apply_options *options, struct plan *plan,
	struct apply_counts *counts_r, const char **error_r);

#endif
