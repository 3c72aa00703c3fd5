#define _GNU_SOURCE
#include "control/rounds.h"

#include <pthread.h>

#include "control/control.h"
#include "control/leader.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* A connection that nobody uses is closed by some server some day. */
#define IDLE (60 * CLOCK_SECOND)

struct rounds {
	struct control *control;
	const struct rounds_kind *kind;
	void *keeper;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	bool soon;

	/* of the thread: */
	struct ldap_session *session;
	bool trouble;
};

void rounds_lock(struct rounds *r)
{
	pthread_mutex_lock(&r->lock);
}

void rounds_unlock(struct rounds *r)
{
	pthread_mutex_unlock(&r->lock);
}

void rounds_wake(struct rounds *r, bool soon)
{
	r->soon = r->soon || soon;
	pthread_cond_signal(&r->wanted);
}

/* --- a round ---------------------------------------------------------------------------------- */

static void note(struct rounds *r, const char *error)
{
	if (error != NULL && !r->trouble)
		log_warning("control", "%s for now: %s", r->kind->fails, error);
	if (error == NULL && r->trouble)
		log_info("control", "%s", r->kind->well);
	r->trouble = error != NULL;
	if (r->trouble)
		ldap_session_close(&r->session);
}

static void do_round(struct rounds *r, const struct config *config)
{
	const struct ldap_options options = config_control_options(config);
	const char *error = NULL;

	if (leader_term(r->control->leader) == 0)
		return;
	if (r->session != NULL && ldap_session_ended(r->session))
		ldap_session_close(&r->session);
	if (r->session == NULL && (r->session = ldap_session_open(&options, &error)) == NULL)
		note(r, error);
	else if (r->kind->round(r->keeper, r->session, config, &error) < 0)
		note(r, error != NULL ? error : ldap_session_reason(r->session));
	else
		note(r, NULL);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wait_idle(struct rounds *r)
{
	if (r->session == NULL)
		pthread_cond_wait(&r->wanted, &r->lock);
	else if (clock_cond_wait_until(&r->wanted, &r->lock, clock_mono_us() + IDLE) != 0 &&
		 r->kind->waiting(r->keeper) == 0)
		ldap_session_close(&r->session);
}

/* False: the end. In trouble the pause is always waited out: whoever comes meanwhile finds the
 * directory as it was. */
static bool wait_for_work(struct rounds *r)
{
	pthread_mutex_lock(&r->lock);
	int64_t pause = r->trouble ? r->kind->trouble_us : r->kind->pause(r->keeper),
		until = clock_mono_us() + pause;
	while (!atomic_load(&r->control->stopping)) {
		if (r->kind->waiting(r->keeper) == 0)
			wait_idle(r);
		else if (clock_mono_us() >= until || (r->soon && !r->trouble))
			break;
		else
			clock_cond_wait_until(&r->wanted, &r->lock, until);
	}
	r->soon = false;
	pthread_mutex_unlock(&r->lock);
	return !atomic_load(&r->control->stopping);
}

static void *keep(void *context)
{
	struct rounds *r = context;

	pthread_setname_np(pthread_self(), r->kind->thread);
	while (wait_for_work(r)) {
		struct settings *settings = settings_hold(r->control);
		do_round(r, settings->config);
		settings_drop(&settings);
	}
	ldap_session_close(&r->session);
	return NULL;
}

static void dispose(struct rounds **rounds)
{
	pthread_mutex_destroy(&(*rounds)->lock);
	pthread_cond_destroy(&(*rounds)->wanted);
	mem_free(rounds);
}

int rounds_start(struct control *control, const struct rounds_kind *kind, void *keeper,
	struct rounds **rounds_r)
{
	struct rounds *r = mem_zalloc(sizeof *r);

	r->control = control;
	r->kind = kind;
	r->keeper = keeper;
	pthread_mutex_init(&r->lock, NULL);
	clock_cond_init(&r->wanted);
	*rounds_r = r;
	if (pthread_create(&r->thread, NULL, keep, r) == 0)
		return 0;
	dispose(rounds_r);
	return -1;
}

void rounds_stop(struct rounds **rounds)
{
	struct rounds *r = *rounds;

	pthread_mutex_lock(&r->lock);
	pthread_cond_broadcast(&r->wanted);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	dispose(rounds);
}
