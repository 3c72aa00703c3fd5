#include "dirsync/backend_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/log.h"
#include "lib/synclist.h"
#include "lib/when.h"

#define NOBODY     "-"
#define LENGTH_MAX 3600 /* seconds: dirsync.lease */

static _Thread_local char fault[1280];

const struct backend_names backend_names[2] = {
	[SYNC_UP] = { "restanteUpLease", "restanteSyncAsked", "restanteSyncFinished",
		"restanteUpSyncFailed", "restanteUpSyncStart", "restanteUpSyncAt",
		"restanteUpSyncOutcome", "restanteUpSyncRun", "restanteSyncApproval",
		"restanteSyncApproved" },
	[SYNC_DOWN] = { "restanteDownLease", "restanteDownSyncAsked", "restanteDownSyncFinished",
		"restanteDownSyncFailed", "restanteDownSyncStart", "restanteDownSyncAt",
		"restanteDownSyncOutcome", "restanteDownSyncRun", "restanteDownSyncApproval",
		"restanteDownSyncApproved" },
};

/* --- the lease as text ---------------------------------------------------------------------- */

/* 0: it does not say. Nobody waits longer than the settings allow a lease to be. */
static int64_t length_of(const char *text)
{
	uint64_t seconds = *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : 0;

	return (int64_t)(seconds < LENGTH_MAX ? seconds : LENGTH_MAX) * CLOCK_SECOND;
}

bool backend_lease_parse(const char *text, uint64_t *term_r, struct str *holder_r,
	int64_t *expires_us_r, int64_t *length_us_r)
{
	const char *holder = strchr(text, ' ');
	const char *expiry = holder != NULL ? strchr(holder + 1, ' ') : NULL;
	size_t len = expiry != NULL ? strcspn(expiry + 1, " ") : 0;
	struct str instant = STR_INIT;
	char *end;

	*term_r = strtoull(text, &end, 10);
	*length_us_r = 0;
	if (expiry == NULL || end != holder || *text < '0' || *text > '9' || expiry == holder + 1)
		return false;
	str_append(holder_r, holder + 1, (size_t)(expiry - holder - 1));
	if (strcmp(str_cstr(holder_r), NOBODY) == 0)
		str_reset(holder_r);
	str_append(&instant, expiry + 1, len);
	*expires_us_r = when_generalized_us(str_cstr(&instant));
	str_free(&instant);
	if (expiry[1 + len] == ' ')
		*length_us_r = length_of(expiry + 2 + len);
	return *expires_us_r > 0;
}

/* A part of a second counts as a whole one: what others wait is never too short. */
static void lease_text(
	uint64_t term, const char *holder, int64_t expires_us, int64_t length_us, struct str *out)
{
	char instant[32];

	str_printf(out, "%" PRIu64 " %s %s", term, holder,
		clock_generalized(instant, sizeof(instant), expires_us));
	if (length_us > 0)
		str_printf(out, " %" PRId64, (length_us + CLOCK_SECOND - 1) / CLOCK_SECOND);
}

/* --- reading -------------------------------------------------------------------------------- */

/* A lease that nobody can read is no holder's; what replaces it begins above its number. */
static void take_lease(struct backend *backend, const char *system)
{
	char shown[128];

	if (backend->lease.len == 0 ||
		backend_lease_parse(str_cstr(&backend->lease), &backend->term, &backend->holder,
			&backend->expires_us, &backend->length_us))
		return;
	str_reset(&backend->holder);
	log_warning("sync", "a lease that is none is replaced system=%s value=%s", system,
		log_value(shown, sizeof(shown), str_cstr(&backend->lease)));
}

static uint64_t number(const struct ldap_entry *entry, const char *name)
{
	const char *text = ldap_entry_value(entry, name);

	return text != NULL && *text != '-' ? strtoull(text, NULL, 10) : 0;
}

static void take(const struct ldap_entry *entry, const char *name, struct str *value_r)
{
	const char *value = ldap_entry_value(entry, name);

	str_append_z(value_r, value != NULL ? value : "");
}

/* A run that counts by kinds cannot know what an approval without any was given for. */
static void disregard(struct backend *backend, const char *value, const char *system)
{
	char shown[128];

	if (backend->disregarded.len > 0)
		return;
	str_printf(&backend->disregarded,
		"the approval \"%s\" does not count: it does not name what it is for, as those of "
		"an "
		"earlier version; `restante sync approve %s` gives one that does",
		log_value(shown, sizeof(shown), value), system);
	log_warning("sync", "%s system=%s", str_cstr(&backend->disregarded), system);
}

