#define _GNU_SOURCE
#include "control/control.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/fencing.h"
#include "control/follow.h"
#include "control/leader.h"
#include "control/start.h"
#include "control/store.h"
#include "control/syncing.h"
#include "control/systems.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notify.h"
#include "lib/runner.h"
#include "lib/sdnotify.h"
#include "lib/when.h"

#define SKEW_SAID  (10 * CLOCK_SECOND)
#define ONCE_LOOK  (100 * CLOCK_MS)
#define ONCE_STILL 5 /* looks in a row that find nothing to do */

/* --- the directory's clock -------------------------------------------------------------------- */

int64_t control_now_us(struct control *c)
{
	int64_t offset = atomic_load(&c->offset_us);

	return offset != 0 ? clock_boot_us() + offset : clock_wall_us();
}

void control_note_csn(struct control *c, const char *csn)
{
	int64_t at = when_csn_us(csn), skew, before;

	if (at <= 0)
		return;
	atomic_store(&c->offset_us, at - clock_boot_us());
	skew = at - clock_wall_us();
	before = atomic_exchange(&c->skew_us, skew);
	if (llabs(skew - before) > SKEW_SAID)
		log_warning("control",
			"this machine's clock is off from the directory's by %lld s; instants are "
			"judged by the directory's",
			(long long)(skew / CLOCK_SECOND));
}

/* --- reload ----------------------------------------------------------------------------------- */

static void reopen_old_log(void)
{
	const char *error;

	if (log_reopen(&error) < 0)
		log_error("control", "the log file cannot be opened anew: %s", error);
}

int control_reload(struct control *c, struct str *unchanged_r, struct str *error_r)
{
	struct config *config = start_config(c->options.config_path, error_r);
	struct settings *old = settings_hold(c), *fresh = NULL;
	const char *error = "";
	int done = -1;

	if (config != NULL) {
		config_keep(config, old->config, unchanged_r);
		fresh = settings_new(config, &error);
	}
	if (fresh == NULL) {
		str_append_z(error_r, error);
		reopen_old_log();
	} else {
		pthread_mutex_lock(&c->settings_lock);
		settings_drop(&c->settings);
		c->settings = fresh;
		pthread_mutex_unlock(&c->settings_lock);
		done = start_log(&config->log, error_r);
		exposition_configure(c);
		store_wake_all(c->store);
	}
	settings_drop(&old);
	return done;
}

static void reload(struct control *c)
{
	struct str unchanged = STR_INIT, error = STR_INIT;

	sdnotify_reloading();
	if (control_reload(c, &unchanged, &error) < 0)
		log_error("control", "not reloaded, the old settings stay: %s", str_cstr(&error));
	else
		log_info("control", "reloaded%s%s",
			unchanged.len ? ", but a restart is needed for: " : "",
			str_cstr(&unchanged));
	sdnotify("READY=1");
	str_free(&unchanged);
	str_free(&error);
}

/* --- start ------------------------------------------------------------------------------------ */

static int become(struct control *c, struct str *error_r)
{
	return start_privileges(c->settings->config, &c->gid, error_r);
}

static int open_log(struct control *c, struct str *error_r)
{
	return start_log(&c->settings->config->log, error_r);
}

static int start_pid_file(struct control *c, struct str *error_r)
{
	return c->options.pid_file != NULL ? notify_pid_file(c->options.pid_file, error_r) : 0;
}

/* Of two on one host the second finds the socket taken; --once leads only where nobody does. */
static int start_server(struct control *c, struct str *error_r)
{
	const char *error;

	if (c->options.once)
		return 0;
	c->server = control_serve(
		c->settings->config->control.control_socket, c->gid, control_commands, c, &error);
	if (c->server != NULL)
		return 0;
	str_append_z(error_r, error);
	return -1;
}

static int start_metrics(struct control *c, struct str *error_r)
{
	(void)error_r;
	if (!c->options.once)
		exposition_configure(c);
	return 0;
}

