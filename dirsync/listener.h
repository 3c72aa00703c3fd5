/* Sleeps until the source of a unit has something new, and asks the unit for a run. */
#ifndef RESTANTE_DIRSYNC_LISTENER_H
#define RESTANTE_DIRSYNC_LISTENER_H

#include "dirsync/source.h"
#include "dirsync/unit.h"

struct listener;

/* From this mark on ("" = none), which a run has left that ended so; NULL where the source is not
 * one that is listened to. */
struct listener *listener_start(struct unit *unit, struct source *source,
	const struct config *config, const char *mark, enum sync_word word);
void listener_stop(struct listener **listener);

#endif
