#define _GNU_SOURCE
#include "dirsync/keeper.h"

#include <pthread.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TICK  (200 * CLOCK_MS)
#define LOOK  CLOCK_SECOND /* at the moves */
#define RETRY CLOCK_SECOND
#define WATCH (10 * CLOCK_MS)  /* for the epoch */
#define YIELD (100 * CLOCK_MS) /* to who raised it */

/* State 5: the hold is set, the fence is being passed. */
#define PRESSING "(&(objectClass=restanteMove)(restanteMoveState=5)(!(restanteMoveOutcome=*)))"

struct keeper {
	struct keeper_options options;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool end, watching;
	atomic_bool lost, pressing;
	_Atomic int64_t give_way_us;
	struct str epoch; /* as it was seen last */
	struct ldap_session *session;
	int64_t renew_at_us, look_at_us; /* monotonic */
};

static void lose(struct keeper *k, const char *why)
{
	if (!atomic_exchange(&k->lost, true))
		log_warning("sync", "the lease is lost, the run ends system=%s: %s",
			k->options.system, why);
	atomic_store(k->options.stop, true);
}

static void renew(struct keeper *k)
{
	const char *error = "";
	enum ldap_result result = LDAP_DOWN;

	if (k->session == NULL)
		k->session = ldap_session_open(k->options.ldap, &error);
	if (k->session != NULL)
		result = backend_lease(k->session, k->options.backend, k->options.direction,
			k->options.holder, k->options.length_us, k->options.watch, &error);
	int64_t now = clock_mono_us();
	if (result == LDAP_DONE) {
		k->renew_at_us = now + k->options.length_us / 3;
		return;
	}
	k->renew_at_us = now + RETRY;
	if (result == LDAP_ASSERTION || !backend_leased(k->options.watch, k->options.length_us))
		lose(k, error);
	if (result == LDAP_DOWN)
		ldap_session_close(&k->session);
}

static int found(void *context, const struct ldap_entry *entry)
{
	(void)entry;
	*(bool *)context = true;
	return -1;
}

static void look(struct keeper *k)
{
	static const char *const nothing[] = { "1.1", NULL };
	struct str dn = STR_INIT;
	bool pressing = false;
	const char *error;

	k->look_at_us = clock_mono_us() + LOOK;
	if (k->session == NULL)
		k->session = ldap_session_open(k->options.ldap, &error);
	if (k->session == NULL)
		return;
	str_append_z(&dn, "ou=moves,");
	federation_dn(k->options.ldap->base, &dn);
	enum ldap_result result = ldap_session_search(
		k->session, dn.data, LDAP_ONE, PRESSING, nothing, found, &pressing);
	str_free(&dn);
	if (result == LDAP_DONE)
		atomic_store(&k->pressing, pressing);
	else if (result == LDAP_DOWN)
		ldap_session_close(&k->session);
}

/* The first look only learns what it is. */
static void note_epoch(struct keeper *k, const char *epoch)
{
	int64_t now = clock_mono_us();
	bool raised = k->epoch.len > 0 && strcmp(k->epoch.data, epoch) != 0;

	str_reset(&k->epoch);
	str_append_z(&k->epoch, epoch);
	if (raised && now >= atomic_load(&k->give_way_us) + YIELD)
		atomic_store(&k->give_way_us, now + YIELD);
}

static void watch_epoch(struct keeper *k)
{
	static const char *const wanted[] = { "restanteEpoch", NULL };
	struct ldap_entry *entry = NULL;
	struct str dn = STR_INIT;

	federation_dn(k->options.ldap->base, &dn);
	enum ldap_result result = ldap_session_read(k->session, dn.data, wanted, &entry);
	if (result == LDAP_DONE) {
		const char *epoch = ldap_entry_value(entry, "restanteEpoch");
		note_epoch(k, epoch != NULL ? epoch : "none");
	}
	ldap_entry_free(&entry);
	str_free(&dn);
	if (result == LDAP_DOWN)
		ldap_session_close(&k->session);
}

static void tick(struct keeper *k, bool watching)
{
	int64_t now = clock_mono_us();

	if (k->options.from != NULL && atomic_load(k->options.from))
		atomic_store(k->options.stop, true);
	if (now >= k->renew_at_us && !atomic_load(&k->lost))
		renew(k);
	if (now >= k->look_at_us)
		look(k);
	if (watching && k->session != NULL)
		watch_epoch(k);
}

static void *keep(void *context)
{
	struct keeper *k = context;

	pthread_setname_np(pthread_self(), "keeper");
	pthread_mutex_lock(&k->lock);
	while (!k->end) {
		bool watching = k->watching;

		pthread_mutex_unlock(&k->lock);
		tick(k, watching);
		pthread_mutex_lock(&k->lock);
		if (!k->end)
			clock_cond_wait_until(
				&k->wake, &k->lock, clock_mono_us() + (k->watching ? WATCH : TICK));
	}
	pthread_mutex_unlock(&k->lock);
	ldap_session_close(&k->session);
	str_free(&k->epoch);
	return NULL;
}

struct keeper *keeper_start(const struct keeper_options *options)
{
	struct keeper *k = mem_zalloc(sizeof *k);

	k->options = *options;
	k->renew_at_us = clock_mono_us() + options->length_us / 3;
	pthread_mutex_init(&k->lock, NULL);
	clock_cond_init(&k->wake);
	if (pthread_create(&k->thread, NULL, keep, k) == 0)
		return k;
	mem_free(&k);
	return NULL;
}

void keeper_stop(struct keeper **keeper)
{
	struct keeper *k = *keeper;

	if (k == NULL)
		return;
	pthread_mutex_lock(&k->lock);
	k->end = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	mem_free(keeper);
}

bool keeper_lost(const struct keeper *keeper)
{
	return atomic_load(&keeper->lost);
}

bool keeper_pressing(const struct keeper *keeper)
{
	return atomic_load(&keeper->pressing);
}

void keeper_watch(struct keeper *keeper, bool on)
{
	pthread_mutex_lock(&keeper->lock);
	keeper->watching = on;
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&keeper->lock);
}

int64_t keeper_give_way(const struct keeper *keeper)
{
	return atomic_load(&keeper->give_way_us);
}
