#define _GNU_SOURCE
#include "control/follow.h"

#include <string.h>
#include <strings.h>

#include "control/control.h"
#include "control/store.h"
#include "lib/clock.h"
#include "lib/ldap_stream.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Own writes come back as well: no more refreshes than that. */
#define PERIOD      (200 * CLOCK_MS)
#define PATIENCE    CLOCK_SECOND
#define TROUBLE_MAX (10 * CLOCK_SECOND)

struct follow {
	struct control *control;
	pthread_t thread;
	struct ldap_session *reads, *listens;
	struct str cookie;
	int msgid;
	int64_t pause_us;
	bool trouble;
	atomic_bool loaded, troubled;
};

/* --- entries ---------------------------------------------------------------------------------- */

static bool same(const struct ldap_stream_entry *entry, size_t a, size_t b)
{
	return strcasecmp(entry->values[a].name, entry->values[b].name) == 0;
}

static void take_attribute(
	const struct ldap_stream_entry *entry, size_t *at, struct ldap_entry *out)
{
	struct ldap_attribute *attribute = &out->attributes[out->count++];
	size_t first = *at;

	attribute->name = mem_strdup(entry->values[first].name);
	while (*at < entry->count && same(entry, first, *at))
		(*at)++;
	attribute->count = *at - first;
	attribute->values = mem_zalloc((attribute->count + 1) * sizeof *attribute->values);
	for (size_t i = 0; i < attribute->count; i++)
		attribute->values[i] = mem_strdup(entry->values[first + i].data);
}

static struct ldap_entry *copy_entry(const struct ldap_stream_entry *entry)
{
	struct ldap_entry *out = mem_zalloc(sizeof *out);

	out->dn = mem_strdup(entry->dn);
	out->attributes = mem_zalloc((entry->count + 1) * sizeof *out->attributes);
	for (size_t at = 0; at < entry->count;)
		take_attribute(entry, &at, out);
	return out;
}

static int take_entry(void *context, const struct ldap_stream_entry *entry)
{
	struct follow *f = context;

	if (entry->uuid == NULL)
		return 0;
	struct ldap_entry *copy = copy_entry(entry);
	store_put(f->control->store, entry->uuid, move_parse(copy));
	ldap_entry_free(&copy);
	return 0;
}

static int take_present(void *context, const uint8_t *uuid)
{
	struct follow *f = context;

	store_present(f->control->store, uuid);
	return 0;
}

static int take_gone(void *context, const uint8_t *uuid)
{
	struct follow *f = context;

	store_gone(f->control->store, uuid);
	return 0;
}

/* --- refreshes -------------------------------------------------------------------------------- */

static enum ldap_result refresh_once(
	struct follow *f, const struct ldap_stream_options *options, bool *again_r)
{
	const struct ldap_sync_sink sink = { f, take_entry, take_present, take_gone };
	bool full = f->cookie.len == 0;
	struct ldap_sync_end end;

	store_begin(f->control->store);
	enum ldap_result result =
		ldap_stream_sync(f->reads, options, str_cstr(&f->cookie), &sink, &end);
	store_end(f->control->store, result == LDAP_DONE && (full || end.absent));
	*again_r = end.refresh_required && !full;
	if (*again_r)
		str_reset(&f->cookie);
	if (result == LDAP_DONE && end.cookie.len > 0) {
		str_reset(&f->cookie);
		str_append_z(&f->cookie, str_cstr(&end.cookie));
	}
	str_free(&end.cookie);
	return result;
}

static enum ldap_result refresh(struct follow *f, const struct ldap_stream_options *options)
{
	bool again;
	enum ldap_result result = refresh_once(f, options, &again);

	if (again)
		result = refresh_once(f, options, &again);
	if (result == LDAP_DONE && !atomic_load(&f->loaded)) {
		atomic_store(&f->loaded, true);
		store_wake_all(f->control->store);
	}
	return result;
}

static void told(struct follow *f, const char *error)
{
	if (!f->trouble)
		log_warning("control", "the records of moves are not followed for now: %s", error);
	f->trouble = true;
	atomic_store(&f->troubled, true);
	f->pause_us = f->pause_us * 2 < TROUBLE_MAX ? f->pause_us * 2 : TROUBLE_MAX;
	ldap_session_close(&f->reads);
	ldap_session_close(&f->listens);
}

