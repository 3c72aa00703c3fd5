#define _GNU_SOURCE
#include "milter/tally.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/move.h"
#include "milter/front.h"

#define BUCKETS 4096
#define LOOK    (200 * CLOCK_MS)
/* After a hold a decision in flight may hold one more; the record of the swap is written meanwhile.
 */
#define SETTLE      (500 * CLOCK_MS)
#define BACKOFF_MIN (CLOCK_SECOND)
#define BACKOFF_MAX (30 * CLOCK_SECOND)

struct item {
	uint8_t mailbox[ROUTE_UUID_BYTES];
	uint64_t messages;
	bool found;       /* it was in the queue at the start */
	char csn[64];     /* of the mailbox's entry when it was seen held, "" = not looked at yet */
	int64_t ended_us; /* monotonic: since when it is not held, 0 = it is */
	char *value;      /* to be told; a repeat of it is the same */
	struct item *next;
};

struct tally {
	struct front *front;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	struct item *buckets[BUCKETS];
	size_t count;
	atomic_bool stop;

	/* of the thread: */
	struct item *telling; /* of holds that are over */
	struct ldap_session *session;
	int64_t retry_at, backoff_us; /* monotonic; after a failure */
	int64_t look_us;
	uint64_t named; /* makes the values of one instant differ */
	bool trouble;
};

/* --- counting --------------------------------------------------------------------------------- */

static struct item **place_of(struct tally *t, const uint8_t *mailbox)
{
	/* entryUUIDs of one wave may differ in their first bytes alone, or in their last */
	unsigned hash = 0;

	for (size_t i = 0; i < ROUTE_UUID_BYTES; i++)
		hash = hash * 31 + mailbox[i];
	struct item **at = &t->buckets[hash % BUCKETS];
	while (*at != NULL && memcmp((*at)->mailbox, mailbox, ROUTE_UUID_BYTES) != 0)
		at = &(*at)->next;
	return at;
}

static void count(struct tally *t, const uint8_t *mailbox, uint64_t messages, bool found)
{
	pthread_mutex_lock(&t->lock);
	struct item **at = place_of(t, mailbox);
	if (*at == NULL) {
		*at = mem_zalloc(sizeof **at);
		memcpy((*at)->mailbox, mailbox, ROUTE_UUID_BYTES);
		(*at)->found = found;
		t->count++;
		pthread_cond_signal(&t->wake);
	}
	(*at)->messages += messages;
	pthread_mutex_unlock(&t->lock);
}

static void stored(void *context, const uint8_t *mailbox)
{
	if (memcmp(mailbox, holdq_notices, ROUTE_UUID_BYTES) != 0 &&
		memcmp(mailbox, holdq_redirected, ROUTE_UUID_BYTES) != 0)
		count(context, mailbox, 1, false);
}

static int found_at_start(void *context, const struct holdq_mailbox *mailbox)
{
	if (memcmp(mailbox->mailbox, holdq_notices, ROUTE_UUID_BYTES) != 0 &&
		memcmp(mailbox->mailbox, holdq_redirected, ROUTE_UUID_BYTES) != 0)
		count(context, mailbox->mailbox, mailbox->recipients, true);
	return 0;
}

/* --- what the replica says of it -------------------------------------------------------------- */

static void drop(struct item **item)
{
	mem_free(&(*item)->value);
	mem_free(item);
}

enum judgement { KEEP, TELL, FORGET };

static enum judgement judge(struct tally *t, struct item *item)
{
	struct replica_version version;
	bool there = replica_mailbox_version(t->front->replica, item->mailbox, &version);
	bool held = there && version.state == STATE_HOLDING;

	if (item->csn[0] == '\0') {
		/* held with its whole system, or before this process; or its entry is gone */
		if (!there || (!held && (item->found || version.system_state == STATE_HOLDING)))
			return FORGET;
		snprintf(item->csn, sizeof item->csn, "%s", version.csn);
	}
	if (held) {
		item->ended_us = 0;
		return KEEP;
	}
	if (item->ended_us == 0)
		item->ended_us = clock_mono_us();
	return clock_mono_us() - item->ended_us < SETTLE ? KEEP : TELL;
}

static void name_value(struct tally *t, struct item *item)
{
	char now[32];

	clock_generalized(now, sizeof now, clock_wall_us());
	item->value = mem_printf("%s %" PRIu64 " %.14s.%06" PRIu64 "Z",
		t->front->config->milter.node, item->messages, now, t->named++ % 1000000);
	item->next = t->telling;
	t->telling = item;
}

/* What is not held any more is taken off: a later hold is counted by itself. */
static void look_at(struct tally *t, struct item **at)
{
	struct item *item = *at;
	enum judgement judgement = judge(t, item);

	if (judgement == KEEP)
		return;
	*at = item->next;
	t->count--;
	if (judgement == TELL)
		name_value(t, item);
	else
		drop(&item);
}

