/* Start, stop, and what happens to the release as a whole. */
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release_core.h"
#include "queue/seat.h"

#define VANISH_US (200 * CLOCK_MS) /* wakes come in crowds */

/* --- the MTA's listener ----------------------------------------------------------------- */

struct lane *release_lane(const struct release *release, const struct box *box)
{
	return box->lane ? box->lane : release->mta;
}

/* The lock is held. Trouble with the one before does not count towards expiry now, either. */
static int set_mta(
	struct release *release, const struct release_options *options, const char **error_r)
{
	struct lane *before = release->mta;
	struct lane *lane = lane_get(&release->lanes, "", options->listener, options->tls, error_r);
	int64_t now = clock_mono_us();

	if (lane == NULL)
		return -1;
	if (before != lane) {
		int64_t past = relay_clock(&before->relay, now);
		if (relay_clock(&lane->relay, now) < past)
			lane->relay.past_us = past;
		relay_try_now(&lane->relay, now);
	}
	release->mta = lane;
	return 0;
}

/* --- start and stop ---------------------------------------------------------------------- */

static void stored(void *context, const uint8_t *mailbox)
{
	struct release *release = context;

	pthread_mutex_lock(&release->lock);
	release_stored(release, mailbox);
	pthread_mutex_unlock(&release->lock);
}

/* Those there are too many rest. */
int release_make_workers(struct release *release)
{
	while (!release->stop && release->worker_count < seat_all(release)) {
		struct worker *worker = mem_zalloc(sizeof *worker);
		worker->release = release;
		worker->index = release->worker_count;
		worker->smtp = smtp_new();
		if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
			smtp_free(&worker->smtp);
			mem_free(&worker);
			return -1;
		}
		release->workers[release->worker_count++] = worker;
		release->running++;
	}
	return 0;
}

static struct release *release_new(struct holdq *queue, const struct release_hooks *hooks,
	struct settings *settings, struct lane *mta)
{
	struct release *release = mem_zalloc(sizeof *release);

	release->queue = queue;
	release->hooks = *hooks;
	release->settings = settings;
	release->lanes = release->mta = mta;
	release->started_us = clock_wall_us();
	pthread_mutex_init(&release->lock, NULL);
	pthread_mutex_init(&release->record, NULL);
	clock_cond_init(&release->work);
	clock_cond_init(&release->tick);
	clock_cond_init(&release->quiet);
	box_table_init(&release->table);
	return release;
}

static void release_free(struct release *release)
{
	box_table_clear(&release->table);
	lanes_free(&release->lanes);
	settings_drop(release, &release->settings);
	pthread_cond_destroy(&release->quiet);
	pthread_cond_destroy(&release->tick);
	pthread_cond_destroy(&release->work);
	pthread_mutex_destroy(&release->record);
	pthread_mutex_destroy(&release->lock);
	mem_free(&release);
}

static int start_threads(struct release *release, const char **error_r)
{
	release->keeper_made = pthread_create(&release->keeper, NULL, keeper_main, release) == 0;
	pthread_mutex_lock(&release->lock);
	int done = release->keeper_made ? release_make_workers(release) : -1;
	pthread_mutex_unlock(&release->lock);
	if (done < 0)
		*error_r = "cannot start threads";
	return done;
}

struct release *release_start(struct holdq *queue, const struct release_options *options,
	const struct release_hooks *hooks, const char **error_r)
{
	struct lane *mta = NULL;
	struct settings *settings = NULL;

	if (lane_get(&mta, "", options->listener, options->tls, error_r) != NULL)
		settings = settings_new(options, error_r);
	if (settings == NULL) {
		lanes_free(&mta);
		return NULL;
	}
	struct release *release = release_new(queue, hooks, settings, mta);
	holdq_observe(queue, stored, release);
	int done = keeper_scan(release);
	if (done < 0)
		*error_r = holdq_reason();
	else
		done = start_threads(release, error_r);
	if (done < 0)
		release_stop(&release);
	return release;
}

