/* LDAP sources: RFC 4533, refreshOnly for pulls and refreshAndPersist to hear of changes. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/source_ldap_internal.h"
#include "lib/clock.h"
#include "lib/cookie.h"
#include "lib/mem.h"

#define LOOK_AROUND_US (200 * CLOCK_MS)

struct refresh {
	struct ldap_pull *pull;
	bool delta;
	bool presents; /* of a delta: the server tells what is left, not what is gone */
	struct uuidset gone;
};

/* --- what the server shows ------------------------------------------------------------------ */

static int take_entry(void *context, const struct ldap_stream_entry *entry)
{
	struct refresh *refresh = context;

	return ldap_pull_entry(refresh->pull, entry);
}

static int take_present(void *context, const uint8_t *uuid)
{
	struct refresh *refresh = context;

	(void)uuid;
	refresh->presents = refresh->delta;
	return refresh->presents;
}

/* Told at the end: it may be shown yet. */
static int take_gone(void *context, const uint8_t *uuid)
{
	struct refresh *refresh = context;

	uuidset_add(&refresh->gone, uuid);
	return 0;
}

/* Whether the sink took them. */
static bool show_gone(struct refresh *refresh)
{
	const struct source_sink *sink = refresh->pull->sink;
	char text[UUID_TEXT];
	const uint8_t *uuid;
	size_t at = 0;

	while ((uuid = uuidset_next(&refresh->gone, &at)) != NULL)
		if (!uuidset_has(&refresh->pull->shown, uuid) &&
			sink->gone(sink->context, uuid_text(uuid, text)) != 0)
			return false;
	return true;
}

/* --- pulls ---------------------------------------------------------------------------------- */

/* A cookie without CSN says nothing (TRAPS 31): resuming from it would load everything. */
static void set_mark(struct refresh *refresh, const struct str *cookie)
{
	struct ldap_pull *pull = refresh->pull;
	struct csn_vector vector;

	if (cookie->len > 0 && strlen(cookie->data) == cookie->len &&
		cookie_parse(cookie->data, cookie->len, &vector) != 0)
		source_mark("syncrepl", pull->source->digest, cookie->data, &pull->result->mark);
	else if (refresh->delta)
		str_append_z(&pull->result->mark, pull->request->mark);
}

static void finish_delta(struct refresh *refresh)
{
	struct ldap_pull *pull = refresh->pull;

	pull->result->outcome = SOURCE_DELTA;
	pull->result->deletes = strcasecmp(pull->settings->id, "entryUUID") == 0;
	if (!pull->result->deletes)
		ldap_pull_remark(
			pull, "deletions are seen by full pulls alone: id must be entryUUID");
	else if (!show_gone(refresh))
		ldap_pull_failed(pull, true);
}

static void finish(struct refresh *refresh, const struct ldap_sync_end *end)
{
	if (refresh->delta)
		finish_delta(refresh);
	else
		refresh->pull->result->outcome = SOURCE_COMPLETE;
	if (refresh->pull->result->outcome != SOURCE_INCOMPLETE)
		set_mark(refresh, &end->cookie);
}

/* The server lost its log of sessions, or itself: it cannot tell what is gone since the mark. */
static void be_stale(struct ldap_pull *pull)
{
	ldap_pull_refuse(
		pull, "%s: the server cannot tell what is gone since the last pull", pull->uri);
	pull->result->outcome = SOURCE_STALE;
}

void ldap_pull_sync(struct ldap_pull *pull)
{
	const char *rest = ldap_pull_mark(pull, "syncrepl");
	struct refresh refresh = { .pull = pull, .delta = rest != NULL, .gone = UUIDSET_INIT };
	struct ldap_sync_sink sink = { &refresh, take_entry, take_present, take_gone };
	struct ldap_stream_options options;
	struct str filter = STR_INIT;
	struct ldap_sync_end end;
	enum ldap_result result;

	pull->by_uuid = refresh.delta;
	ldap_pull_filter(pull, "", &filter);
	ldap_pull_options(pull, str_cstr(&filter), &options);
	result = ldap_stream_sync(pull->session, &options, rest != NULL ? rest : "", &sink, &end);
	if (refresh.delta &&
		(refresh.presents || end.refresh_required || (result == LDAP_DONE && end.absent)))
		be_stale(pull);
	else if (result != LDAP_DONE)
		ldap_pull_failed(pull, end.stopped);
	else
		finish(&refresh, &end);
	str_free(&filter);
	str_free(&end.cookie);
	uuidset_free(&refresh.gone);
}

/* --- hearing of changes --------------------------------------------------------------------- */

static int sleep_only(int64_t timeout_us, const atomic_bool *stop)
{
	int64_t end_us = clock_mono_us() + timeout_us, left;

	while (!atomic_load(stop) && (left = end_us - clock_mono_us()) > 0)
		clock_sleep_us(left < LOOK_AROUND_US ? left : LOOK_AROUND_US);
	return 0;
}

static void listen_options(const struct source *source, const char *filter, const atomic_bool *stop,
	struct ldap_stream_options *options_r)
{
	static const char *const nothing[] = { "1.1", NULL };
	struct source_request request = { .stop = stop };
	struct ldap_pull pull = { .settings = source->settings,
		.source = (struct source *)(uintptr_t)source,
		.request = &request };

	ldap_pull_options(&pull, filter, options_r);
	options_r->attributes = nothing;
	options_r->page = 0;
}

static int begin_listening(struct source *source, const struct ldap_stream_options *options,
	const char *cookie, struct str *error)
{
	char *uri;

	source->listener = ldap_source_session(source->settings, &uri, error);
	mem_free(&uri);
	if (source->listener == NULL)
		return -1;
	if (ldap_stream_listen(source->listener, options, cookie, &source->listening) == LDAP_DONE)
		return 0;
	str_append_z(error, ldap_session_reason(source->listener));
	return -1;
}

static int hear(struct source *source, const struct ldap_stream_options *options,
	const char *cookie, int64_t timeout_us, struct str *error)
{
	int heard;

	if (source->listener == NULL && begin_listening(source, options, cookie, error) < 0)
		heard = -1;
	else if ((heard = ldap_stream_heard(
			  source->listener, options, source->listening, timeout_us)) < 0)
		str_append_z(error, ldap_session_reason(source->listener));
	/* the next one begins where the pull that follows has ended: nothing is told twice */
	if (heard != 0)
		ldap_session_close(&source->listener);
	return heard;
}

int ldap_source_wait(struct source *source, const char *mark, int64_t timeout_us,
	const atomic_bool *stop, const char **error_r)
{
	static _Thread_local char error_text[1536];
	const char *cookie = source_mark_rest(mark, "syncrepl", source->digest);
	struct ldap_pull pull = { .settings = source->settings };
	struct str filter = STR_INIT, error = STR_INIT;
	struct ldap_stream_options options;
	int heard;

	if (cookie == NULL)
		return sleep_only(timeout_us, stop);
	/* what a pull in between has shown is not told again */
	if (source->listener_mark == NULL || strcmp(source->listener_mark, mark) != 0)
		ldap_session_close(&source->listener);
	mem_free(&source->listener_mark);
	source->listener_mark = mem_strdup(mark);
	ldap_pull_filter(&pull, "", &filter);
	listen_options(source, str_cstr(&filter), stop, &options);
	heard = hear(source, &options, cookie, timeout_us, &error);
	if (heard < 0) {
		snprintf(error_text, sizeof(error_text), "%s", str_cstr(&error));
		*error_r = error_text;
	}
	str_free(&filter);
	str_free(&error);
	return heard;
}
