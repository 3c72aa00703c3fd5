#define _GNU_SOURCE
#include "dirsync/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dirsync/dirsync.h"
#include "dirsync/listener.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define NEVER INT64_MAX
/* A request that could not be answered yet (no new file, another host has the lease). */
#define AGAIN (3 * CLOCK_SECOND)
/* After a failure; doubled each time, never longer than `every`. */
#define RETRY_MIN (10 * CLOCK_SECOND)
#define RETRY_MAX (3600 * CLOCK_SECOND)

struct unit {
	struct dirsync *dirsync;
	char *system;
	enum sync_direction direction;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool stop;
	atomic_uint pins;
	bool fresh;          /* no run was due yet: unit_wake makes the first one due */
	bool full;           /* asked for */
	uint64_t wanted;     /* request in the directory */
	int64_t due_us;      /* monotonic */
	int64_t hold_off_us; /* monotonic: not for a request in the directory before */
	int64_t retry_us;
	uint64_t asked; /* number of the run that was asked for last */
	struct unit_view view;
	struct run_record last;

	pthread_mutex_t running;          /* held by whoever runs */
	struct settings *source_settings; /* those that `source` points into */
	struct source *source;
	struct listener *listener;
	struct lease_watch watch;
};

const char *unit_system(const struct unit *unit)
{
	return unit->system;
}

enum sync_direction unit_direction(const struct unit *unit)
{
	return unit->direction;
}

void unit_pin(struct unit *unit)
{
	atomic_fetch_add(&unit->pins, 1);
}

void unit_unpin(struct unit *unit)
{
	atomic_fetch_sub(&unit->pins, 1);
}

static int64_t every_of(const struct unit *unit, const struct config *config)
{
	const struct config_up *up = config_up(config, unit->system);
	const struct config_down *down = config_down(config, unit->system);

	if (unit->direction == SYNC_UP)
		return up != NULL ? up->every : 0;
	return down != NULL ? down->every : 0;
}

/* --- a run -------------------------------------------------------------------------------------
 */

static void take_progress(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct unit *unit = context;

	pthread_mutex_lock(&unit->lock);
	snprintf(unit->view.phase, sizeof unit->view.phase, "%s", phase);
	unit->view.done = done;
	unit->view.total = total;
	pthread_mutex_unlock(&unit->lock);
}

static void copy_record(const struct run_record *from, struct run_record *to)
{
	run_record_free(to);
	*to = *from;
	to->run = to->reason = to->stops = to->standing = (struct str)STR_INIT;
	str_append_z(&to->run, str_cstr(&from->run));
	str_append_z(&to->reason, str_cstr(&from->reason));
	str_append_z(&to->stops, str_cstr(&from->stops));
	str_append_z(&to->standing, str_cstr(&from->standing));
}

/* What the connector keeps points into the settings that it was opened with. */
static void close_source(struct unit *unit)
{
	listener_stop(&unit->listener);
	if (unit->source_settings != NULL) {
		const struct run_options options = { .config = unit->source_settings->config,
			.system = unit->system,
			.source = &unit->source };
		run_source_close(&options);
		settings_drop(&unit->source_settings);
	}
}

static void use_settings(struct unit *unit, struct settings *settings)
{
	if (unit->source_settings == settings)
		return;
	close_source(unit);
	atomic_fetch_add(&settings->users, 1);
	unit->source_settings = settings;
}

static enum sync_word run(
	struct unit *unit, const struct config *config, bool full, struct run_record *record)
{
	struct str mark = STR_INIT;
	const struct run_options options = {
		.config = config,
		.system = unit->system,
		.full = full,
		.stop = &unit->stop,
		.source = &unit->source,
		.watch = &unit->watch,
		.mark = &mark,
		.progress = take_progress,
		.context = unit,
	};
	enum sync_word word =
		unit->direction == SYNC_UP ? run_up(&options, record) : run_down(&options, record);

	if (unit->direction == SYNC_UP && unit->source != NULL)
		unit->listener = listener_start(unit, unit->source, config, str_cstr(&mark), word);
	str_free(&mark);
	return word;
}

