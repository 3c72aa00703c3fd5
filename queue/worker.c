/* A worker: takes mailboxes off the line, one turn each, and puts them where they belong then. */
#include <stdint.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release_core.h"
#include "queue/retry.h"
#include "queue/seat.h"

#define IDLE_US        (5 * CLOCK_SECOND)  /* a session is kept open that long without work */
#define UNDECIDED_MAX  (30 * CLOCK_SECOND) /* a look-up is cheap */
#define LOOK_AGAIN_MIN CLOCK_SECOND
#define WARN_US        (3600 * CLOCK_SECOND)

/* Whatever was refused may be tried at once. */
void release_hurry(struct box *box, int64_t now_us)
{
	for (size_t i = 0; i < box->delay_count; i++)
		box->delays[i].due_us = now_us;
	box->failures = 0;
}

/* --- wakes; the lock is held ------------------------------------------------------------- */

void release_due(struct release *release, int64_t due_us)
{
	if (due_us >= release->earliest_us)
		return;
	release->earliest_us = due_us;
	pthread_cond_signal(&release->tick);
}

static void run(struct release *release, struct box *box)
{
	box_run(&release->table, box);
	seat_ring(release, box);
}

void release_stored(struct release *release, const uint8_t *mailbox)
{
	struct box *box = box_find(&release->table, mailbox);

	if (box == NULL) {
		box_add(&release->table, mailbox);
		pthread_cond_signal(&release->work);
		return;
	}
	box->stored = true;
	if (box->state == BOX_RESTING)
		run(release, box);
}

/* Nothing keeps a resting mailbox but recipients that are nobody's and messages that stepped aside.
 */
static void wake_resting(struct release *release, struct box *box, bool by_name)
{
	if (by_name) {
		release_hurry(box, 0);
		if (box->delay_count > 0)
			box->due_us = 0;
	}
	if (box->vanished > 0) {
		box->woken = true;
		if (box->look_us < box->due_us)
			box->due_us = box->look_us;
	}
	release_due(release, box->due_us);
}

void release_wake_box(struct release *release, struct box *box, bool by_name)
{
	if (box->state == BOX_RESTING) {
		wake_resting(release, box, by_name);
		return;
	}
	if (box->state == BOX_DELAYED && !by_name)
		return;
	/* A parked one may go elsewhere now, which can be told without its listener. */
	box->woken = true;
	run(release, box);
}

/* --- end of a turn ----------------------------------------------------------------------- */

static void put_aside(
	struct release *release, struct box *box, enum box_state state, int64_t due_us)
{
	box_set(&release->table, box, state, due_us);
	release_due(release, due_us);
}

static void put_in_line(struct release *release, struct box *box)
{
	box_set(&release->table, box, BOX_RESTING, INT64_MAX);
	run(release, box);
}

static void finish_pass(struct release *release, struct box *box)
{
	if (box->vanished > 0 || box->delay_count > 0 || box->claims > 0)
		put_aside(release, box, BOX_RESTING, box_delay_due(box));
	else
		box_drop(&release->table, box);
}

/* A stop that came before a removal looks alike, and is none. */
static void say_broken(struct release *release)
{
	if (release->broken || release->stop)
		return;
	release->broken = true;
	log_error("release",
		"the hold queue is unusable, nothing is released until this process starts again");
	if (release->hooks.broken != NULL)
		release->hooks.broken(release->hooks.context, holdq_reason());
}

static void finish(struct worker *worker, struct box *box, enum step step)
{
	struct release *release = worker->release;
	const struct settings *settings = worker->settings;
	const struct relay *relay = &release_lane(release, box)->relay;
	int64_t now = clock_mono_us();

	if (box->claims > 0)
		pthread_cond_broadcast(&release->quiet);
	if (box->hurry)
		release_hurry(box, now);
	if (step == STEP_BROKEN) {
		say_broken(release);
		put_aside(release, box, BOX_PARKED, INT64_MAX);
	} else if (step == STEP_PARK && !box->woken) { /* woken: it may go elsewhere by now */
		put_aside(release, box, BOX_PARKED, INT64_MAX);
		release_due(release, relay->trouble ? relay->next_us : now);
	} else if (box->woken || step == STEP_MORE || (step == STEP_END && box->stored)) {
		put_in_line(release, box);
	} else if (step == STEP_HELD) {
		put_aside(release, box, BOX_HELD, INT64_MAX);
	} else if (step == STEP_UNDECIDED) {
		put_aside(release, box, BOX_UNDECIDED,
			now + retry_delay(settings->retry_min_us, UNDECIDED_MAX, box->undecided));
	} else if (step == STEP_DELAY) {
		put_aside(release, box, BOX_DELAYED,
			now + retry_delay(settings->retry_min_us, settings->retry_max_us,
				      box->failures));
	} else {
		finish_pass(release, box);
	}
}

