#include "control/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/machine.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define BUCKETS_FIRST 256

struct store *store_new(void)
{
	struct store *s = mem_zalloc(sizeof *s);

	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->changed);
	s->buckets = BUCKETS_FIRST;
	s->by_uuid = mem_zalloc(s->buckets * sizeof *s->by_uuid);
	s->by_mailbox = mem_zalloc(s->buckets * sizeof *s->by_mailbox);
	return s;
}

static void free_task(struct task **task)
{
	struct task *t = *task;

	move_free(&t->move);
	move_free(&t->newer);
	left_free(&t->left);
	left_free(&t->seen);
	mem_free(&t->kept);
	mem_free(&t->facts.missing);
	mem_free(&t->facts.listed_for);
	mem_free(&t->facts.create_refused);
	mem_free(&t->facts.second_trouble);
	mem_free(&t->facts.first_gone);
	mem_free(&t->mailbox);
	mem_free(task);
}

void store_free(struct store **store)
{
	struct store *s = *store;

	for (size_t i = 0; i < s->buckets; i++)
		for (struct task *t = s->by_uuid[i], *next; t != NULL; t = next) {
			next = t->next_uuid;
			free_task(&t);
		}
	store_slots_free(s);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	mem_free(&s->by_uuid);
	mem_free(&s->by_mailbox);
	mem_free(&s->heap);
	mem_free(&s->seen);
	mem_free(store);
}

/* --- the heap: the earliest on top ------------------------------------------------------------ */

static void place(struct store *s, size_t at, struct task *task)
{
	s->heap[at] = task;
	task->heap = at;
}

static void sift_up(struct store *s, size_t at)
{
	struct task *task = s->heap[at];

	for (; at > 1 && s->heap[at / 2]->due_us > task->due_us; at /= 2)
		place(s, at, s->heap[at / 2]);
	place(s, at, task);
}

static void sift_down(struct store *s, size_t at)
{
	struct task *task = s->heap[at];

	for (size_t child; (child = 2 * at) <= s->heap_count; at = child) {
		if (child < s->heap_count && s->heap[child + 1]->due_us < s->heap[child]->due_us)
			child++;
		if (s->heap[child]->due_us >= task->due_us)
			break;
		place(s, at, s->heap[child]);
	}
	place(s, at, task);
}

static void heap_remove(struct store *s, struct task *task)
{
	size_t at = task->heap;
	struct task *last;

	if (at == 0)
		return;
	last = s->heap[s->heap_count--];
	task->heap = 0;
	if (last == task)
		return;
	place(s, at, last);
	sift_up(s, at);
	sift_down(s, last->heap);
}

static void heap_put(struct store *s, struct task *task, int64_t due_us)
{
	heap_remove(s, task);
	task->due_us = due_us;
	if (due_us == STORE_NEVER)
		return;
	if (s->heap_count + 2 > s->heap_room) {
		s->heap_room = s->heap_room * 2 + 64;
		s->heap = mem_grow(s->heap, s->heap_room, sizeof *s->heap);
	}
	place(s, ++s->heap_count, task);
	sift_up(s, s->heap_count);
	if (s->heap[1] == task)
		pthread_cond_signal(&s->changed);
}

/* --- the indices ------------------------------------------------------------------------------ */

static size_t hash(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ (h >> 32));
}

static size_t bucket_of(const struct store *s, const uint8_t *uuid)
{
	return hash(uuid, 16) & (s->buckets - 1);
}

size_t store_mailbox_bucket(const struct store *s, const char *mailbox)
{
	return hash(mailbox, strlen(mailbox)) & (s->buckets - 1);
}

struct task *store_find(const struct store *s, const uint8_t *uuid)
{
	struct task *t = s->by_uuid[bucket_of(s, uuid)];

	while (t != NULL && memcmp(t->uuid, uuid, 16) != 0)
		t = t->next_uuid;
	return t;
}

static void link_task(struct store *s, struct task *t)
{
	size_t at = bucket_of(s, t->uuid);

	t->next_uuid = s->by_uuid[at];
	s->by_uuid[at] = t;
	if (t->mailbox == NULL)
		return;
	at = store_mailbox_bucket(s, t->mailbox);
	t->next_mailbox = s->by_mailbox[at];
	s->by_mailbox[at] = t;
}

static void grow(struct store *s)
{
	struct task **old = s->by_uuid;
	size_t buckets = s->buckets;

	s->buckets *= 4;
	mem_free(&s->by_mailbox);
	s->by_uuid = mem_zalloc(s->buckets * sizeof *s->by_uuid);
	s->by_mailbox = mem_zalloc(s->buckets * sizeof *s->by_mailbox);
	for (size_t i = 0; i < buckets; i++)
		for (struct task *t = old[i], *next; t != NULL; t = next) {
			next = t->next_uuid;
			link_task(s, t);
		}
	mem_free(&old);
}

