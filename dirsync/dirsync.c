#define _GNU_SOURCE
#include "dirsync/dirsync.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "dirsync/start.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notify.h"
#include "lib/runner.h"
#include "lib/sdnotify.h"

#define WAKE SIGUSR1 /* to the main thread: look whether we stop */

/* --- settings ----------------------------------------------------------------------------------
 */

static struct settings *settings_new(struct config *config)
{
	struct settings *settings = mem_zalloc(sizeof *settings);

	settings->config = config;
	atomic_store(&settings->users, 1);
	return settings;
}

struct settings *settings_hold(struct dirsync *d)
{
	pthread_mutex_lock(&d->lock);
	struct settings *settings = d->settings;
	atomic_fetch_add(&settings->users, 1);
	pthread_mutex_unlock(&d->lock);
	return settings;
}

void settings_drop(struct settings **settings)
{
	struct settings *s = *settings;

	*settings = NULL;
	if (atomic_fetch_sub(&s->users, 1) > 1)
		return;
	config_free(&s->config);
	mem_free(&s);
}

/* --- units -------------------------------------------------------------------------------------
 */

static bool is_wanted(const struct config *config, const struct unit *unit)
{
	return unit_direction(unit) == SYNC_UP ? config_up(config, unit_system(unit)) != NULL
					       : config_down(config, unit_system(unit)) != NULL;
}

static struct unit *find(const struct dirsync *d, const char *system, enum sync_direction direction)
{
	for (size_t i = 0; i < d->unit_count; i++)
		if (unit_direction(d->units[i]) == direction &&
			strcasecmp(unit_system(d->units[i]), system) == 0)
			return d->units[i];
	return NULL;
}

static int add_units(
	struct dirsync *d, const struct config_list *list, enum sync_direction direction)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *system = *(char **)list->items[i];
		struct unit *unit;

		if (find(d, system, direction) != NULL)
			continue;
		if ((unit = unit_start(d, system, direction)) == NULL)
			return -1;
		d->units = mem_grow(d->units, d->unit_count + 1, sizeof *d->units);
		d->units[d->unit_count++] = unit;
	}
	return 0;
}

/* Out of the list; what runs ends by itself. */
static struct unit **take_unwanted(struct dirsync *d, size_t *count_r)
{
	struct unit **gone = mem_grow(NULL, d->unit_count + 1, sizeof *gone);
	size_t kept = 0;

	*count_r = 0;
	for (size_t i = 0; i < d->unit_count; i++)
		if (is_wanted(d->settings->config, d->units[i]))
			d->units[kept++] = d->units[i];
		else
			gone[(*count_r)++] = d->units[i];
	d->unit_count = kept;
	return gone;
}

static void stop_units(struct unit **units, size_t count)
{
	for (size_t i = 0; i < count; i++)
		unit_ask_to_stop(units[i]);
	for (size_t i = 0; i < count; i++)
		unit_join(units[i]);
}

static void free_units(struct unit **units, size_t count)
{
	for (size_t i = 0; i < count; i++)
		unit_free(&units[i]);
}

/* --- reload ------------------------------------------------------------------------------------
 */

static void reopen_old_log(void)
{
	const char *error;

	if (log_reopen(&error) < 0)
		log_error("dirsync", "the log file cannot be opened anew: %s", error);
}

struct unit *dirsync_unit(struct dirsync *d, const char *system, enum sync_direction direction)
{
	pthread_mutex_lock(&d->lock);
	struct unit *unit = find(d, system, direction);
	if (unit != NULL)
		unit_pin(unit);
	pthread_mutex_unlock(&d->lock);
	return unit;
}

/* By whoever reloads, or starts: nobody else changes the list. */
static void wake_units(struct dirsync *d)
{
	for (size_t i = 0; i < d->unit_count; i++)
		unit_wake(d->units[i]);
}

static int reload_now(struct dirsync *d, struct str *unchanged_r, struct str *error_r)
{
	struct config *fresh = start_config(d->options.config_path, error_r);
	struct settings *old;
	struct unit **gone;
	size_t gone_count;
	int done = 0;

	if (fresh == NULL) {
		reopen_old_log();
		return -1;
	}
	pthread_mutex_lock(&d->lock);
	old = d->settings;
	config_keep(fresh, old->config, unchanged_r);
	d->settings = settings_new(fresh);
	gone = take_unwanted(d, &gone_count);
	if (add_units(d, &fresh->ups, SYNC_UP) < 0 || add_units(d, &fresh->downs, SYNC_DOWN) < 0) {
		str_append_z(error_r, "no thread for a system can be made");
		done = -1;
	}
	pthread_mutex_unlock(&d->lock);
	exposition_configure(d);
	if (start_log(&fresh->log, error_r) < 0)
		done = -1;
	stop_units(gone, gone_count);
	free_units(gone, gone_count);
	mem_free(&gone);
	settings_drop(&old);
	wake_units(d);
	return done;
}

int dirsync_reload(struct dirsync *d, struct str *unchanged_r, struct str *error_r)
{
	pthread_mutex_lock(&d->reloading);
	int done = reload_now(d, unchanged_r, error_r);
	pthread_mutex_unlock(&d->reloading);
	return done;
}

