#define _GNU_SOURCE
#include "control/leader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/control.h"
#include "control/store.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/log.h"
#include "lib/mem.h"

struct lease {
	char *holder, *term, *expiry, *length; /* as they stand there, "" = absent */
};

struct leader {
	struct control *control;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	bool look_now;
	uint64_t highest; /* of all terms that were seen anywhere */

	/* guarded: */
	uint64_t term;    /* ours, 0 = none */
	int64_t since_us; /* CLOCK_BOOTTIME: just before it was written */
	int64_t length_us;
	char who[128];
	bool tried;
	int64_t patience_us;

	/* of the thread: */
	struct ldap_session *session;
	struct lease lease; /* read, or written by us */
	struct lease seen;  /* another's, since when it stands unchanged: */
	int64_t seen_mono_us, known_length_us;
	struct lease attempt; /* ours, where its answer was lost */
	bool trouble;
};

static const char *const attributes[] = { "restanteLeaseHolder", "restanteLeaseTerm",
	"restanteLeaseExpiry", "restanteLeaseLength", NULL };

static void lease_free(struct lease *lease)
{
	mem_free(&lease->holder);
	mem_free(&lease->term);
	mem_free(&lease->expiry);
	mem_free(&lease->length);
}

static void lease_copy(struct lease *lease, const struct lease *from)
{
	struct lease fresh = { mem_strdup(from->holder), mem_strdup(from->term),
		mem_strdup(from->expiry), mem_strdup(from->length) };

	lease_free(lease);
	*lease = fresh;
}

static bool lease_equal(const struct lease *a, const struct lease *b)
{
	return a->holder != NULL && b->holder != NULL && strcmp(a->holder, b->holder) == 0 &&
	       strcmp(a->term, b->term) == 0 && strcmp(a->expiry, b->expiry) == 0 &&
	       strcmp(a->length, b->length) == 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static char *text_of(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	return mem_strdup(text != NULL ? text : "");
}

static enum ldap_result read_lease(struct leader *l, const char *dn)
{
	struct ldap_entry *entry = NULL;
	enum ldap_result result = ldap_session_read(l->session, dn, attributes, &entry);

	if (result == LDAP_DONE) {
		lease_free(&l->lease);
		l->lease = (struct lease){ text_of(entry, attributes[0]),
			text_of(entry, attributes[1]), text_of(entry, attributes[2]),
			text_of(entry, attributes[3]) };
	}
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
	assert_one(attributes[3], lease->length, out);
	str_append_c(out, ')');
}

/* What stands there is what was read; or what we tried to write when the answer was lost. */
static enum ldap_result swap_lease(struct leader *l, const char *dn, const struct lease *fresh)
{
	const char *const holder[] = { fresh->holder, NULL }, *const term[] = { fresh->term, NULL },
			  *const expiry[] = { fresh->expiry, NULL },
			  *const length[] = { fresh->length, NULL };
	const struct ldap_change changes[] = {
		{ LDAP_CHANGE_REPLACE, attributes[0], *fresh->holder != '\0' ? holder : NULL },
		{ LDAP_CHANGE_REPLACE, attributes[1], term },
		{ LDAP_CHANGE_REPLACE, attributes[2], expiry },
		{ LDAP_CHANGE_REPLACE, attributes[3], *fresh->length != '\0' ? length : NULL },
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
		l->session, dn, changes, 4, str_cstr(&assertion), csn, sizeof csn);
	if (result == LDAP_DOWN)
		lease_copy(&l->attempt, fresh);
	else
		lease_free(&l->attempt);
	if (result == LDAP_DONE)
		control_note_csn(l->control, csn);
	if (result == LDAP_DONE)
		lease_copy(&l->lease, fresh);
	str_free(&assertion);
	return result;
}

/* --- leading ---------------------------------------------------------------------------------- */

/* Numbers that nobody could raise count as none. */
static void note_term(struct leader *l, uint64_t term)
{
	if (term > l->highest && term < INT64_MAX)
		l->highest = term;
}

static void set_leading(struct leader *l, uint64_t term, int64_t since_us, int64_t length_us)
{
	pthread_mutex_lock(&l->lock);
	uint64_t before = l->term;
	/* until this moment nobody worked if it had lapsed, however early its renewal was begun:
	 * those that were due then are looked at again */
	bool lapsed = before != 0 && clock_boot_us() - l->since_us >= l->length_us;
	l->term = term;
	note_term(l, term);
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

int64_t leader_patience_us(struct leader *l)
{
	pthread_mutex_lock(&l->lock);
	int64_t patience = l->patience_us;
	pthread_mutex_unlock(&l->lock);
	return patience;
}

void leader_doubt(struct leader *l, uint64_t term)
{
	pthread_mutex_lock(&l->lock);
	note_term(l, term);
	l->look_now = true;
	pthread_cond_signal(&l->wanted);
	pthread_mutex_unlock(&l->lock);
}

/* Ours from this life; a holder of our name from another life counts as another. */
static bool is_ours(const struct leader *l)
{
	return l->term != 0 && strtoull(l->lease.term, NULL, 10) == l->term;
}

/* As its holder wrote it, a day at most; where it is gone, as it was before. */
static int64_t length_of_lease(struct leader *l, int64_t else_us)
{
	int64_t seconds = strtoll(l->lease.length, NULL, 10);

	if (seconds > 0)
		l->known_length_us = (seconds < 86400 ? seconds : 86400) * CLOCK_SECOND;
	return l->known_length_us > 0 ? l->known_length_us : else_us;
}

/* Whether another's lease may be taken: it stood there unchanged for its full length. */
static bool has_expired(struct leader *l, int64_t length_us)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&l->lock);
	l->patience_us = length_us;
	pthread_mutex_unlock(&l->lock);
	if (lease_equal(&l->seen, &l->lease))
		return now - l->seen_mono_us >= length_us;
	lease_copy(&l->seen, &l->lease);
	l->seen_mono_us = now;
	return false;
}

