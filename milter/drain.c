#include "milter/drain.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/listing.h"
#include "milter/physical.h"

#define RETRY_MIN (250 * CLOCK_MS)
#define RETRY_MAX (5 * CLOCK_SECOND)

struct drain {
	struct replica *replica;
	struct lateness *lateness;
	struct drain_hooks hooks;
	pthread_t thread;
	atomic_bool cancelled;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	bool stop;
	uint64_t asked, done; /* epochs */
	bool reported;        /* `report` waits to be taken */
	struct drain_report report;
	uint64_t listings, failures;
	int64_t took_us; /* of the last listing */
	size_t undrained;
	char error[256]; /* of the last listing, "" = none */
};

/* One look at the queue. */
struct look {
	struct physical_set *held;
	bool *marks; /* of held: it has mail in the queue */
	char *delimiters;
};

static int add_held(void *context, const uint8_t *uuid, const char *physical)
{
	(void)uuid;
	if (*physical != '\0')
		physical_set_add(context, physical);
	return 0;
}

static struct physical_set *held_now(struct drain *d)
{
	struct physical_set *set = physical_set_new();

	replica_each_held(d->replica, add_held, set);
	physical_set_finish(set);
	return set;
}

static void see_recipient(void *context, const char *recipient)
{
	struct look *look = context;

	physical_set_mark(look->held, recipient, look->delimiters, look->marks);
}

static void note_listing(struct drain *d, int64_t took_us, const char *error)
{
	pthread_mutex_lock(&d->lock);
	bool news = *error != '\0' && strcmp(d->error, error) != 0;
	bool over = *error == '\0' && d->error[0] != '\0';
	d->listings++;
	d->failures += *error != '\0';
	d->took_us = took_us;
	snprintf(d->error, sizeof d->error, "%s", error);
	pthread_mutex_unlock(&d->lock);
	if (news)
		log_error("drain",
			"the MTA's queue cannot be listed, no move can go on: %s; see "
			"milter.queue_list in restante.conf",
			error);
	if (over)
		log_info("drain", "the MTA's queue is listed again");
}

static bool list_queue(struct drain *d, struct look *look, const char *command, int64_t timeout_us)
{
	struct str error = STR_INIT;
	int64_t began = clock_mono_us();
	long files = listing_run(command, timeout_us, &d->cancelled, see_recipient, look, &error);

	note_listing(d, clock_mono_us() - began, files < 0 ? str_cstr(&error) : "");
	str_free(&error);
	return files >= 0;
}

/* Whoever is held now waits for late commits, then is looked for in the queue. */
static bool look_at_queue(struct drain *d, struct look *look)
{
	char *command;
	int64_t timeout_us;
	bool done = true;

	d->hooks.settings(d->hooks.context, &command, &timeout_us, &look->delimiters);
	look->held = held_now(d);
	look->marks = mem_zalloc(physical_set_count(look->held) + 1);
	if (physical_set_count(look->held))
		done = lateness_wait(d->lateness, look->held, look->delimiters) &&
		       list_queue(d, look, command, timeout_us);
	mem_free(&command);
	return done;
}

static void end_look(struct look *look)
{
	physical_set_free(&look->held);
	mem_free(&look->marks);
	mem_free(&look->delimiters);
}

static struct drain_report make_report(uint64_t epoch, const struct look *look)
{
	size_t members = physical_set_count(look->held);
	struct drain_report report = { .epoch = epoch };

	report.undrained = mem_zalloc((members + 1) * sizeof *report.undrained);
	for (size_t i = 0; i < members; i++)
		if (look->marks[i])
			report.undrained[report.count++] =
				mem_strdup(physical_set_at(look->held, i));
	return report;
}

void drain_report_free(struct drain_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		mem_free(&report->undrained[i]);
	mem_free(&report->undrained);
	report->count = 0;
}

static void publish(struct drain *d, struct drain_report report)
{
	log_debug("drain", "epoch=%" PRIu64 " undrained=%zu", report.epoch, report.count);
	pthread_mutex_lock(&d->lock);
	if (d->reported)
		drain_report_free(&d->report);
	d->done = report.epoch;
	d->undrained = report.count;
	d->report = report;
	d->reported = true;
	pthread_mutex_unlock(&d->lock);
	d->hooks.ready(d->hooks.context);
}

