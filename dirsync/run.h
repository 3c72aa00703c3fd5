/* One sync of one system, up or down, from its lease to its record. */
#ifndef RESTANTE_DIRSYNC_RUN_H
#define RESTANTE_DIRSYNC_RUN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "dirsync/backend.h"
#include "lib/config.h"

struct run_options {
	const struct config *config;
	const char *system;
	bool full;    /* no delta */
	bool dry_run; /* writes nothing; the plan as LDIF to `out` */
	FILE *out;
	const atomic_bool *stop;
	/* Where it is, for progress bars and status; may be NULL. total 0 = not known. */
	void (*progress)(void *context, const char *phase, uint64_t done, uint64_t total);
	void *context;
};

enum run_outcome {
	RUN_COMPLETE,
	RUN_NOTHING,    /* no new data; the record says so */
	RUN_STOPPED,    /* a guard: wants restante sync approve */
	RUN_INCOMPLETE, /* the source failed: nothing was applied */
	RUN_FAILED,     /* the directory, the disk, the configuration */
	RUN_BUSY,       /* another host has the lease */
};

/* record_r is filled whatever the outcome, and was written to the directory where that could be. */
enum run_outcome run_up(const struct run_options *options, struct run_record *record_r);
enum run_outcome run_down(const struct run_options *options, struct run_record *record_r);

#endif
