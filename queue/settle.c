/* What the answers of a transaction mean for the held recipients: removed, returned or kept. */
#include <inttypes.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/leave.h"
#include "queue/release_core.h"
#include "queue/retry.h"

struct settling {
	struct job *job;
	struct leaving done, failed;
	bool delay_mailbox, delay_message, again;
	bool suspect, sound; /* of the listener: an odd answer; a clear one */
	int64_t now_us, wall_us;
};

/* --- one recipient ------------------------------------------------------------------------ */

static void log_recipient(const struct settling *s, enum log_level level, const char *what,
	const struct holdq_held_recipient *held, const struct answer *answer)
{
	char mailbox[RELEASE_VALUE], to[RELEASE_VALUE], text[RELEASE_VALUE];
	const struct holdq_envelope *envelope = &s->job->message->envelope;

	if (!log_wants(level))
		return;
	release_name(s->job->worker->release, s->job->box->mailbox, mailbox, sizeof mailbox);
	log_value(to, sizeof to, held->address);
	release_text(&answer->reply, text, sizeof text);
	(level == LOG_LEVEL_ERROR            ? log_error
		: level == LOG_LEVEL_WARNING ? log_warning
					     : log_info)("release",
		"%s id=%s number=%" PRIu64
		" mailbox=%s rcpt=%s stage=\"%s\" reply=\"%s\" held=%.3fs",
		what, envelope->id, s->job->message->id, mailbox, to, stage_name(answer->stage),
		text, (double)(s->wall_us - envelope->arrived_us) / 1e6);
}

static void log_delivered(const struct settling *s, const struct holdq_held_recipient *held,
	const struct smtp_recipient *target)
{
	char mailbox[RELEASE_VALUE], rcpt[RELEASE_VALUE], to[RELEASE_VALUE], text[RELEASE_VALUE];
	const struct holdq_envelope *envelope = &s->job->message->envelope;

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	release_name(s->job->worker->release, s->job->box->mailbox, mailbox, sizeof mailbox);
	log_value(rcpt, sizeof rcpt, held->address);
	log_value(to, sizeof to, target->address);
	release_text(&target->answer.reply, text, sizeof text);
	log_info("release",
		"delivered id=%s number=%" PRIu64
		" mailbox=%s rcpt=%s to=%s held=%.3fs reply=\"%s\"",
		envelope->id, s->job->message->id, mailbox, rcpt, to,
		(double)(s->wall_us - envelope->arrived_us) / 1e6, text);
}

static void recipient_done(struct settling *s, const struct holdq_held_recipient *held,
	const struct smtp_recipient *target)
{
	struct release *release = s->job->worker->release;

	leaving_add(&s->done, s->job, held, target, NULL);
	atomic_fetch_add(&release->delivered, 1);
	if (!s->job->is_notice)
		metric_observe(&release->held_times, &metric_waiting,
			s->wall_us - s->job->message->envelope.arrived_us);
	log_delivered(s, held, target);
}

static void recipient_failed(struct settling *s, const struct holdq_held_recipient *held,
	const struct smtp_recipient *target, bool expired)
{
	static const char *const words[2][2] = {
		{ "refused, dropped: nobody is to be told", "refused, returned to sender" },
		{ "expired, dropped: nobody is to be told", "expired, returned to sender" },
	};
	struct release *release = s->job->worker->release;

	bool told = leaving_add(&s->failed, s->job, held, target, expired ? "4.4.7" : NULL);
	atomic_fetch_add(expired ? &release->expired : &release->bounced, 1);
	if (s->job->is_notice)
		log_recipient(s, LOG_LEVEL_ERROR, "a notice cannot be delivered, dropped", held,
			&target->answer);
	else
		log_recipient(s, LOG_LEVEL_WARNING, words[expired][told], held, &target->answer);
}

/* Trouble of the listener since this message was last refused, or since its release began. */
static int64_t trouble_since(
	const struct settling *s, const struct holdq_held_recipient *held, int64_t trouble_clock)
{
	const struct box *box = s->job->box;
	const struct box_delay *delay = box_delay_find(box, s->job->message->id);
	int64_t mark = 0; /* refused before this process began: all of its trouble counts */

	if (delay != NULL)
		mark = delay->mark_us;
	else if (box->refused_id == s->job->message->id)
		mark = box->refused_mark_us;
	else if (held->release_began_us == 0)
		mark = box->mark_us;
	return trouble_clock - mark;
}

static int64_t trouble_clock_now(const struct settling *s)
{
	struct release *release = s->job->worker->release;

	pthread_mutex_lock(&release->lock);
	int64_t clock = relay_clock(&release_lane(release, s->job->box)->relay, s->now_us);
	pthread_mutex_unlock(&release->lock);
	return clock;
}

