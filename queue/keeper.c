/* The keeper: one thread for everything that happens by the clock. */
#include <stdint.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release_core.h"
#include "queue/seat.h"

#define RESCAN_US (30 * CLOCK_SECOND) /* safety net for a wake that was never sent */
#define TELL_US   (10 * CLOCK_SECOND)
#define PAUSE_US  (10 * CLOCK_MS) /* between two looks at all mailboxes */

/* --- mailboxes --------------------------------------------------------------------------- */

static int know_mailbox(void *context, const struct holdq_mailbox *mailbox)
{
	struct release *release = context;

	pthread_mutex_lock(&release->lock);
	struct box *box = box_find(&release->table, mailbox->mailbox);
	if (box == NULL)
		release_stored(release, mailbox->mailbox);
	else if (box->state == BOX_HELD || box->state == BOX_RESTING)
		release_wake_box(release, box, false);
	pthread_mutex_unlock(&release->lock);
	return 0;
}

int keeper_scan(struct release *release)
{
	return holdq_each_mailbox(release->queue, know_mailbox, release) == HOLDQ_OK ? 0 : -1;
}

static bool may_run(struct release *release, const struct box *box, int64_t now_us)
{
	if (box->state != BOX_PARKED)
		return box->due_us <= now_us;
	return !release->broken && relay_is_open(&release_lane(release, box)->relay, now_us);
}

/* When to look at one again that waits; INT64_MAX = something else tells. Trouble of a listener
 * that nobody waits for is no reason to look. */
static int64_t due_of(const struct release *release, const struct box *box)
{
	const struct relay *relay = &release_lane(release, box)->relay;

	if (box->state == BOX_RUNNABLE || box->state == BOX_RUNNING)
		return INT64_MAX;
	if (box->state != BOX_PARKED)
		return box->due_us;
	return relay->trouble && !relay->probing && !release->broken ? relay->next_us : INT64_MAX;
}

/* What one mailbox is due for; the lock is held. */
static void look_at(struct release *release, struct box *box, int64_t now_us)
{
	if (release->vanish_wake && box->vanished > 0)
		release_wake_box(release, box, false);
	if (may_run(release, box, now_us)) {
		box_run(&release->table, box);
		seat_ring(release, box);
	} else if (due_of(release, box) < release->earliest_us) {
		release->earliest_us = due_of(release, box);
	}
}

static void look_at_all(struct release *release, int64_t now_us)
{
	release->earliest_us = INT64_MAX;
	for (struct box *box = box_next(&release->table, NULL); box != NULL;
		box = box_next(&release->table, box))
		look_at(release, box, now_us);
	release->vanish_wake = false;
}

/* --- the thread --------------------------------------------------------------------------- */

struct hours {
	int64_t rescan_us, tell_us;
	const struct settings *settings; /* of those; after a reload it is looked at once */
};

/* What is done without the lock. */
static void do_rounds(struct release *release, struct hours *hours, int64_t now_us)
{
	struct settings *settings = settings_hold(release);

	pthread_mutex_unlock(&release->lock);
	if (now_us >= hours->rescan_us) {
		if (keeper_scan(release) < 0)
			log_warning("release", "cannot list the mailboxes: %s", holdq_reason());
		hours->rescan_us = now_us + RESCAN_US;
	}
	if (now_us >= hours->tell_us) {
		int64_t often = settings->delay_notice_us / 4;
		int64_t pause = often > 0 && often < TELL_US ? often : TELL_US;
		hours->tell_us = tell_delays(release, settings) ? now_us : now_us + pause;
	}
	settings_drop(release, &settings);
	pthread_mutex_lock(&release->lock);
}

static int64_t wait_until(const struct release *release, const struct hours *hours, int64_t now_us)
{
	int64_t until = release->earliest_us;

	if (hours->rescan_us < until)
		until = hours->rescan_us;
	if (hours->tell_us < until)
		until = hours->tell_us;
	return until > now_us + PAUSE_US ? until : now_us + PAUSE_US;
}

void *keeper_main(void *context)
{
	struct release *release = context;
	struct hours hours = { clock_mono_us() + RESCAN_US, 0, NULL };

	pthread_mutex_lock(&release->lock);
	while (!release->stop) {
		int64_t now = clock_mono_us();
		if (now >= release->earliest_us)
			look_at_all(release, now);
		if (hours.settings != release->settings)
			hours.tell_us = now;
		hours.settings = release->settings;
		if (now >= hours.rescan_us || now >= hours.tell_us)
			do_rounds(release, &hours, now);
		clock_cond_wait_until(
			&release->tick, &release->lock, wait_until(release, &hours, now));
	}
	pthread_mutex_unlock(&release->lock);
	return NULL;
}
