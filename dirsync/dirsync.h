/*
 * The daemon restante-dirsync: a thread per system and direction (dirsync/unit.h), one that sees
 * requests in the directory, the control socket, the metrics page. One per process and host.
 */
#ifndef RESTANTE_DIRSYNC_DIRSYNC_H
#define RESTANTE_DIRSYNC_DIRSYNC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirsync/exits.h"
#include "dirsync/stopper.h"
#include "dirsync/unit.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/metrics_http.h"
#include "lib/pulse.h"

struct dirsync_options {
	const char *config_path;
	const char *pid_file; /* NULL = none */
	int ready_fd;         /* a line "READY" is written to it; -1 = none */
};

/* Runs until a signal; the exit code. */
int dirsync_run(const struct dirsync_options *options);

/* --- for this folder -------------------------------------------------------------------------- */

struct dirsync {
	struct dirsync_options options;
	/* Guards settings and the list of units; a unit has its own lock, taken after this one. */
	pthread_mutex_t lock;
	pthread_mutex_t reloading; /* one reload at a time; taken before the other one */
	struct settings *settings; /* replaced by a reload; whoever uses them holds them */
	struct unit **units;
	size_t unit_count;
	int64_t started_us; /* wall clock */
	atomic_bool stopping;
	int lock_fd; /* of state_dir */
	pthread_t main;
	struct stopper *stopper;

	pthread_t watcher;
	bool watches;
	struct pulse watching;
	struct control_server *control;
	struct metrics_server *metrics;
	char *metrics_at;
	gid_t gid;
};

/* A configuration with a count of its users: a run keeps the one that it began with. */
struct settings {
	struct config *config;
	atomic_uint users;
};
struct settings *settings_hold(struct dirsync *dirsync);
void settings_drop(struct settings **settings);

/* SIGHUP, or asked by control: -1 with a reason, the old settings stay. */
int dirsync_reload(struct dirsync *dirsync, struct str *unchanged_r, struct str *error_r);

/* dirsync/watch.c: requests in the directory are seen within a second. */
int watch_start(struct dirsync *dirsync);
void watch_stop(struct dirsync *dirsync);

/* dirsync/commands.c. */
extern const struct control_command dirsync_commands[];

/* The unit of that system, pinned; NULL: there is none. */
struct unit *dirsync_unit(
	struct dirsync *dirsync, const char *system, enum sync_direction direction);

/* dirsync/exposition.c: as the settings say. Never by the lock's holder: who writes the page takes
 * it. */
void exposition_configure(struct dirsync *dirsync);
void exposition_stop(struct dirsync *dirsync);

#endif