/* The record as it will be after this refusal. */
static void note_refusal(const struct settling *s, struct holdq_held_recipient *held,
	const struct smtp_recipient *target)
{
	struct str said = STR_INIT;
	int64_t arrived = s->job->message->envelope.arrived_us;

	held->trouble_us += trouble_since(s, held, trouble_clock_now(s));
	if (held->release_began_us == 0)
		held->release_began_us =
			s->job->box->began_us > arrived ? s->job->box->began_us : arrived;
	held->attempts++;
	mem_free(&held->last_reply);
	notice_veil(target->answer.reply.text, target->address, held->address, &said);
	held->last_reply = str_steal(&said); /* a delay notice may tell it */
}

static bool is_expired(const struct settling *s, const struct holdq_held_recipient *held)
{
	const struct box_delay *delay = box_delay_find(s->job->box, s->job->message->id);
	int64_t since = delay ? delay->since_us : s->job->box->since_us;
	const struct outcome_clock clock = {
		.began_us = held->release_began_us,
		.trouble_us = held->trouble_us,
		.since_us = since ? since : s->now_us,
		.wall_us = s->wall_us,
		.mono_us = s->now_us,
		.seen_all = held->release_began_us >= s->job->worker->release->started_us,
	};

	return outcome_expired(&clock, s->job->worker->settings->expire_us,
		s->job->worker->settings->retry_max_us);
}

/* A delay notice may have been written meanwhile: what it noted stays. */
static void write_record(struct release *release, uint64_t id, struct holdq_held_recipient *held)
{
	struct holdq_message *fresh;

	pthread_mutex_lock(&release->record);
	if (holdq_read(release->queue, id, &fresh) == HOLDQ_OK) {
		for (size_t i = 0; i < fresh->count; i++)
			if (fresh->recipients[i].number == held->number)
				held->delay_told = fresh->recipients[i].delay_told;
		holdq_message_free(&fresh);
		if (holdq_update(release->queue, id, held, NULL) == HOLDQ_FAILED)
			log_warning("release", "cannot note a refusal: %s", holdq_reason());
	}
	pthread_mutex_unlock(&release->record);
}

static void recipient_delayed(struct settling *s, struct holdq_held_recipient *held,
	const struct smtp_recipient *target, const struct outcome *outcome)
{
	note_refusal(s, held, target);
	if (is_expired(s, held)) {
		recipient_failed(s, held, target, true);
		return;
	}
	/* Those go to different places: one does not wait for another. */
	bool scattered = s->job->is_notice || s->job->is_redirected;
	if (outcome->action == OUTCOME_DELAY_MAILBOX && !scattered)
		s->delay_mailbox = true;
	else
		s->delay_message = true;
	atomic_fetch_add(&s->job->worker->release->deferred, 1);
	log_recipient(s, LOG_LEVEL_WARNING, "refused for now", held, &target->answer);
	write_record(s->job->worker->release, s->job->message->id, held);
}

/* Refusals from before a hold; settle_forget finds the records it knows of, but those of an earlier
 * process are many. */
static void start_over(const struct settling *s, struct holdq_held_recipient *held)
{
	int64_t seen_held = s->job->box->held_us;

	if (held->release_began_us >= seen_held || seen_held > s->wall_us)
		return;
	held->release_began_us = held->trouble_us = 0;
	held->attempts = 0;
}

static void settle_one(struct settling *s, const struct job_recipient *recipient)
{
	const struct smtp_recipient *target = &s->job->targets[recipient->target];
	const struct answer *answer = &target->answer;

	start_over(s, recipient->held);
	struct outcome outcome =
		outcome_decide(answer->stage, &answer->reply, recipient->held->attempts + 1);

	if (answer->stage == STAGE_LOST && s->job->kept && !s->job->content_failed) {
		s->again = true; /* a kept connection may end at any time: at once on a new one */
		return;
	}
	s->suspect |= outcome.suspect && !s->job->content_failed;
	s->sound |= answer->stage != STAGE_LOST && answer->stage != STAGE_UNCLEAR;
	switch (outcome.action) {
	case OUTCOME_DONE: recipient_done(s, recipient->held, target); break;
	case OUTCOME_BOUNCE: recipient_failed(s, recipient->held, target, false); break;
	default: recipient_delayed(s, recipient->held, target, &outcome); break;
	}
}

