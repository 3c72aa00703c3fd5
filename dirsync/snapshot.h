/*
 * What the last run of a system saw: a Berkeley DB environment per system below dirsync.state_dir.
 * Rebuildable: a snapshot that is lost, or of another run than the system's entry names, counts as
 * none, and the next run is full.
 */
#ifndef RESTANTE_DIRSYNC_SNAPSHOT_H
#define RESTANTE_DIRSYNC_SNAPSHOT_H

#include "dirsync/reconcile.h"

struct snapshot;

struct snapshot_head {
	struct str run;    /* id of the run that wrote it, "" = none */
	struct str parent; /* of the run before: its record is in the directory where this run ended
			      between its commit here and its record there */
	struct str mark;   /* of the source */
	struct str counted;  /* mark of the last complete pull, whatever came of its changes */
	struct str settings; /* digest of those that it was read by (dirsync/source_mark.h) */
	int64_t full_us;     /* wall clock of the last complete pull, 0 = never */
	uint64_t full_runs;  /* complete pulls so far */
	uint64_t persons;
	uint64_t pending;  /* deletions that are marked and not done: a delta does not see them */
	uint64_t versions; /* traces that know their entry's version */
	int64_t whole_us;  /* wall clock of the last run that read the entries whole, 0 = never */
};

/* NULL with *error_r; one that is damaged is removed, with a warning, and begins empty. */
struct snapshot *snapshot_open(
	const char *dir, const char *system, uint64_t cache_bytes, const char **error_r);
void snapshot_close(struct snapshot **snapshot);
void snapshot_head(const struct snapshot *snapshot, struct snapshot_head *head_r);
void snapshot_head_free(struct snapshot_head *head);

/* By id: 1, 0 = not there, -1 with *error_r. */
int snapshot_get(
	struct snapshot *snapshot, const char *id, struct trace *trace_r, const char **error_r);
/* In the order of the ids: 1, 0 at the end, -1. */
int snapshot_walk(struct snapshot *snapshot, const char **error_r);
int snapshot_next(
	struct snapshot *snapshot, const char **id_r, struct trace *trace_r, const char **error_r);
/* The same, the trace as bytes (trace_encode), valid until the next call; snapshot_read makes one:
 * 0, or -1. */
int snapshot_next_bytes(struct snapshot *snapshot, const char **id_r, const void **bytes_r,
	size_t *len_r, const char **error_r);
int snapshot_read(struct snapshot *snapshot, const void *bytes, size_t len, struct trace *trace_r,
	const char **error_r);

/*
 * The next one. anew: it replaces all of the old one, ids in order. Else what is put replaces or
 * adds, what is dropped goes (a complete pull in which little has changed, too: what is not put
 * stays). Nothing counts before snapshot_commit, which is durable.
 */
int snapshot_begin(struct snapshot *snapshot, bool anew, const char **error_r);
int snapshot_put(
	struct snapshot *snapshot, const char *id, const struct trace *trace, const char **error_r);
int snapshot_drop(struct snapshot *snapshot, const char *id, const char **error_r);
int snapshot_commit(
	struct snapshot *snapshot, const struct snapshot_head *head, const char **error_r);
void snapshot_abort(struct snapshot *snapshot);

#endif