/* The term that the lease may be written with now; 0: it is another's. */
static uint64_t term_to_take(struct leader *l, const struct config_control *config)
{
	bool ours = is_ours(l), removed;

	pthread_mutex_lock(&l->lock);
	removed = *l->lease.term == '\0' && l->highest > 0;
	note_term(l, strtoull(l->lease.term, NULL, 10));
	uint64_t highest = l->highest;
	pthread_mutex_unlock(&l->lock);
	/* who led goes first; another one cannot know whether that one still acts */
	bool may = ours || (*l->lease.holder == '\0' && (!removed || l->term != 0));
	if (!may && !has_expired(l, length_of_lease(l, config->lease)))
		return 0;
	if (removed)
		log_warning("control", "the lease was removed from the federation's entry by hand: "
				       "it is taken with a higher term");
	else if (ours && highest > l->term)
		log_warning("control", "the lease was set back by hand, records have a higher "
				       "term: it is raised above that");
	else if (ours && strcasecmp(l->lease.holder, config->holder) != 0)
		log_warning("control", "the lease was changed by hand: it is written again");
	return ours && highest <= l->term ? l->term : highest + 1;
}

static enum ldap_result take(struct leader *l, const char *dn, const struct config_control *config)
{
	int64_t since = clock_boot_us();
	uint64_t term = term_to_take(l, config);
	char number[24], instant[32], length[24];
	struct lease fresh = { config->holder, number, instant, length };

	if (term == 0) {
		set_leading(l, 0, 0, 0);
		return LDAP_DONE;
	}
	snprintf(number, sizeof number, "%" PRIu64, term);
	clock_generalized(instant, sizeof instant, control_now_us(l->control) + config->lease);
	snprintf(length, sizeof length, "%" PRId64,
		(config->lease + CLOCK_SECOND - 1) / CLOCK_SECOND);
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
	struct lease nobody = { .holder = NULL };
	struct str dn = STR_INIT;

	if (l->session == NULL || leader_term(l) == 0)
		return;
	lease_copy(&nobody, &l->lease);
	*nobody.holder = '\0';
	federation_dn(config->ldap.base, &dn);
	swap_lease(l, str_cstr(&dn), &nobody);
	str_free(&dn);
	lease_free(&nobody);
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
	leader_doubt(l, 0);
	pthread_join(l->thread, NULL);
	lease_free(&l->lease);
	lease_free(&l->seen);
	lease_free(&l->attempt);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->wanted);
	mem_free(leader);
}
