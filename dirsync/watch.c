/* Requests in the directory: a small search each second, on write_uri, where they are written. */
#define _GNU_SOURCE
#include <strings.h>

#include "dirsync/dirsync.h"
#include "lib/clock.h"
#include "lib/ldap_session.h"
#include "lib/log.h"
#include "lib/syncask.h"

#define PERIOD CLOCK_SECOND
#define TICK   (100 * CLOCK_MS)
/* After trouble: doubled up to this. */
#define TROUBLE_MAX (30 * CLOCK_SECOND)

struct watch {
	struct dirsync *dirsync;
	struct settings *settings; /* those of the session */
	struct ldap_session *session;
	int64_t pause_us;
	bool trouble;
};

static uint64_t open_request(const struct sync_systems *systems, const struct unit *unit)
{
	for (size_t i = 0; i < systems->count; i++) {
		const struct sync_side *side = &systems->systems[i].side[unit_direction(unit)];
		if (strcasecmp(systems->systems[i].name, unit_system(unit)) == 0)
			return side->asked > side->finished && side->asked > side->failed
				       ? side->asked
				       : 0;
	}
	return 0;
}

static void tell_units(struct watch *w, const struct sync_systems *systems)
{
	struct dirsync *d = w->dirsync;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->unit_count; i++)
		unit_wanted(d->units[i], open_request(systems, d->units[i]));
	pthread_mutex_unlock(&d->lock);
}

static void told(struct watch *w, const char *error)
{
	if (!w->trouble)
		log_warning("sync", "requests in the directory are not seen for now: %s", error);
	w->trouble = true;
	w->pause_us = w->pause_us * 2 < TROUBLE_MAX ? w->pause_us * 2 : TROUBLE_MAX;
	ldap_session_close(&w->session);
}

static void look(struct watch *w)
{
	const struct ldap_options options = config_dirsync_options(w->settings->config);
	struct sync_systems systems = { .count = 0 };
	const char *error;

	if (w->session == NULL && (w->session = ldap_session_open(&options, &error)) == NULL) {
		told(w, error);
		return;
	}
	enum ldap_result result = syncask_read(w->session, options.base, NULL, &systems);
	if (result != LDAP_DONE && result != LDAP_NO_ENTRY) {
		told(w, ldap_session_reason(w->session));
		return;
	}
	if (w->trouble)
		log_info("sync", "requests in the directory are seen again");
	w->trouble = false;
	w->pause_us = PERIOD;
	tell_units(w, &systems);
	syncask_free(&systems);
}

static void follow_settings(struct watch *w)
{
	struct settings *now = settings_hold(w->dirsync);

	if (now == w->settings) {
		settings_drop(&now);
		return;
	}
	ldap_session_close(&w->session);
	if (w->settings != NULL)
		settings_drop(&w->settings);
	w->settings = now;
}

static void *watch(void *context)
{
	struct watch w = { .dirsync = context, .pause_us = PERIOD };

	pthread_setname_np(pthread_self(), "watch");
	while (!atomic_load(&w.dirsync->stopping)) {
		pulse_step(&w.dirsync->watching);
		follow_settings(&w);
		look(&w);
		pulse_rest(&w.dirsync->watching);
		int64_t until = clock_mono_us() + w.pause_us;
		while (!atomic_load(&w.dirsync->stopping) && clock_mono_us() < until)
			clock_sleep_us(TICK);
	}
	ldap_session_close(&w.session);
	settings_drop(&w.settings);
	return NULL;
}

int watch_start(struct dirsync *dirsync)
{
	dirsync->watches = pthread_create(&dirsync->watcher, NULL, watch, dirsync) == 0;
	return dirsync->watches ? 0 : -1;
}

void watch_stop(struct dirsync *dirsync)
{
	if (dirsync->watches)
		pthread_join(dirsync->watcher, NULL);
	dirsync->watches = false;
}
