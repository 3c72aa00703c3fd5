#define _GNU_SOURCE
#include "dirsync/listener.h"

#include <pthread.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PATIENCE (30 * CLOCK_SECOND)
#define AGAIN    (5 * CLOCK_SECOND) /* after trouble */
#define TICK     (100 * CLOCK_MS)

struct listener {
	struct unit *unit;
	struct source *source;
	const struct source_kind *kind;
	char *mark;
	pthread_t thread;
	atomic_bool stop;
};

static void rest(struct listener *l)
{
	int64_t until = clock_mono_us() + AGAIN;

	while (!atomic_load(&l->stop) && clock_mono_us() < until)
		clock_sleep_us(TICK);
}

static void *listen_to(void *context)
{
	struct listener *l = context;
	const char *error = "";
	int got = 0;

	pthread_setname_np(pthread_self(), "listener");
	while (!atomic_load(&l->stop) && got != 1) {
		got = l->kind->wait(l->source, l->mark, PATIENCE, &l->stop, &error);
		if (got < 0) {
			log_warning("sync", "changes are not listened to for now system=%s: %s",
				unit_system(l->unit), error);
			rest(l);
		}
	}
	if (got == 1)
		unit_ask(l->unit, false);
	return NULL;
}

/* Files are waited for whatever became of the last one: their source remembers which it has tried.
 * A server is listened to from a mark on. */
static bool is_listened_to(const struct source_kind *kind, const struct config_up *settings,
	const char *mark, enum sync_word word)
{
	if (kind == NULL || kind->wait == NULL || word == SYNC_FAILED || word == SYNC_BUSY)
		return false;
	return !kind->deltas ||
	       (word == SYNC_COMPLETE && *mark != '\0' && strcmp(settings->delta, "syncrepl") == 0);
}

struct listener *listener_start(struct unit *unit, struct source *source,
	const struct config *config, const char *mark, enum sync_word word)
{
	const struct config_up *settings = config_up(config, unit_system(unit));
	const struct source_kind *kind =
		settings != NULL ? source_kind_find(settings->source) : NULL;
	struct listener *l;

	if (!is_listened_to(kind, settings, mark, word))
		return NULL;
	l = mem_zalloc(sizeof *l);
	l->unit = unit;
	l->source = source;
	l->kind = kind;
	l->mark = mem_strdup(mark);
	if (pthread_create(&l->thread, NULL, listen_to, l) == 0)
		return l;
	mem_free(&l->mark);
	mem_free(&l);
	return NULL;
}

void listener_stop(struct listener **listener)
{
	struct listener *l = *listener;

	if (l == NULL)
		return;
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
	mem_free(&l->mark);
	mem_free(listener);
}