static void unlink_mailbox(struct store *s, struct task *t)
{
	struct task **at;

	if (t->mailbox == NULL)
		return;
	at = &s->by_mailbox[store_mailbox_bucket(s, t->mailbox)];
	while (*at != t)
		at = &(*at)->next_mailbox;
	*at = t->next_mailbox;
	t->next_mailbox = NULL;
	mem_free(&t->mailbox);
}

static bool has_begun(const struct move *move)
{
	return move->state > MOVE_RECORDED || *move->physical != '\0' ||
	       strcmp(move->work.step, step_name(STEP_CREATE)) == 0;
}

static void index_task(struct store *s, struct task *t)
{
	const char *mailbox = t->move->mailbox;
	size_t at;

	t->begun = has_begun(t->move);
	t->open = move_open(t->move);
	t->complete_us = t->move->state >= MOVE_COMPLETE && t->move->outcome == MOVE_OPEN_OR_DONE
				 ? t->move->reached_us[MOVE_COMPLETE]
				 : 0;
	if (*mailbox == '\0' || (t->mailbox != NULL && strcmp(t->mailbox, mailbox) == 0))
		return;
	unlink_mailbox(s, t);
	t->mailbox = mem_strdup(mailbox);
	at = store_mailbox_bucket(s, mailbox);
	t->next_mailbox = s->by_mailbox[at];
	s->by_mailbox[at] = t;
}

void store_index(struct store *s, struct task *task)
{
	pthread_mutex_lock(&s->lock);
	index_task(s, task);
	pthread_mutex_unlock(&s->lock);
}

/* --- room ------------------------------------------------------------------------------------- */

/* A mailbox between its instant and its swap is held, or soon is: it does not wait behind the
 * thousands of a wave that are to get their second mailboxes. */
static int64_t at_once(const struct task *task)
{
	return task->in_room ? -1 : 0;
}

void store_wake_locked(struct store *s, struct task *task)
{
	task->woken = true;
	if (!task->busy)
		heap_put(s, task, at_once(task));
}

static void unqueue(struct store *s, struct task *task)
{
	struct task **at = &s->queue;

	if (!task->in_queue)
		return;
	while (*at != task)
		at = &(*at)->queue;
	*at = task->queue;
	if (*at == NULL)
		s->queue_end = at;
	task->queue = NULL;
	task->in_queue = false;
	s->queued--;
}

static void offer_room(struct store *s)
{
	struct task *next = s->queue;

	if (next == NULL)
		return;
	unqueue(s, next);
	next->offered = true;
	store_wake_locked(s, next);
}

void store_leave_locked(struct store *s, struct task *task)
{
	if (!task->in_room)
		return;
	task->in_room = false;
	s->in_room--;
	offer_room(s);
}

/* Who could not use what it was offered, and does not wait for it any more, passes it on. */
static void settle_room(struct store *s, struct task *task)
{
	bool offered = task->offered && !task->in_room && !task->in_queue;

	task->offered = false;
	if (!move_keeps_room(task->move) || task->yields)
		store_leave_locked(s, task);
	if (offered && s->in_room < s->room_limit)
		offer_room(s);
}

/* --- from the directory ----------------------------------------------------------------------- */

static struct task *add(struct store *s, const uint8_t *uuid)
{
	struct task *t = mem_zalloc(sizeof *t);

	if (s->count >= s->buckets)
		grow(s);
	memcpy(t->uuid, uuid, 16);
	link_task(s, t);
	s->count++;
	return t;
}

static void remove_task(struct store *s, struct task *t)
{
	struct task **at = &s->by_uuid[bucket_of(s, t->uuid)];

	heap_remove(s, t);
	unqueue(s, t);
	store_slot_forget(s, t);
	store_leave_locked(s, t);
	unlink_mailbox(s, t);
	while (*at != t)
		at = &(*at)->next_uuid;
	*at = t->next_uuid;
	s->count--;
	free_task(&t);
}

/* What comes back of our own writes wakes nobody. */
static bool is_news(const struct move *old, const struct move *fresh)
{
	return old == NULL || strcmp(old->csn, fresh->csn) != 0 || old->request != fresh->request;
}

static void replace(struct store *s, struct task *t, struct move *move)
{
	bool news = is_news(t->move, move);

	move_free(&t->move);
	t->move = move;
	index_task(s, t);
	if (news)
		store_wake_locked(s, t);
}

/* Its version lacks what was not written yet: whoever takes the task adds what others wrote. */
static void set_aside(struct store *s, struct task *t, struct move *move)
{
	bool news = t->busy || is_news(t->move, move);

	if (!news) {
		move_free(&move);
		return;
	}
	move_free(&t->newer);
	t->newer = move;
	if (!t->busy)
		store_wake_locked(s, t);
}

static void put(struct store *s, const uint8_t *uuid, struct move *move)
{
	struct task *t = store_find(s, uuid);

	if (t == NULL)
		t = add(s, uuid);
	t->dead = t->orphan = false;
	if (t->move != NULL && !t->busy && strcmp(move->csn, t->move->csn) < 0) {
		move_free(&move);
	} else if (t->busy || t->left != NULL) {
		set_aside(s, t, move);
	} else {
		replace(s, t, move);
	}
}