/* Only what was undrained at first may stay so: mail that comes later came by another way. */
static void keep_only(struct look *look, const struct physical_set *before)
{
	for (size_t i = 0; i < physical_set_count(look->held); i++)
		if (look->marks[i])
			look->marks[i] =
				physical_set_mark(before, physical_set_at(look->held, i), "", NULL);
}

static struct physical_set *set_of(const struct drain_report *report)
{
	struct physical_set *set = physical_set_new();

	for (size_t i = 0; i < report->count; i++)
		physical_set_add(set, report->undrained[i]);
	physical_set_finish(set);
	return set;
}

/* False: stop, or another epoch was asked for. */
static bool pause_for(struct drain *d, uint64_t epoch, int64_t *pause_us)
{
	int64_t deadline = clock_mono_us() + *pause_us;

	*pause_us = *pause_us * 2 < RETRY_MAX ? *pause_us * 2 : RETRY_MAX;
	pthread_mutex_lock(&d->lock);
	while (!d->stop && d->asked == epoch &&
		clock_cond_wait_until(&d->wake, &d->lock, deadline) == 0)
		;
	bool go_on = !d->stop && d->asked == epoch;
	pthread_mutex_unlock(&d->lock);
	return go_on;
}

/* Until nothing is left in the queue; a report each time that it is less. */
static void watch(struct drain *d, uint64_t epoch, struct physical_set *undrained)
{
	int64_t pause_us = RETRY_MIN;

	while (physical_set_count(undrained) && pause_for(d, epoch, &pause_us)) {
		struct look look = { 0 };
		if (look_at_queue(d, &look)) {
			keep_only(&look, undrained);
			struct drain_report report = make_report(epoch, &look);
			if (report.count < physical_set_count(undrained)) {
				physical_set_free(&undrained);
				undrained = set_of(&report);
				publish(d, report);
			} else {
				drain_report_free(&report);
			}
		}
		end_look(&look);
	}
	physical_set_free(&undrained);
}

static void drain_one(struct drain *d, uint64_t epoch)
{
	int64_t pause_us = RETRY_MIN;
	bool done;

	do {
		struct look look = { 0 };
		done = look_at_queue(d, &look);
		if (done) {
			struct drain_report report = make_report(epoch, &look);
			struct physical_set *undrained = set_of(&report);
			publish(d, report);
			end_look(&look);
			watch(d, epoch, undrained);
			return;
		}
		end_look(&look);
	} while (pause_for(d, epoch, &pause_us));
}

static void *run(void *context)
{
	struct drain *d = context;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		while (!d->stop && d->asked == d->done)
			pthread_cond_wait(&d->wake, &d->lock);
		if (d->stop)
			break;
		uint64_t epoch = d->asked;
		pthread_mutex_unlock(&d->lock);
		drain_one(d, epoch);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

struct drain *drain_start(
	struct replica *replica, struct lateness *lateness, const struct drain_hooks *hooks)
{
	struct drain *d = mem_zalloc(sizeof *d);

	d->replica = replica;
	d->lateness = lateness;
	d->hooks = *hooks;
	pthread_mutex_init(&d->lock, NULL);
	clock_cond_init(&d->wake);
	if (pthread_create(&d->thread, NULL, run, d) != 0)
		mem_free(&d);
	return d;
}

void drain_stop(struct drain **drain)
{
	struct drain *d = *drain;

	if (d == NULL)
		return;
	atomic_store(&d->cancelled, true);
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	if (d->reported)
		drain_report_free(&d->report);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	mem_free(drain);
}

void drain_epoch(struct drain *d, uint64_t epoch)
{
	pthread_mutex_lock(&d->lock);
	d->asked = epoch;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

bool drain_take(struct drain *d, struct drain_report *report_r)
{
	pthread_mutex_lock(&d->lock);
	bool there = d->reported;
	if (there)
		*report_r = d->report;
	d->reported = false;
	pthread_mutex_unlock(&d->lock);
	return there;
}

void drain_status(struct drain *d, struct json *object)
{
	pthread_mutex_lock(&d->lock);
	json_set_int(object, "epoch", (int64_t)d->done);
	json_set_int(object, "undrained", (int64_t)d->undrained);
	json_set_int(object, "listings", (int64_t)d->listings);
	json_set_int(object, "listing_failures", (int64_t)d->failures);
	json_set_int(object, "listing_took_us", d->took_us);
	if (d->error[0] != '\0')
		json_set_string(object, "listing_error", d->error);
	pthread_mutex_unlock(&d->lock);
}
