#define _GNU_SOURCE
#include "milter/front.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/journal.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sdnotify.h"
#include "lib/secret.h"
#include "milter/callbacks.h"
#include "milter/commands.h"
#include "milter/events.h"
#include "milter/exposition.h"
#include "lib/notify.h"
#include "lib/privileges.h"
#include "milter/settings.h"
#include "milter/socket.h"
#include "milter/watchdog.h"

#define IDENT "restante-milter"

/* Time for libmilter to write the last answers: it does not say when it has. */
#define ANSWER_GRACE (100 * CLOCK_MS)
/* For look-ups and commits that are in flight when the databases are closed. */
#define CLOSE_TIMEOUT (20 * CLOCK_SECOND)
#define STACK_BYTES   (1024 * 1024)

/* --- start ----------------------------------------------------------------------------------- */

struct start {
	struct front *front;
	struct privileges privileges;
	struct str error;
};

static int fail(struct start *s, const char *error)
{
	str_append_z(&s->error, error);
	return -1;
}

static int make_parent(struct start *s, const char *path, mode_t mode)
{
	char *copy = mem_strdup(path);
	int done = privileges_folder(&s->privileges, dirname(copy), mode, &s->error);

	mem_free(&copy);
	return done;
}

static int start_privileges(struct start *s)
{
	const struct config_milter *m = &s->front->config->milter;

	if (privileges_find("milter", m->user, m->group, &s->privileges, &s->error) < 0 ||
		make_parent(s, m->control_socket, 0750) < 0 ||
		privileges_folder(&s->privileges, m->replica_dir, 0700, &s->error) < 0 ||
		privileges_folder(&s->privileges, m->queue_dir, 0700, &s->error) < 0)
		return -1;
	return privileges_drop(&s->privileges, &s->error);
}

static int start_log(struct start *s)
{
	const struct config_log *log = &s->front->config->log;
	const char *error;

	if (settings_log(log, &error) == 0)
		return 0;
	str_printf(&s->error, "%s: %s; the user of milter {} must be able to write it",
		*log->file ? log->file : JOURNAL_SOCKET, error);
	return -1;
}

static int start_pid_file(struct start *s)
{
	const char *path = s->front->options.pid_file;

	return path ? notify_pid_file(path, &s->error) : 0;
}

static int start_replica(struct start *s)
{
	struct replica_options options = settings_replica(s->front->config);
	const char *error;

	s->front->replica = replica_open(&options, &error);
	return s->front->replica ? 0 : fail(s, error);
}

static int start_queue(struct start *s)
{
	struct holdq_options options = settings_holdq(s->front->config);
	const char *error;

	s->front->queue = holdq_open(&options, &error);
	return s->front->queue ? 0 : fail(s, error);
}

static int start_trackers(struct start *s)
{
	s->front->decisions = decisions_new();
	s->front->lateness = lateness_new(s->front->config->milter.late_commit);
	return 0;
}

static int start_consumer(struct start *s)
{
	struct front *f = s->front;
	struct ldap_options options = config_ldap_options(f->config, NULL);
	const char *error;

	replica_observe(f->replica, front_observe, f);
	f->consumer = consumer_start(
		f->replica, &options, f->config->ldap.uri, f->config->milter.node, &error);
	return f->consumer ? 0 : fail(s, error);
}

static int start_control(struct start *s)
{
	struct front *f = s->front;
	const char *error;

	f->control = control_serve(
		f->config->milter.control_socket, s->privileges.gid, commands, f, &error);
	return f->control ? 0 : fail(s, error);
}

static int start_node(struct start *s)
{
	struct node *node = node_start(s->front);

	atomic_store(&s->front->node, node);
	if (node == NULL)
		return fail(s, "cannot start the node agent's threads");
	front_observe(s->front, NULL);
	return 0;
}

static int start_tally(struct start *s)
{
	s->front->tally = tally_start(s->front);
	return s->front->tally ? 0 : fail(s, "the hold queue cannot be counted");
}

static int start_release(struct start *s)
{
	struct front *f = s->front;
	struct release_options options = settings_release(f->config);
	struct release_hooks hooks = front_release_hooks(f);
	const char *error;
	struct release *release = release_start(f->queue, &options, &hooks, &error);

	settings_release_free(&options);
	atomic_store(&f->release, release);
	return release ? 0 : fail(s, error);
}

static int start_metrics(struct start *s)
{
	exposition_configure(s->front);
	return 0;
}

static void *serve(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "listener");
	if (callbacks_serve() < 0)
		log_error("milter", "libmilter failed; its own line in the mail log says why");
	events_raise(EVENT_MILTER);
	return NULL;
}

/*
 * libmilter ends a worker when another one is idle too, and makes a new one for the next event. The
 * C library keeps 40 MB of stacks for new threads: of its usual 8 MB each, these are but five.
 */
