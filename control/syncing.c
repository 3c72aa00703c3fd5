#define _GNU_SOURCE
#include "control/syncing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/control.h"
#include "control/rounds.h"
#include "control/store.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define PERIOD  (200 * CLOCK_MS)
#define TROUBLE (2 * CLOCK_SECOND)
#define WAITS   4

enum kind { ASK_UP, ASK_DOWN, WATCH };

struct item {
	uint8_t uuid[16];
	uint64_t serial;
	enum kind kind;
	char assignor[64], assignee[64];
	struct {
		char system[64];
		uint64_t number;
	} waits[WAITS];
	size_t wait_count;
};

struct syncing {
	struct control *control;
	struct rounds *rounds; /* its lock guards what follows */
	struct item *items;
	size_t count;
	uint64_t serial;
};

/* --- what is wanted --------------------------------------------------------------------------- */

/* One at a time of a move: the last one counts. */
static void put(struct syncing *s, const struct item *fresh)
{
	size_t at = 0;

	rounds_lock(s->rounds);
	while (at < s->count && memcmp(s->items[at].uuid, fresh->uuid, 16) != 0)
		at++;
	if (at == s->count)
		s->items = mem_grow(s->items, ++s->count, sizeof *s->items);
	s->items[at] = *fresh;
	s->items[at].serial = ++s->serial;
	rounds_wake(s->rounds, false);
	rounds_unlock(s->rounds);
}

void syncing_ask(struct syncing *s, const uint8_t *uuid, enum sync_direction direction,
	const char *assignor, const char *assignee)
{
	struct item item = { .kind = direction == SYNC_UP ? ASK_UP : ASK_DOWN };

	memcpy(item.uuid, uuid, 16);
	snprintf(item.assignor, sizeof item.assignor, "%s", assignor);
	snprintf(item.assignee, sizeof item.assignee, "%s", assignee);
	put(s, &item);
}

void syncing_watch(struct syncing *s, const uint8_t *uuid, const struct move *move)
{
	struct item item = { .kind = WATCH };

	memcpy(item.uuid, uuid, 16);
	for (size_t i = 0; i < move->wait_count && i < WAITS; i++) {
		snprintf(item.waits[i].system, sizeof item.waits[i].system, "%s",
			move->waits[i].system);
		item.waits[item.wait_count++].number = move->waits[i].number;
	}
	put(s, &item);
}

