#define _GNU_SOURCE
#include "control/fencing.h"

#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/leader.h"
#include "control/store.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/fence.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOOK_FIRST   (5 * CLOCK_MS)
#define LOOK_SLOWEST (100 * CLOCK_MS)
#define TROUBLE      CLOCK_SECOND

struct item {
	uint8_t uuid[16];
	char csn[64];
	char *physical;
	uint64_t epoch; /* 0 = none raised for it yet */
	unsigned raised;
	int64_t raise_us, began_us; /* monotonic: when once more, since when it waits */
	bool acked, late;
};

struct fencing {
	struct control *control;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct item *items;
	size_t count;
	bool fresh; /* one was added: look soon */

	/* of the thread: */
	struct ldap_session *session;
	int64_t look_us;
	bool trouble;
};

/* --- what is wanted --------------------------------------------------------------------------- */

static struct item *find(struct fencing *f, const uint8_t *uuid)
{
	for (size_t i = 0; i < f->count; i++)
		if (memcmp(f->items[i].uuid, uuid, 16) == 0)
			return &f->items[i];
	return NULL;
}

static void remove_item(struct fencing *f, struct item *item)
{
	mem_free(&item->physical);
	*item = f->items[--f->count];
}

static void set_item(struct item *item, const uint8_t *uuid, const char *csn, const char *physical)
{
	memset(item, 0, sizeof *item);
	memcpy(item->uuid, uuid, 16);
	snprintf(item->csn, sizeof item->csn, "%s", csn);
	item->physical = mem_strdup(physical);
	item->began_us = clock_mono_us();
}

void fencing_want(struct fencing *f, const uint8_t *uuid, const char *csn, const char *physical)
{
	pthread_mutex_lock(&f->lock);
	struct item *item = find(f, uuid);
	if (item != NULL &&
		(strcmp(item->csn, csn) != 0 || strcmp(item->physical, physical) != 0)) {
		remove_item(f, item);
		item = NULL;
	}
	if (item == NULL) {
		f->items = mem_grow(f->items, f->count + 1, sizeof *f->items);
		set_item(&f->items[f->count++], uuid, csn, physical);
		f->fresh = true;
		pthread_cond_signal(&f->wanted);
	}
	pthread_mutex_unlock(&f->lock);
}

void fencing_forget(struct fencing *f, const uint8_t *uuid)
{
	pthread_mutex_lock(&f->lock);
	struct item *item = find(f, uuid);
	if (item != NULL)
		remove_item(f, item);
	pthread_mutex_unlock(&f->lock);
}

size_t fencing_count(struct fencing *f)
{
	pthread_mutex_lock(&f->lock);
	size_t count = f->count;
	pthread_mutex_unlock(&f->lock);
	return count;
}

/* --- telling ---------------------------------------------------------------------------------- */

struct news {
	const struct item *item;
	bool drained;
	const char *trouble;
};

static void keep(void *context, struct kept *kept)
{
	const struct news *news = context;

	if (strcmp(kept->fence_csn, news->item->csn) != 0) {
		snprintf(kept->fence_csn, sizeof kept->fence_csn, "%s", news->item->csn);
		kept->fenced = false;
	}
	if (news->item->acked && !kept->fenced)
		kept->fenced_us = clock_mono_us();
	kept->fenced = news->item->acked;
	kept->drained = news->drained;
	snprintf(kept->fence_trouble, sizeof kept->fence_trouble, "%s",
		news->trouble != NULL ? news->trouble : "");
}

static void tell(struct fencing *f, const struct item *item, bool drained, const char *trouble)
{
	struct news news = { item, drained, trouble };

	store_keep(f->control->store, item->uuid, keep, &news, true);
}

/* --- raising ---------------------------------------------------------------------------------- */

static bool is_to_be_raised(const struct item *item, int64_t now)
{
	return item->epoch == 0 || (!item->acked && now >= item->raise_us);
}

static void note_raised(struct fencing *f, uint64_t epoch, const struct item *wanted, size_t count)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < count; i++) {
		struct item *item = find(f, wanted[i].uuid);
		if (item == NULL || strcmp(item->csn, wanted[i].csn) != 0)
			continue;
		if (item->epoch == 0)
			item->epoch = epoch;
		item->raise_us = now + fence_raise_interval_us(++item->raised);
	}
	pthread_mutex_unlock(&f->lock);
}

