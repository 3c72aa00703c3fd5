/*
 * The daemon restante-control. All records are in memory (control/store.h); a thread follows them
 * in the directory (control/follow.h); workers take what is due, one move at a time, and carry it
 * on as far as it goes (control/run.h); two keepers wait for all moves together, one for front
 * doors (control/fencing.h), one for syncs (control/syncing.h). Only the leader's workers act
 * (control/leader.h).
 */
#ifndef RESTANTE_CONTROL_CONTROL_H
#define RESTANTE_CONTROL_CONTROL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/action.h"
#include "control/machine.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/metrics.h"
#include "lib/metrics_http.h"

enum control_exit {
	CONTROL_EXIT_OK = 0,
	CONTROL_EXIT_FAILED = 1, /* --once: the directory failed, or another one leads */
	CONTROL_EXIT_LEFT = 2,   /* --once: moves are stopped, or wait for others for too long */
	CONTROL_EXIT_USAGE = 64,
	CONTROL_EXIT_UNAVAILABLE = 69,
	CONTROL_EXIT_SOFTWARE = 70,
	CONTROL_EXIT_CONFIG = 78,
};

struct control_options {
	const char *config_path;
	const char *pid_file; /* NULL = none */
	int ready_fd;         /* a line "READY" is written to it; -1 = none */
	bool once;            /* until nothing is due and nothing is waited for */
};

/* Runs until a signal, or with `once` until it is done; the exit code. */
int control_run(const struct control_options *options);
/* --check: complaints go to standard error. */
int control_check(const char *config_path);

/* --- for this folder -------------------------------------------------------------------------- */

struct store;
struct follow;
struct leader;
struct fencing;
struct syncing;

/* A configuration with a count of its users: a run keeps the one that it began with. */
struct settings {
	struct config *config;
	struct actions **actions; /* in the order of config->actions */
	atomic_uint users;
	uint64_t serial; /* no two are the same */
};

struct control_counts {
	struct metric_counter steps, failed, refused, writes;
	struct metric_counter swapped, over, rolled_back;
	struct metric_counter deleted; /* records that went while their mailbox was on hold */
	struct metric_histogram held;  /* from the hold's CSN to the swap's */
};

struct control {
	struct control_options options;
	int64_t started_us; /* wall clock */
	gid_t gid;

	pthread_mutex_t settings_lock;
	struct settings *settings;

	struct store *store;
	struct leader *leader;
	struct follow *follow;
	struct fencing *fencing;
	struct syncing *syncing;
	pthread_t *workers;
	size_t worker_count;

	_Atomic int64_t
		offset_us;       /* the directory's clock less CLOCK_BOOTTIME; 0 = not known yet */
	_Atomic int64_t skew_us; /* less our wall clock: for people */
	struct control_counts counts;
	struct control_server *server;
	struct metrics_server *metrics;
	char *metrics_at;
	atomic_bool stopping;
};

/* Wall clock of the directory, as its last answer told: instants of moves are judged by it. Whoever
 * turns the clock of this machine changes nothing of that. */
int64_t control_now_us(struct control *control);
/* After a write that gave that entryCSN. */
void control_note_csn(struct control *control, const char *csn);

struct settings *settings_new(struct config *config, const char **error_r);
struct settings *settings_hold(struct control *control);
void settings_drop(struct settings **settings);
/* Of that system; NULL: it has no section. */
struct actions *settings_actions(const struct settings *settings, const char *system);

/* Most actions on that system at once (actions NAME.concurrency); 0: no bound of its own. */
unsigned settings_concurrency(const struct settings *settings, const char *system);

/* SIGHUP, or asked by control: -1 with a reason, the old settings stay. */
int control_reload(struct control *control, struct str *unchanged_r, struct str *error_r);

/* control/worker.c */
int workers_start(struct control *control);
void workers_stop(struct control *control);

/* control/commands.c, control/exposition.c */
extern const struct control_command control_commands[];
void exposition_configure(struct control *control);
void exposition_stop(struct control *control);

#endif