size_t syncing_count(struct syncing *s)
{
	rounds_lock(s->rounds);
	size_t count = s->count;
	rounds_unlock(s->rounds);
	return count;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* What was raised in this round, for all that asked before it began. */
struct round {
	struct sync_systems systems;
	struct item *items;
	size_t count;
};

static bool is_own(const struct item *item, const char *system)
{
	return strcasecmp(system, item->assignor) == 0 || strcasecmp(system, item->assignee) == 0;
}

/* Up syncs of all: those of the other systems are not waited for. */
static bool is_wanted(const struct item *item, enum sync_direction direction, const char *system)
{
	return direction == SYNC_UP ? item->kind == ASK_UP
				    : item->kind == ASK_DOWN && !is_own(item, system);
}

static bool anybody_wants(
	const struct round *round, enum sync_direction direction, const char *system)
{
	for (size_t i = 0; i < round->count; i++)
		if (is_wanted(&round->items[i], direction, system))
			return true;
	return false;
}

static enum ldap_result raise_wanted(struct ldap_session *session, struct round *round)
{
	enum ldap_result result = LDAP_DONE;

	for (int d = SYNC_UP; d <= SYNC_DOWN; d++)
		for (size_t i = 0; i < round->systems.count && result == LDAP_DONE; i++) {
			struct sync_system *system = &round->systems.systems[i];

			if (anybody_wants(round, (enum sync_direction)d, system->name))
				result = syncask_raise(session, system, (enum sync_direction)d);
		}
	return result;
}

/* --- telling ---------------------------------------------------------------------------------- */

static const struct sync_system *system_of(const struct sync_systems *systems, const char *name)
{
	for (size_t i = 0; i < systems->count; i++)
		if (strcasecmp(systems->systems[i].name, name) == 0)
			return &systems->systems[i];
	return NULL;
}

struct news {
	const struct item *item;
	const struct round *round;
	enum sync_answer answer;
	char reason[256];
};

static void keep_asked(void *context, struct kept *kept)
{
	const struct news *news = context;
	const struct sync_systems *systems = &news->round->systems;

	if (news->item->kind == ASK_DOWN) {
		kept->asked_down = true;
		return;
	}
	kept->asked_count = 0;
	for (size_t i = 0; i < systems->count && kept->asked_count < 2; i++) {
		if (!is_own(news->item, systems->systems[i].name))
			continue;
		snprintf(kept->asked[kept->asked_count].system, sizeof kept->asked[0].system, "%s",
			systems->systems[i].name);
		kept->asked[kept->asked_count++].number = systems->systems[i].side[SYNC_UP].asked;
	}
}

static void keep_answer(void *context, struct kept *kept)
{
	const struct news *news = context;

	kept->syncs = news->answer;
	snprintf(kept->sync_reason, sizeof kept->sync_reason, "%s", news->reason);
}

static void judge(const struct item *item, const struct sync_systems *systems, struct news *news)
{
	news->answer = SYNC_ANSWERED;
	for (size_t i = 0; i < item->wait_count; i++) {
		const struct sync_system *system = system_of(systems, item->waits[i].system);
		const struct sync_side *side = system != NULL ? &system->side[SYNC_UP] : NULL;
		enum sync_answer answer =
			side != NULL ? syncask_answer(side, item->waits[i].number) : SYNC_WAITS;

		if (answer == SYNC_ANSWERED || news->answer == SYNC_REFUSED)
			continue;
		news->answer = answer;
		if (answer == SYNC_REFUSED)
			snprintf(news->reason, sizeof news->reason, "%s: %s", system->name,
				side->reason);
	}
}

/* True: it has what it wanted. */
static bool tell(struct syncing *s, const struct item *item, const struct round *round)
{
	struct news news = { .item = item, .round = round };

	if (item->kind != WATCH) {
		store_keep(s->control->store, item->uuid, keep_asked, &news, true);
		return true;
	}
	judge(item, &round->systems, &news);
	if (news.answer == SYNC_WAITS)
		return false;
	store_keep(s->control->store, item->uuid, keep_answer, &news, true);
	return true;
}

/* Those that are as they were when the round began; others came or changed meanwhile. */
static void forget(struct syncing *s, const struct item *told)
{
	rounds_lock(s->rounds);
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].serial == told->serial) {
			s->items[i] = s->items[--s->count];
			break;
		}
	rounds_unlock(s->rounds);
}

/* --- rounds ----------------------------------------------------------------------------------- */

static enum ldap_result do_round(
	struct syncing *s, struct ldap_session *session, const char *base, struct round *round)
{
	enum ldap_result result = syncask_read(session, base, NULL, &round->systems);

	if (result == LDAP_NO_ENTRY)
		result = LDAP_DONE;
	if (result != LDAP_DONE)
		return result;
	result = raise_wanted(session, round);
	for (size_t i = 0; i < round->count && result == LDAP_DONE; i++)
		if (tell(s, &round->items[i], round))
			forget(s, &round->items[i]);
	syncask_free(&round->systems);
	return result;
}

static size_t waiting(void *keeper)
{
	return ((struct syncing *)keeper)->count;
}

/* Several ask at the same time: they are waited for. */
static int64_t pause_of(void *keeper)
{
	(void)keeper;
	return PERIOD;
}

static int round_of_all(void *keeper, struct ldap_session *session, const struct config *config,
	const char **error_r)
{
	struct syncing *s = keeper;
	struct round round = { .items = NULL };

	(void)error_r;
	rounds_lock(s->rounds);
	round.count = s->count;
	round.items = mem_grow(NULL, s->count + 1, sizeof *round.items);
	memcpy(round.items, s->items, s->count * sizeof *round.items);
	rounds_unlock(s->rounds);
	enum ldap_result result = do_round(s, session, config->ldap.base, &round);
	mem_free(&round.items);
	return result == LDAP_DONE ? 0 : -1;
}

static const struct rounds_kind kind = { .thread = "syncs",
	.fails = "syncs cannot be asked for or watched",
	.well = "syncs can be asked for and watched again",
	.trouble_us = TROUBLE,
	.waiting = waiting,
	.pause = pause_of,
	.round = round_of_all };

struct syncing *syncing_start(struct control *control)
{
	struct syncing *s = mem_zalloc(sizeof *s);

	s->control = control;
	if (rounds_start(control, &kind, s, &s->rounds) < 0)
		mem_free(&s);
	return s;
}

void syncing_stop(struct syncing **syncing)
{
	struct syncing *s = *syncing;

	if (s == NULL)
		return;
	rounds_stop(&s->rounds);
	mem_free(&s->items);
	mem_free(syncing);
}
