#define _GNU_SOURCE
#include "control/leader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/store.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/log.h"
#include "lib/mem.h"

struct lease {
	char *holder, *term, *expiry; /* as they stand there, "" = absent */
};

struct leader {
	struct control *control;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	bool look_now;

	/* guarded: */
	uint64_t term;    /* ours, 0 = none */
	int64_t since_us; /* CLOCK_BOOTTIME: just before it was written */
	int64_t length_us;
	char who[128];
	bool tried;

	/* of the thread: */
	struct ldap_session *session;
	struct lease lease; /* read, or written by us */
	struct lease seen;  /* another's, since when it stands unchanged: */
	int64_t seen_mono_us;
	struct lease attempt; /* ours, where its answer was lost */
	bool trouble;
};

static const char *const attributes[] = { "restanteLeaseHolder", "restanteLeaseTerm",
	"restanteLeaseExpiry", NULL };

static void lease_set(struct lease *lease, const char *holder, const char *term, const char *expiry)
{
	struct lease fresh = { mem_strdup(holder), mem_strdup(term), mem_strdup(expiry) };

	mem_free(&lease->holder);
	mem_free(&lease->term);
	mem_free(&lease->expiry);
	*lease = fresh;
}

static bool lease_equal(const struct lease *a, const struct lease *b)
{
	return a->holder != NULL && b->holder != NULL && strcmp(a->holder, b->holder) == 0 &&
	       strcmp(a->term, b->term) == 0 && strcmp(a->expiry, b->expiry) == 0;
}

static void lease_free(struct lease *lease)
{
	mem_free(&lease->holder);
	mem_free(&lease->term);
	mem_free(&lease->expiry);
}

/* --- reading ---------------------------------------------------------------------------------- */

static const char *text_of(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	return text != NULL ? text : "";
}

static enum ldap_result read_lease(struct leader *l, const char *dn)
{
	struct ldap_entry *entry = NULL;
	enum ldap_result result = ldap_session_read(l->session, dn, attributes, &entry);

	if (result == LDAP_DONE)
		lease_set(&l->lease, text_of(entry, attributes[0]), text_of(entry, attributes[1]),
			text_of(entry, attributes[2]));
	ldap_entry_free(&entry);
	return result;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void assert_one(const char *name, const char *value, struct str *out)
{
	if (*value == '\0') {
		str_printf(out, "(!(%s=*))", name);
		return;
	}
	str_printf(out, "(%s=", name);
	ldap_filter_escape(value, out);
	str_append_c(out, ')');
}

static void assert_lease(const struct lease *lease, struct str *out)
{
	str_append_z(out, "(&");
	assert_one(attributes[0], lease->holder, out);
	assert_one(attributes[1], lease->term, out);
	assert_one(attributes[2], lease->expiry, out);
	str_append_c(out, ')');
}

/* What stands there is what was read; or what we tried to write when the answer was lost. */
static enum ldap_result swap_lease(struct leader *l, const char *dn, const struct lease *fresh)
{
	const char *const holder[] = { fresh->holder, NULL }, *const term[] = { fresh->term, NULL },
			  *const expiry[] = { fresh->expiry, NULL };
	const struct ldap_change changes[] = {
		{ LDAP_CHANGE_REPLACE, attributes[0], *fresh->holder != '\0' ? holder : NULL },
		{ LDAP_CHANGE_REPLACE, attributes[1], term },
		{ LDAP_CHANGE_REPLACE, attributes[2], expiry },
	};
	struct str assertion = STR_INIT;
	char csn[64] = "";
	enum ldap_result result;

	str_append_z(&assertion, "(|");
	assert_lease(&l->lease, &assertion);
	if (l->attempt.holder != NULL)
		assert_lease(&l->attempt, &assertion);
	str_append_c(&assertion, ')');
	result = ldap_session_modify(
		l->session, dn, changes, 3, str_cstr(&assertion), csn, sizeof csn);
	if (result == LDAP_DOWN)
		lease_set(&l->attempt, fresh->holder, fresh->term, fresh->expiry);
	else
		lease_free(&l->attempt);
	if (result == LDAP_DONE)
		control_note_csn(l->control, csn);
	if (result == LDAP_DONE)
		lease_set(&l->lease, fresh->holder, fresh->term, fresh->expiry);
	str_free(&assertion);
	return result;
}

/* --- leading ---------------------------------------------------------------------------------- */

static void set_leading(struct leader *l, uint64_t term, int64_t since_us, int64_t length_us)
{
	pthread_mutex_lock(&l->lock);
	uint64_t before = l->term;
	/* while it had lapsed nobody worked: those that were due then are looked at again */
	bool lapsed = before != 0 && since_us - l->since_us >= l->length_us;
	l->term = term;
	l->since_us = since_us;
	l->length_us = length_us;
	l->tried = true;
	snprintf(l->who, sizeof l->who, "%s", l->lease.holder != NULL ? l->lease.holder : "");
	pthread_mutex_unlock(&l->lock);
	if (before == term && !lapsed)
		return;
	if (before == term)
		log_info("control", "this controller leads on, its lease had lapsed term=%" PRIu64,
			term);
	else if (term != 0)
		log_info("control", "this controller leads term=%" PRIu64, term);
	else
		log_warning("control", "this controller leads no more term=%" PRIu64, before);
	store_wake_all(l->control->store);
}

uint64_t leader_term(struct leader *l)
{
	pthread_mutex_lock(&l->lock);
	uint64_t term = l->term != 0 && clock_boot_us() - l->since_us < l->length_us ? l->term : 0;
	pthread_mutex_unlock(&l->lock);
	return term;
}

void leader_who(struct leader *l, char *holder_r, size_t size)
{
	pthread_mutex_lock(&l->lock);
	snprintf(holder_r, size, "%s", l->who);
	pthread_mutex_unlock(&l->lock);
}

bool leader_tried(struct leader *l)
{
	pthread_mutex_lock(&l->lock);
	bool tried = l->tried;
	pthread_mutex_unlock(&l->lock);
	return tried;
}

void leader_doubt(struct leader *l)
{
	pthread_mutex_lock(&l->lock);
	l->look_now = true;
	pthread_cond_signal(&l->wanted);
	pthread_mutex_unlock(&l->lock);
}

/* Ours from this life; a holder of our name from another life counts as another. */
static bool is_ours(const struct leader *l)
{
	return l->term != 0 && strtoull(l->lease.term, NULL, 10) == l->term;
}

/* Whether another's lease may be taken: it stood there unchanged for its full length. */
static bool has_expired(struct leader *l, int64_t length_us)
{
	int64_t now = clock_mono_us();

	if (lease_equal(&l->seen, &l->lease))
		return now - l->seen_mono_us >= length_us;
	lease_set(&l->seen, l->lease.holder, l->lease.term, l->lease.expiry);
	l->seen_mono_us = now;
	return false;
}

static enum ldap_result take(struct leader *l, const char *dn, const struct config_control *config)
{
	int64_t since = clock_boot_us();
	bool ours = is_ours(l), nobody = *l->lease.holder == '\0';
	uint64_t term = ours ? l->term : strtoull(l->lease.term, NULL, 10) + 1;
	char number[24], instant[32];
	struct lease fresh = { config->holder, number, instant };