/* Monotonic: when the next one is due. */
static int64_t next_due(struct unit *unit, enum sync_word word, int64_t every, int64_t began_us)
{
	int64_t now = clock_mono_us();
	bool failed = word == SYNC_FAILED || word == SYNC_INCOMPLETE || word == SYNC_BUSY;

	if (!failed) {
		unit->retry_us = 0;
		if (every == 0)
			return NEVER;
		return began_us + every > now ? began_us + every : now;
	}
	unit->retry_us = unit->retry_us == 0 ? RETRY_MIN : 2 * unit->retry_us;
	if (unit->retry_us > RETRY_MAX)
		unit->retry_us = RETRY_MAX;
	if (every == 0)
		return NEVER;
	return now + (unit->retry_us < every ? unit->retry_us : every);
}

static void begin(struct unit *unit, bool *full_r)
{
	unit->view.running = true;
	unit->view.begun++;
	unit->view.began_us = clock_wall_us();
	unit->view.done = unit->view.total = 0;
	snprintf(unit->view.phase, sizeof unit->view.phase, "begin");
	*full_r = unit->full;
	unit->full = unit->fresh = false;
	unit->due_us = NEVER;
}

static void end(struct unit *unit, const struct run_record *record, int64_t every, int64_t began_us)
{
	enum sync_word word = record->outcome.word;

	unit->view.running = false;
	unit->view.ended = unit->view.begun;
	unit->view.runs[word]++;
	unit->view.added += record->outcome.added;
	unit->view.changed += record->outcome.changed;
	unit->view.deleted += record->outcome.deleted;
	if (word != SYNC_BUSY && word != SYNC_NOTHING) {
		unit->view.found = record->outcome;
		unit->view.found.text = "";
	}
	copy_record(record, &unit->last);
	unit->view.has_last = true;
	/* the watcher says anew what is still open */
	unit->wanted = 0;
	unit->hold_off_us = word == SYNC_COMPLETE ? 0 : clock_mono_us() + AGAIN;
	if (unit->asked <= unit->view.ended)
		unit->due_us = next_due(unit, word, every, began_us);
	else
		unit->due_us = clock_mono_us();
}

static void run_once(struct unit *unit)
{
	struct settings *settings = settings_hold(unit->dirsync);
	struct run_record record = { .run = STR_INIT };
	int64_t began_us = clock_mono_us(), every = every_of(unit, settings->config);
	bool full;

	pthread_mutex_lock(&unit->lock);
	begin(unit, &full);
	pthread_mutex_unlock(&unit->lock);
	pthread_mutex_lock(&unit->running);
	listener_stop(&unit->listener);
	use_settings(unit, settings);
	run(unit, settings->config, full, &record);
	pthread_mutex_unlock(&unit->running);
	pthread_mutex_lock(&unit->lock);
	end(unit, &record, every, began_us);
	pthread_mutex_unlock(&unit->lock);
	run_record_free(&record);
	settings_drop(&settings);
}

enum sync_word unit_try(
	struct unit *unit, const struct run_options *given, struct run_record *record_r)
{
	struct settings *settings = settings_hold(unit->dirsync);
	struct run_options options = *given;
	enum sync_word word;

	options.config = settings->config;
	options.system = unit->system;
	options.source = NULL;
	options.stop = &unit->stop;
	pthread_mutex_lock(&unit->running);
	word = unit->direction == SYNC_UP ? run_up(&options, record_r)
					  : run_down(&options, record_r);
	pthread_mutex_unlock(&unit->running);
	settings_drop(&settings);
	return word;
}

/* --- its thread --------------------------------------------------------------------------------
 */

static bool is_due(const struct unit *unit, int64_t now)
{
	if (unit->due_us <= now)
		return true;
	return unit->wanted > 0 && unit->hold_off_us <= now;
}

static int64_t wait_until(const struct unit *unit)
{
	int64_t until = unit->due_us;

	if (unit->wanted > 0 && unit->hold_off_us < until)
		until = unit->hold_off_us;
	return until == NEVER ? clock_mono_us() + 3600 * CLOCK_SECOND : until;
}

