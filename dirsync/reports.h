/*
 * What a run has to tell people besides its changes: conflicts, refused addresses, changes that the
 * directory refused. A line of JSON each in STATE_DIR/SYSTEM/reports, for `restante sync
 * conflicts`.
 */
#ifndef RESTANTE_DIRSYNC_REPORTS_H
#define RESTANTE_DIRSYNC_REPORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"
#include "lib/syncask.h"

#define REPORTS_MAX 10000 /* more are counted, not kept */

struct reports;

/* NULL counts as "". */
struct report {
	const char *kind; /* "conflict", "domain", "duplicate", "refused", ... */
	const char *id;   /* on the source */
	const char *address;
	const char *place; /* DN or FILE:LINE on the source, or the DN in the directory */
	const char *owner, *owner_dn; /* of a conflict: system and entry that have the address */
	const char *text;
};

struct reports *reports_new(const char *system, enum sync_direction direction);
void reports_free(struct reports **reports);
/* Thread-safe, as is reports_seen. */
void reports_add(struct reports *reports, const struct report *report);
/* Delta: what was said of this id before does not count any more. */
void reports_seen(struct reports *reports, const char *id);
uint64_t reports_count(const struct reports *reports, const char *kind);
/*
 * Replaces the file, 0, or -1 with *error_r. What it said before counts no more; PARTIAL: what it
 * said of ids that were not seen stays. UNDONE, all was read and nothing applied: conflicts that
 * are not said again stay, too, since an address that came free has not been given to its claimant.
 */
enum reports_extent { REPORTS_WHOLE, REPORTS_PARTIAL, REPORTS_UNDONE };
int reports_keep(
	struct reports *reports, const char *dir, enum reports_extent extent, const char **error_r);

/* What the file says; a file that is not there is empty. The callback takes the object. */
int reports_read(const char *dir, const char *system, enum sync_direction direction,
	int (*callback)(void *context, struct json *report), void *context);

#endif