/* One number for all that want one; they were held before it was raised. */
static int raise_for_all(struct fencing *f, const char *base, const char **error_r)
{
	int64_t now = clock_mono_us();
	struct item *wanted;
	size_t count = 0;
	uint64_t epoch;
	int done = 0;

	pthread_mutex_lock(&f->lock);
	wanted = mem_grow(NULL, f->count + 1, sizeof *wanted);
	for (size_t i = 0; i < f->count; i++)
		if (is_to_be_raised(&f->items[i], now))
			wanted[count++] = f->items[i]; /* its texts are not looked at */
	f->fresh = false;
	pthread_mutex_unlock(&f->lock);
	if (count > 0) {
		enum ldap_result result = fence_raise(f->session, base, &epoch, error_r);
		if (result == LDAP_DONE)
			note_raised(f, epoch, wanted, count);
		done = result == LDAP_DONE ? 0 : -1;
		f->look_us = LOOK_FIRST;
	}
	mem_free(&wanted);
	return done;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void say_late(struct fencing *f, struct item *item, const struct fence_progress *progress)
{
	char text[256];

	item->late = true;
	snprintf(text, sizeof text,
		"the fence is not passed: %s%s; bring it back, or `restante node disable` it",
		progress->waiting != NULL ? "no acknowledgement of front door "
					  : "no front door has an entry",
		progress->waiting != NULL ? progress->waiting : "");
	log_error("control", "%s", text);
	tell(f, item, false, text);
}

/* True: it needs no more. By the lock's holder. */
static bool look_at(struct fencing *f, struct item *item, const struct federation_nodes *nodes,
	int64_t timeout_us)
{
	struct fence_progress progress = { 0 };
	bool was = item->acked;

	if (item->epoch == 0)
		return false;
	fence_look(nodes, item->epoch, item->physical, &progress);
	item->acked = progress.known > 0 && progress.acked == progress.nodes;
	if (progress.why == FENCE_WAITS_NOTHING) {
		tell(f, item, true, NULL);
		return true;
	}
	if (item->acked && !was)
		tell(f, item, false, NULL);
	if (!item->acked && !item->late && clock_mono_us() - item->began_us > timeout_us)
		say_late(f, item, &progress);
	return false;
}

static int look(struct fencing *f, const struct config *config)
{
	struct federation_nodes nodes;

	if (federation_read_nodes(f->session, config->ldap.base, &nodes) != LDAP_DONE)
		return -1;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count;)
		if (look_at(f, &f->items[i], &nodes, config->control.fence_timeout))
			remove_item(f, &f->items[i]);
		else
			i++;
	pthread_mutex_unlock(&f->lock);
	federation_nodes_free(&nodes);
	return 0;
}

static void say_trouble(struct fencing *f, const char *error)
{
	if (!f->trouble)
		log_warning("control", "fences cannot be passed for now: %s", error);
	f->trouble = true;
	f->look_us = TROUBLE;
	ldap_session_close(&f->session);
}

/* One round: raised where that is wanted, looked at once. */
static void round_of_all(struct fencing *f, const struct config *config)
{
	const struct ldap_options options = config_control_options(config);
	const char *error = "";

	if (leader_term(f->control->leader) == 0)
		return;
	if (f->session == NULL && (f->session = ldap_session_open(&options, &error)) == NULL)
		say_trouble(f, error);
	else if (raise_for_all(f, options.base, &error) < 0)
		say_trouble(f, error);
	else if (look(f, config) < 0)
		say_trouble(f, ldap_session_reason(f->session));
	else
		f->trouble = false;
}

/* False: the end. */
static bool wait_for_work(struct fencing *f)
{
	int64_t until = clock_mono_us() + f->look_us;

	pthread_mutex_lock(&f->lock);
	while (!atomic_load(&f->control->stopping) && !f->fresh &&
		(f->count == 0 || clock_mono_us() < until))
		clock_cond_wait_until(&f->wanted, &f->lock,
			f->count > 0 ? until : clock_mono_us() + CLOCK_SECOND);
	pthread_mutex_unlock(&f->lock);
	f->look_us += f->look_us / 4;
	if (f->look_us > LOOK_SLOWEST && !f->trouble)
		f->look_us = LOOK_SLOWEST;
	return !atomic_load(&f->control->stopping);
}

static void *keep_fences(void *context)
{
	struct fencing *f = context;

	pthread_setname_np(pthread_self(), "fences");
	while (wait_for_work(f)) {
		struct settings *settings = settings_hold(f->control);
		round_of_all(f, settings->config);
		settings_drop(&settings);
	}
	ldap_session_close(&f->session);
	return NULL;
}

struct fencing *fencing_start(struct control *control)
{
	struct fencing *f = mem_zalloc(sizeof *f);

	f->control = control;
	f->look_us = LOOK_FIRST;
	pthread_mutex_init(&f->lock, NULL);
	clock_cond_init(&f->wanted);
	if (pthread_create(&f->thread, NULL, keep_fences, f) != 0)
		mem_free(&f);
	return f;
}

void fencing_stop(struct fencing **fencing)
{
	struct fencing *f = *fencing;

	if (f == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	pthread_cond_broadcast(&f->wanted);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	while (f->count > 0)
		remove_item(f, &f->items[0]);
	mem_free(&f->items);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->wanted);
	mem_free(fencing);
}
