/* Around a refresh: what was neither put nor present is gone. */
#include "control/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

void store_begin(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->loading = true;
	s->seen_count = 0;
	pthread_mutex_unlock(&s->lock);
}

void store_present(struct store *s, const uint8_t *uuid)
{
	pthread_mutex_lock(&s->lock);
	if (s->loading) {
		if ((s->seen_count & (s->seen_count - 1)) == 0)
			s->seen = mem_grow(s->seen, s->seen_count * 2 + 1, 16);
		memcpy(s->seen + 16 * s->seen_count++, uuid, 16);
	}
	pthread_mutex_unlock(&s->lock);
}

static int compare_uuid(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

void store_end(struct store *s, bool absent)
{
	pthread_mutex_lock(&s->lock);
	if (s->seen_count > 1)
		qsort(s->seen, s->seen_count, 16, compare_uuid);
	for (size_t i = 0; absent && i < s->buckets; i++)
		for (struct task *t = s->by_uuid[i], *next; t != NULL; t = next) {
			next = t->next_uuid;
			if (s->seen_count == 0 ||
				bsearch(t->uuid, s->seen, s->seen_count, 16, compare_uuid) == NULL)
				store_bury_locked(s, t);
		}
	s->loading = false;
	mem_free(&s->seen);
	s->seen_count = 0;
	pthread_mutex_unlock(&s->lock);
}
