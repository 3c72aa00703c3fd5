#define _GNU_SOURCE
#include "dirsync/once.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/run.h"
#include "dirsync/start.h"
#include "dirsync/stopper.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* A host that is gone leaves its lease: it is taken once it was seen to stand still for so long. */
#define LEASE_PATIENCE (5 * CLOCK_SECOND)
#define LEASE_LOOK     CLOCK_SECOND

static atomic_bool stopping;

/* One system in one direction. */
struct job {
	const struct once_options *options;
	const struct config *config;
	const char *system;
	enum sync_direction direction;
	pthread_t thread;
	bool began;
	enum sync_word word;
};

static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static void print_change(void *context, const struct run_change *change)
{
	(void)context;
	fputs(change->ldif, stdout);
	putchar('\n');
}

static void print_end(const struct job *job, const struct run_record *record)
{
	const struct sync_outcome outcome = run_record_outcome(record);
	struct str line = STR_INIT;

	sync_outcome_format(&outcome, &line);
	pthread_mutex_lock(&printing);
	/* what a dry run prints is LDIF: the line is a comment of it */
	printf("%s%s %s: %s\n", job->options->dry_run ? "# " : "", job->system,
		sync_direction_name(job->direction), line.data);
	fflush(stdout);
	pthread_mutex_unlock(&printing);
	str_free(&line);
}

static enum sync_word run(
	const struct run_options *options, enum sync_direction direction, struct run_record *record)
{
	return direction == SYNC_UP ? run_up(options, record) : run_down(options, record);
}

/* Whether the one who has the lease still shows signs of life. */
static bool waits_for_lease(
	const struct lease_watch *watch, int64_t first_us, int64_t began_us, int64_t length_us)
{
	if (first_us != 0 && watch->since_mono_us != first_us)
		return false;
	return !atomic_load(&stopping) && clock_mono_us() - began_us < length_us + LEASE_PATIENCE;
}

