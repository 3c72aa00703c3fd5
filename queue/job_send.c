/* One message on its way through a session of its lane. */
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/secret.h"
#include "queue/received.h"
#include "queue/release_core.h"
#include "queue/seat.h"

/* --- the session ------------------------------------------------------------------------- */

static bool permitted(struct worker *worker, struct lane *lane)
{
	struct release *release = worker->release;
	bool probe = false;

	pthread_mutex_lock(&release->lock);
	if (worker->probe != NULL && worker->probe != lane) {
		relay_let_go(&worker->probe->relay);
		worker->probe = NULL;
	}
	bool in = worker->probe == lane ||
		  (!release->stop && relay_enter(&lane->relay, clock_mono_us(), &probe));
	if (probe)
		worker->probe = lane;
	pthread_mutex_unlock(&release->lock);
	return in;
}

/* It goes to the line of another lane, where times of trouble are told by another clock. */
static void change_lane(struct job *job)
{
	struct release *release = job->worker->release;
	struct box *box = job->box;
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&release->lock);
	int64_t ahead = relay_clock(&job->lane->relay, now) -
			relay_clock(&release_lane(release, box)->relay, now);
	box->mark_us += ahead;
	box->refused_mark_us += ahead;
	for (size_t i = 0; i < box->delay_count; i++)
		box->delays[i].mark_us += ahead;
	box->lane = job->lane == release->mta ? NULL : job->lane;
	box->line = box->lane ? &box->lane->line : &release->mta_line;
	pthread_mutex_unlock(&release->lock);
}

static unsigned other_connections(struct worker *worker)
{
	struct release *release = worker->release;

	pthread_mutex_lock(&release->lock);
	unsigned count = worker->lane->connections;
	pthread_mutex_unlock(&release->lock);
	return count;
}

static void end_session(struct worker *worker)
{
	smtp_quit(worker->smtp);
	seat_count(worker);
}

static int refuse(struct answer *failure, enum stage stage, const char *why)
{
	failure->stage = stage;
	reply_set(&failure->reply, why);
	failure->reply.code = 0;
	return -1;
}

static void set_lane(struct worker *worker, struct lane *lane)
{
	pthread_mutex_lock(&worker->release->lock);
	worker->lane = lane;
	pthread_mutex_unlock(&worker->release->lock);
}

static int open_session(struct worker *worker, struct lane *lane, struct answer *failure)
{
	struct system_settings *system = settings_system(worker->settings, lane->system);
	struct smtp_settings smtp = {
		.endpoint = lane->endpoint,
		.hostname = worker->settings->hostname,
		.tls_required = lane->mode > RELEASE_TLS_MAY,
		.certificate_name = system->certificate_name,
		.auth_user = system->auth_user,
		.auth_in_clear = system->auth_in_clear,
		.timeout_us = worker->settings->timeout_us,
	};
	const char *error;

	set_lane(worker, lane);
	if (settings_tls(worker->release, system, lane->mode, &smtp.tls, &error) < 0)
		return refuse(failure, STAGE_TLS, error);
	if (system->password_file != NULL &&
		(smtp.password = secret_read(system->password_file, &error)) == NULL)
		return refuse(failure, STAGE_AUTH, error);
	int done = smtp_open(worker->smtp, &smtp, failure);
	mem_free_secret(&smtp.password);
	return done;
}

static enum step connect_session(struct worker *worker, struct box *box, struct lane *lane)
{
	struct answer failure;

	end_session(worker);
	if (open_session(worker, lane, &failure) == 0) {
		seat_count(worker);
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
		.hop_limit = job->is_notice ? 0 : worker->settings->hop_limit,
		.recipients = job->targets,
		.count = job->target_count,
	};
	job->kept = smtp_used(worker->smtp) > 0;
	job->dsn = smtp_reports(worker->smtp);
	smtp_send(worker->smtp, &mail);
	job->content_failed = mail.content_failed;
	str_free(&received);
	seat_count(worker);
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

enum sent {
	SENT,       /* or there was nothing to send */
	NO_SESSION, /* for it */
	ELSEWHERE,  /* it goes to another lane */
};

static enum sent decide_and_send(struct job *job, const struct lane *lane, bool ready)
{
	const struct release_hooks *hooks = &job->worker->release->hooks;

	int64_t began_us = clock_mono_us();

	set_transacting(job->worker, true);
	uint64_t token = hooks->begin(hooks->context);
	job_route(job);
	bool here = job->target_count == 0 || job->lane == lane;
	if (job->target_count > 0 && here && ready) {
		transact(job);
		tell_unclear(job);
		metric_observe(&job->lane->times, &metric_work, clock_mono_us() - began_us);
	}
	hooks->end(hooks->context, token);
	set_transacting(job->worker, false);
	if (!here)
		return ELSEWHERE;
	return ready || job->target_count == 0 ? SENT : NO_SESSION;
}

static bool is_ready(struct worker *worker, const struct lane *lane)
{
	return worker->lane == lane && smtp_is_ready(worker->smtp);
}

/* A session, and the right to send a message now: whatever takes time comes before the look-up. */
static enum step get_ready(struct job *job, struct lane *lane)
{
	struct worker *worker = job->worker;

	if (!pace_wait(worker, job->box, lane))
		return STEP_MORE;
	return is_ready(worker, lane) ? STEP_NEXT : connect_session(worker, job->box, lane);
}

static enum step closed_at_once(struct worker *worker)
{
	struct answer gone;

	refuse(&gone, STAGE_EHLO, "closing as soon as it has greeted");
	trouble_found(worker, &gone);
	return STEP_PARK;
}

/* Whether it is held, and if not, which line it belongs to. */
static enum step find_line(struct job *job)
{
	if (decide_and_send(job, NULL, false) == SENT)
		return STEP_NEXT;
	change_lane(job);
	return STEP_MORE;
}

/* The look-up comes right before MAIL, so a session is made first and the look-up done again. */
enum step job_send(struct job *job)
{
	struct worker *worker = job->worker;

	if (job->box->line == NULL)
		return find_line(job);
	struct lane *lane = job_lane_so_far(job);
	bool may = permitted(worker, lane);

	/* Whether it is held, or goes elsewhere now, can be told without the listener. */
	if (!may && worker->lane == lane)
		end_session(worker);
	bool ready = may && is_ready(worker, lane) && pace_take(worker, lane);
	enum sent sent = decide_and_send(job, lane, ready);
	if (sent == NO_SESSION && !may)
		return STEP_PARK;
	if (sent == NO_SESSION) {
		enum step step = get_ready(job, lane);
		if (step != STEP_NEXT)
			return step;
		sent = decide_and_send(job, lane, is_ready(worker, lane));
	}
	if (sent == ELSEWHERE)
		change_lane(job);
	if (sent == NO_SESSION)
		return closed_at_once(worker);
	return sent == SENT ? STEP_NEXT : STEP_MORE;
}
