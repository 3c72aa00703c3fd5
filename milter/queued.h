/*
 * Mail on its way to the backends: which mailboxes' physical addresses have some in the MTA's
 * queue, late commits included (DESIGN section 5).
 */
#ifndef RESTANTE_MILTER_QUEUED_H
#define RESTANTE_MILTER_QUEUED_H

#include <stdatomic.h>
#include <stdint.h>

#include "directory/replica.h"
#include "lib/str.h"
#include "milter/lateness.h"
#include "milter/physical.h"

struct queued {
	struct replica *replica;
	struct lateness *lateness;
	/* Whose addresses count: replica_each_held or replica_each_mailbox. */
	int (*each)(struct replica *replica, replica_held_callback callback, void *context);
	const char *command; /* that lists the MTA's queue */
	int64_t timeout_us;  /* of one listing */
	const char *delimiters;
	const atomic_bool *cancelled;
};

/*
 * Waits for late commits, then lists. The addresses found, 0; -1 with a reason in error_r (""
 * after lateness_interrupt): nothing is known. Where nobody counts, nothing is listed.
 */
int queued_find(const struct queued *queued, struct physical_set **found_r, struct str *error_r);

#endif