static void *work(void *context)
{
	struct job *job = context;
	struct lease_watch watch = { .term = 0 };
	struct run_record record = { .run = STR_INIT };
	const struct run_options options = {
		.config = job->config,
		.system = job->system,
		.full = job->options->full,
		.dry_run = job->options->dry_run,
		.stop = &stopping,
		.watch = &watch,
		.change = print_change,
	};
	int64_t began_us = clock_mono_us(), first_us = 0;

	while ((job->word = run(&options, job->direction, &record)) == SYNC_BUSY &&
		waits_for_lease(&watch, first_us, began_us, job->config->dirsync.lease)) {
		first_us = watch.since_mono_us;
		run_record_free(&record);
		clock_sleep_us(LEASE_LOOK);
	}
	print_end(job, &record);
	run_record_free(&record);
	lease_watch_free(&watch);
	return NULL;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* The later in this list the worse. */
static const struct {
	enum sync_word word;
	enum dirsync_exit code;
} severity[] = {
	{ SYNC_COMPLETE, DIRSYNC_EXIT_OK },
	{ SYNC_NOTHING, DIRSYNC_EXIT_OK },
	{ SYNC_BUSY, DIRSYNC_EXIT_BUSY },
	{ SYNC_STOPPED, DIRSYNC_EXIT_STOPPED },
	{ SYNC_INCOMPLETE, DIRSYNC_EXIT_FAILED },
	{ SYNC_FAILED, DIRSYNC_EXIT_FAILED },
};

static size_t rank(enum sync_word word)
{
	for (size_t i = 0; i < sizeof severity / sizeof *severity; i++)
		if (severity[i].word == word)
			return i;
	return sizeof severity / sizeof *severity - 1;
}

struct jobs {
	const struct once_options *options;
	const struct config *config;
	struct job *list;
	size_t count;
};

static void add(struct jobs *jobs, const char *system, enum sync_direction direction)
{
	jobs->list = mem_grow(jobs->list, jobs->count + 1, sizeof *jobs->list);
	jobs->list[jobs->count++] = (struct job){ .options = jobs->options,
		.config = jobs->config,
		.system = system,
		.direction = direction };
}

static void add_all(struct jobs *jobs, enum sync_direction direction)
{
	const struct config_list *list =
		direction == SYNC_UP ? &jobs->config->ups : &jobs->config->downs;

	for (size_t i = 0; i < list->count; i++)
		add(jobs, *(char **)list->items[i], direction);
}

/* False: no section has it. */
static bool add_named(struct jobs *jobs, const char *system, enum sync_direction direction)
{
	const struct config_up *up = config_up(jobs->config, system);
	const struct config_down *down = config_down(jobs->config, system);

	if (direction == SYNC_UP && up != NULL)
		add(jobs, up->name, direction);
	if (direction == SYNC_DOWN && down != NULL)
		add(jobs, down->name, direction);
	return up != NULL || down != NULL;
}

/* Side by side; those of a dry run one after the other, since they print. */
static size_t run_all(struct jobs *jobs)
{
	size_t worst = 0;

	for (size_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->list[i];
		job->began = !jobs->options->dry_run &&
			     pthread_create(&job->thread, NULL, work, job) == 0;
		if (!job->began)
			work(job);
	}
	for (size_t i = 0; i < jobs->count; i++) {
		if (jobs->list[i].began)
			pthread_join(jobs->list[i].thread, NULL);
		size_t r = rank(jobs->list[i].word);
		worst = r > worst ? r : worst;
	}
	mem_free(&jobs->list);
	jobs->count = 0;
	return worst;
}

static int run_both(const struct once_options *options, const struct config *config)
{
	size_t worst = 0;

	for (int d = SYNC_UP; d <= SYNC_DOWN; d++) {
		struct jobs jobs = { .options = options, .config = config };
		if (!(d == SYNC_UP ? options->up : options->down))
			continue;
		if (options->system_count == 0)
			add_all(&jobs, (enum sync_direction)d);
		for (size_t i = 0; i < options->system_count; i++)
			if (!add_named(&jobs, options->systems[i], (enum sync_direction)d)) {
				fprintf(stderr, DIRSYNC_IDENT ": %s has no section up or down %s\n",
					config->path, options->systems[i]);
				mem_free(&jobs.list);
				return DIRSYNC_EXIT_USAGE;
			}
		size_t r = run_all(&jobs);
		worst = r > worst ? r : worst;
	}
	return severity[worst].code;
}

static int64_t stop_limit(void *context)
{
	return ((const struct config *)context)->dirsync.stop_timeout;
}

static int fail(const struct str *error, int code)
{
	fprintf(stderr, DIRSYNC_IDENT ": %s\n", str_cstr(error));
	return code;
}

static int run_stoppable(const struct once_options *options, struct config *config)
{
	const struct stopper_options guard = {
		.stop = &stopping, .limit = stop_limit, .context = config
	};
	struct stopper *stopper = stopper_start(&guard);

	if (stopper == NULL) {
		fprintf(stderr, DIRSYNC_IDENT ": no thread can be made\n");
		return DIRSYNC_EXIT_SOFTWARE;
	}
	int code = run_both(options, config);
	stopper_end(&stopper);
	return code;
}

static int run_locked(const struct once_options *options, struct config *config)
{
	struct str error = STR_INIT;
	bool busy;
	int lock = start_lock(config, &busy, &error), code;

	if (lock < 0) {
		code = fail(&error, busy ? DIRSYNC_EXIT_BUSY : DIRSYNC_EXIT_UNAVAILABLE);
	} else {
		code = run_stoppable(options, config);
		close(lock);
	}
	str_free(&error);
	return code;
}

int once_run(const struct once_options *options)
{
	struct str error = STR_INIT;
	struct privileges privileges = { .user = NULL };
	struct config *config = start_config(options->config_path, &error);
	int code = DIRSYNC_EXIT_CONFIG;

	stopper_block();
	signal(SIGPIPE, SIG_IGN);
	if (config == NULL || start_privileges(config, &privileges, &error) < 0 ||
		start_log(&config->log, &error) < 0)
		fail(&error, code);
	else if (start_check(config, stderr))
		code = run_locked(options, config);
	privileges_free(&privileges);
	str_free(&error);
	config_free(&config);
	return code;
}