/* An odd answer may be the listener's fault; a clear one shows that it works. */
static void judge_listener(const struct settling *s)
{
	struct job *job = s->job;

	if (!s->suspect || s->done.count > 0) {
		if (s->sound)
			trouble_over(job->worker);
		return;
	}
	for (size_t i = 0; i < job->target_count; i++) {
		const struct answer *answer = &job->targets[i].answer;
		struct outcome outcome = outcome_decide(answer->stage, &answer->reply, 1);
		if (outcome.suspect) {
			trouble_suspected(job, answer, outcome.by_mailbox);
			break;
		}
	}
}

/* --- the message -------------------------------------------------------------------------- */

static void begin(struct settling *s)
{
	struct job *job = s->job;

	s->now_us = clock_mono_us();
	s->wall_us = clock_wall_us();
	if (job->box->began_us == 0) {
		job->box->began_us = s->wall_us;
		job->box->mark_us = trouble_clock_now(s);
	}
	leaving_init(&s->done, job->worker->lane->endpoint.lmtp ? NOTICE_DELIVERED : NOTICE_RELAYED,
		job->count);
	leaving_init(&s->failed, NOTICE_FAILED, job->count);
}

static void step_aside(struct settling *s)
{
	struct job *job = s->job;
	const struct settings *settings = job->worker->settings;
	const struct box_delay *old = box_delay_find(job->box, job->message->id);
	unsigned attempts = 1;

	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].held->attempts > attempts)
			attempts = job->recipients[i].held->attempts;
	const struct box_delay delay = {
		.id = job->message->id,
		.due_us = s->now_us +
			  retry_delay(settings->retry_min_us, settings->retry_max_us, attempts),
		.since_us = old                  ? old->since_us
			    : job->box->since_us ? job->box->since_us
						 : s->now_us,
		.mark_us = trouble_clock_now(s),
	};
	box_delay_set(job->box, &delay);
	job->delayed = true;
}

/* The mailbox waits, with this message or with one that had stepped aside. */
static void delay_mailbox(struct settling *s)
{
	struct box *box = s->job->box;
	struct box_delay *delay = box_delay_find(box, s->job->message->id);

	box->failures++;
	if (box->since_us == 0)
		box->since_us = s->now_us;
	if (delay != NULL) {
		delay->mark_us = trouble_clock_now(s);
		return;
	}
	box->refused_id = s->job->message->id;
	box->refused_mark_us = trouble_clock_now(s);
}

static enum step end(struct settling *s)
{
	struct box *box = s->job->box;

	if (s->done.count > 0) {
		box->failures = 0;
		box->since_us = 0;
	}
	if (s->delay_mailbox) {
		delay_mailbox(s);
		return STEP_DELAY;
	}
	if (s->again)
		return STEP_AGAIN;
	if (s->delay_message)
		step_aside(s);
	else
		box_delay_forget(box, s->job->message->id);
	return STEP_NEXT;
}

enum step job_settle(struct job *job)
{
	struct settling s = { .job = job };

	begin(&s);
	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].fate == FATE_SEND)
			settle_one(&s, &job->recipients[i]);
	judge_listener(&s);
	bool broken = leaving_delivered(&s.done, job) < 0 ||
		      leaving_failed(&s.failed, job, &s.delay_message) < 0;
	enum step step = broken ? STEP_BROKEN : end(&s);
	leaving_clear(&s.done);
	leaving_clear(&s.failed);
	return step;
}

static void forget_one(
	struct release *release, struct box *box, uint64_t id, struct holdq_held_recipient *held)
{
	if (memcmp(held->mailbox, box->mailbox, ROUTE_UUID_BYTES) != 0 ||
		held->release_began_us == 0)
		return;
	held->release_began_us = held->trouble_us = 0;
	held->attempts = 0;
	write_record(release, id, held);
}

static void forget_message(
	struct release *release, struct box *box, const struct holdq_message *message)
{
	for (size_t i = 0; i < message->count; i++)
		forget_one(release, box, message->id, &message->recipients[i]);
}

void settle_forget(struct worker *worker, struct box *box, const struct holdq_message *message)
{
	struct release *release = worker->release;
	struct holdq_message *delayed;

	forget_message(release, box, message);
	for (size_t i = 0; i < box->delay_count; i++) {
		if (holdq_read(release->queue, box->delays[i].id, &delayed) != HOLDQ_OK)
			continue;
		forget_message(release, box, delayed);
		holdq_message_free(&delayed);
	}
	mem_free(&box->delays);
	box->delay_count = 0;
	box->failures = 0;
	box->began_us = box->since_us = 0;
	box->refused_id = 0;
	box->cursor = 0;
	box->vanished = 0;
	box->held_us = clock_wall_us();
}