	if (!ours && !nobody && !has_expired(l, config->lease)) {
		set_leading(l, 0, 0, 0);
		return LDAP_DONE;
	}
	snprintf(number, sizeof number, "%" PRIu64, term);
	clock_generalized(instant, sizeof instant, clock_wall_us() + config->lease);
	enum ldap_result result = swap_lease(l, dn, &fresh);
	if (result == LDAP_DONE)
		set_leading(l, term, since, config->lease);
	else if (result == LDAP_ASSERTION)
		set_leading(l, 0, 0, 0);
	return result;
}

static void say_trouble(struct leader *l, const char *error)
{
	if (!l->trouble)
		log_warning("control", "the lease cannot be had or renewed for now: %s", error);
	l->trouble = true;
	pthread_mutex_lock(&l->lock);
	l->tried = true;
	pthread_mutex_unlock(&l->lock);
	ldap_session_close(&l->session);
}

static void look(struct leader *l, const struct config *config)
{
	const struct ldap_options options = config_control_options(config);
	struct str dn = STR_INIT;
	const char *error;

	if (l->session == NULL && (l->session = ldap_session_open(&options, &error)) == NULL) {
		say_trouble(l, error);
		return;
	}
	federation_dn(options.base, &dn);
	enum ldap_result result = read_lease(l, str_cstr(&dn));
	if (result == LDAP_DONE)
		result = take(l, str_cstr(&dn), &config->control);
	if (result != LDAP_DONE && result != LDAP_ASSERTION)
		say_trouble(l, ldap_session_reason(l->session));
	else
		l->trouble = false;
	str_free(&dn);
}

static void rest(struct leader *l, int64_t us)
{
	int64_t until = clock_mono_us() + us;

	pthread_mutex_lock(&l->lock);
	while (!l->look_now && clock_mono_us() < until && !atomic_load(&l->control->stopping))
		clock_cond_wait_until(&l->wanted, &l->lock, until);
	l->look_now = false;
	pthread_mutex_unlock(&l->lock);
}

static void give_back(struct leader *l, const struct config *config)
{
	struct lease nobody = { (char[]){ "" }, l->lease.term, l->lease.expiry };
	struct str dn = STR_INIT;

	if (l->session == NULL || leader_term(l) == 0)
		return;
	nobody.term = mem_strdup(l->lease.term);
	nobody.expiry = mem_strdup(l->lease.expiry);
	federation_dn(config->ldap.base, &dn);
	swap_lease(l, str_cstr(&dn), &nobody);
	str_free(&dn);
	mem_free(&nobody.term);
	mem_free(&nobody.expiry);
}

static void *lead(void *context)
{
	struct leader *l = context;

	pthread_setname_np(pthread_self(), "leader");
	while (!atomic_load(&l->control->stopping)) {
		struct settings *settings = settings_hold(l->control);
		int64_t length = settings->config->control.lease;

		look(l, settings->config);
		settings_drop(&settings);
		rest(l, l->trouble ? length / 10 : length / 4);
	}
	struct settings *settings = settings_hold(l->control);
	give_back(l, settings->config);
	settings_drop(&settings);
	ldap_session_close(&l->session);
	return NULL;
}

struct leader *leader_start(struct control *control)
{
	struct leader *l = mem_zalloc(sizeof *l);

	l->control = control;
	pthread_mutex_init(&l->lock, NULL);
	clock_cond_init(&l->wanted);
	if (pthread_create(&l->thread, NULL, lead, l) != 0)
		mem_free(&l);
	return l;
}

void leader_stop(struct leader **leader)
{
	struct leader *l = *leader;

	if (l == NULL)
		return;
	leader_doubt(l);
	pthread_join(l->thread, NULL);
	lease_free(&l->lease);
	lease_free(&l->seen);
	lease_free(&l->attempt);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->wanted);
	mem_free(leader);
}
