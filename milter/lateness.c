#include "milter/lateness.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct lateness {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t late_commit_us;
	int64_t started_until_us; /* until then everything may be late */
	struct lateness_slot *slots;
	struct lateness_slot *orphans; /* of releases: no connection clears them */
	unsigned waiting;
	bool interrupted;
};

struct lateness *lateness_new(int64_t late_commit_us)
{
	struct lateness *l = mem_zalloc(sizeof *l);

	pthread_mutex_init(&l->lock, NULL);
	clock_cond_init(&l->changed);
	l->late_commit_us = late_commit_us;
	l->started_until_us = clock_mono_us() + late_commit_us;
	return l;
}

static void free_orphans(struct lateness *l, int64_t before_us)
{
	struct lateness_slot **link = &l->orphans;

	while (*link != NULL) {
		struct lateness_slot *one = *link;
		if (one->until_us > before_us) {
			link = &one->next;
			continue;
		}
		*link = one->next;
		str_free(&one->physicals);
		mem_free(&one);
	}
}

void lateness_free(struct lateness **lateness)
{
	struct lateness *l = *lateness;

	if (l == NULL)
		return;
	free_orphans(l, INT64_MAX);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	mem_free(lateness);
}

void lateness_configure(struct lateness *l, int64_t late_commit_us)
{
	pthread_mutex_lock(&l->lock);
	l->late_commit_us = late_commit_us;
	pthread_mutex_unlock(&l->lock);
}

static void unlist(struct lateness *l, struct lateness_slot *slot)
{
	if (slot->previous != NULL)
		slot->previous->next = slot->next;
	else
		l->slots = slot->next;
	if (slot->next != NULL)
		slot->next->previous = slot->previous;
	slot->listed = false;
	if (l->waiting)
		pthread_cond_broadcast(&l->changed);
}

void lateness_answer(struct lateness *l, struct lateness_slot *slot, const struct str *physicals)
{
	if (physicals->len == 0)
		return;
	int64_t now = clock_mono_us();
	pthread_mutex_lock(&l->lock);
	if (slot->listed)
		unlist(l, slot);
	str_reset(&slot->physicals);
	str_append(&slot->physicals, physicals->data, physicals->len);
	slot->until_us = now + l->late_commit_us;
	slot->previous = NULL;
	slot->next = l->slots;
	if (l->slots != NULL)
		l->slots->previous = slot;
	l->slots = slot;
	slot->listed = true;
	pthread_mutex_unlock(&l->lock);
}

void lateness_event(struct lateness *l, struct lateness_slot *slot)
{
	if (!slot->listed)
		return;
	pthread_mutex_lock(&l->lock);
	unlist(l, slot);
	pthread_mutex_unlock(&l->lock);
}

void lateness_slot_free(struct lateness *l, struct lateness_slot *slot)
{
	lateness_event(l, slot);
	str_free(&slot->physicals);
}

void lateness_unclear(struct lateness *l, const char *physical)
{
	struct lateness_slot *one = mem_zalloc(sizeof *one);
	int64_t now = clock_mono_us();

	str_append(&one->physicals, physical, strlen(physical) + 1);
	pthread_mutex_lock(&l->lock);
	free_orphans(l, now);
	one->until_us = now + l->late_commit_us;
	one->next = l->orphans;
	l->orphans = one;
	pthread_mutex_unlock(&l->lock);
}

static bool concerns(
	const struct lateness_slot *slot, const struct physical_set *set, const char *delimiters)
{
	const char *p = slot->physicals.data, *end = p + slot->physicals.len;

	if (set == NULL)
		return true;
	for (; p < end; p += strlen(p) + 1)
		if (physical_set_mark(set, p, delimiters, NULL))
			return true;
	return false;
}

/* The latest instant among those slots of a list that are not over and concern the set. */
static int64_t latest(const struct lateness_slot *slot, int64_t now, const struct physical_set *set,
	const char *delimiters)
{
	int64_t until = 0;

	for (; slot != NULL; slot = slot->next)
		if (slot->until_us > now && slot->until_us > until &&
			concerns(slot, set, delimiters))
			until = slot->until_us;
	return until;
}

static int64_t until_locked(
	struct lateness *l, const struct physical_set *set, const char *delimiters)
{
	int64_t now = clock_mono_us();
	int64_t a = latest(l->slots, now, set, delimiters);
	int64_t b = latest(l->orphans, now, set, delimiters);
	int64_t until = a > b ? a : b;

	if (l->started_until_us > now && l->started_until_us > until)
		until = l->started_until_us;
	return until;
}

int64_t lateness_until(struct lateness *l, const struct physical_set *set, const char *delimiters)
{
	pthread_mutex_lock(&l->lock);
	int64_t until = until_locked(l, set, delimiters);
	pthread_mutex_unlock(&l->lock);
	return until;
}

static void collect(const struct lateness_slot *slot, int64_t now, struct physical_set *set,
	const char *delimiters)
{
	for (; slot != NULL; slot = slot->next) {
		const char *p = slot->physicals.data, *end = p + slot->physicals.len;

		for (; slot->until_us > now && p < end; p += strlen(p) + 1)
			physical_set_add_recipient(set, p, delimiters);
	}
}

void lateness_collect(struct lateness *l, struct physical_set *set, const char *delimiters)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&l->lock);
	collect(l->slots, now, set, delimiters);
	collect(l->orphans, now, set, delimiters);
	pthread_mutex_unlock(&l->lock);
}

bool lateness_wait(struct lateness *l, const struct physical_set *set, const char *delimiters)
{
	int64_t until;

	pthread_mutex_lock(&l->lock);
	l->waiting++;
	while (!l->interrupted && (until = until_locked(l, set, delimiters)) != 0)
		clock_cond_wait_until(&l->changed, &l->lock, until);
	l->waiting--;
	bool done = !l->interrupted;
	pthread_mutex_unlock(&l->lock);
	return done;
}

void lateness_interrupt(struct lateness *l)
{
	pthread_mutex_lock(&l->lock);
	l->interrupted = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}