static void *serve(void *context)
{
	struct unit *unit = context;

	pthread_setname_np(pthread_self(), unit->direction == SYNC_UP ? "up" : "down");
	pthread_mutex_lock(&unit->lock);
	while (!atomic_load(&unit->stop)) {
		if (is_due(unit, clock_mono_us())) {
			pthread_mutex_unlock(&unit->lock);
			run_once(unit);
			pthread_mutex_lock(&unit->lock);
			continue;
		}
		clock_cond_wait_until(&unit->wake, &unit->lock, wait_until(unit));
	}
	pthread_mutex_unlock(&unit->lock);
	return NULL;
}

struct unit *unit_start(struct dirsync *dirsync, const char *system, enum sync_direction direction)
{
	struct unit *unit = mem_zalloc(sizeof *unit);

	unit->dirsync = dirsync;
	unit->system = mem_strdup(system);
	unit->direction = direction;
	unit->fresh = true;
	unit->due_us = NEVER;
	pthread_mutex_init(&unit->lock, NULL);
	pthread_mutex_init(&unit->running, NULL);
	clock_cond_init(&unit->wake);
	if (pthread_create(&unit->thread, NULL, serve, unit) == 0)
		return unit;
	mem_free(&unit->system);
	mem_free(&unit);
	return NULL;
}

void unit_ask_to_stop(struct unit *unit)
{
	pthread_mutex_lock(&unit->lock);
	atomic_store(&unit->stop, true);
	pthread_cond_signal(&unit->wake);
	pthread_mutex_unlock(&unit->lock);
}

void unit_join(struct unit *unit)
{
	pthread_join(unit->thread, NULL);
	while (atomic_load(&unit->pins) > 0)
		clock_sleep_us(CLOCK_MS);
	close_source(unit);
}

void unit_free(struct unit **unit)
{
	struct unit *u = *unit;

	run_record_free(&u->last);
	lease_watch_free(&u->watch);
	pthread_cond_destroy(&u->wake);
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->running);
	mem_free(&u->system);
	mem_free(unit);
}

/* --- by others ---------------------------------------------------------------------------------
 */

uint64_t unit_ask(struct unit *unit, bool full)
{
	pthread_mutex_lock(&unit->lock);
	unit->asked = unit->view.begun + 1;
	unit->full |= full;
	unit->due_us = clock_mono_us();
	uint64_t number = unit->asked;
	pthread_cond_signal(&unit->wake);
	pthread_mutex_unlock(&unit->lock);
	return number;
}

void unit_wake(struct unit *unit)
{
	struct settings *settings = settings_hold(unit->dirsync);
	int64_t every = every_of(unit, settings->config);

	settings_drop(&settings);
	pthread_mutex_lock(&unit->lock);
	int64_t latest = every > 0 ? clock_mono_us() + (unit->fresh ? 0 : every) : NEVER;
	unit->fresh = false;
	if (!unit->view.running && unit->asked <= unit->view.ended &&
		(unit->due_us > latest || every == 0))
		unit->due_us = latest;
	pthread_cond_signal(&unit->wake);
	pthread_mutex_unlock(&unit->lock);
}

void unit_wanted(struct unit *unit, uint64_t number)
{
	pthread_mutex_lock(&unit->lock);
	if (!unit->view.running && unit->wanted != number) {
		unit->wanted = number;
		pthread_cond_signal(&unit->wake);
	}
	pthread_mutex_unlock(&unit->lock);
}

bool unit_is_running(struct unit *unit)
{
	pthread_mutex_lock(&unit->lock);
	bool running = unit->view.running;
	pthread_mutex_unlock(&unit->lock);
	return running;
}

void unit_view(struct unit *unit, struct unit_view *view_r, struct run_record *last_r)
{
	int64_t now = clock_mono_us(), wall = clock_wall_us();

	pthread_mutex_lock(&unit->lock);
	*view_r = unit->view;
	view_r->next_us = 0;
	if (unit->due_us != NEVER)
		view_r->next_us = wall + (unit->due_us > now ? unit->due_us - now : 0);
	if (last_r != NULL) {
		*last_r = (struct run_record){ .run = STR_INIT };
		copy_record(&unit->last, last_r);
	}
	pthread_mutex_unlock(&unit->lock);
}
