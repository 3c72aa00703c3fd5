/* Where the recipients of a message go: which of them, by which lane. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "queue/params.h"
#include "queue/release_core.h"

#define TELL_WRONG_US (60 * CLOCK_SECOND)

bool job_is_notices(const uint8_t *mailbox)
{
	return memcmp(mailbox, holdq_notices, ROUTE_UUID_BYTES) == 0;
}

/* Its sender hears what he asked for, for either of them. */
static void join_target(struct job *job, size_t i, const struct holdq_held_recipient *held)
{
	struct smtp_recipient *target = &job->targets[i];
	struct str joined = STR_INIT;

	if (params_join(target->params, held->params, &joined) == NULL)
		return;
	if (params_lists(target->params, "NOTIFY", "NEVER"))
		target->original = held->address;
	str_free(&job->joined[i]);
	job->joined[i] = joined;
	target->params = str_cstr(&job->joined[i]);
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
		job->targets[i].original = recipient->held->address;
		job->target_count++;
	} else {
		join_target(job, i, recipient->held);
	}
	recipient->fate = FATE_SEND;
	recipient->target = i;
}

static struct lane *mta_lane(struct release *release)
{
	pthread_mutex_lock(&release->lock);
	struct lane *lane = release->mta;
	pthread_mutex_unlock(&release->lock);
	return lane;
}

/* A notice has one recipient, who may be longer than an address of ours. */
static void add_sender(struct job *job, struct job_recipient *recipient)
{
	job->targets[0].address = recipient->held->address;
	job->targets[0].params = recipient->held->params;
	job->targets[0].original = NULL;
	job->target_count = 1;
	recipient->fate = FATE_SEND;
	recipient->target = 0;
}

/* What no look-up changes goes through the MTA. */
static void add_as_it_stands(struct job *job, struct job_recipient *recipient)
{
	job->lane = mta_lane(job->worker->release);
	if (job->is_notice)
		add_sender(job, recipient);
	else
		add_target(job, recipient, recipient->held->address);
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

static bool is_of_another(const struct job *job, const struct route *route)
{
	const uint8_t *owner = route->facts.uuid;

	return !job_is_notices(owner) && memcmp(owner, job->box->mailbox, ROUTE_UUID_BYTES) != 0;
}

static enum fate fate_of(const struct job *job, const struct route *route)
{
	bool other = is_of_another(job, route);

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

/* The entry is the same for a thousand mailboxes. */
static void tell_wrong(struct release *release, const char *system, const char *error)
{
	char name[RELEASE_VALUE];
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&release->lock);
	bool tell = release->wrong_told_us == 0 || now - release->wrong_told_us > TELL_WRONG_US;
	if (tell)
		release->wrong_told_us = now;
	pthread_mutex_unlock(&release->lock);
	if (tell)
		log_error("release",
			"held mail waits, the system's entry does not say where to: %s; see "
			"restanteReleaseAddress, restanteReleaseProtocol and restanteReleaseTLS "
			"system=%s",
			error, log_value(name, sizeof name, system));
}

static struct lane *lane_to(struct release *release, const char *system, const char **error_r)
{
	const struct release_hooks *hooks = &release->hooks;
	struct release_target target;

	int straight = hooks->straight == NULL
			       ? 0
			       : hooks->straight(hooks->context, system, &target, error_r);
	if (straight <= 0)
		return straight < 0 ? NULL : mta_lane(release);
	pthread_mutex_lock(&release->lock);
	struct lane *lane = lane_get(&release->lanes, system, target.listener, target.tls, error_r);
	if (release_make_workers(release) < 0)
		log_warning("release", "cannot start more workers");
	pthread_mutex_unlock(&release->lock);
	return lane;
}

struct lane *job_lane_so_far(const struct job *job)
{
	struct release *release = job->worker->release;

	pthread_mutex_lock(&release->lock);
	struct lane *lane = release_lane(release, job->box);
	pthread_mutex_unlock(&release->lock);
	return lane;
}

/*
 * One transaction goes to one place. An address that is another mailbox's by now comes along where
 * that is on the way; else it is filed there, so that neither waits for the other's listener.
 */
static bool find_lane(struct job *job, struct job_recipient *recipient, const char *system)
{
	const char *error = "";
	struct lane *lane = lane_to(job->worker->release, system, &error);

	if (lane == NULL) {
		tell_wrong(job->worker->release, system, error);
		job->reason = error;
		recipient->fate = FATE_UNDECIDED;
		return false;
	}
	if (job->lane == NULL && (!recipient->of_another || lane == job_lane_so_far(job)))
		job->lane = lane;
	if (job->lane != lane)
		recipient->fate = recipient->of_another ? FATE_REHOME : FATE_LATER;
	return job->lane == lane;
}

/* Those that are the mailbox's own come first: they say where the job goes. */
static void route_one(struct job *job, struct job_recipient *recipient, bool others)
{
	const struct release_hooks *hooks = &job->worker->release->hooks;
	struct route route;

	if (job->is_notice || job->is_redirected) {
		add_as_it_stands(job, recipient);
		return;
	}
	hooks->route(hooks->context, recipient->held->address, &route);
	recipient->fate = fate_of(job, &route);
	recipient->of_another = recipient->fate == FATE_SEND && is_of_another(job, &route);
	if (recipient->fate != FATE_SEND)
		job->reason = route.reason;
	else if (recipient->of_another && !others)
		recipient->fate = FATE_LATER;
	else if (find_lane(job, recipient, route.facts.system))
		add_target(job, recipient, route.facts.physical);
	memcpy(recipient->owner, route.facts.uuid, ROUTE_UUID_BYTES);
}

void job_route(struct job *job)
{
	job->target_count = 0;
	job->lane = NULL;
	for (size_t i = 0; i < job->count; i++) {
		job->recipients[i].of_another = false;
		route_one(job, &job->recipients[i], false);
	}
	for (size_t i = 0; i < job->count; i++)
		if (job->recipients[i].of_another)
			route_one(job, &job->recipients[i], true);
}
