/* The keeper: one thread for everything that happens by the clock. */
#include <stdint.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release_core.h"

#define RESCAN_US    (30 * CLOCK_SECOND) /* safety net for a wake that was never sent */
#define TELL_US      (10 * CLOCK_SECOND)
#define PAUSE_US     (10 * CLOCK_MS) /* between two looks at all mailboxes */
#define TELL_AT_ONCE 64

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

/* What one mailbox is due for; the lock is held. */
static void look_at(struct release *release, struct box *box, int64_t now_us)
{
	if (release->vanish_wake && box->vanished > 0)
		release_wake_box(release, box, false);
	if (may_run(release, box, now_us)) {
		box_run(&release->table, box);
		pthread_cond_signal(&release->work);
	} else if (box->state != BOX_RUNNABLE && box->state != BOX_RUNNING &&
		   box->due_us < release->earliest_us) {
		release->earliest_us = box->due_us;
	}
}

static void look_at_all(struct release *release, int64_t now_us)
{
	release->earliest_us = INT64_MAX;
	for (struct box *box = box_next(&release->table, NULL); box != NULL;
		box = box_next(&release->table, box))
		look_at(release, box, now_us);
	release->vanish_wake = false;
	for (struct lane *lane = release->lanes; lane != NULL; lane = lane->next) {
		const struct relay *relay = &lane->relay;
		if (release->table.states[BOX_PARKED] > 0 && relay->trouble && !relay->probing &&
			relay->next_us < release->earliest_us)
			release->earliest_us = relay->next_us;
	}
}

/* --- delay notices ------------------------------------------------------------------------ */

static bool may_tell(const struct holdq_message *message, const struct holdq_held_recipient *held)
{
	return !held->delay_told && memcmp(held->mailbox, holdq_notices, ROUTE_UUID_BYTES) != 0 &&
	       notice_wanted(NOTICE_DELAYED, message->envelope.sender, held->params);
}

static size_t list_told(const struct holdq_message *message, struct notice_recipient *told)
{
	size_t count = 0;

	for (size_t i = 0; i < message->count; i++) {
		const struct holdq_held_recipient *held = &message->recipients[i];
		if (!may_tell(message, held))
			continue;
		told[count++] = (struct notice_recipient){
			.address = held->address,
			.params = held->params,
			.status = "4.2.1",
			.diagnostic = held->last_reply,
		};
	}
	return count;
}

/* The notice is stored with the first record that says so; the others follow. */
static void note_told(
	struct release *release, struct holdq_message *message, const struct holdq_notice *notice)
{
	for (size_t i = 0; i < message->count; i++) {
		struct holdq_held_recipient *held = &message->recipients[i];
		if (!may_tell(message, held))
			continue;
		held->delay_told = true;
		enum holdq_result result = holdq_update(release->queue, message->id, held, notice);
		if (result != HOLDQ_OK && result != HOLDQ_GONE)
			log_warning("release", "cannot note a delay notice id=%s: %s",
				message->envelope.id, holdq_reason());
		if (result == HOLDQ_OK)
			notice = NULL;
	}
}

static void tell(
	struct release *release, const struct settings *settings, struct holdq_message *message)
{
	struct notice_recipient *told = mem_zalloc((message->count + 1) * sizeof *told);
	const struct report report = {
		.release = release,
		.settings = settings,
		.message = message,
		.kind = NOTICE_DELAYED,
		.recipients = told,
		.remote = "",
		.count = list_told(message, told),
	};
	struct str content = STR_INIT;
	struct holdq_notice notice;

	if (report.count > 0) {
		report_write(&report, &content, &notice);
		note_told(release, message, &notice);
		log_info("release", "sender told of the delay id=%s recipients=%zu",
			message->envelope.id, report.count);
	}
	str_free(&content);
	mem_free(&told);
}

/* False: this one is not old enough, nor are those behind it. */
static bool tell_if_old(struct release *release, const struct settings *settings, uint64_t id)
{
	struct holdq_message *message;
	bool old = true;

	pthread_mutex_lock(&release->record);
	if (holdq_read(release->queue, id, &message) == HOLDQ_OK) {
		int64_t age = clock_wall_us() - message->envelope.arrived_us;
		old = age >= settings->delay_notice_us;
		if (old)
			tell(release, settings, message);
		holdq_message_free(&message);
	}
	pthread_mutex_unlock(&release->record);
	return old;
}

/*
 * Messages come in the order of their arrival, so each is looked at once. True: there may be more;
 * not all at a time, since the mailboxes that become due wait for the same thread.
 */
static bool tell_delays(struct release *release, const struct settings *settings)
{
	uint64_t ids[TELL_AT_ONCE];

	if (settings->delay_notice_us <= 0)
		return false;
	size_t count = holdq_all_ids(release->queue, release->told_after, ids, TELL_AT_ONCE);
	for (size_t i = 0; i < count && !release->stop; i++) {
		if (!tell_if_old(release, settings, ids[i]))
			return false;
		release->told_after = ids[i];
	}
	return count == TELL_AT_ONCE;
}

/* --- the thread --------------------------------------------------------------------------- */

struct hours {
	int64_t rescan_us, tell_us;
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
	struct hours hours = { clock_mono_us() + RESCAN_US, 0 };

	pthread_mutex_lock(&release->lock);
	while (!release->stop) {
		int64_t now = clock_mono_us();
		if (now >= release->earliest_us)
			look_at_all(release, now);
		if (now >= hours.rescan_us || now >= hours.tell_us)
			do_rounds(release, &hours, now);
		clock_cond_wait_until(
			&release->tick, &release->lock, wait_until(release, &hours, now));
	}
	pthread_mutex_unlock(&release->lock);
	return NULL;
}
