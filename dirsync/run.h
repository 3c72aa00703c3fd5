/* One sync of one system, up or down, from its lease to its record. */
#ifndef RESTANTE_DIRSYNC_RUN_H
#define RESTANTE_DIRSYNC_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirsync/backend.h"
#include "lib/config.h"

struct run_change {
	const char *kind, *dn, *id, *reason, *ldif;
};

struct run_options {
	const struct config *config;
	const char *system;
	bool full;    /* no delta */
	bool dry_run; /* writes nothing; the changes go to `change` */
	const atomic_bool *stop;
	/* Kept by the caller from run to run; each may be NULL. What a connector keeps between
	 * pulls: run_up opens it, run_source_close closes it, before the settings go. Since when
	 * the lease of another host is watched. */
	struct source **source;
	struct lease_watch *watch;
	/* run_up: gets the mark that the source is read from next time; may be NULL. */
	struct str *mark;
	/* run_down: the object of somebody else that has this address becomes our contact; NULL:
	 * none does. adopted gets its DN, "" = it was not to be taken over; may be NULL. */
	const char *adopt;
	struct str *adopted;
	/* Where it is, for progress bars and status; may be NULL. total 0 = not known. */
	void (*progress)(void *context, const char *phase, uint64_t done, uint64_t total);
	/* dry_run: one that would be made; may be NULL. kind: "add", "modify", ...; id: in a
	 * down sync that of the contact; ldif: change records. */
	void (*change)(void *context, const struct run_change *change);
	void *context;
};

/* record_r is filled whatever the outcome, and was written to the directory where that could be
 * (never with dry_run, nor where another host has the lease: SYNC_BUSY). */
enum sync_word run_up(const struct run_options *options, struct run_record *record_r);
enum sync_word run_down(const struct run_options *options, struct run_record *record_r);
void run_source_close(const struct run_options *options);

#endif
