/* The store's inside: control/store.c (records, when each is due), store_refresh.c, store_slots.c
 * and store_view.c. */
#ifndef RESTANTE_CONTROL_STORE_INTERNAL_H
#define RESTANTE_CONTROL_STORE_INTERNAL_H

#include <pthread.h>

#include "control/store.h"

struct store {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct task **heap; /* from 1 on */
	size_t heap_count, heap_room;
	struct task **by_uuid, **by_mailbox;
	size_t buckets, count, busy;
	size_t in_room, room_limit; /* the limit as it was told last */
	struct task *queue, **queue_end;
	size_t queued;
	struct slot *slots;                /* one for each system that steps act on */
	unsigned workers, acting, offered; /* how many of them act, or may soon */
	size_t slot_waiting;
	bool stopped, loading;
	uint8_t *seen; /* in this refresh: 16 bytes each */
	size_t seen_count;
};

/* By the lock's holder. */
size_t store_mailbox_bucket(const struct store *s, const char *mailbox);
struct task *store_find(const struct store *s, const uint8_t *uuid);
void store_wake_locked(struct store *s, struct task *task);
void store_bury_locked(struct store *s, struct task *t); /* its record is gone */
void store_leave_locked(struct store *s, struct task *task);
/* Of a task's wait for a place: it was taken, given back, or waits no more. */
void store_slot_taken(struct store *s, struct task *task);
void store_slot_given(struct store *s, struct task *task);
void store_slot_forget(struct store *s, struct task *task);
void store_slots_free(struct store *s);

#endif
