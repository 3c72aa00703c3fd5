#include "queue/seat.h"

#include "lib/clock.h"

/* --- at once ------------------------------------------------------------------------------ */

static unsigned limit_of(const struct release *release, const struct lane *lane)
{
	return settings_system(release->settings, lane->system)->connections;
}

/* Each destination has workers of its own, or one that does not answer would have them all. */
static unsigned wish(const struct release *release, const struct lane *lane)
{
	unsigned limit = limit_of(release, lane);

	return limit > 0 ? limit : release->settings->workers;
}

static unsigned wishes(const struct release *release)
{
	unsigned all = 0;

	for (const struct lane *lane = release->lanes; lane != NULL; lane = lane->next)
		all += wish(release, lane);
	return all;
}

unsigned seat_all(const struct release *release)
{
	unsigned all = wishes(release);

	/* One is always left to tell where mail goes, whoever does not answer. */
	return (all < RELEASE_WORKERS_MAX ? all : RELEASE_WORKERS_MAX) + 1;
}

unsigned seat_most(const struct release *release, const struct lane *lane)
{
	unsigned all = wishes(release), most = wish(release, lane);

	if (all > RELEASE_WORKERS_MAX)
		most = most * RELEASE_WORKERS_MAX / all;
	return most > 0 ? most : 1;
}

static bool sits(const struct worker *worker, const struct lane *lane)
{
	return worker->taken == lane || (worker->connected && worker->lane == lane);
}

bool seat_free(const struct worker *worker, const struct lane *lane)
{
	const struct release *release = worker->release;
	unsigned limit = limit_of(release, lane), others = 0;

	if (limit == 0)
		return true;
	for (unsigned i = 0; i < release->worker_count; i++)
		others += release->workers[i] != worker && sits(release->workers[i], lane);
	return others < limit;
}

/* The one who is woken by a signal may be one who must not take it. */
static void ring(struct release *release, const struct lane *lane)
{
	if (lane != NULL && limit_of(release, lane) > 0)
		pthread_cond_broadcast(&release->work);
	else
		pthread_cond_signal(&release->work);
}

void seat_ring(struct release *release, const struct box *box)
{
	ring(release, box->lane);
}

void seat_count(struct worker *worker)
{
	struct release *release = worker->release;
	bool open = smtp_is_open(worker->smtp);

	pthread_mutex_lock(&release->lock);
	if (open && !worker->connected) {
		worker->lane->connections++;
		worker->lane->no_8bit = !smtp_takes_8bit(worker->smtp);
	}
	if (!open && worker->connected) {
		worker->lane->connections--;
		if (worker->lane->line.head != NULL)
			ring(release, worker->lane);
	}
	worker->connected = open;
	pthread_mutex_unlock(&release->lock);
}

/* --- one after the other ------------------------------------------------------------------ */

static int64_t pause_us(const struct worker *worker, const struct lane *lane)
{
	unsigned rate = settings_system(worker->settings, lane->system)->rate;

	return rate > 0 ? CLOCK_SECOND / rate : 0;
}

static bool take(struct lane *lane, int64_t pause)
{
	int64_t now = clock_mono_us();

	if (now < lane->free_us)
		return false;
	lane->free_us = now + pause;
	return true;
}

bool pace_take(struct worker *worker, struct lane *lane)
{
	int64_t pause = pause_us(worker, lane);

	if (pause == 0)
		return true;
	pthread_mutex_lock(&worker->release->lock);
	bool taken = take(lane, pause);
	pthread_mutex_unlock(&worker->release->lock);
	return taken;
}

bool pace_wait(struct worker *worker, const struct box *box, struct lane *lane)
{
	struct release *release = worker->release;
	int64_t pause = pause_us(worker, lane);

	if (pause == 0)
		return true;
	pthread_mutex_lock(&release->lock);
	bool taken = false;
	while (!release->stop && box->claims == 0 && !(taken = take(lane, pause)))
		clock_cond_wait_until(&release->quiet, &release->lock, lane->free_us);
	pthread_mutex_unlock(&release->lock);
	return taken;
}