/* Sessions that are only being made end at once; transactions, when their time is over. */
static void abort_sessions(struct release *release, bool all)
{
	for (unsigned i = 0; i < release->worker_count; i++)
		if (all || !release->workers[i]->transacting)
			smtp_abort(release->workers[i]->smtp);
}

static void wait_for_workers(struct release *release)
{
	int64_t deadline = clock_mono_us() + release->settings->stop_us;

	while (release->running > 0) {
		int64_t now = clock_mono_us();
		abort_sessions(release, now >= deadline);
		clock_cond_wait_until(&release->quiet, &release->lock, now + 100 * CLOCK_MS);
	}
}

void release_stop(struct release **release_p)
{
	struct release *release = *release_p;

	if (release == NULL)
		return;
	holdq_observe(release->queue, NULL, NULL);
	pthread_mutex_lock(&release->lock);
	release->stop = true;
	pthread_cond_broadcast(&release->work);
	pthread_cond_broadcast(&release->quiet);
	pthread_cond_signal(&release->tick);
	wait_for_workers(release);
	pthread_mutex_unlock(&release->lock);
	for (unsigned i = 0; i < release->worker_count; i++) {
		pthread_join(release->workers[i]->thread, NULL);
		smtp_free(&release->workers[i]->smtp);
		mem_free(&release->workers[i]);
	}
	if (release->keeper_made)
		pthread_join(release->keeper, NULL);
	release_free(release);
	*release_p = NULL;
}

/* --- changes ----------------------------------------------------------------------------- */

void release_configure(struct release *release, const struct release_options *options)
{
	const char *error = NULL;
	struct settings *old = settings_new(options, &error);

	pthread_mutex_lock(&release->lock);
	if (old != NULL && set_mta(release, options, &error) == 0) {
		struct settings *fresh = old;
		old = release->settings;
		release->settings = fresh;
	}
	if (error != NULL)
		log_error("release", "the new options are not taken over: %s", error);
	if (release_make_workers(release) < 0)
		log_warning("release", "cannot start more workers");
	release_due(release, 0);
	pthread_cond_broadcast(&release->quiet);
	pthread_cond_broadcast(&release->work);
	pthread_mutex_unlock(&release->lock);
	settings_drop(release, &old);
}

void release_wake(struct release *release, const uint8_t *mailbox)
{
	pthread_mutex_lock(&release->lock);
	struct box *box = mailbox ? box_find(&release->table, mailbox) : NULL;
	if (box != NULL)
		release_wake_box(release, box, true);
	for (struct box *b = mailbox ? NULL : box_next(&release->table, NULL); b != NULL;
		b = box_next(&release->table, b))
		release_wake_box(release, b, false);
	/* An address that was nobody's may have come back with any mailbox. */
	if (!release->vanish_wake && release->table.states[BOX_RESTING] > 0) {
		release->vanish_wake = true;
		release_due(release, clock_mono_us() + VANISH_US);
	}
	pthread_mutex_unlock(&release->lock);
}

static void retry_box(struct release *release, struct box *box)
{
	if (box->state == BOX_RUNNING) {
		box->hurry = box->woken = true;
		return;
	}
	release_hurry(box, 0);
	box->look_us = 0;
	box->woken = true;
	if (box->state == BOX_PARKED)
		return;
	box_run(&release->table, box);
	seat_ring(release, box);
}

void release_retry_now(struct release *release, const uint8_t *mailbox)
{
	pthread_mutex_lock(&release->lock);
	struct box *box = mailbox ? box_find(&release->table, mailbox) : NULL;
	if (box != NULL)
		retry_box(release, box);
	for (struct box *b = mailbox ? NULL : box_next(&release->table, NULL); b != NULL;
		b = box_next(&release->table, b))
		retry_box(release, b);
	for (struct lane *lane = release->lanes; lane != NULL; lane = lane->next)
		relay_try_now(&lane->relay, clock_mono_us());
	release_due(release, 0);
	pthread_mutex_unlock(&release->lock);
}
