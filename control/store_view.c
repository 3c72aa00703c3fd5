/* Room between instant and swap, what keepers found out, other moves of a mailbox, counts. */
#include "control/store_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/machine.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- room --------------------------------------------------------------------------------------
 */

bool store_has_room(struct store *s, const struct task *task, size_t limit)
{
	pthread_mutex_lock(&s->lock);
	s->room_limit = limit;
	bool room = task->in_room || s->in_room < limit;
	pthread_mutex_unlock(&s->lock);
	return room;
}

bool store_enter(struct store *s, struct task *task, size_t limit)
{
	pthread_mutex_lock(&s->lock);
	s->room_limit = limit;
	if (!task->in_room && (s->in_room < limit || move_holds_mail(task->move))) {
		task->in_room = true;
		s->in_room++;
	}
	bool in = task->in_room;
	pthread_mutex_unlock(&s->lock);
	return in;
}

void store_leave(struct store *s, struct task *task)
{
	pthread_mutex_lock(&s->lock);
	store_leave_locked(s, task);
	pthread_mutex_unlock(&s->lock);
}

void store_queue(struct store *s, struct task *task)
{
	pthread_mutex_lock(&s->lock);
	if (!task->in_queue) {
		if (s->queue == NULL)
			s->queue_end = &s->queue;
		*s->queue_end = task;
		s->queue_end = &task->queue;
		task->in_queue = true;
		s->queued++;
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- what keepers found out --------------------------------------------------------------------
 */

void store_keep(
	struct store *s, const uint8_t *uuid, kept_change change, void *context, bool wake_it)
{
	pthread_mutex_lock(&s->lock);
	struct task *t = store_find(s, uuid);
	if (t != NULL) {
		if (t->kept == NULL)
			t->kept = mem_zalloc(sizeof *t->kept);
		change(context, t->kept);
		if (wake_it)
			store_wake_locked(s, t);
	}
	pthread_mutex_unlock(&s->lock);
}

void store_kept(struct store *s, const struct task *task, struct kept *kept_r)
{
	pthread_mutex_lock(&s->lock);
	if (task->kept != NULL)
		*kept_r = *task->kept;
	else
		memset(kept_r, 0, sizeof *kept_r);
	pthread_mutex_unlock(&s->lock);
}

/* --- others of the same mailbox --------------------------------------------------------------- */

static int compare_age(const struct move *a, const struct move *b)
{
	if (a->reached_us[0] != b->reached_us[0])
		return a->reached_us[0] < b->reached_us[0] ? -1 : 1;
	return strcmp(a->dn, b->dn);
}

static bool goes_first(const struct task *other, const struct task *task)
{
	if (other->begun != task->begun)
		return other->begun;
	return compare_age(other->move, task->move) < 0;
}

/* Of a record that its worker is changing only this is looked at: address, target and first
 * instant, which stay, and what store_index has noted. */
bool store_other(struct store *s, const struct task *task, char *dn_r, size_t size)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	struct task *t = task->mailbox != NULL
				 ? s->by_mailbox[store_mailbox_bucket(s, task->mailbox)]
				 : NULL;
	for (; t != NULL && !found; t = t->next_mailbox) {
		if (t == task || strcmp(t->mailbox, task->mailbox) != 0 || !t->open ||
			!goes_first(t, task))
			continue;
		snprintf(dn_r, size, "%s", t->move->dn);
		found = true;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool store_moves_to(struct store *s, const struct task *task, const char *system)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	struct task *t = task->mailbox != NULL
				 ? s->by_mailbox[store_mailbox_bucket(s, task->mailbox)]
				 : NULL;
	for (; t != NULL && !found; t = t->next_mailbox)
		found = t != task && strcmp(t->mailbox, task->mailbox) == 0 && t->open &&
			strcasecmp(t->move->target, system) == 0;
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool store_returned(struct store *s, const struct task *task, const char *system)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	struct task *t = task->mailbox != NULL
				 ? s->by_mailbox[store_mailbox_bucket(s, task->mailbox)]
				 : NULL;
	for (; t != NULL && !found; t = t->next_mailbox)
		found = t != task && strcmp(t->mailbox, task->mailbox) == 0 &&
			task->complete_us != 0 && t->complete_us > task->complete_us &&
			strcasecmp(t->move->target, system) == 0;
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* Of a complete move these stay; the newest of them counts. */
bool store_stands(struct store *s, const struct task *task, const char *system, char *physical_r,
	char *source_id_r, size_t size)
{
	int64_t newest_us = 0;

	pthread_mutex_lock(&s->lock);
	struct task *t = task->mailbox != NULL
				 ? s->by_mailbox[store_mailbox_bucket(s, task->mailbox)]
				 : NULL;
	for (; t != NULL; t = t->next_mailbox) {
		if (t == task || strcmp(t->mailbox, task->mailbox) != 0 ||
			t->complete_us <= newest_us || strcasecmp(t->move->assignor, system) != 0)
			continue;
		newest_us = t->complete_us;
		snprintf(physical_r, size, "%s", t->move->old_physical);
		snprintf(source_id_r, size, "%s", t->move->old_source_id);
	}
	pthread_mutex_unlock(&s->lock);
	return newest_us > 0;
}

void store_wake_others(struct store *s, const struct task *task)
{
	pthread_mutex_lock(&s->lock);
	struct task *t = task->mailbox != NULL
				 ? s->by_mailbox[store_mailbox_bucket(s, task->mailbox)]
				 : NULL;
	for (; t != NULL; t = t->next_mailbox)
		if (t != task && strcmp(t->mailbox, task->mailbox) == 0)
			store_wake_locked(s, t);
	pthread_mutex_unlock(&s->lock);
}

/* --- counts ----------------------------------------------------------------------------------- */

static void count_task(const struct task *t, int64_t now, struct store_counts *counts)
{
	const struct move *move = t->move;

	if (t->orphan)
		return;
	counts->due += t->heap != 0 && t->due_us <= now;
	if (t->busy) /* its worker writes it */
		return;
	counts->stopped += move->stopped;
	counts->paused += move->request == MOVE_ASKED_PAUSE;
	if (move->outcome != MOVE_OPEN_OR_DONE)
		counts->over++;
	else
		counts->state[move->state > 0 ? move->state : 0]++;
}

void store_count(struct store *s, struct store_counts *counts_r)
{
	int64_t now = clock_mono_us();

	memset(counts_r, 0, sizeof *counts_r);
	pthread_mutex_lock(&s->lock);
	counts_r->records = s->count;
	counts_r->busy = s->busy;
	counts_r->room = s->in_room;
	counts_r->queued = s->queued;
	for (size_t i = 0; i < s->buckets; i++)
		for (const struct task *t = s->by_uuid[i]; t != NULL; t = t->next_uuid)
			count_task(t, now, counts_r);
	pthread_mutex_unlock(&s->lock);
}

bool store_settled(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool settled = s->busy == 0 && s->queued == 0 && s->slot_waiting == 0 &&
		       (s->heap_count == 0 || s->heap[1]->due_us > clock_mono_us());
	pthread_mutex_unlock(&s->lock);
	return settled;
}
