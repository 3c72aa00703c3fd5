#define _GNU_SOURCE
#include "control/fencing.h"

#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/rounds.h"
#include "control/store.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/fence.h"
#include "lib/log.h"
#include "lib/mem.h"

#define LOOK_FIRST   (5 * CLOCK_MS)
#define LOOK_SLOWEST (100 * CLOCK_MS)
#define TROUBLE      CLOCK_SECOND
/* An epoch costs each front door two writes and a listing of its MTA's queue: the more moves wait,
 * the longer the next one is waited for, and serves as many more. */
#define APART_EACH (5 * CLOCK_MS)
#define APART_MOST (100 * CLOCK_MS)

struct item {
	uint8_t uuid[16];
	char csn[64];
	char *physical;
	uint64_t epoch; /* 0 = none raised for it yet */
	unsigned raised;
	int64_t raised_us; /* monotonic: the last time, */
	int64_t since_us;  /* and since when it waits for what it does */
	bool acked;
	unsigned told; /* bits of enum fence_wait: what an administrator was told */
};

struct fencing {
	struct control *control;
	struct rounds *rounds; /* its lock guards what follows */
	struct item *items;
	size_t count;
	int64_t look_us;
	int64_t raised_us; /* monotonic: the last epoch */
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
	item->since_us = clock_mono_us();
}

/* By the lock's holder. A single move waits for nobody. */
static int64_t next_epoch_us(const struct fencing *f)
{
	int64_t apart = (int64_t)f->count * APART_EACH;

	return f->raised_us + (apart < APART_MOST ? apart : APART_MOST);
}

void fencing_want(struct fencing *f, const uint8_t *uuid, const char *csn, const char *physical)
{
	rounds_lock(f->rounds);
	struct item *item = find(f, uuid);
	if (item != NULL &&
		(strcmp(item->csn, csn) != 0 || strcmp(item->physical, physical) != 0)) {
		remove_item(f, item);
		item = NULL;
	}
	if (item == NULL) {
		f->items = mem_grow(f->items, f->count + 1, sizeof *f->items);
		set_item(&f->items[f->count++], uuid, csn, physical);
		rounds_wake(f->rounds, clock_mono_us() >= next_epoch_us(f));
	}
	rounds_unlock(f->rounds);
}

void fencing_forget(struct fencing *f, const uint8_t *uuid)
{
	rounds_lock(f->rounds);
	struct item *item = find(f, uuid);
	if (item != NULL)
		remove_item(f, item);
	rounds_unlock(f->rounds);
}

size_t fencing_count(struct fencing *f)
{
	rounds_lock(f->rounds);
	size_t count = f->count;
	rounds_unlock(f->rounds);
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

static bool is_unanswered(const struct item *item, int64_t now)
{
	return item->epoch != 0 &&
	       now >= item->raised_us + fence_raise_interval_us(item->raised, item->acked);
}

/* By the lock's holder. */
static bool is_time_to_raise(const struct fencing *f, int64_t now)
{
	bool first = now >= next_epoch_us(f);

	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].epoch == 0 ? first : is_unanswered(&f->items[i], now))
			return true;
	return false;
}

/* An answer to any later number counts: who waits for one is served as well. */
static void note_raised(struct fencing *f, uint64_t epoch, const struct item *wanted, size_t count)
{
	int64_t now = clock_mono_us();

	rounds_lock(f->rounds);
	for (size_t i = 0; i < count; i++) {
		struct item *item = find(f, wanted[i].uuid);
		if (item == NULL || strcmp(item->csn, wanted[i].csn) != 0)
			continue;
		if (item->epoch == 0)
			item->epoch = epoch;
		item->raised++;
	}
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].epoch != 0)
			f->items[i].raised_us = now;
	f->look_us = LOOK_FIRST;
	f->raised_us = now;
	rounds_unlock(f->rounds);
}

/* One number for all that want one; they were held before it was raised. */
static int raise_for_all(
	struct fencing *f, struct ldap_session *session, const char *base, const char **error_r)
{
	int64_t now = clock_mono_us();
	struct item *wanted;
	size_t count = 0;
	uint64_t epoch;
	int done = 0;