/* --- a turn ------------------------------------------------------------------------------- */

void release_name(const struct release *release, const uint8_t *mailbox, char *name_r, size_t size)
{
	char name[512] = "";

	if (release->hooks.name != NULL)
		release->hooks.name(release->hooks.context, mailbox, name, sizeof name);
	log_value(name_r, size, name);
}

/* The first that the message holds for the mailbox. */
static bool read_address(struct worker *worker, const struct box *box, uint64_t id, char *address_r)
{
	struct holdq_message *message;
	bool found = false;

	if (holdq_read(worker->release->queue, id, &message) != HOLDQ_OK)
		return false;
	for (size_t i = 0; i < message->count && !found; i++) {
		const struct holdq_held_recipient *held = &message->recipients[i];

		found = memcmp(held->mailbox, box->mailbox, ROUTE_UUID_BYTES) == 0;
		if (found)
			log_value(address_r, RELEASE_VALUE, held->address);
	}
	holdq_message_free(&message);
	return found;
}

/* What is left at the end of a pass stepped aside, or is nobody's. */
static void name_vanished(struct worker *worker, const struct box *box, char *address_r)
{
	uint64_t ids[RELEASE_SLICE];
	size_t count = holdq_ids(worker->release->queue, box->mailbox, 0, ids, RELEASE_SLICE);

	address_r[0] = '\0';
	for (size_t i = 0; i < count; i++)
		if (box_delay_find(box, ids[i]) == NULL &&
			read_address(worker, box, ids[i], address_r))
			return;
}

static void warn_vanished(struct worker *worker, struct box *box)
{
	char address[RELEASE_VALUE], uuid[ROUTE_UUID_TEXT];
	int64_t now = clock_mono_us();

	if (box->vanished == 0 || (box->warned_us != 0 && now - box->warned_us < WARN_US))
		return;
	box->warned_us = now;
	name_vanished(worker, box, address);
	log_warning("release",
		"held mail whose address is nobody's now stays held mailbox=%s uuid=%s "
		"recipients=%llu reason=\"%s\"",
		address, route_uuid_text(uuid, box->mailbox), (unsigned long long)box->vanished,
		worker->job.reason ? worker->job.reason : "");
}

/* The turn ends between two messages, since all of it may take minutes. */
static bool is_wanted_back(const struct worker *worker, const struct box *box)
{
	return worker->release->stop || box->claims > 0;
}

/* Those that stepped aside come first once they are due. */
static enum step retry_delays(struct worker *worker, struct box *box)
{
	uint64_t ids[RELEASE_SLICE];
	size_t count = box_delays_due(box, clock_mono_us(), ids, RELEASE_SLICE);
	enum step step = STEP_NEXT;

	for (size_t i = 0; i < count && step == STEP_NEXT && !is_wanted_back(worker, box); i++)
		step = job_run(worker, box, ids[i]);
	return step;
}

static enum step run_slice(struct worker *worker, struct box *box)
{
	uint64_t ids[RELEASE_SLICE];
	enum step step = retry_delays(worker, box);

	if (step != STEP_NEXT)
		return step;
	size_t count =
		holdq_ids(worker->release->queue, box->mailbox, box->cursor, ids, RELEASE_SLICE);
	for (size_t i = 0; i < count; i++) {
		if (is_wanted_back(worker, box))
			return STEP_MORE;
		if (box_delay_find(box, ids[i]) == NULL)
			step = job_run(worker, box, ids[i]);
		if (step != STEP_NEXT)
			return step;
		box->cursor = ids[i];
	}
	return count < RELEASE_SLICE ? STEP_END : STEP_MORE;
}

static enum step run_turn(struct worker *worker, struct box *box)
{
	int64_t began = clock_mono_us();
	enum step step = run_slice(worker, box);
	int64_t now = clock_mono_us();

