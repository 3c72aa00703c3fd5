/* One message of one mailbox: look-up, transaction, answer. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/received.h"
#include "queue/release_core.h"

/* --- where it goes ----------------------------------------------------------------------- */

static bool is_zero(const uint8_t *uuid)
{
	return memcmp(uuid, holdq_notices, ROUTE_UUID_BYTES) == 0;
}

/* Recipients that lead to one place become one (DESIGN section 4). */
static void add_target(struct job *job, struct job_recipient *recipient, const char *address)
{
	size_t i = 0;

	while (i < job->target_count && strcasecmp(job->addresses[i], address) != 0)
		i++;
	if (i == SMTP_RCPT_MAX) {
		recipient->fate = FATE_LATER;
		return;
	}
	if (i == job->target_count) {
		size_t len = strnlen(address, ADDRESS_MAX);
		memcpy(job->addresses[i], address, len);
		job->addresses[i][len] = '\0';
		job->targets[i].address = job->addresses[i];
		job->targets[i].params = recipient->held->params;
		job->target_count++;
	}
	recipient->fate = FATE_SEND;
	recipient->target = i;
}

/* A notice has one recipient, who may be longer than an address of ours. */
static void add_sender(struct job *job, struct job_recipient *recipient)
{
	job->targets[0].address = recipient->held->address;
	job->targets[0].params = recipient->held->params;
	job->target_count = 1;
	recipient->fate = FATE_SEND;
	recipient->target = 0;
}

/*
 * The mailbox is gone and its address has fallen to the catch-all or to postmaster's: they get what
 * comes from now on, but what was held for somebody else stays held.
 */
static bool fell_through(const struct job *job, const struct route_facts *facts)
{
	const struct release_hooks *hooks = &job->worker->release->hooks;
	const uint8_t *mailbox = job->box->mailbox;

	if (facts->match != MATCH_CATCHALL && facts->match != MATCH_POSTMASTER)
		return false;
	return memcmp(facts->uuid, mailbox, ROUTE_UUID_BYTES) != 0 && hooks->known != NULL &&
	       !hooks->known(hooks->context, mailbox);
}

static enum fate fate_of(const struct job *job, const struct route *route)
{
	const uint8_t *owner = route->facts.uuid;
	bool other = !is_zero(owner) && memcmp(owner, job->box->mailbox, ROUTE_UUID_BYTES) != 0;

	if (fell_through(job, &route->facts))
		return FATE_NOBODY;
	switch (route->verdict) {
	case ROUTE_REWRITE: return FATE_SEND;
	case ROUTE_HOLD: return other ? FATE_REHOME : FATE_HELD;
	case ROUTE_DEFER: return other ? FATE_REHOME : FATE_UNDECIDED;
	case ROUTE_NOBODY:
	case ROUTE_LEAVE: return FATE_NOBODY;
	case ROUTE_TRYAGAIN: break;
	}
	/* Something about this one address, not about what the mailbox or we know: others go on. */
	if (route->facts.claims > 1 || route->facts.vanished ||
		(route->facts.match == MATCH_BARE && route->facts.physical_fault != NULL))
		return FATE_NOBODY;
	return FATE_UNDECIDED;
}

static void route_one(struct job *job, struct job_recipient *recipient)
{
	const struct release_hooks *hooks = &job->worker->release->hooks;
	struct route route;

	if (job->is_notice) {
		add_sender(job, recipient);
		return;
	}
	hooks->route(hooks->context, recipient->held->address, &route);
	recipient->fate = fate_of(job, &route);
	if (recipient->fate == FATE_SEND)
		add_target(job, recipient, route.facts.physical);
	else
		job->reason = route.reason;
	memcpy(recipient->owner, route.facts.uuid, ROUTE_UUID_BYTES);
}

static void route_all(struct job *job)
{
	job->target_count = 0;
	for (size_t i = 0; i < job->count; i++)
		route_one(job, &job->recipients[i]);
}

/* --- the session ------------------------------------------------------------------------- */

static bool permitted(struct worker *worker)
{
	struct release *release = worker->release;

	pthread_mutex_lock(&release->lock);
	bool in = worker->probe ||
		  (!release->stop && relay_enter(&release->relay, clock_mono_us(), &worker->probe));
	pthread_mutex_unlock(&release->lock);
	return in;
}

static void count_connection(struct worker *worker)
{
	struct release *release = worker->release;
	bool open = smtp_is_open(worker->smtp);

	if (open == worker->connected)
		return;
	pthread_mutex_lock(&release->lock);
	release->connections += open ? 1 : 0;
	release->connections -= open ? 0 : 1;
	pthread_mutex_unlock(&release->lock);
	worker->connected = open;
}