static void keep_stacks(void)
{
	pthread_attr_t attr;

	if (pthread_getattr_default_np(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, STACK_BYTES) == 0)
		pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

static int start_milter(struct start *s)
{
	const struct config_milter *m = &s->front->config->milter;
	pthread_t thread;

	keep_stacks();

	if (callbacks_listen(s->front, m->socket, (mode_t)m->socket_mode, &s->error) < 0)
		return -1;
	if (pthread_create(&thread, NULL, serve, NULL) != 0)
		return fail(s, "cannot start libmilter's thread");
	pthread_detach(thread);
	return 0;
}

/* In this order: who takes mail comes last. */
static const struct {
	const char *what;
	int (*start)(struct start *start);
	enum front_exit fault;
} steps[] = {
	{ "privileges", start_privileges, FRONT_EXIT_CONFIG },
	{ "log", start_log, FRONT_EXIT_CONFIG },
	{ "pid file", start_pid_file, FRONT_EXIT_UNAVAILABLE },
	{ "trackers", start_trackers, FRONT_EXIT_SOFTWARE },
	{ "replica", start_replica, FRONT_EXIT_UNAVAILABLE },
	{ "hold queue", start_queue, FRONT_EXIT_UNAVAILABLE },
	{ "consumer", start_consumer, FRONT_EXIT_UNAVAILABLE },
	{ "node agent", start_node, FRONT_EXIT_SOFTWARE },
	{ "control socket", start_control, FRONT_EXIT_UNAVAILABLE },
	{ "tally", start_tally, FRONT_EXIT_SOFTWARE },
	{ "release", start_release, FRONT_EXIT_UNAVAILABLE },
	{ "metrics", start_metrics, FRONT_EXIT_UNAVAILABLE },
	{ "milter socket", start_milter, FRONT_EXIT_UNAVAILABLE },
};

/* Whoever typed the command looks at the terminal, not at the log. */
static void cannot_start(const char *step, const char *reason)
{
	log_error("milter", "cannot start: %s: %s", step, reason);
	sdnotify("STATUS=cannot start: %s: %s", step, reason);
	if (!log_is_stderr())
		fprintf(stderr, IDENT ": cannot start: %s: %s\n", step, reason);
}

static enum front_exit start_all(struct front *f)
{
	struct start s = { .front = f };
	enum front_exit result = FRONT_EXIT_OK;

	for (size_t i = 0; i < sizeof steps / sizeof *steps && result == FRONT_EXIT_OK; i++) {
		if (steps[i].start(&s) == 0)
			continue;
		cannot_start(steps[i].what, str_cstr(&s.error));
		result = steps[i].fault;
	}
	str_free(&s.error);
	privileges_free(&s.privileges);
	return result;
}

/* --- stop ------------------------------------------------------------------------------------ */

static void finish_transactions(struct front *f)
{
	int64_t deadline = clock_mono_us() + f->config->milter.stop_timeout;

	atomic_store(&f->stopping, true);
	while (atomic_load(&f->transactions) && clock_mono_us() < deadline)
		clock_sleep_us(5 * CLOCK_MS);
	unsigned left = atomic_load(&f->transactions);
	if (left)
		log_warning("milter",
			"%u transactions did not end in time; their clients will "
			"send the messages again",
			left);
	clock_sleep_us(ANSWER_GRACE);
}

static void close_stores(struct front *f)
{
	atomic_store(&f->closed, true);
	if (!decisions_wait(
		    f->decisions, decisions_mark(f->decisions), clock_mono_us() + CLOSE_TIMEOUT)) {
		log_warning("milter", "a decision in flight does not end: the databases stay open "
				      "and are recovered at the next start");
		return;
	}
	if (f->queue != NULL)
		holdq_close(&f->queue);
	if (f->replica != NULL)
		replica_close(&f->replica);
}

/* Whatever was opened, in reverse order; also after a start that failed. */
static void stop_all(struct front *f)
{
	struct release *release = atomic_load(&f->release);
	struct node *node = atomic_load(&f->node);

	control_stop(&f->control);
	exposition_stop(f);
	if (f->replica != NULL)
		replica_observe(f->replica, NULL, NULL);
	if (f->consumer != NULL)
		consumer_stop(&f->consumer);
	if (node != NULL)
		node_stop(&node);
	if (release != NULL)
		release_stop(&release);
	tally_stop(&f->tally);
	if (f->decisions != NULL)
		close_stores(f);
	if (f->options.pid_file != NULL)
		unlink(f->options.pid_file);
}

_Noreturn static void leave(struct front *f, enum front_exit result)
{
	sdnotify(
		"STOPPING=1\nSTATUS=%s", result == FRONT_EXIT_OK ? "stopping" : "stopping, broken");
	log_info("milter", "stopping status=%d", (int)result);
	if (result != FRONT_EXIT_SOFTWARE) {
		finish_transactions(f);
		socket_remove(f->config->milter.socket);
		stop_all(f);
	} else {
		socket_remove(f->config->milter.socket);
	}
	log_info("milter", "stopped");
	_exit(result);
}

/* --- serving --------------------------------------------------------------------------------- */

static void say_serving(struct front *f)
{
	sdnotify("READY=1\nSTATUS=serving as %s", f->config->milter.node);
}

static void say_ready(struct front *f)
{
	struct replica_view view;
	struct holdq_totals held;

	replica_view(f->replica, &view);
	holdq_totals(f->queue, &held);
	log_info("milter", "ready node=%s mailboxes=%" PRIu64 " epoch=%" PRIu64 " held=%" PRIu64,
		f->config->milter.node, view.mailboxes, view.epoch, held.messages);
	say_serving(f);
	notify_fd(f->options.ready_fd);
	f->options.ready_fd = -1;
}

static void reload(struct front *f)
{
	struct str unchanged = STR_INIT, error = STR_INIT;
	bool ready = atomic_load(&f->loaded);

	if (ready)
		sdnotify_reloading();
	if (front_reload(f, &unchanged, &error) < 0)
		log_error("milter", "not reloaded, the old settings stay: %s", str_cstr(&error));
	else
		log_info("milter", "reloaded%s%s",
			unchanged.len ? ", but a restart is needed for: " : "",
			str_cstr(&unchanged));
	/* READY ends the reload, whatever came of it */
	if (ready && error.len > 0)
		sdnotify("READY=1\nSTATUS=not reloaded, the old settings stay: %s",
			str_cstr(&error));
	else if (ready)
		say_serving(f);
	str_free(&unchanged);
	str_free(&error);
}

_Noreturn static void serve_events(struct front *f)
{
	struct watchdog *watchdog = watchdog_new(f);

	for (;;) {
		switch (events_wait(watchdog_due_us(watchdog))) {
		case EVENT_TIME: watchdog_tick(watchdog); break;
		case EVENT_RELOAD: reload(f); break;
		case EVENT_LOADED: say_ready(f); break;
		case EVENT_STOP: leave(f, FRONT_EXIT_OK);
		case EVENT_BROKEN: leave(f, FRONT_EXIT_SOFTWARE);
		case EVENT_MILTER: leave(f, FRONT_EXIT_TEMPORARY);
		}
	}
}

/* Loads them; what nothing can start without is there. NULL after the reason was appended. */
static struct config *load_settings(const char *path, struct str *error_r)
{
	const char *error = NULL;
	struct config *config = config_load_directory(path, &error);

	if (config == NULL)
		str_append_z(error_r, error);
	return config;
}

/* Only where nothing runs that could still look at it. */
static void free_front(struct front *f)
{
	lateness_free(&f->lateness);
	decisions_free(&f->decisions);
	metric_names_free(&f->meter.systems);
	config_free(&f->config);
	pthread_mutex_destroy(&f->config_lock);
	mem_free(&f);
}

int front_run(const struct front_options *options)
{
	struct front *f = mem_zalloc(sizeof *f);
	struct str error = STR_INIT;

	sdnotify_open();
	f->options = *options;
	f->started_us = clock_wall_us();
	pthread_mutex_init(&f->config_lock, NULL);
	f->config = load_settings(options->config_path, &error);
	if (f->config == NULL) {
		log_error("milter", "cannot start: %s", str_cstr(&error));
		sdnotify("STATUS=cannot start: %s", str_cstr(&error));
		str_free(&error);
		free_front(f);
		return FRONT_EXIT_CONFIG;
	}
	if (events_open() < 0) {
		log_error("milter", "no pipe: %s", strerror(errno));
		free_front(f);
		return FRONT_EXIT_SOFTWARE;
	}
	enum front_exit result = start_all(f);
	if (result != FRONT_EXIT_OK) {
		stop_all(f);
		free_front(f);
		return result;
	}
	sdnotify("STATUS=waiting for the replica to be usable");
	events_take_signals();
	serve_events(f);
}

static int check_passwords(const struct config *config, const char **error_r)
{
	struct ldap_options options = config_ldap_options(config, NULL);
	int done = ldap_options_check(&options, error_r);

	for (size_t i = 0; done == 0 && i < config->systems.count; i++) {
		const struct config_system *system = config->systems.items[i];
		char *secret = NULL;
		if (*system->password_file == '\0')
			continue;
		done = (secret = secret_read(system->password_file, error_r)) ? 0 : -1;
		mem_free_secret(&secret);
	}
	return done;
}

/* With the eyes of the user that it runs as: this process has nothing else to do. */
static int check_files(const struct config *config, const char *path, struct str *error_r)
{
	const struct config_milter *m = &config->milter;
	struct privileges privileges;
	const char *error;
	int done = privileges_find("milter", m->user, m->group, &privileges, error_r);

	if (done == 0)
		done = privileges_drop(&privileges, error_r);
	privileges_free(&privileges);
	if (done == 0 && (done = access(path, R_OK)) < 0)
		str_printf(error_r, "%s: user %s must be able to read it, or it cannot be reloaded",
			path, m->user);
	if (done == 0 && (done = check_passwords(config, &error)) < 0)
		str_append_z(error_r, error);
	return done;
}

int front_check(const char *config_path)
{
	struct str error = STR_INIT;
	struct config *config = load_settings(config_path, &error);
	bool good = config != NULL && check_files(config, config_path, &error) == 0;

	if (!good)
		fprintf(stderr, "%s\n", str_cstr(&error));
	str_free(&error);
	if (config != NULL)
		config_free(&config);
	return good ? FRONT_EXIT_OK : FRONT_EXIT_CONFIG;
}