/* --- start -------------------------------------------------------------------------------------
 */

static int make_units(struct dirsync *d, struct str *error_r)
{
	pthread_mutex_lock(&d->lock);
	int done = add_units(d, &d->settings->config->ups, SYNC_UP);
	if (done == 0)
		done = add_units(d, &d->settings->config->downs, SYNC_DOWN);
	pthread_mutex_unlock(&d->lock);
	if (done < 0)
		str_append_z(error_r, "no thread can be made");
	return done;
}

static int begin_runs(struct dirsync *d, struct str *error_r)
{
	pthread_mutex_lock(&d->reloading);
	wake_units(d);
	pthread_mutex_unlock(&d->reloading);
	if (watch_start(d) == 0)
		return 0;
	str_append_z(error_r, "no thread can be made");
	return -1;
}

static int start_control(struct dirsync *d, struct str *error_r)
{
	const char *error;

	d->control = control_serve(
		d->settings->config->dirsync.control_socket, d->gid, dirsync_commands, d, &error);
	if (d->control != NULL)
		return 0;
	str_append_z(error_r, error);
	return -1;
}

static int start_pid_file(struct dirsync *d, struct str *error_r)
{
	return d->options.pid_file != NULL ? notify_pid_file(d->options.pid_file, error_r) : 0;
}

static void remove_pid_file(const struct dirsync *d)
{
	if (d->options.pid_file != NULL && d->lock_fd >= 0)
		unlink(d->options.pid_file);
}

static int take_lock(struct dirsync *d, struct str *error_r)
{
	bool busy;

	d->lock_fd = start_lock(d->settings->config, &busy, error_r);
	return d->lock_fd >= 0 ? 0 : -1;
}

static int become(struct dirsync *d, struct str *error_r)
{
	struct privileges privileges = { .user = NULL };
	int done = start_privileges(d->settings->config, &privileges, error_r);

	d->gid = privileges.gid;
	privileges_free(&privileges);
	return done;
}

/* While this process is small, and after it has become who it is. */
static int start_guard(struct dirsync *d, struct str *error_r)
{
	int fault = runner_guard_start();

	(void)d;
	if (fault != 0)
		str_append_z(error_r, strerror(fault));
	return fault == 0 ? 0 : -1;
}

static int open_log(struct dirsync *d, struct str *error_r)
{
	return start_log(&d->settings->config->log, error_r);
}

static int64_t stop_limit(void *context)
{
	struct settings *settings = settings_hold(context);
	int64_t limit_us = settings->config->dirsync.stop_timeout;

	settings_drop(&settings);
	return limit_us;
}

static void asked_to_stop(void *context)
{
	struct dirsync *d = context;

	pthread_kill(d->main, WAKE);
}

/* The stop takes too long: what runs, and no file says that we do. */
static void late(void *context, struct str *busy)
{
	struct dirsync *d = context;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->unit_count; i++)
		if (unit_is_running(d->units[i]))
			str_printf(busy, "%s%s %s", busy->len > 0 ? ", " : "",
				sync_direction_name(unit_direction(d->units[i])),
				unit_system(d->units[i]));
	pthread_mutex_unlock(&d->lock);
	remove_pid_file(d);
}

static int start_stopper(struct dirsync *d, struct str *error_r)
{
	const struct stopper_options options = { .stop = &d->stopping,
		.limit = stop_limit,
		.asked = asked_to_stop,
		.late = late,
		.context = d };

	d->stopper = stopper_start(&options);
	if (d->stopper == NULL)
		str_append_z(error_r, "no thread can be made");
	return d->stopper != NULL ? 0 : -1;
}

static int start_metrics(struct dirsync *d, struct str *error_r)
{
	(void)error_r;
	exposition_configure(d);
	return 0;
}

/* In this order: whoever asks by the control socket finds all systems, and no run has begun where
 * the daemon cannot be asked. */
static const struct {
	const char *what;
	int (*start)(struct dirsync *dirsync, struct str *error_r);
	enum dirsync_exit fault;
} steps[] = {
	{ "privileges", become, DIRSYNC_EXIT_CONFIG },
	{ "guard of programs", start_guard, DIRSYNC_EXIT_SOFTWARE },
	{ "log", open_log, DIRSYNC_EXIT_CONFIG },
	{ "state_dir", take_lock, DIRSYNC_EXIT_UNAVAILABLE },
	{ "pid file", start_pid_file, DIRSYNC_EXIT_UNAVAILABLE },
	{ "signals", start_stopper, DIRSYNC_EXIT_SOFTWARE },
	{ "systems", make_units, DIRSYNC_EXIT_SOFTWARE },
	{ "control socket", start_control, DIRSYNC_EXIT_UNAVAILABLE },
	{ "metrics", start_metrics, DIRSYNC_EXIT_UNAVAILABLE },
	{ "runs", begin_runs, DIRSYNC_EXIT_SOFTWARE },
};