/* While this process is small, and after it has become who it is. */
static int start_guard(struct control *c, struct str *error_r)
{
	int fault = runner_guard_start();

	(void)c;
	if (fault != 0)
		str_append_z(error_r, strerror(fault));
	return fault == 0 ? 0 : -1;
}

static int start_threads(struct control *c, struct str *error_r)
{
	c->store = store_new();
	if ((c->leader = leader_start(c)) != NULL && (c->follow = follow_start(c)) != NULL &&
		(c->fencing = fencing_start(c)) != NULL &&
		(c->syncing = syncing_start(c)) != NULL && workers_start(c) == 0)
		return 0;
	str_append_z(error_r, "no thread can be made");
	return -1;
}

static const struct {
	const char *what;
	int (*start)(struct control *control, struct str *error_r);
	enum control_exit fault;
} steps[] = {
	{ "privileges", become, CONTROL_EXIT_CONFIG },
	{ "log", open_log, CONTROL_EXIT_CONFIG },
	{ "pid file", start_pid_file, CONTROL_EXIT_UNAVAILABLE },
	{ "guard of programs", start_guard, CONTROL_EXIT_SOFTWARE },
	{ "threads", start_threads, CONTROL_EXIT_SOFTWARE },
	{ "control socket", start_server, CONTROL_EXIT_UNAVAILABLE },
	{ "metrics", start_metrics, CONTROL_EXIT_UNAVAILABLE },
};

/* Whoever typed the command looks at the terminal, not at the log. */
static enum control_exit cannot_start(const char *step, const char *reason, enum control_exit code)
{
	log_error("control", "cannot start: %s: %s", step, reason);
	sdnotify("STATUS=cannot start: %s: %s", step, reason);
	if (!log_is_stderr())
		fprintf(stderr, CONTROL_IDENT ": cannot start: %s: %s\n", step, reason);
	return code;
}

static enum control_exit start_all(struct control *c)
{
	struct str error = STR_INIT;
	enum control_exit code = CONTROL_EXIT_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && code == CONTROL_EXIT_OK; i++)
		if (steps[i].start(c, &error) < 0)
			code = cannot_start(steps[i].what, str_cstr(&error), steps[i].fault);
	str_free(&error);
	return code;
}

/* --- serving ---------------------------------------------------------------------------------- */

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

static int wait_signal(int64_t us)
{
	const struct timespec patience = { .tv_sec = us / CLOCK_SECOND,
		.tv_nsec = us % CLOCK_SECOND * 1000 };
	sigset_t set;

	signal_set(&set);
	return sigtimedwait(&set, NULL, &patience);
}

static void serve(struct control *c)
{
	int64_t watchdog = sdnotify_watchdog_us(),
		period = watchdog > 0 ? watchdog / 2 : 3600 * CLOCK_SECOND;

	for (;;) {
		int got = wait_signal(period);

		if (got == SIGHUP)
			reload(c);
		else if (got == SIGTERM || got == SIGINT)
			return;
		else if (watchdog > 0)
			sdnotify("WATCHDOG=1");
	}
}

static bool is_still(struct control *c)
{
	return follow_loaded(c->follow) && leader_term(c->leader) != 0 && store_settled(c->store) &&
	       syncing_count(c->syncing) == 0 && fencing_count(c->fencing) == 0;
}

/* Nothing is done any more, since all that is left waits for others. */
static bool is_stuck(struct control *c)
{
	struct store_counts counts;

	store_count(c->store, &counts);
	return counts.busy == 0 && counts.due == 0;
}

static enum control_exit say_left(struct control *c, bool waits)
{
	struct store_counts counts;

	store_count(c->store, &counts);
	if (waits)
		log_warning("control",
			"what is left waits for front doors or syncs: it goes on with "
			"the next run");
	if (counts.stopped > 0)
		log_warning("control",
			"moves are stopped and wait for `restante move retry` "
			"moves=%zu",
			counts.stopped);
	return waits || counts.stopped > 0 ? CONTROL_EXIT_LEFT : CONTROL_EXIT_OK;
}