static void take_standing(struct backend *backend, const char *text, const char *system)
{
	struct sync_outcome outcome;

	if (text == NULL || !sync_outcome_parse(text, &outcome) || outcome.approved == NULL)
		return;
	str_append(&backend->standing, outcome.approved, strcspn(outcome.approved, " ;"));
	if (sync_list_is_one(str_cstr(&backend->standing)))
		return;
	disregard(backend, str_cstr(&backend->standing), system);
	str_reset(&backend->standing);
}

static void take_approval(const struct ldap_entry *entry, const struct backend_names *names,
	const char *system, struct backend *backend)
{
	take(entry, names->approval, &backend->approval);
	take(entry, names->earlier, &backend->earlier);
	if (sync_list_is_one(str_cstr(&backend->approval)))
		str_append_z(&backend->approved, str_cstr(&backend->approval));
	else if (backend->approval.len > 0)
		disregard(backend, str_cstr(&backend->approval), system);
	if (backend->earlier.len > 0)
		disregard(backend, str_cstr(&backend->earlier), system);
	take_standing(backend, ldap_entry_value(entry, names->outcome), system);
}

static void take_backend(const struct ldap_entry *entry, const struct backend_names *names,
	const char *system, struct backend *backend)
{
	str_append_z(&backend->dn, entry->dn);
	take(entry, names->run, &backend->run);
	take(entry, names->lease, &backend->lease);
	take(entry, "entryCSN", &backend->csn);
	backend->asked = number(entry, names->asked);
	backend->finished = number(entry, names->finished);
	backend->failed = number(entry, names->failed);
	backend->recorded = ldap_entry_value(entry, names->outcome) != NULL;
	take_approval(entry, names, system, backend);
	take_lease(backend, system);
}

static void system_dn(const char *base, const char *system, struct str *out)
{
	str_append_z(out, "cn=");
	ldap_dn_escape(system, out);
	str_append_c(out, ',');
	federation_systems_dn(base, out);
}

enum ldap_result backend_read(struct ldap_session *session, const char *base, const char *system,
	enum sync_direction direction, struct backend *backend_r, const char **error_r)
{
	const struct backend_names *names = &backend_names[direction];
	const char *wanted[] = { names->lease, names->asked, names->finished, names->failed,
		names->run, names->outcome, names->approval, names->earlier, "entryCSN", NULL };
	struct ldap_entry *entry = NULL;
	struct str dn = STR_INIT;
	enum ldap_result result;

	memset(backend_r, 0, sizeof(*backend_r));
	system_dn(base, system, &dn);
	result = ldap_session_read(session, str_cstr(&dn), wanted, &entry);
	if (result == LDAP_DONE)
		take_backend(entry, names, system, backend_r);
	else {
		snprintf(fault, sizeof(fault), "%s%s", ldap_session_reason(session),
			result == LDAP_NO_ENTRY ? "; add it, see restante-schema(5)" : "");
		*error_r = fault;
	}
	ldap_entry_free(&entry);
	str_free(&dn);
	return result;
}

void backend_free(struct backend *backend)
{
	str_free(&backend->dn);
	str_free(&backend->lease);
	str_free(&backend->holder);
	str_free(&backend->run);
	str_free(&backend->csn);
	str_free(&backend->approved);
	str_free(&backend->standing);
	str_free(&backend->disregarded);
	str_free(&backend->approval);
	str_free(&backend->earlier);
}

/* --- the lease ------------------------------------------------------------------------------ */

static void set(struct str *s, const char *text)
{
	str_reset(s);
	str_append_z(s, text);
}

static void term_of(const char *attribute, const struct str *value, struct str *filter)
{
	if (value->len == 0) {
		str_printf(filter, "(!(%s=*))", attribute);
		return;
	}
	str_printf(filter, "(%s=", attribute);
	ldap_filter_escape(str_cstr(value), filter);
	str_append_c(filter, ')');
}

