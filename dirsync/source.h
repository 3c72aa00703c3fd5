/*
 * Connectors, up: where the mailboxes of a system are read. One file each: source_ldap.c,
 * source_file.c (LDIF and CSV), source_command.c. docs/connectors.md says how to add one.
 */
#ifndef RESTANTE_DIRSYNC_SOURCE_H
#define RESTANTE_DIRSYNC_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/person.h"
#include "lib/config.h"

/*
 * Who takes what a source says. Called from the thread that pulls. Each returns 0, or -1 to stop
 * the pull at once (the disk is full, the run is stopped).
 */
struct source_sink {
	void *context;
	/*
	 * NULL, or what a source may ask before it looks at an entry closely, with all that the
	 * person comes from, its settings included: whatever bytes it can tell (below) the same
	 * person from again. 1: that is known, and is not to be told; 0: it is to be; -1 as below.
	 */
	int (*same)(void *context, const void *bytes, size_t len);
	int (*person)(void *context, const struct person *person);
	/* Delta: this one is gone for certain (a tombstone, moved out of what is synced). */
	int (*gone)(void *context, const char *id);
	/* An entry or value that cannot be used, and is left out. id: "" where it has none. */
	int (*refused)(void *context, const char *id, const char *place, const char *reason);
};

struct source_request {
	bool delta; /* changes since mark suffice; a source without deltas pulls all */
	/* Of the last pull whose run was complete, also where no delta is wanted: a source of
	 * files that has nothing newer answers SOURCE_NOTHING. "" = none: everything again.
	 * Opaque, one line. */
	const char *mark;
	int64_t asked_us; /* wall clock: data older than this does not answer the request, 0 = any
			   */
	bool shown;       /* the run writes nothing: files stay where they are */
	/* Of a delta: mailboxes that it shows besides, changed or not. One that is not there, or
	 * cannot be found by its id, is not shown. A source without deltas is never given any. */
	const char *const *ids;
	size_t id_count;
	const atomic_bool *stop;
};

enum source_outcome {
	SOURCE_COMPLETE,   /* everything was shown: what was not is gone */
	SOURCE_DELTA,      /* what has changed since the mark was shown */
	SOURCE_INCOMPLETE, /* nothing of it may be used; reason */
	SOURCE_NOTHING,    /* no new data: a drop folder without a new file */
	SOURCE_STALE,      /* the mark is of no use any more: forget what was shown, and pull again
			      without delta */
};

struct source_result {
	enum source_outcome outcome;
	struct str mark;   /* for the next delta; "" = the next must be full */
	struct str reason; /* of INCOMPLETE: one line with the remedy; else a remark or "" */
	int64_t read_us;   /* wall clock: the data is at least as new as this */
	uint64_t persons, refused;
	bool deletes; /* DELTA: what is gone was shown as well (else only full pulls delete) */
};

struct source; /* a system's connector, with what it keeps between pulls (a session) */

struct source_kind {
	const char *name; /* "ldap", as `source` in up NAME {} */
	bool deltas;
	bool marks_data; /* the same mark is the same data, read again */
	/* 0, or -1 with *error_r: "up NAME.key: what is wrong; what to do". */
	int (*check)(const struct config_up *settings, const char **error_r);
	/*
	 * marker: "attribute=value" of what a down sync writes into the same system (config_down),
	 * "" = nothing: entries that have it are never read. Both must last until close.
	 */
	struct source *(*open)(const struct config_up *settings, const char *marker);
	void (*close)(struct source **source);
	/* Never fails otherwise than by its result. One pull at a time. */
	void (*pull)(struct source *source, const struct source_request *request,
		const struct source_sink *sink, struct source_result *result_r);
	/* NULL: it asks no sink what is the same. Tells the person of such bytes: 0, or -1. */
	int (*tell)(struct source *source, const void *bytes, size_t len,
		const struct source_sink *sink);
	/*
	 * NULL: it has none. Sleeps until the source may have something newer than mark: 1; 0 after
	 * timeout_us, or once *stop; -1 with *error_r where it cannot listen now. For one thread of
	 * its own: pulls may go on meanwhile. A source that cannot listen sleeps and returns 0.
	 * After a 1 the next call comes after a pull, with its mark.
	 */
	int (*wait)(struct source *source, const char *mark, int64_t timeout_us,
		const atomic_bool *stop, const char **error_r);
};

extern const struct source_kind source_ldap, source_ldif, source_csv, source_command;

/* NULL: there is none of that name. The table is dirsync/source.c. */
const struct source_kind *source_kind_find(const char *name);
void source_result_free(struct source_result *result);
/* For check: -1 with "up NAME.key: what", valid until the thread's next call. */
int source_fault(
	const struct config_up *settings, const char *key, const char *what, const char **error_r);

#endif