/* A bucket at a time, for who holds mail waits for the lock. */
static void look(struct tally *t)
{
	struct replica_view view;

	replica_view(t->front->replica, &view);
	for (size_t b = 0; b < BUCKETS && view.loaded; b++) {
		pthread_mutex_lock(&t->lock);
		for (struct item **at = &t->buckets[b], *item; (item = *at) != NULL;) {
			look_at(t, at);
			if (*at == item)
				at = &item->next;
		}
		pthread_mutex_unlock(&t->lock);
	}
}

/* --- telling ---------------------------------------------------------------------------------- */

static void fail(struct tally *t, const char *error)
{
	if (!t->trouble)
		log_warning("tally",
			"how many messages were held for a move is not told for now: %s", error);
	t->trouble = true;
	t->backoff_us = t->backoff_us ? t->backoff_us * 2 : BACKOFF_MIN;
	if (t->backoff_us > BACKOFF_MAX)
		t->backoff_us = BACKOFF_MAX;
	t->retry_at = clock_mono_us() + t->backoff_us;
}

static enum ldap_result tell_once(struct tally *t, const struct item *item, const char **error_r)
{
	struct ldap_options options = config_ldap_options(t->front->config, NULL);
	char uuid[ROUTE_UUID_TEXT];

	if (t->session == NULL && (t->session = ldap_session_open(&options, error_r)) == NULL)
		return LDAP_DOWN;
	enum ldap_result result = move_note_held(t->session, t->front->config->ldap.base,
		route_uuid_text(uuid, item->mailbox), item->csn, item->value);
	*error_r = ldap_session_reason(t->session);
	return result;
}

/* False: later. An idle session may have been closed by its server: that alone says nothing. */
static bool tell(struct tally *t, const struct item *item)
{
	bool used = t->session != NULL;
	const char *error = "";
	enum ldap_result result = tell_once(t, item, &error);

	if (result == LDAP_DOWN && used) {
		ldap_session_close(&t->session);
		result = tell_once(t, item, &error);
	}
	if (result == LDAP_DONE)
		log_info("tally", "told held=\"%s\"", item->value);
	if (result == LDAP_DONE || result == LDAP_NO_ENTRY) {
		t->trouble = false;
		t->backoff_us = t->retry_at = 0;
		return true;
	}
	fail(t, error);
	if (result == LDAP_DOWN)
		ldap_session_close(&t->session);
	return false;
}

static void tell_all(struct tally *t)
{
	while (t->telling != NULL && !atomic_load(&t->stop) && clock_mono_us() >= t->retry_at) {
		struct item *item = t->telling;

		if (!tell(t, item))
			return;
		t->telling = item->next;
		drop(&item);
	}
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool wait_for_work(struct tally *t)
{
	int64_t until = clock_mono_us() + t->look_us;

	pthread_mutex_lock(&t->lock);
	if (t->count == 0 && t->telling == NULL)
		ldap_session_close(&t->session);
	while (!atomic_load(&t->stop))
		if (t->count == 0 && t->telling == NULL)
			pthread_cond_wait(&t->wake, &t->lock);
		else if (clock_cond_wait_until(&t->wake, &t->lock, until) != 0)
			break;
	pthread_mutex_unlock(&t->lock);
	return !atomic_load(&t->stop);
}

static void *run(void *context)
{
	struct tally *t = context;

	pthread_setname_np(pthread_self(), "tally");
	while (wait_for_work(t)) {
		int64_t began = clock_mono_us();

		look(t);
		/* of many that are held: a small share of a core, however long they are */
		t->look_us = 50 * (clock_mono_us() - began);
		t->look_us = t->look_us > LOOK ? t->look_us : LOOK;
		tell_all(t);
	}
	ldap_session_close(&t->session);
	return NULL;
}

struct tally *tally_start(struct front *front)
{
	struct tally *t = mem_zalloc(sizeof *t);

	t->front = front;
	t->look_us = LOOK;
	pthread_mutex_init(&t->lock, NULL);
	clock_cond_init(&t->wake);
	bool counted = holdq_each_mailbox(front->queue, found_at_start, t) == HOLDQ_OK;
	look(t); /* at once: what is held now may be released a moment later */
	if (counted && pthread_create(&t->thread, NULL, run, t) == 0) {
		holdq_observe_stored(front->queue, stored, t);
		return t;
	}
	mem_free(&t);
	return NULL;
}

void tally_stop(struct tally **tally)
{
	struct tally *t = *tally;

	if (t == NULL)
		return;
	holdq_observe_stored(t->front->queue, NULL, NULL);
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->stop, true);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct item *item = t->buckets[b], *next; item != NULL; item = next) {
			next = item->next;
			drop(&item);
		}
	for (struct item *item = t->telling, *next; item != NULL; item = next) {
		next = item->next;
		drop(&item);
	}
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	mem_free(tally);
}