static bool open_sessions(struct follow *f, const struct ldap_options *options)
{
	const char *error;

	if (f->reads == NULL && (f->reads = ldap_session_open(options, &error)) == NULL) {
		told(f, error);
		return false;
	}
	if (f->listens != NULL)
		return true;
	if ((f->listens = ldap_session_open(options, &error)) == NULL) {
		told(f, error);
		return false;
	}
	f->msgid = -1;
	return true;
}

static bool listen_anew(struct follow *f, const struct ldap_stream_options *options)
{
	const char *const nothing[] = { "1.1", NULL };
	struct ldap_stream_options bare = *options;

	bare.attributes = nothing;
	if (f->msgid >= 0)
		return true;
	if (ldap_stream_listen(f->listens, &bare, str_cstr(&f->cookie), &f->msgid) == LDAP_DONE)
		return true;
	told(f, ldap_session_reason(f->listens));
	return false;
}

static void pause_for(struct follow *f, int64_t us)
{
	int64_t until = clock_mono_us() + us, left;

	while ((left = until - clock_mono_us()) > 0 && !atomic_load(&f->control->stopping))
		clock_sleep_us(left < PERIOD ? left : PERIOD);
}

static void well(struct follow *f)
{
	if (f->trouble)
		log_info("control", "the records of moves are followed again");
	f->trouble = false;
	atomic_store(&f->troubled, false);
	f->pause_us = PERIOD;
}

/* Until something changed. */
static void listen_for_change(struct follow *f, const struct ldap_stream_options *options)
{
	int heard = 0;

	while (heard == 0 && !atomic_load(&f->control->stopping)) {
		heard = ldap_stream_heard(f->listens, options, f->msgid, PATIENCE);
		if (heard >= 0)
			well(f);
	}
	if (heard < 0) {
		told(f, ldap_session_reason(f->listens));
		return;
	}
	/* more of the same: one refresh serves them */
	pause_for(f, PERIOD);
	while (ldap_stream_heard(f->listens, options, f->msgid, 1) > 0)
		;
}

static void look(struct follow *f, const struct config *config)
{
	const struct ldap_options ldap = config_control_options(config);
	struct str base = STR_INIT;

	move_container_dn(ldap.base, &base);
	const struct ldap_stream_options options = { .base = str_cstr(&base),
		.scope = LDAP_ONE,
		.filter = "(objectClass=restanteMove)",
		.attributes = move_attributes,
		.stop = &f->control->stopping };
	/* listening first: what changes between would be heard by nobody */
	if (open_sessions(f, &ldap) && (f->cookie.len == 0 || listen_anew(f, &options))) {
		if (refresh(f, &options) != LDAP_DONE)
			told(f, ldap_session_reason(f->reads));
		else if (f->msgid >= 0)
			listen_for_change(f, &options);
	}
	str_free(&base);
	if (f->trouble)
		pause_for(f, f->pause_us);
}

static void *follow_moves(void *context)
{
	struct follow *f = context;

	pthread_setname_np(pthread_self(), "follow");
	while (!atomic_load(&f->control->stopping)) {
		struct settings *settings = settings_hold(f->control);
		look(f, settings->config);
		settings_drop(&settings);
	}
	ldap_session_close(&f->reads);
	ldap_session_close(&f->listens);
	return NULL;
}

struct follow *follow_start(struct control *control)
{
	struct follow *f = mem_zalloc(sizeof *f);

	f->control = control;
	f->pause_us = PERIOD;
	f->msgid = -1;
	if (pthread_create(&f->thread, NULL, follow_moves, f) != 0)
		mem_free(&f);
	return f;
}

void follow_stop(struct follow **follow)
{
	struct follow *f = *follow;

	if (f == NULL)
		return;
	pthread_join(f->thread, NULL);
	str_free(&f->cookie);
	mem_free(follow);
}

bool follow_loaded(struct follow *f)
{
	return atomic_load(&f->loaded);
}

bool follow_troubled(struct follow *f)
{
	return atomic_load(&f->troubled);
}
