/* The search and its loop. */
#define _GNU_SOURCE
#include "directory/feed.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include <ldap.h>

#include "directory/refresh.h"
#include "lib/synccontrol.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOOK_AROUND_US (200 * CLOCK_MS) /* how soon a stop is noticed */
#define TICK_US        CLOCK_SECOND
#define LAGGARD_US     (30 * CLOCK_SECOND)  /* that long a provider that is behind is used */
#define SILENCE_US     (300 * CLOCK_SECOND) /* within a refresh */

int feed_fail(struct feed *feed, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(feed->error_text, sizeof(feed->error_text), format, args);
	va_end(args);
	feed->error = feed->error_text;
	return -1;
}

const char *feed_error(const struct feed *feed)
{
	return feed->error != NULL ? feed->error : "connection lost";
}

/* --- checks --------------------------------------------------------------------------------- */

static bool has_class(const struct ldap_attribute *classes, const char *name)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "'%s'", name);
	for (size_t i = 0; i < classes->count; i++)
		if (strcasestr(classes->values[i], quoted) != NULL)
			return true;
	return false;
}

/*
 * A filter on a class that the server does not know is no error in LDAP, it only never matches:
 * the directory would seem to be empty.
 */
static int check_classes(struct feed *feed, const struct ldap_entry *subschema)
{
	static const char *const names[] = { "restanteMailbox", "restanteBackend",
		"restanteFederation", "restanteNode" };
	const struct ldap_attribute *classes = ldap_entry_attribute(subschema, "objectClasses");

	for (size_t i = 0; classes != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (!has_class(classes, names[i]))
			return feed_fail(feed,
				"schema missing in the directory: it has no objectClass %s; load "
				"ldap-schema/restante.schema (or .ldif) into slapd",
				names[i]);
	return 0;
}

static int check_schema(struct feed *feed)
{
	static const char *const where[] = { "subschemaSubentry", NULL };
	static const char *const what[] = { "objectClasses", NULL };
	struct ldap_entry *root = NULL, *subschema = NULL;
	const char *dn;
	int result = 0;

	if (ldap_session_read(feed->session, "", where, &root) == LDAP_DOWN)
		return feed_fail(feed, "%s", ldap_session_reason(feed->session));
	dn = root != NULL ? ldap_entry_value(root, where[0]) : NULL;
	if (dn != NULL && ldap_session_read(feed->session, dn, what, &subschema) == LDAP_DONE)
		result = check_classes(feed, subschema);
	else
		log_debug("directory", "the schema of the directory cannot be read");
	ldap_entry_free(&root);
	ldap_entry_free(&subschema);
	return result;
}

static const char *parent_of(const char *dn)
{
	for (; *dn != '\0' && *dn != ','; dn++)
		if (*dn == '\\' && dn[1] != '\0')
			dn++;
	return *dn == ',' ? dn + 1 : NULL;
}

static void take_context_csns(struct feed *feed, const struct ldap_entry *entry)
{
	const struct ldap_attribute *csns = ldap_entry_attribute(entry, "contextCSN");

	for (size_t i = 0; csns != NULL && i < csns->count; i++)
		if (csn_valid(csns->values[i], strlen(csns->values[i])))
			vector_take(&feed->provider, csns->values[i]);
}

/* contextCSN stands at the suffix of the database, which may be above our base. */
static int read_context(struct feed *feed)
{
	static const char *const what[] = { "contextCSN", NULL };

	feed->provider.count = 0;
	for (const char *dn = feed->base; dn != NULL && feed->provider.count == 0;
		dn = parent_of(dn)) {
		struct ldap_entry *entry = NULL;
		enum ldap_result result = ldap_session_read(feed->session, dn, what, &entry);

		if (result == LDAP_NO_ENTRY && dn == feed->base)
			return feed_fail(feed, "%s; check base and access rules",
				ldap_session_reason(feed->session));
		if (result == LDAP_DOWN)
			return feed_fail(feed, "%s", ldap_session_reason(feed->session));
		if (entry != NULL)
			take_context_csns(feed, entry);
		ldap_entry_free(&entry);
	}
	return 0;
}

int feed_check(struct feed *feed, bool *behind_r)
{
	struct csn_vector ours;

	if (check_schema(feed) < 0 || read_context(feed) < 0)
		return -1;
	replica_vector(feed->replica, &ours);
	/* one that does not say what it has is judged by its final cookie */
	feed->behind = feed->provider.count > 0 && vector_behind(&feed->provider, &ours);
	*behind_r = feed->behind;
	return 0;
}

/* --- the search ----------------------------------------------------------------------------- */

static void make_filter(const struct feed *feed, struct str *out)
{
	str_append_z(out, "(|(objectClass=restanteMailbox)(objectClass=restanteBackend)"
			  "(objectClass=restanteFederation)(&(objectClass=restanteNode)(cn=");
	ldap_filter_escape(feed->node, out);
	str_append_z(out, ")))");
}

static int send_search(struct feed *feed, const struct str *request)
{
	LDAPControl sync = { .ldctl_oid = (char *)(uintptr_t)LDAP_CONTROL_SYNC,
		.ldctl_value = { .bv_len = request->len, .bv_val = request->data },
		.ldctl_iscritical = 1 };
	LDAPControl *controls[] = { &sync, NULL };
	struct str filter = STR_INIT;
	int code;

	make_filter(feed, &filter);
	/* libldap changes nothing, its prototype only lacks the const */
	code = ldap_search_ext(feed->handle, feed->base, LDAP_SCOPE_SUBTREE, str_cstr(&filter),
		(char **)(uintptr_t)record_attributes, 0, controls, NULL, NULL, LDAP_NO_LIMIT,
		&feed->msgid);
	str_free(&filter);
	return code == LDAP_SUCCESS ? 0 : feed_fail(feed, "search: %s", ldap_err2string(code));
}

static int begin(struct feed *feed)
{
	struct str cookie = STR_INIT, request = STR_INIT;
	struct csn_vector ours;
	int result;

	replica_vector(feed->replica, &ours);
	if (!feed->full && replica_loaded(feed->replica))
		cookie_compose(&ours, &cookie);
	sync_make_request(&cookie, true, &request);
	feed->refresh = refresh_begin(feed->replica, cookie.len == 0);
	feed->phase(feed->context, "refresh");
	result = send_search(feed, &request);
	str_free(&cookie);
	str_free(&request);
	return result;
}

/* --- the loop ------------------------------------------------------------------------------- */

/* Whether the connection is given up for a better one, or for another refresh. */
static bool must_look_elsewhere(struct feed *feed, int64_t now)
{
	bool withheld = replica_withheld(feed->replica);
	bool caught_up = withheld && !feed->behind;
	bool waited = now - feed->began_us > LAGGARD_US;

	if (!caught_up && !(waited && (withheld || (feed->behind && !feed->alone))))
		return false;
	feed_fail(feed, withheld ? "another refresh is due after one that was not believed"
				 : "looking for a provider that is not behind");
	return true;
}

static bool must_end(struct feed *feed, enum feed_end *end_r)
{
	int64_t now = clock_mono_us();

	if (atomic_load(feed->stop)) {
		*end_r = FEED_STOPPED;
		return true;
	}
	*end_r = FEED_BROKEN;
	if (feed->refresh != NULL && now - feed->last_message_us > SILENCE_US) {
		feed_fail(feed, "no answer to the search for five minutes");
		return true;
	}
	return feed->refresh == NULL && must_look_elsewhere(feed, now);
}

static void tick(struct feed *feed)
{
	int64_t now = clock_mono_us();

	if (feed->refresh != NULL || now - feed->last_tick_us < TICK_US)
		return;
	feed->last_tick_us = now;
	replica_tick(feed->replica);
}

static int lost(struct feed *feed)
{
	int code = LDAP_SERVER_DOWN;

	ldap_get_option(feed->handle, LDAP_OPT_RESULT_CODE, &code);
	return feed_fail(feed, "connection lost: %s", ldap_err2string(code));
}

static enum feed_end loop(struct feed *feed)
{
	enum feed_end end = FEED_BROKEN;
	LDAPMessage *message;
	int got, go_on = 1;

	while (go_on && !must_end(feed, &end)) {
		pulse_step(feed->pulse);
		/* changes that wait are stored as soon as no other is at hand */
		struct timeval wait = { 0,
			feed->waiting > 0 || feed->cookie_waits ? 0 : LOOK_AROUND_US };

		got = ldap_result(feed->handle, feed->msgid, LDAP_MSG_ONE, &wait, &message);
		if (got < 0) {
			lost(feed);
			return FEED_BROKEN;
		}
		if (got == 0) {
			if (feed_flush(feed) < 0)
				return FEED_BROKEN;
			tick(feed);
			continue;
		}
		feed->last_message_us = clock_mono_us();
		go_on = feed_message(feed, message, &end);
		ldap_msgfree(message);
		tick(feed);
	}
	return end;
}

enum feed_end feed_run(struct feed *feed)
{
	enum feed_end end = FEED_BROKEN;

	feed->handle = ldap_session_handle(feed->session);
	feed->began_us = feed->last_message_us = clock_mono_us();
	if (begin(feed) == 0)
		end = loop(feed);
	/* what was pushed before the end is as true as ever */
	if (feed->refresh == NULL && feed_flush(feed) < 0)
		end = FEED_BROKEN;
	return end;
}