/* What stands there is what was read; or what we tried to write when the answer was lost. */
static enum ldap_result swap_lease(struct ldap_session *session, const struct backend *backend,
	enum sync_direction direction, struct lease_watch *watch, const struct str *value)
{
	const char *attribute = backend_names[direction].lease;
	const char *values[] = { str_cstr(value), NULL };
	const struct ldap_change change = { LDAP_CHANGE_REPLACE, attribute, values };
	struct str assertion = STR_INIT;
	enum ldap_result result;

	str_append_z(&assertion, "(|");
	term_of(attribute, &backend->lease, &assertion);
	if (watch->tried.len > 0)
		term_of(attribute, &watch->tried, &assertion);
	str_append_c(&assertion, ')');
	result = ldap_session_modify(
		session, str_cstr(&backend->dn), &change, 1, str_cstr(&assertion), NULL, 0);
	set(&watch->tried, result == LDAP_DOWN ? str_cstr(value) : "");
	str_free(&assertion);
	return result;
}

/* Whether another's lease may be taken: it stood there unchanged for its full length, which its
 * holder tells, and ours. */
static bool has_expired(
	const struct backend *backend, int64_t length_us, struct lease_watch *watch, int64_t now)
{
	const char *value = str_cstr(&backend->lease);

	if (watch->term == 0 && strcmp(str_cstr(&watch->value), value) == 0)
		return now - watch->since_mono_us >=
		       (backend->length_us > length_us ? backend->length_us : length_us);
	watch->term = 0;
	watch->since_mono_us = now;
	set(&watch->value, value);
	return false;
}

static enum ldap_result say_busy(
	const struct backend *backend, enum sync_direction direction, const char **error_r)
{
	snprintf(fault, sizeof(fault), "%s has the lease of %s syncs of %s",
		str_cstr(&backend->holder), direction == SYNC_UP ? "up" : "down",
		str_cstr(&backend->dn));
	*error_r = fault;
	return LDAP_ASSERTION;
}

static enum ldap_result say_failed(
	struct ldap_session *session, enum ldap_result result, const char **error_r)
{
	snprintf(fault, sizeof(fault), "%s%s",
		result == LDAP_ASSERTION ? "another one took the lease: " : "",
		ldap_session_reason(session));
	*error_r = fault;
	return result;
}

enum ldap_result backend_lease(struct ldap_session *session, struct backend *backend,
	enum sync_direction direction, const char *holder, int64_t length_us,
	struct lease_watch *watch, const char **error_r)
{
	bool free_now = backend->holder.len == 0,
	     same = strcmp(str_cstr(&backend->holder), holder) == 0;
	int64_t now = clock_mono_us(), expires_us = clock_wall_us() + length_us;
	bool renew = same && watch->term != 0 && watch->term == backend->term;
	uint64_t term = renew ? backend->term : backend->term + 1;
	struct str value = STR_INIT;
	enum ldap_result result;

	if (!free_now && !same && !has_expired(backend, length_us, watch, now))
		return say_busy(backend, direction, error_r);
	lease_text(term, holder, expires_us, length_us, &value);
	result = swap_lease(session, backend, direction, watch, &value);
	if (result == LDAP_DONE) {
		watch->term = term;
		watch->since_mono_us = now;
		set(&watch->value, str_cstr(&value));
		set(&backend->lease, str_cstr(&value));
		set(&backend->holder, holder);
		backend->term = term;
		backend->expires_us = expires_us;
		backend->length_us = length_us;
	} else {
		if (result == LDAP_ASSERTION)
			watch->term = 0;
		say_failed(session, result, error_r);
	}
	str_free(&value);
	return result;
}

bool backend_leased(const struct lease_watch *watch, int64_t length_us)
{
	return watch->term != 0 && clock_mono_us() - watch->since_mono_us < length_us;
}

void backend_unlease(struct ldap_session *session, struct backend *backend,
	enum sync_direction direction, struct lease_watch *watch)
{
	struct str value = STR_INIT;

	if (watch->term == 0 || watch->term != backend->term)
		return;
	/* the term stays: the next holder's is higher */
	lease_text(backend->term, NOBODY, clock_wall_us(), 0, &value);
	if (swap_lease(session, backend, direction, watch, &value) == LDAP_DONE) {
		set(&backend->lease, str_cstr(&value));
		str_reset(&backend->holder);
	}
	watch->term = 0;
	str_free(&value);
}

void lease_watch_free(struct lease_watch *watch)
{
	str_free(&watch->value);
	str_free(&watch->tried);
}
