/*
 * One system in one direction: the thread that runs its syncs, on schedule and when asked. Never
 * two runs of it at a time. Thread-safe.
 */
#ifndef RESTANTE_DIRSYNC_UNIT_H
#define RESTANTE_DIRSYNC_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/backend.h"
#include "dirsync/run.h"
#include "lib/syncask.h"

struct dirsync;
struct unit;

/* It can be asked for runs; those by schedule begin with unit_wake. NULL: no thread can be made. */
struct unit *unit_start(struct dirsync *dirsync, const char *system, enum sync_direction direction);
void unit_ask_to_stop(struct unit *unit); /* what runs is ended; does not wait */
void unit_join(struct unit *unit);        /* asked to stop: waits for its end */
void unit_free(struct unit **unit);       /* joined */

/* By whoever holds the lock of the list that it is in; unit_join waits for unit_unpin. */
void unit_pin(struct unit *unit);
void unit_unpin(struct unit *unit);

const char *unit_system(const struct unit *unit);
enum sync_direction unit_direction(const struct unit *unit);

/* A run is to begin; one that is under way is not enough. Gives the number that unit_view.ended
 * reaches when it has ended. */
uint64_t unit_ask(struct unit *unit, bool full);
/* Settings have changed; the first time: where there is a schedule, a run is due at once. */
void unit_wake(struct unit *unit);
/* What the system's entry says: asked and not answered, 0 = nothing is. */
void unit_wanted(struct unit *unit, uint64_t number);

bool unit_is_running(struct unit *unit);

struct unit_view {
	bool running, has_last;
	char run[40], phase[24];
	uint64_t done, total;
	int64_t began_us; /* wall clock */
	int64_t next_us;  /* wall clock, 0 = only when asked */
	uint64_t begun, ended;
	uint64_t runs[SYNC_BUSY + 1]; /* by outcome */
	uint64_t added, changed, deleted;
	struct sync_outcome found; /* of the last run that had data; without its text */
};
/* last_r (may be NULL): a copy of the last run's, to be freed. */
void unit_view(struct unit *unit, struct unit_view *view_r, struct run_record *last_r);

/* A run that writes nothing, in the caller's thread, beside none of the unit's own; its options
 * but for config, system and source are the caller's. */
enum sync_word unit_try(
	struct unit *unit, const struct run_options *options, struct run_record *record_r);

#endif
