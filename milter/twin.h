/*
 * Whether somebody else writes this front door's entry: a machine that was cloned with its
 * settings, or one node name given twice. Each would acknowledge for the other, and a fence would
 * be passed that only one of them knows of. Told by heartbeats that come back and are not ours. One
 * thread.
 */
#ifndef RESTANTE_MILTER_TWIN_H
#define RESTANTE_MILTER_TWIN_H

#include <stdbool.h>
#include <stdint.h>

#define TWIN_MEMORY 16 /* heartbeats of ours: one may be made though its answer was lost */

struct twin {
	char ours[TWIN_MEMORY][32];
	unsigned next;
	char shown[32];   /* last: it says nothing new while no write gets through */
	bool came_back;   /* one of ours has */
	int64_t until_us; /* monotonic: it is assumed that the other is there */
};

/* A heartbeat is about to be written. */
void twin_wrote(struct twin *twin, const char *heartbeat);
/*
 * shown: the heartbeat that the replica has. True: there is another, or was one until hold_us ago.
 * What an earlier process of our own wrote is no reason: it is followed by ours.
 */
bool twin_there(struct twin *twin, const char *shown, int64_t now_us, int64_t hold_us);

#endif