static unsigned other_connections(struct worker *worker)
{
	struct release *release = worker->release;

	pthread_mutex_lock(&release->lock);
	unsigned count = release->connections;
	pthread_mutex_unlock(&release->lock);
	return count;
}

static enum step connect_session(struct worker *worker, struct box *box)
{
	struct answer failure;

	smtp_quit(worker->smtp);
	count_connection(worker);
	if (smtp_open(worker->smtp, &worker->settings->smtp, &failure) == 0) {
		count_connection(worker);
		return STEP_NEXT;
	}
	/* "Too many connections" is an answer to this one; the others work. */
	if (failure.reply.code == 421 && other_connections(worker) > 0) {
		box->failures = 1;
		return STEP_DELAY;
	}
	trouble_found(worker, &failure);
	return STEP_PARK;
}

/* --- the transaction --------------------------------------------------------------------- */

static int read_content(void *context, uint64_t offset, void *buffer, size_t size, size_t *len_r)
{
	struct job *job = context;

	return holdq_content(job->worker->release->queue, job->message->id, offset, buffer, size,
		       len_r) == HOLDQ_OK
		       ? 0
		       : -1;
}

static const char *only_recipient(const struct job *job)
{
	const char *only = NULL;

	for (size_t i = 0; i < job->count; i++) {
		if (job->recipients[i].fate != FATE_SEND)
			continue;
		if (only != NULL)
			return NULL;
		only = job->recipients[i].held->address;
	}
	return only;
}

static void transact(struct job *job)
{
	struct worker *worker = job->worker;
	struct str received = STR_INIT;

	if (!job->is_notice)
		received_write(&job->message->envelope, worker->settings->hostname,
			only_recipient(job), &received);
	struct smtp_mail mail = {
		.sender = job->is_notice ? "" : job->message->envelope.sender,
		.params = job->message->envelope.mail_params,
		.prefix = str_cstr(&received),
		.bytes = job->message->bytes,
		.read = read_content,
		.context = job,
		.recipients = job->targets,
		.count = job->target_count,
	};
	job->kept = smtp_used(worker->smtp) > 0;
	job->dsn = smtp_reports(worker->smtp);
	smtp_send(worker->smtp, &mail);
	job->content_failed = mail.content_failed;
	str_free(&received);
	count_connection(worker);
}

static void tell_unclear(const struct job *job)
{
	const struct release_hooks *hooks = &job->worker->release->hooks;

	for (size_t i = 0; i < job->target_count; i++)
		if (job->targets[i].answer.stage == STAGE_UNCLEAR)
			hooks->unclear(hooks->context, job->targets[i].address);
}

static void set_transacting(struct worker *worker, bool on)
{
	pthread_mutex_lock(&worker->release->lock);
	worker->transacting = on;
	pthread_mutex_unlock(&worker->release->lock);
}

/* True: it was sent, or there was nothing to send; false: there is no session for it. */
static bool decide_and_send(struct job *job)
{
	const struct release_hooks *hooks = &job->worker->release->hooks;
	bool ready = smtp_is_ready(job->worker->smtp);

	set_transacting(job->worker, true);
	uint64_t token = hooks->begin(hooks->context);
	route_all(job);
	if (job->target_count > 0 && ready) {
		transact(job);
		tell_unclear(job);
	}
	hooks->end(hooks->context, token);
	set_transacting(job->worker, false);
	return ready || job->target_count == 0;
}

/* The look-up comes right before MAIL, so a session is made first and the look-up done again. */
static enum step send_job(struct job *job)
{
	if (!permitted(job->worker)) {
		/* Whether it is held can be told without the listener. */
		smtp_quit(job->worker->smtp);
		count_connection(job->worker);
		return decide_and_send(job) ? STEP_NEXT : STEP_PARK;
	}
	if (decide_and_send(job))
		return STEP_NEXT;
	enum step step = connect_session(job->worker, job->box);
	if (step != STEP_NEXT || decide_and_send(job))
		return step;
	struct answer gone = { .stage = STAGE_EHLO };
	reply_set(&gone.reply, "closing as soon as it has greeted");
	trouble_found(job->worker, &gone);
	return STEP_PARK;
}

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

static enum step conclude(struct job *job)
{
	enum step step = job->target_count > 0 ? job_settle(job) : STEP_NEXT;

	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].fate == FATE_REHOME)
			rehome(job, &job->recipients[i]);
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
	job->is_notice = is_zero(box->mailbox);
	job->content_failed = job->kept = job->delayed = false;
	job->count = job->target_count = 0;
	select_recipients(job);
	enum step step = STEP_NEXT;
	if (job->count == 0)
		box_delay_forget(box, id);
	else
		step = send_job(job);
	if (job->count > 0 && step == STEP_NEXT)
		step = conclude(job);
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
