/* One message of one mailbox: look-up, transaction, answer. */
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release_core.h"

/* --- what else the look-up said ---------------------------------------------------------- */

static void rehome(struct job *job, const struct job_recipient *recipient)
{
	struct release *release = job->worker->release;
	enum holdq_result result = holdq_rehome(
		release->queue, job->message->id, recipient->held->number, recipient->owner);

	if (result != HOLDQ_OK && result != HOLDQ_GONE)
		log_warning("release", "cannot file under its new owner id=%s: %s",
			job->message->envelope.id, holdq_reason());
	pthread_mutex_lock(&release->lock);
	struct box *box = box_find(&release->table, recipient->owner);
	if (box != NULL)
		box->woken = true; /* its place may be before what was looked at already */
	release_stored(release, recipient->owner);
	pthread_mutex_unlock(&release->lock);
}

static bool any(const struct job *job, enum fate fate)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].fate == fate)
			return true;
	return false;
}

static void count_vanished(struct job *job)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].fate == FATE_NOBODY)
			job->box->vanished++;
}

/* Whatever became of the others. */
static void rehome_all(struct job *job)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].fate == FATE_REHOME)
			rehome(job, &job->recipients[i]);
}

static enum step conclude(struct job *job)
{
	enum step step = job->target_count > 0 ? job_settle(job) : STEP_NEXT;

	if (step != STEP_NEXT && step != STEP_AGAIN)
		return step;
	if (any(job, FATE_HELD) || any(job, FATE_UNDECIDED)) {
		settle_forget(job->worker, job->box, job->message);
		return any(job, FATE_HELD) ? STEP_HELD : STEP_UNDECIDED;
	}
	if (step == STEP_NEXT && !job->delayed && any(job, FATE_LATER))
		return STEP_AGAIN;
	if (step == STEP_NEXT)
		count_vanished(job);
	return step;
}

/* --- a message --------------------------------------------------------------------------- */

static void select_recipients(struct job *job)
{
	struct holdq_message *message = job->message;

	job->recipients = mem_zalloc((message->count + 1) * sizeof *job->recipients);
	for (size_t i = 0; i < message->count; i++)
		if (memcmp(message->recipients[i].mailbox, job->box->mailbox, ROUTE_UUID_BYTES) ==
			0)
			job->recipients[job->count++].held = &message->recipients[i];
}

static enum step cannot_read(
	struct worker *worker, struct box *box, uint64_t id, enum holdq_result result)
{
	const struct settings *settings = worker->settings;

	if (result == HOLDQ_GONE) {
		box_delay_forget(box, id);
		return STEP_NEXT;
	}
	log_error("release", "cannot read a held message number=%llu: %s", (unsigned long long)id,
		holdq_reason());
	if (result == HOLDQ_BROKEN)
		return STEP_BROKEN;
	struct box_delay delay = { .id = id, .due_us = clock_mono_us() + settings->retry_max_us };
	delay.since_us = clock_mono_us();
	box_delay_set(box, &delay);
	return STEP_NEXT;
}

static enum step attempt(struct worker *worker, struct box *box, uint64_t id)
{
	struct job *job = &worker->job;
	struct holdq_message *message;

	enum holdq_result result = holdq_read(worker->release->queue, id, &message);
	if (result != HOLDQ_OK)
		return cannot_read(worker, box, id, result);
	job->worker = worker;
	job->box = box;
	job->message = message;
	job->is_notice = job_is_notices(box->mailbox);
	job->is_redirected = memcmp(box->mailbox, holdq_redirected, ROUTE_UUID_BYTES) == 0;
	job->content_failed = job->kept = job->delayed = false;
	job->count = job->target_count = 0;
	select_recipients(job);
	enum step step = STEP_NEXT;
	if (job->count == 0)
		box_delay_forget(box, id);
	else
		step = job_send(job);
	if (job->count > 0 && step == STEP_NEXT)
		step = conclude(job);
	rehome_all(job);
	for (size_t i = 0; i < SMTP_RCPT_MAX; i++)
		str_free(&job->joined[i]);
	mem_free(&job->recipients);
	holdq_message_free(&job->message);
	return step;
}

enum step job_run(struct worker *worker, struct box *box, uint64_t id)
{
	enum step step;

	do
		step = attempt(worker, box, id);
	while (step == STEP_AGAIN && !worker->release->stop);
	return step == STEP_AGAIN ? STEP_MORE : step;
}
