/*
 * A down sync: what the files dirsync/down_*.c and run_down.c share; nobody else includes it.
 *
 * What the directory wants and what the target has are read at the same time, each into an external
 * sort by id; the merge of the two gives the plan; the guard judges it; then it is written.
 */
#ifndef RESTANTE_DIRSYNC_DOWN_H
#define RESTANTE_DIRSYNC_DOWN_H

#include "dirsync/reports.h"
#include "dirsync/run.h"
#include "dirsync/target.h"
#include "dirsync/written.h"
#include "lib/bulksort.h"

#define DOWN_SORT_BYTES                                                                            \
	(16 * 1024 * 1024) /* each of the sorts in memory, before it goes to disk                  \
			    */

/* A contact that is there. */
struct down_had {
	uint8_t digest[PERSON_DIGEST_SIZE];
	uint64_t has; /* contact_has() */
};

struct down {
	const struct run_options *run;
	const struct config_down *settings;
	struct ldap_options ldap;     /* of write_uri */
	struct ldap_session *session; /* there, of the thread that writes */
	const struct target_kind *kind;
	struct contact_form *form;
	struct target *target;
	struct target_sink sink;
	struct written *written; /* NULL where the target lists */
	struct reports *reports;
	struct run_record *record;
	char *dir, *work; /* what outlives the run; files of the run */
	atomic_bool stop;
	int64_t deadline_us; /* monotonic */

	struct bulk *want, *have; /* id -> digest and contact; id -> struct down_had */
	struct bulk *plan;        /* verb and id -> contact */
	struct bulk *done;        /* id -> struct down_had, or nothing: for `written` */
	struct strings alone;     /* ids of mailboxes that moves keep out */
	int64_t moves_us;         /* when these were read, monotonic */
	struct str holder;        /* of the lease */
	struct str deleted;       /* ids to be deleted, NUL-terminated: for the guard */
	uint64_t had, wanted, deletions;
	uint64_t changes;                            /* of all kinds */
	struct guard_lost lost[CONTACT_GUARDED_MAX]; /* of those that stay, in that order */
	size_t lost_count;
	char error[1024];
};

/* Keeps the text as the reason of the run; -1. */
int down_fail(struct down *down, const char *error);
void down_progress(struct down *down, const char *phase, uint64_t done, uint64_t total);
/* Whether the run must end; then the reason is kept. */
bool down_stopped(struct down *down);

/* down_read.c. All: 0, or -1 with down->error. */

/* Of the target_sink; also what `written` says. */
int down_take_had(
	void *context, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE], uint64_t has);
/* Both sides, sorted. */
int down_read(struct down *down);
/* Which mailboxes moves keep out: read last, and while it is written again and again, since a move
 * that began meanwhile counts. */
int down_read_moves(struct down *down);
bool down_is_alone(const struct down *down, const char *id, size_t len);

/* down_plan.c */

/* 1: to be written; 0: nothing is to be done; -1. A `whole` target is written meanwhile. */
int down_plan(struct down *down);
/* 0: go on; 1: it waits for restante sync approve, the record says why; -1. */
int down_guard(struct down *down, const struct backend *backend);

/* down_apply.c */

/* Of the target_sink. */
void down_take_result(void *context, enum target_verb verb, const char *id,
	enum target_result result, const struct target_note *note);
/* A put; noted for `written`. */
int down_put(
	struct down *down, enum target_verb verb, const char *id, const char *encoded, size_t len);
/* The plan, to run->change. */
int down_show(struct down *down);
int down_apply(struct down *down);
/* What was written is remembered. */
int down_remember(struct down *down);

#endif
