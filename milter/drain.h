/*
 * The drain (DESIGN section 5): for an epoch that was acknowledged, which physical addresses of
 * held mailboxes still have mail in the MTA's queue; and for a front door that leaves, whether any
 * mailbox has. A thread of its own, for the MTA's listing may take long.
 */
#ifndef RESTANTE_MILTER_DRAIN_H
#define RESTANTE_MILTER_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory/replica.h"
#include "lib/json.h"
#include "milter/lateness.h"

struct drain;

struct drain_hooks {
	void *context;
	/* Copies of the reloadable settings; the caller frees them (mem_free). */
	void (*settings)(
		void *context, char **command_r, int64_t *timeout_us_r, char **delimiters_r);
	/* There is a report. */
	void (*ready)(void *context);
};

struct drain *drain_start(
	struct replica *replica, struct lateness *lateness, const struct drain_hooks *hooks);
void drain_stop(struct drain **drain); /* lateness_interrupt first */

/* Every decision begun before that epoch's acknowledgement has ended: begin. Not 0. */
void drain_epoch(struct drain *drain, uint64_t epoch);

/*
 * A front door that leaves, and decides nothing any more: whether its MTA's queue has mail for any
 * mailbox, held or not, is looked at until it has none. Then hooks.ready is called and drain_left
 * says so, until it is not wanted any more.
 */
void drain_leave(struct drain *drain, bool wanted);
bool drain_left(struct drain *drain);

struct drain_report {
	uint64_t epoch;
	char **undrained; /* NULL-terminated */
	size_t count;
};
/* The latest report not yet taken; false: none. */
bool drain_take(struct drain *drain, struct drain_report *report_r);
void drain_report_free(struct drain_report *report);
void drain_status(struct drain *drain, struct json *object);

#endif
