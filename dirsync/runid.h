/* The name of a run, and since when the request is known that it is to answer. */
#ifndef RESTANTE_DIRSYNC_RUNID_H
#define RESTANTE_DIRSYNC_RUNID_H

#include <stdint.h>

#include "lib/str.h"
#include "lib/syncask.h"

/* "20261122T153000Z-4f2a". */
void runid_new(int64_t wall_us, struct str *out);

/*
 * The instant (wall clock) at which this host first saw the request of that number: the request is
 * not younger, and data that is newer answers it. Kept in the system's folder. 0: number is 0.
 */
int64_t runid_asked(
	const char *state_dir, const char *system, enum sync_direction direction, uint64_t number);

#endif
