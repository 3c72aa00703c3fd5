/* The name of a run, and since when the request is known that it is to answer. */
#ifndef RESTANTE_DIRSYNC_RUNID_H
#define RESTANTE_DIRSYNC_RUNID_H

#include <stdint.h>

#include "lib/str.h"
#include "lib/syncask.h"

/* "20261122T153000Z-4f2a". */
void runid_new(int64_t wall_us, struct str *out);

/*
 * An instant (our wall clock) at which the request of that number had been made for certain: data
 * that is newer answers it. The first at which this host saw it, or the earliest latest_us of all
 * calls (0: not known). Kept in the system's folder. 0: number is 0.
 */
int64_t runid_asked(const char *state_dir, const char *system, enum sync_direction direction,
	uint64_t number, int64_t latest_us);

/*
 * When, by our clock at the latest, what has the CSN `then` was written: `now` is one that the same
 * server made before our clock showed now_us. 0: it cannot be said.
 */
int64_t runid_latest(const char *then, const char *now, int64_t now_us);

#endif