	rounds_lock(f->rounds);
	wanted = mem_grow(NULL, f->count + 1, sizeof *wanted);
	bool raise = is_time_to_raise(f, now);
	for (size_t i = 0; raise && i < f->count; i++)
		if (f->items[i].epoch == 0 || is_unanswered(&f->items[i], now))
			wanted[count++] = f->items[i]; /* its texts are not looked at */
	rounds_unlock(f->rounds);
	if (count > 0) {
		enum ldap_result result = fence_raise(session, base, &epoch, error_r);
		if (result == LDAP_DONE)
			note_raised(f, epoch, wanted, count);
		done = result == LDAP_DONE ? 0 : -1;
	}
	mem_free(&wanted);
	return done;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void explain(
	const struct item *item, const struct fence_progress *p, char *text, size_t size)
{
	const char *door = p->waiting != NULL ? p->waiting : "";

	switch (p->why) {
	case FENCE_WAITS_NOTHING: *text = '\0'; break;
	case FENCE_WAITS_NODES:
		snprintf(text, size,
			"the fence is not passed: no front door has an entry; add it, see "
			"restante-schema(5)");
		break;
	case FENCE_WAITS_ACK:
		snprintf(text, size,
			"the fence is not passed: no acknowledgement of front door %s; bring it "
			"back, or `restante node disable` it",
			door);
		break;
	case FENCE_WAITS_LIST:
		snprintf(text, size,
			"not drained: front door %s has not listed its MTA's queue; its log says "
			"why; mend that, or `restante node disable` it",
			door);
		break;
	case FENCE_WAITS_QUEUE:
		snprintf(text, size,
			"not drained: the MTA's queue of front door %s has mail for %s; see what "
			"keeps it there, deliver or delete it",
			door, item->physical);
		break;
	}
}

/* In the record of each, in the log once for all that wait for the same. */
static void say_late(struct fencing *f, struct item *item, const struct fence_progress *progress,
	char *said, size_t size)
{
	char text[256];

	item->told |= 1U << progress->why;
	explain(item, progress, text, sizeof text);
	if (strcmp(said, text) != 0)
		log_error("control", "%s", text);
	snprintf(said, size, "%s", text);
	tell(f, item, false, text);
}

struct look {
	const struct federation_nodes *nodes;
	int64_t timeout_us;
	char said[256]; /* last, in this look */
};

/* True: it needs no more. By the lock's holder. */
static bool look_at(struct fencing *f, struct item *item, struct look *look)
{
	struct fence_progress progress = { 0 };
	bool was = item->acked;

	if (item->epoch == 0)
		return false;
	fence_look(look->nodes, item->epoch, item->physical, &progress);
	item->acked = progress.known > 0 && progress.acked == progress.nodes;
	if (progress.why == FENCE_WAITS_NOTHING) {
		tell(f, item, true, NULL);
		return true;
	}
	if (item->acked != was)
		item->since_us = clock_mono_us();
	if (item->acked && !was)
		tell(f, item, false, NULL);
	if ((item->told & 1U << progress.why) == 0 &&
		clock_mono_us() - item->since_us > look->timeout_us)
		say_late(f, item, &progress, look->said, sizeof look->said);
	return false;
}

static int look_at_all(struct fencing *f, struct ldap_session *session, const struct config *config)
{
	struct federation_nodes nodes;
	struct look look = { &nodes, config->control.fence_timeout, "" };

	if (federation_read_nodes(session, config->ldap.base, &nodes) != LDAP_DONE)
		return -1;
	rounds_lock(f->rounds);
	for (size_t i = 0; i < f->count;)
		if (look_at(f, &f->items[i], &look))
			remove_item(f, &f->items[i]);
		else
			i++;
	rounds_unlock(f->rounds);
	federation_nodes_free(&nodes);
	return 0;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static size_t waiting(void *keeper)
{
	return ((struct fencing *)keeper)->count;
}

static bool is_one_to_be_raised(const struct fencing *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].epoch == 0)
			return true;
	return false;
}

/* Soon after a raise, slower later. */
static int64_t pause_until_look(void *keeper)
{
	struct fencing *f = keeper;
	int64_t pause = f->look_us, left = next_epoch_us(f) - clock_mono_us();

	if (left < pause && is_one_to_be_raised(f))
		pause = left > 0 ? left : 0;
	f->look_us += f->look_us / 4;
	if (f->look_us > LOOK_SLOWEST)
		f->look_us = LOOK_SLOWEST;
	return pause;
}

/* Raised where that is wanted, looked at once. */
static int round_of_all(void *keeper, struct ldap_session *session, const struct config *config,
	const char **error_r)
{
	struct fencing *f = keeper;

	if (raise_for_all(f, session, config->ldap.base, error_r) < 0)
		return -1;
	return look_at_all(f, session, config);
}

static const struct rounds_kind kind = { .thread = "fences",
	.fails = "fences cannot be passed",
	.well = "fences can be passed again",
	.trouble_us = TROUBLE,
	.waiting = waiting,
	.pause = pause_until_look,
	.round = round_of_all };

struct fencing *fencing_start(struct control *control)
{
	struct fencing *f = mem_zalloc(sizeof *f);

	f->control = control;
	f->look_us = LOOK_FIRST;
	if (rounds_start(control, &kind, f, &f->rounds) < 0)
		mem_free(&f);
	return f;
}

void fencing_stop(struct fencing **fencing)
{
	struct fencing *f = *fencing;

	if (f == NULL)
		return;
	rounds_stop(&f->rounds);
	while (f->count > 0)
		remove_item(f, &f->items[0]);
	mem_free(&f->items);
	mem_free(fencing);
}
