/* What the files of the merge share (dirsync/up.h). */
#ifndef RESTANTE_DIRSYNC_UP_MEETING_H
#define RESTANTE_DIRSYNC_UP_MEETING_H

#include "dirsync/up.h"

/* One id, as it was found. */
struct met {
	const char *id;
	const struct person *fresh;
	const void *head; /* its struct up_fresh, as bytes */
	bool gone;
	const char *unusable;
	const struct entry *entry;
	const struct trace *before;
};

/* What the pull says of one id. */
struct shown {
	bool end;
	struct str id, unusable;
	struct str bytes; /* struct up_fresh and the person: not read before it has to be */
	struct person person;
	bool has_person, gone;
	struct bulk_pair ahead; /* the first pair of the next id */
	bool has_ahead, began;
};

struct meeting {
	struct up *up;
	struct shown shown, again; /* again: what read as it did, and is wanted after all */
	struct view_item item;
	struct entry entry;
	const char *trace_id;
	const void *trace_bytes;
	size_t trace_len;
	struct trace_look look; /* of these bytes */
	struct trace trace;
	struct str encoded;
	struct strings gains, loses;
	bool has_entry, has_trace;
	struct batch *batch; /* of what is read by its id */
};

/* One id: nothing where all is equal, else its parts go where they are needed. */
int meeting_meet(struct meeting *m, const struct met *met);
int meeting_orphan(
	struct up *up, enum up_part kind, const struct entry *entry, const struct trace *before);

/* An enum up_traffic of that address. */
int meeting_traffic(struct up *up, const char *key, char kind, const char *id);

/* up_shown.c: all that the pull has of the next id: 1, 0 at its end, -1. */
int shown_next(struct meeting *m);
/* Reads its person, where it has one: 0, or -1. */
int shown_read(struct meeting *m, struct shown *shown);
/* After that. */
struct met shown_met(const struct shown *shown);
void shown_free(struct shown *shown);
/* The person of this id, which comes from that (up->same), into m->again: 0, or -1. */
int shown_again(struct meeting *m, const char *id, const uint8_t raw[TRACE_RAW_SIZE]);

/* up_delta.c: the ids that a delta shows; and those of which the entry is to be read by its id,
 * whether they are shown or not: met at last by meeting_settle. */
int meeting_delta(struct meeting *m);
int meeting_defer(struct meeting *m, const char *id, struct shown *shown); /* NULL: it is not */
int meeting_settle(struct meeting *m);
void meeting_free(struct meeting *m);

#endif
