/* Which steps may act on which system now, so that one that answers nobody does not take all. */
#include "control/store_internal.h"

#include <string.h>
#include <strings.h>

#include "lib/mem.h"

struct slot {
	char *system;
	unsigned running, offered, concurrency;
	struct task *first, *last; /* those that wait */
	struct slot *next;
};

/* A quarter of the workers is left to others, and the last one that is free to a system that has
 * none. */
bool slot_is_free(unsigned here, unsigned all, unsigned workers, unsigned concurrency)
{
	unsigned left = workers / 4 > 0 ? workers / 4 : 1;

	if (concurrency > 0 && here >= concurrency)
		return false;
	if (here == 0)
		return all < workers;
	return here + left < workers && all + 1 < workers;
}

static struct slot *slot_of(struct store *s, const char *system)
{
	struct slot *slot = s->slots;

	while (slot != NULL && strcasecmp(slot->system, system) != 0)
		slot = slot->next;
	if (slot != NULL)
		return slot;
	slot = mem_zalloc(sizeof *slot);
	slot->system = mem_strdup(system);
	slot->next = s->slots;
	return s->slots = slot;
}

static bool has_place(const struct store *s, const struct slot *slot)
{
	return slot_is_free(slot->running + slot->offered, s->acting + s->offered, s->workers,
		slot->concurrency);
}

/* A mailbox between its instant and its swap is held, or soon is; one whose second mailbox was
 * begun has that redirected. Neither waits behind the thousands of a wave that have begun nothing.
 */
static int rank(const struct task *task)
{
	return task->in_room ? 2 : task->begun ? 1 : 0;
}

/* Behind those of its rank. */
static void enqueue(struct store *s, struct slot *slot, struct task *task)
{
	struct task *before = slot->last, *after = NULL;

	if (before != NULL && rank(before) < rank(task)) {
		for (after = slot->first; rank(after) >= rank(task);)
			after = after->slot_after;
		before = after->slot_before;
	}
	task->slot = slot;
	task->slot_before = before;
	task->slot_after = after;
	*(before != NULL ? &before->slot_after : &slot->first) = task;
	*(after != NULL ? &after->slot_before : &slot->last) = task;
	s->slot_waiting++;
}

static void dequeue(struct store *s, struct task *task)
{
	struct slot *slot = task->slot;

	if (task->slot_before != NULL)
		task->slot_before->slot_after = task->slot_after;
	else
		slot->first = task->slot_after;
	if (task->slot_after != NULL)
		task->slot_after->slot_before = task->slot_before;
	else
		slot->last = task->slot_before;
	task->slot_before = task->slot_after = NULL;
	task->slot = NULL;
	s->slot_waiting--;
}

/* As many as have a place now; it is kept for them until they take it or are given back. */
static void offer_places(struct store *s)
{
	for (struct slot *slot = s->slots; slot != NULL; slot = slot->next)
		while (slot->first != NULL && has_place(s, slot)) {
			struct task *task = slot->first;

			dequeue(s, task);
			task->slot = slot;
			task->slot_offered = true;
			slot->offered++;
			s->offered++;
			store_wake_locked(s, task);
		}
}

static void withdraw(struct store *s, struct task *task)
{
	task->slot->offered--;
	s->offered--;
	task->slot = NULL;
	task->slot_offered = false;
}

bool store_slot_enter(struct store *s, struct task *task, const char *system, unsigned concurrency,
	unsigned workers)
{
	pthread_mutex_lock(&s->lock);
	struct slot *slot = slot_of(s, system);

	slot->concurrency = concurrency;
	s->workers = workers;
	store_slot_forget(s, task);
	bool in = has_place(s, slot);
	if (in) {
		slot->running++;
		s->acting++;
	} else {
		enqueue(s, slot, task);
	}
	pthread_mutex_unlock(&s->lock);
	return in;
}

void store_slot_leave(struct store *s, const char *system)
{
	pthread_mutex_lock(&s->lock);
	slot_of(s, system)->running--;
	s->acting--;
	offer_places(s);
	pthread_mutex_unlock(&s->lock);
}

void store_slot_taken(struct store *s, struct task *task)
{
	if (task->slot != NULL && !task->slot_offered)
		dequeue(s, task);
}

void store_slot_forget(struct store *s, struct task *task)
{
	if (task->slot_offered)
		withdraw(s, task);
	else if (task->slot != NULL)
		dequeue(s, task);
}

/* One that it was offered while it was busy it takes in its next run. */
void store_slot_given(struct store *s, struct task *task)
{
	if (!task->slot_offered || task->woken)
		return;
	withdraw(s, task);
	offer_places(s);
}

void store_slots_free(struct store *s)
{
	for (struct slot *slot = s->slots, *next; slot != NULL; slot = next) {
		next = slot->next;
		mem_free(&slot->system);
		mem_free(&slot);
	}
	s->slots = NULL;
}
