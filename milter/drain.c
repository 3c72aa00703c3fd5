#include "milter/drain.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/queued.h"

#define RETRY_MIN (250 * CLOCK_MS)
#define RETRY_MAX (5 * CLOCK_SECOND)
#define LEAVE_MIN CLOCK_SECOND
#define LEAVE_MAX (30 * CLOCK_SECOND)
#define NEVER     INT64_MAX

/* A look that is due at an instant, and again after a pause that grows. */
struct timer {
	int64_t at_us; /* monotonic, NEVER */
	int64_t pause_us, pause_max_us;
};

struct drain {
	struct replica *replica;
	struct lateness *lateness;
	struct drain_hooks hooks;
	pthread_t thread;
	atomic_bool cancelled;

	/* The thread's own: */
	uint64_t epoch;
	struct physical_set *undrained; /* NULL: none was reported for that epoch yet */
	struct timer watch, leaving;
	size_t leaving_count; /* of the last look for it that was logged */

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	bool stop;
	uint64_t asked, done; /* epochs */
	bool reported;        /* `report` waits to be taken */
	struct drain_report report;
	bool leave, left;     /* wanted; nothing of any mailbox is queued */
	unsigned leave_round; /* how often it was wanted anew */
	uint64_t looks, failures;
	int64_t took_us; /* of the last look, late commits included */
	size_t left_over, leaving_over;
	char error[256]; /* of the last look, "" = none */
};

/* --- timers ---------------------------------------------------------------------------------- */

static struct timer timer_now(int64_t pause_us, int64_t pause_max_us)
{
	return (struct timer){ 0, pause_us, pause_max_us };
}

static void timer_again(struct timer *timer)
{
	timer->at_us = clock_mono_us() + timer->pause_us;
	timer->pause_us *= 2;
	if (timer->pause_us > timer->pause_max_us)
		timer->pause_us = timer->pause_max_us;
}

/* --- a look at the queue --------------------------------------------------------------------- */

static void note_look(struct drain *d, int64_t took_us, const char *error)
{
	pthread_mutex_lock(&d->lock);
	bool news = *error != '\0' && strcmp(d->error, error) != 0;
	bool over = *error == '\0' && d->error[0] != '\0';
	d->looks++;
	d->failures += *error != '\0';
	d->took_us = took_us;
	snprintf(d->error, sizeof d->error, "%s", error);
	pthread_mutex_unlock(&d->lock);
	if (news)
		log_error(
			"drain", "the MTA's queue cannot be listed, no move can go on: %s", error);
	if (over)
		log_info("drain", "the MTA's queue is listed again");
}

/* The addresses that have mail there; NULL: not known. */
static struct physical_set *look(struct drain *d,
	int (*each)(struct replica *replica, replica_held_callback callback, void *context))
{
	struct physical_set *found;
	struct str error = STR_INIT;
	int64_t began = clock_mono_us();
	char *command, *delimiters;
	struct queued queued = { .replica = d->replica,
		.lateness = d->lateness,
		.each = each,
		.cancelled = &d->cancelled };

	d->hooks.settings(d->hooks.context, &command, &queued.timeout_us, &delimiters);
	queued.command = command;
	queued.delimiters = delimiters;
	int result = queued_find(&queued, &found, &error);
	if (result == 0 || (error.len && !atomic_load(&d->cancelled)))
		note_look(d, clock_mono_us() - began, result == 0 ? "" : error.data);
	mem_free(&command);
	mem_free(&delimiters);
	str_free(&error);
	return found;
}

/* --- an epoch -------------------------------------------------------------------------------- */

static struct drain_report make_report(uint64_t epoch, const struct physical_set *undrained)
{
	size_t count = physical_set_count(undrained);
	struct drain_report report = { .epoch = epoch, .count = count };

	report.undrained = mem_zalloc((count + 1) * sizeof *report.undrained);
	for (size_t i = 0; i < count; i++)
		report.undrained[i] = mem_strdup(physical_set_at(undrained, i));
	return report;
}

void drain_report_free(struct drain_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		mem_free(&report->undrained[i]);
	mem_free(&report->undrained);
	report->count = 0;
}

static void publish(struct drain *d)
{
	struct drain_report report = make_report(d->epoch, d->undrained);

	log_debug("drain", "epoch=%" PRIu64 " undrained=%zu", report.epoch, report.count);
	pthread_mutex_lock(&d->lock);
	if (d->reported)
		drain_report_free(&d->report);
	d->done = report.epoch;
	d->left_over = report.count;
	d->report = report;
	d->reported = true;
	pthread_mutex_unlock(&d->lock);
	d->hooks.ready(d->hooks.context);
}

/* Only what was undrained at first may stay so: mail that comes later came by another way. */
static struct physical_set *in_both(const struct physical_set *now, const struct physical_set *then)
{
	struct physical_set *both = physical_set_new();

