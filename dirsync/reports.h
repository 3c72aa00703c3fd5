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

#define REPORTS_MAX 10000 /* more are counted, not kept */

struct reports;

struct reports *reports_new(void);
void reports_free(struct reports **reports);
/* kind: "conflict", "domain", "rekey", "unusable", "refused", ... Thread-safe, as is reports_seen.
 */
void reports_add(struct reports *reports, const char *kind, const char *id, const char *address,
	const char *text);
/* Delta: what was said of this id before does not count any more. */
void reports_seen(struct reports *reports, const char *id);
uint64_t reports_count(const struct reports *reports, const char *kind);
/* Replaces the file; partial: what it says of ids that were not seen stays. 0, or -1 with
 * *error_r. */
int reports_keep(struct reports *reports, const char *dir, const char *system, bool partial,
	const char **error_r);

/* What the file says; a file that is not there is empty. The callback takes the object. */
int reports_read(const char *dir, const char *system,
	int (*callback)(void *context, struct json *report), void *context);

#endif