/* Whoever typed the command looks at the terminal, not at the log. */
static enum dirsync_exit cannot_start(const char *step, const char *reason, enum dirsync_exit code)
{
	log_error("dirsync", "cannot start: %s: %s", step, reason);
	sdnotify("STATUS=cannot start: %s: %s", step, reason);
	if (!log_is_stderr())
		fprintf(stderr, DIRSYNC_IDENT ": cannot start: %s: %s\n", step, reason);
	return code;
}

static enum dirsync_exit start_all(struct dirsync *d)
{
	struct str error = STR_INIT;
	enum dirsync_exit code = DIRSYNC_EXIT_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && code == DIRSYNC_EXIT_OK; i++)
		if (steps[i].start(d, &error) < 0)
			code = cannot_start(steps[i].what, str_cstr(&error), steps[i].fault);
	str_free(&error);
	return code;
}

/* --- serving -----------------------------------------------------------------------------------
 */

static void say_serving(struct dirsync *d)
{
	pthread_mutex_lock(&d->lock);
	size_t count = d->unit_count;
	pthread_mutex_unlock(&d->lock);
	sdnotify("READY=1\nSTATUS=syncing %zu systems and directions", count);
}

static void reload(struct dirsync *d)
{
	struct str unchanged = STR_INIT, error = STR_INIT;

	sdnotify_reloading();
	if (dirsync_reload(d, &unchanged, &error) < 0)
		log_error("dirsync", "not reloaded, the old settings stay: %s", str_cstr(&error));
	else
		log_info("dirsync", "reloaded%s%s",
			unchanged.len ? ", but a restart is needed for: " : "",
			str_cstr(&unchanged));
	say_serving(d);
	str_free(&unchanged);
	str_free(&error);
}

/* Those of the main thread. */
static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, WAKE);
}

/* The watcher waits for one answer of the directory at most; longer than that it is stuck. */
static void tick(struct dirsync *d, int64_t watchdog_us)
{
	if (watchdog_us > 0 && pulse_busy_us(&d->watching) < watchdog_us)
		sdnotify("WATCHDOG=1");
}

static void serve(struct dirsync *d)
{
	int64_t watchdog = sdnotify_watchdog_us(), period = watchdog > 0 ? watchdog / 2 : 0;
	sigset_t set;

	signal_set(&set);
	while (!atomic_load(&d->stopping)) {
		const struct timespec patience = {
			.tv_sec = period > 0 ? period / CLOCK_SECOND : 3600,
			.tv_nsec = period > 0 ? period % CLOCK_SECOND * 1000 : 0,
		};
		if (sigtimedwait(&set, NULL, &patience) == SIGHUP)
			reload(d);
		else
			tick(d, watchdog);
	}
}

/* --- stop --------------------------------------------------------------------------------------
 */

static void stop_all(struct dirsync *d)
{
	atomic_store(&d->stopping, true);
	for (size_t i = 0; i < d->unit_count; i++)
		unit_ask_to_stop(d->units[i]);
	control_stop(&d->control);
	exposition_stop(d);
	watch_stop(d);
	stop_units(d->units, d->unit_count);
	stopper_end(&d->stopper);
	free_units(d->units, d->unit_count);
	mem_free(&d->units);
	d->unit_count = 0;
	remove_pid_file(d);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
}

static void free_dirsync(struct dirsync *d)
{
	settings_drop(&d->settings);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->reloading);
	mem_free(&d->metrics_at);
	mem_free(&d);
}

static enum dirsync_exit run(struct dirsync *d)
{
	enum dirsync_exit code = start_all(d);

	if (code != DIRSYNC_EXIT_OK) {
		stop_all(d);
		return code;
	}
	struct settings *settings = settings_hold(d);
	log_info("dirsync", "ready holder=%s", settings->config->dirsync.holder);
	settings_drop(&settings);
	say_serving(d);
	notify_fd(d->options.ready_fd);
	serve(d);
	sdnotify("STOPPING=1\nSTATUS=stopping");
	log_info("dirsync", "stopping");
	stop_all(d);
	log_info("dirsync", "stopped");
	return DIRSYNC_EXIT_OK;
}

int dirsync_run(const struct dirsync_options *options)
{
	struct dirsync *d = mem_zalloc(sizeof *d);
	struct str error = STR_INIT;
	struct config *config;
	sigset_t set;

	stopper_block();
	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: they inherit it */
	signal(SIGPIPE, SIG_IGN);
	sdnotify_open();
	d->options = *options;
	d->started_us = clock_wall_us();
	d->lock_fd = -1;
	d->main = pthread_self();
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->reloading, NULL);
	config = start_config(options->config_path, &error);
	if (config == NULL || !start_check(config, stderr)) {
		cannot_start("settings",
			error.len > 0 ? error.data : "see restante-dirsync --check",
			DIRSYNC_EXIT_CONFIG);
		str_free(&error);
		config_free(&config);
		return DIRSYNC_EXIT_CONFIG;
	}
	d->settings = settings_new(config);
	enum dirsync_exit code = run(d);
	free_dirsync(d);
	str_free(&error);
	return code;
}