	box->undecided = step == STEP_UNDECIDED ? box->undecided + 1 : 0;
	box->pass_us += now - began;
	if (step == STEP_END) {
		int64_t rest = 10 * box->pass_us;
		box->look_us = now + (rest > LOOK_AGAIN_MIN ? rest : LOOK_AGAIN_MIN);
		box->pass_us = 0;
		warn_vanished(worker, box);
	}
	return step;
}

/* --- the thread --------------------------------------------------------------------------- */

static void close_session(struct worker *worker)
{
	smtp_quit(worker->smtp);
	seat_count(worker);
}

/* The options of now; a session made with older ones is not kept. */
static void renew_settings(struct worker *worker)
{
	struct release *release = worker->release;

	if (worker->settings == release->settings)
		return;
	struct settings *fresh = settings_hold(release);
	pthread_mutex_unlock(&release->lock);
	close_session(worker);
	settings_drop(release, &worker->settings);
	worker->settings = fresh;
	pthread_mutex_lock(&release->lock);
}

static void serve(struct worker *worker, struct box *box)
{
	struct release *release = worker->release;

	renew_settings(worker);
	release->busy++;
	pthread_mutex_unlock(&release->lock);
	enum step step = run_turn(worker, box);
	worker->idle_until_us = clock_mono_us() + IDLE_US;
	pthread_mutex_lock(&release->lock);
	release->busy--;
	--*worker->turn;
	worker->taken = NULL;
	if (worker->probe != NULL) {
		relay_let_go(&worker->probe->relay);
		worker->probe = NULL;
		release_due(release, clock_mono_us());
	}
	finish(worker, box, step);
}

static void idle(struct worker *worker, bool wanted)
{
	struct release *release = worker->release;

	/* One that is not wanted must not swallow a signal meant for the others. */
	if (!smtp_is_open(worker->smtp)) {
		pthread_cond_wait(wanted ? &release->work : &release->quiet, &release->lock);
	} else if (!wanted || clock_mono_us() >= worker->idle_until_us) {
		pthread_mutex_unlock(&release->lock);
		close_session(worker);
		pthread_mutex_lock(&release->lock);
	} else {
		clock_cond_wait_until(&release->work, &release->lock, worker->idle_until_us);
	}
}

static struct box *take(
	struct worker *worker, struct box_line *line, unsigned *busy, struct lane *lane)
{
	struct box_table *table = &worker->release->table;
	struct box *box = box_take(table, line);

	for (; box != NULL && box->claims > 0; box = box_take(table, line))
		box_set(table, box, BOX_RESTING, INT64_MAX);
	if (box == NULL)
		return NULL;
	++*busy;
	worker->turn = busy;
	worker->taken = lane;
	return box;
}

/* lane NULL: of the MTA. */
static struct box *take_from(struct worker *worker, struct lane *lane)
{
	struct release *release = worker->release;
	unsigned *busy = lane ? &lane->busy : &release->mta_busy;

	if (*busy >= seat_most(release, lane ? lane : release->mta) ||
		(lane != NULL && !seat_free(worker, lane)))
		return NULL;
	return take(worker, lane ? &lane->line : &release->mta_line, busy, lane);
}

/* First where the session leads, which spares a new one; last those that only move to a line. */
static struct box *next_box(struct worker *worker)
{
	struct release *release = worker->release;
	struct box *box = NULL;

	if (worker->lane != NULL && worker->lane != release->mta)
		box = take_from(worker, worker->lane);
	if (box == NULL)
		box = take_from(worker, NULL);
	for (struct lane *lane = release->lanes; lane != NULL && box == NULL; lane = lane->next)
		box = take_from(worker, lane);
	return box ? box : take(worker, NULL, &release->sorting, NULL);
}

void *worker_main(void *context)
{
	struct worker *worker = context;
	struct release *release = worker->release;

	pthread_mutex_lock(&release->lock);
	while (!release->stop) {
		bool wanted = worker->index < seat_all(release) && !release->broken;
		struct box *box = wanted ? next_box(worker) : NULL;
		if (box != NULL)
			serve(worker, box);
		else
			idle(worker, wanted);
	}
	pthread_mutex_unlock(&release->lock);
	close_session(worker);
	settings_drop(release, &worker->settings);
	pthread_mutex_lock(&release->lock);
	release->running--;
	pthread_cond_broadcast(&release->quiet);
	pthread_mutex_unlock(&release->lock);
	return NULL;
}
