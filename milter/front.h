/*
 * The daemon restante-milter: opens everything in order, serves until a signal, closes everything
 * in order. One per process. struct front is for this folder.
 */
#ifndef RESTANTE_MILTER_FRONT_H
#define RESTANTE_MILTER_FRONT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "directory/consumer.h"
#include "directory/replica.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/metrics_http.h"
#include "milter/decisions.h"
#include "milter/lateness.h"
#include "milter/meter.h"
#include "milter/node.h"
#include "milter/tally.h"
#include "queue/holdq.h"
#include "queue/release.h"

/* Exit codes, as in sysexits.h: the supervisor starts the daemon again after 70 and 75. */
enum front_exit {
	FRONT_EXIT_OK = 0,
	FRONT_EXIT_USAGE = 64,
	FRONT_EXIT_UNAVAILABLE = 69, /* a directory, socket or database cannot be used */
	FRONT_EXIT_SOFTWARE = 70,    /* a store broke while running */
	FRONT_EXIT_TEMPORARY = 75,   /* libmilter stopped without having been asked */
	FRONT_EXIT_CONFIG = 78,
};

struct front_options {
	const char *config_path;
	const char *pid_file; /* NULL = none */
	int ready_fd;         /* a line "READY" is written to it when usable; -1 = none */
};

struct front {
	struct front_options options;
	struct config *config;
	/* A reload changes reloadable settings under this lock; threads copy them under it. */
	pthread_mutex_t config_lock;

	struct replica *replica;
	struct holdq *queue;
	struct consumer *consumer;
	struct control_server *control;
	_Atomic(struct release *) release; /* NULL before and after it runs */
	_Atomic(struct node *) node;       /* same */
	struct tally *tally;
	struct decisions *decisions;
	struct lateness *lateness;

	struct meter meter;
	struct metrics_server *metrics; /* NULL: not wanted, or its address cannot be had */
	char *metrics_at;               /* where it listens, or was to */

	int64_t started_us; /* wall clock */
	atomic_uint connections;
	atomic_uint transactions; /* between MAIL and the answer at end of message */
	atomic_bool stopping;     /* new transactions are refused */
	atomic_bool closed;       /* the databases are about to be closed: touch them no more */
	atomic_bool cut_off;      /* disabled by force: serve nothing until wiped */
	atomic_bool old;          /* the replica is from before what was acknowledged: same */
	atomic_bool recorded;     /* that this front door serves is on disk (milter/nodemark.h) */
	atomic_bool leaving;      /* `disabling`, and durably so: what is held is released */
	atomic_bool broken;
	atomic_bool loaded; /* the replica was usable once since the start */
};

/*
 * Runs until the end; the exit code of the process. It returns only where the start failed: at the
 * end libmilter's threads still run, so the process is left by _exit once the stores are closed.
 */
int front_run(const struct front_options *options);
/* -t: loads and checks the configuration, says what is wrong; the exit code. */
int front_check(const char *config_path);

/* What SIGHUP does; unchanged_r gets the names of the settings that need a restart. -1 with a
 * reason in error_r: the old settings stay. Thread-safe. */
int front_reload(struct front *front, struct str *unchanged_r, struct str *error_r);

/*
 * A look-up or a write to the stores is about to happen; false: it must not (the process ends).
 * The token goes to front_leave. It is a decision in the sense of milter/decisions.h.
 */
bool front_enter(struct front *front, uint64_t *token_r);
void front_leave(struct front *front, uint64_t token);

/* A store is unusable until recovery: says so once and makes the process end with 70. */
void front_broken(struct front *front, const char *store, const char *reason);

/* Whether that {daemon_name} is the MTA's re-entry listener. */
bool front_is_reentry(const struct front *front, const char *daemon_name);

/* The facts and the verdict for one recipient, this process's own state included. */
void front_route(struct front *front, const struct address *address, struct route *route_r);

/* milter/front_hooks.c: what the release asks, and what the replica tells. */
struct release_hooks front_release_hooks(struct front *front);
void front_observe(void *front, const uint8_t *uuid); /* a replica_observer */
void front_follow(struct front *front, const struct replica_view *view);

#endif