void store_put(struct store *s, const uint8_t *uuid, struct move *move)
{
	pthread_mutex_lock(&s->lock);
	put(s, uuid, move);
	pthread_mutex_unlock(&s->lock);
	store_present(s, uuid);
}

/* Its mailbox would stay on hold for ever: it is looked at once more, by whoever leads. No other
 * move of the mailbox waits for it. */
static void orphan(struct store *s, struct task *t)
{
	bool news = !t->orphan;

	t->orphan = true;
	t->dead = false;
	unqueue(s, t);
	store_slot_forget(s, t);
	store_leave_locked(s, t);
	unlink_mailbox(s, t);
	if (news)
		store_wake_locked(s, t);
}

void store_bury_locked(struct store *s, struct task *t)
{
	if (t->busy)
		t->dead = true;
	else if (move_may_hold(t->move))
		orphan(s, t);
	else
		remove_task(s, t);
}

void store_gone(struct store *s, const uint8_t *uuid)
{
	pthread_mutex_lock(&s->lock);
	struct task *t = store_find(s, uuid);
	if (t != NULL)
		store_bury_locked(s, t);
	pthread_mutex_unlock(&s->lock);
}

/* --- for workers ------------------------------------------------------------------------------ */

struct task *store_take(struct store *s, const atomic_bool *stop, int64_t patience_us)
{
	int64_t deadline = clock_mono_us() + patience_us, until;
	struct task *task = NULL;

	pthread_mutex_lock(&s->lock);
	while (!s->stopped && !atomic_load(stop)) {
		int64_t now = clock_mono_us();
		if (s->heap_count > 0 && s->heap[1]->due_us <= now) {
			task = s->heap[1];
			break;
		}
		if (now >= deadline)
			break;
		until = s->heap_count > 0 ? s->heap[1]->due_us : STORE_NEVER;
		clock_cond_wait_until(&s->changed, &s->lock, until < deadline ? until : deadline);
	}
	if (task != NULL) {
		heap_remove(s, task);
		unqueue(s, task);
		store_slot_taken(s, task);
		task->busy = true;
		task->woken = task->yields = false;
		s->busy++;
		if (s->heap_count > 0 && s->heap[1]->due_us <= clock_mono_us())
			pthread_cond_signal(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return task;
}

/* The newest of what came meanwhile and of what we wrote. */
static void settle(struct store *s, struct task *task)
{
	struct move *newer = task->newer;

	task->newer = NULL;
	if (newer != NULL && strcmp(newer->csn, task->move->csn) < 0)
		move_free(&newer);
	if (newer != NULL && task->left != NULL)
		set_aside(s, task, newer);
	else if (newer != NULL)
		replace(s, task, newer);
}

void store_give(struct store *s, struct task *task, int64_t due_us, bool gone)
{
	pthread_mutex_lock(&s->lock);
	task->busy = false;
	s->busy--;
	store_slot_given(s, task);
	if (gone || (task->dead && !move_may_hold(task->move))) {
		remove_task(s, task);
	} else if (task->dead || task->orphan) {
		heap_put(s, task, task->woken ? 0 : due_us);
		orphan(s, task);
	} else {
		task->due_us = STORE_NEVER;
		settle(s, task);
		index_task(s, task);
		settle_room(s, task);
		if (!move_open(task->move))
			mem_free(&task->kept);
		bool now = task->woken || (task->in_room && due_us <= clock_mono_us());
		heap_put(s, task, now ? at_once(task) : due_us);
	}
	pthread_mutex_unlock(&s->lock);
}

struct task *store_take_left(struct store *s)
{
	struct task *found = NULL;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->buckets && found == NULL; i++)
		for (struct task *t = s->by_uuid[i]; t != NULL && found == NULL; t = t->next_uuid)
			if (!t->busy && t->left != NULL)
				found = t;
	if (found != NULL) {
		heap_remove(s, found);
		found->busy = true;
		s->busy++;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

void store_put_newer(struct store *s, struct task *task, struct move *newer)
{
	pthread_mutex_lock(&s->lock);
	if (task->newer == NULL)
		task->newer = newer;
	else
		move_free(&newer);
	pthread_mutex_unlock(&s->lock);
}

struct move *store_newer(struct store *s, struct task *task)
{
	pthread_mutex_lock(&s->lock);
	struct move *newer = task->newer;
	task->newer = NULL;
	pthread_mutex_unlock(&s->lock);
	return newer;
}

void store_replace(struct store *s, struct task *task, struct move *move)
{
	pthread_mutex_lock(&s->lock);
	move_free(&task->move);
	task->move = move;
	index_task(s, task);
	pthread_mutex_unlock(&s->lock);
}

void store_wake(struct store *s, struct task *task)
{
	pthread_mutex_lock(&s->lock);
	store_wake_locked(s, task);
	pthread_mutex_unlock(&s->lock);
}

void store_wake_all(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->buckets; i++)
		for (struct task *t = s->by_uuid[i]; t != NULL; t = t->next_uuid)
			store_wake_locked(s, t);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void store_stop(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}