	for (size_t i = 0; i < physical_set_count(now); i++)
		if (physical_set_mark(then, physical_set_at(now, i), "", NULL))
			physical_set_add(both, physical_set_at(now, i));
	physical_set_finish(both);
	return both;
}

/* True: there is a report, the first one for this epoch or one with less in it. */
static bool take_undrained(struct drain *d, struct physical_set *found)
{
	struct physical_set *both;

	if (d->undrained == NULL) {
		d->undrained = found;
		return true;
	}
	both = in_both(found, d->undrained);
	physical_set_free(&found);
	bool less = physical_set_count(both) < physical_set_count(d->undrained);
	physical_set_free(&d->undrained);
	d->undrained = both;
	return less;
}

/* Until nothing is left in the queue; a report each time that it is less. */
static void look_for_epoch(struct drain *d)
{
	struct physical_set *found = look(d, replica_each_held);

	if (found != NULL && take_undrained(d, found))
		publish(d);
	if (d->undrained == NULL || physical_set_count(d->undrained))
		timer_again(&d->watch);
	else
		d->watch.at_us = NEVER;
}

static void begin_epoch(struct drain *d, uint64_t epoch)
{
	d->epoch = epoch;
	physical_set_free(&d->undrained);
	d->watch = timer_now(RETRY_MIN, RETRY_MAX);
}

/* --- leaving --------------------------------------------------------------------------------- */

static void tell_leaving(struct drain *d, const struct physical_set *queued)
{
	size_t count = physical_set_count(queued);

	if (count == d->leaving_count)
		return;
	d->leaving_count = count;
	if (count)
		log_info("drain",
			"this front door cannot leave yet: its MTA's queue has mail for mailboxes "
			"addresses=%zu first=%s",
			count, physical_set_at(queued, 0));
}

static void look_for_leaving(struct drain *d)
{
	pthread_mutex_lock(&d->lock);
	unsigned round = d->leave_round;
	pthread_mutex_unlock(&d->lock);
	struct physical_set *queued = look(d, replica_each_mailbox);
	bool left = queued != NULL && physical_set_count(queued) == 0;

	if (queued != NULL)
		tell_leaving(d, queued);
	pthread_mutex_lock(&d->lock);
	/* it may have served again meanwhile */
	d->left = left && d->leave && d->leave_round == round;
	d->leaving_over = queued != NULL ? physical_set_count(queued) : d->leaving_over;
	pthread_mutex_unlock(&d->lock);
	physical_set_free(&queued);
	timer_again(&d->leaving);
	if (left)
		d->hooks.ready(d->hooks.context);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* With the lock held: what was asked for since the last time. */
static void take_orders(struct drain *d)
{
	if (d->asked != d->epoch)
		begin_epoch(d, d->asked);
	if (!d->leave)
		d->leaving_count = d->leaving_over = 0;
	if (!d->leave || d->left)
		d->leaving.at_us = NEVER;
	else if (d->leaving.at_us == NEVER)
		d->leaving = timer_now(LEAVE_MIN, LEAVE_MAX);
}

/* With the lock held; false: stop. */
static bool wait_for_work(struct drain *d)
{
	for (;;) {
		take_orders(d);
		int64_t at = d->watch.at_us < d->leaving.at_us ? d->watch.at_us : d->leaving.at_us;
		if (d->stop)
			return false;
		if (at <= clock_mono_us())
			return true;
		if (at == NEVER)
			pthread_cond_wait(&d->wake, &d->lock);
		else
			clock_cond_wait_until(&d->wake, &d->lock, at);
	}
}

static void *run(void *context)
{
	struct drain *d = context;

	pthread_mutex_lock(&d->lock);
	while (wait_for_work(d)) {
		pthread_mutex_unlock(&d->lock);
		if (d->watch.at_us <= clock_mono_us())
			look_for_epoch(d);
		else
			look_for_leaving(d);
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
	d->watch.at_us = d->leaving.at_us = NEVER;
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
	physical_set_free(&d->undrained);
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

void drain_leave(struct drain *d, bool wanted)
{
	pthread_mutex_lock(&d->lock);
	if (d->leave != wanted) {
		d->leave = wanted;
		d->left = false;
		d->leave_round++;
		pthread_cond_broadcast(&d->wake);
	}
	pthread_mutex_unlock(&d->lock);
}

bool drain_left(struct drain *d)
{
	pthread_mutex_lock(&d->lock);
	bool left = d->left;
	pthread_mutex_unlock(&d->lock);
	return left;
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
	json_set_int(object, "undrained", (int64_t)d->left_over);
	json_set_bool(object, "leaving", d->leave);
	json_set_int(object, "leaving_undrained", (int64_t)d->leaving_over);
	json_set_int(object, "listings", (int64_t)d->looks);
	json_set_int(object, "listing_failures", (int64_t)d->failures);
	json_set_int(object, "listing_took_us", d->took_us);
	if (d->error[0] != '\0')
		json_set_string(object, "listing_error", d->error);
	pthread_mutex_unlock(&d->lock);
}