/* Front doors and syncs may take fence_timeout without a step being done. */
static enum control_exit serve_once(struct control *c)
{
	const struct config_control *config = &c->settings->config->control;
	const int64_t patience = config->lease + 10 * CLOCK_SECOND;
	int64_t led_us = clock_mono_us(), moved_us = led_us, now;
	uint64_t done = 0;

	for (int still = 0; still < ONCE_STILL; still = is_still(c) ? still + 1 : 0) {
		int got = wait_signal(ONCE_LOOK);

		if (got == SIGTERM || got == SIGINT)
			return CONTROL_EXIT_FAILED;
		now = clock_mono_us();
		if (follow_loaded(c->follow) && leader_term(c->leader) != 0)
			led_us = now;
		if (now - led_us > patience + leader_patience_us(c->leader)) {
			log_error("control", "nothing was done: the directory fails, or another "
					     "controller leads");
			return CONTROL_EXIT_FAILED;
		}
		if (led_us != now || metric_count(&c->counts.steps) != done)
			moved_us = now;
		done = metric_count(&c->counts.steps);
		if (now - moved_us > config->fence_timeout && is_stuck(c))
			return say_left(c, true);
	}
	return say_left(c, false);
}

/* --- stop ------------------------------------------------------------------------------------- */

/* Workers first: what they have begun is recorded while the lease is still ours. */
static void stop_all(struct control *c)
{
	atomic_store(&c->stopping, true);
	if (c->server != NULL)
		control_stop(&c->server);
	exposition_stop(c);
	workers_stop(c);
	syncing_stop(&c->syncing);
	fencing_stop(&c->fencing);
	follow_stop(&c->follow);
	leader_stop(&c->leader);
	if (c->store != NULL)
		store_free(&c->store);
	systems_forget();
	if (c->options.pid_file != NULL)
		unlink(c->options.pid_file);
}

static enum control_exit run(struct control *c)
{
	enum control_exit code = start_all(c);

	if (code != CONTROL_EXIT_OK) {
		stop_all(c);
		return code;
	}
	log_info("control", "ready holder=%s", c->settings->config->control.holder);
	sdnotify("READY=1");
	notify_fd(c->options.ready_fd);
	if (c->options.once)
		code = serve_once(c);
	else
		serve(c);
	sdnotify("STOPPING=1\nSTATUS=stopping");
	log_info("control", "stopping");
	stop_all(c);
	log_info("control", "stopped");
	return code;
}

static struct settings *first_settings(const char *path, struct str *error)
{
	struct config *config = start_config(path, error);
	struct settings *settings = NULL;
	const char *text = "";

	if (config == NULL)
		return NULL;
	const struct ldap_options options = config_control_options(config);
	if (ldap_options_check(&options, &text) < 0) {
		str_append_z(error, text);
		config_free(&config);
		return NULL;
	}
	settings = settings_new(config, &text);
	if (settings == NULL)
		str_append_z(error, text);
	return settings;
}

int control_run(const struct control_options *options)
{
	struct control *c = mem_zalloc(sizeof *c);
	struct str error = STR_INIT;
	enum control_exit code = CONTROL_EXIT_CONFIG;
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: they inherit it */
	signal(SIGPIPE, SIG_IGN);
	sdnotify_open();
	c->options = *options;
	c->started_us = clock_wall_us();
	pthread_mutex_init(&c->settings_lock, NULL);
	c->settings = first_settings(options->config_path, &error);
	if (c->settings == NULL)
		cannot_start("settings", str_cstr(&error), CONTROL_EXIT_CONFIG);
	else
		code = run(c);
	if (c->settings != NULL)
		settings_drop(&c->settings);
	pthread_mutex_destroy(&c->settings_lock);
	mem_free(&c->metrics_at);
	mem_free(&c);
	str_free(&error);
	return code;
}

int control_check(const char *config_path)
{
	struct str error = STR_INIT;
	struct config *config = start_config(config_path, &error);
	int code = CONTROL_EXIT_CONFIG;

	if (config == NULL)
		fprintf(stderr, "%s\n", str_cstr(&error));
	else if (start_check(config, stderr))
		code = CONTROL_EXIT_OK;
	config_free(&config);
	str_free(&error);
	return code;
}
