#include "milter/decisions.h"

#include <pthread.h>
#include <stddef.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct decision {
	struct decision *older, *newer;
	uint64_t number;
	int64_t began_us;
};

/* In order of their beginning; those that ended wait in `spare` to be used again. */
struct decisions {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct decision *oldest, *newest, *spare;
	uint64_t next;
	unsigned count, waiting;
	uint64_t watched; /* 0 = nobody watches */
	void (*callback)(void *context);
	void *context;
};

struct decisions *decisions_new(void)
{
	struct decisions *d = mem_zalloc(sizeof *d);

	pthread_mutex_init(&d->lock, NULL);
	clock_cond_init(&d->ended);
	d->next = 1;
	return d;
}

void decisions_free(struct decisions **decisions)
{
	struct decisions *d = *decisions;

	if (d == NULL)
		return;
	while (d->spare != NULL) {
		struct decision *one = d->spare;
		d->spare = one->newer;
		mem_free(&one);
	}
	pthread_cond_destroy(&d->ended);
	pthread_mutex_destroy(&d->lock);
	mem_free(decisions);
}

uint64_t decisions_begin(struct decisions *d)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&d->lock);
	struct decision *one = d->spare;
	if (one != NULL)
		d->spare = one->newer;
	else
		one = mem_alloc(sizeof *one);
	*one = (struct decision){ .older = d->newest, .number = d->next++, .began_us = now };
	if (d->newest != NULL)
		d->newest->newer = one;
	else
		d->oldest = one;
	d->newest = one;
	d->count++;
	pthread_mutex_unlock(&d->lock);
	return (uint64_t)(uintptr_t)one;
}

static bool passed(const struct decisions *d, uint64_t mark)
{
	return d->oldest == NULL || d->oldest->number >= mark;
}

static void unlink_decision(struct decisions *d, struct decision *one)
{
	if (one->older != NULL)
		one->older->newer = one->newer;
	else
		d->oldest = one->newer;
	if (one->newer != NULL)
		one->newer->older = one->older;
	else
		d->newest = one->older;
	one->newer = d->spare;
	d->spare = one;
	d->count--;
}

/* With the lock held: nobody calls back after a watch was taken off. */
static void tell_watcher(struct decisions *d)
{
	if (d->watched == 0 || !passed(d, d->watched))
		return;
	d->watched = 0;
	d->callback(d->context);
}

void decisions_end(struct decisions *d, uint64_t token)
{
	pthread_mutex_lock(&d->lock);
	unlink_decision(d, (struct decision *)(uintptr_t)token);
	if (d->waiting)
		pthread_cond_broadcast(&d->ended);
	tell_watcher(d);
	pthread_mutex_unlock(&d->lock);
}

uint64_t decisions_mark(struct decisions *d)
{
	pthread_mutex_lock(&d->lock);
	uint64_t mark = d->next;
	pthread_mutex_unlock(&d->lock);
	return mark;
}

bool decisions_passed(struct decisions *d, uint64_t mark)
{
	pthread_mutex_lock(&d->lock);
	bool done = passed(d, mark);
	pthread_mutex_unlock(&d->lock);
	return done;
}

void decisions_watch(
	struct decisions *d, uint64_t mark, void (*callback)(void *context), void *context)
{
	pthread_mutex_lock(&d->lock);
	d->watched = mark;
	d->callback = callback;
	d->context = context;
	tell_watcher(d);
	pthread_mutex_unlock(&d->lock);
}

bool decisions_wait(struct decisions *d, uint64_t mark, int64_t deadline_us)
{
	pthread_mutex_lock(&d->lock);
	d->waiting++;
	while (!passed(d, mark) && clock_cond_wait_until(&d->ended, &d->lock, deadline_us) == 0)
		;
	d->waiting--;
	bool done = passed(d, mark);
	pthread_mutex_unlock(&d->lock);
	return done;
}

unsigned decisions_count(struct decisions *d, int64_t *oldest_age_us_r)
{
	pthread_mutex_lock(&d->lock);
	unsigned count = d->count;
	*oldest_age_us_r = d->oldest ? clock_mono_us() - d->oldest->began_us : 0;
	pthread_mutex_unlock(&d->lock);
	return count;
}
