/*
 * All records of ou=moves in memory, and when each is to be looked at. Thread-safe; a task that was
 * taken belongs to its taker until it is given back.
 */
#ifndef RESTANTE_CONTROL_STORE_H
#define RESTANTE_CONTROL_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/record.h"
#include "lib/mailbox.h"
#include "lib/move.h"
#include "lib/syncask.h"

#define STORE_NEVER INT64_MAX

/* What the keepers have found out for a move; guarded by the store. */
struct kept {
	char fence_csn[64]; /* of the fence: the entryCSN that the mailbox had, "" = none */
	bool fenced, drained;
	int64_t fenced_us; /* monotonic */
	char fence_trouble[256];
	enum sync_answer syncs; /* of the up syncs that the record waits for */
	char sync_reason[256];
	bool asked_down; /* what was asked for last has been done */
	struct {
		char system[64];
		uint64_t number;
	} asked[2]; /* up syncs that were asked for, not in the record yet */
	size_t asked_count;
};

/* What this life of the controller knows of a move besides its record. */
struct task_facts {
	bool listed;
	char *listed_for;  /* the addresses of DIR that the list was compared with */
	int64_t listed_us; /* monotonic: when it was read */
	char *missing;
	bool second_asked, second_empty, first_asked;
	char *second_trouble, *first_gone;
	char *create_refused; /* on the way back */
};

/* Done and not written yet, and the mailbox's entry as it was last (control/leave.c). */
struct left {
	struct record_change change;
	uint64_t term; /* under which it was done */
	struct ldap_entry *entry;
	struct mailbox *mailbox; /* NULL = not read */
	int64_t looked_us;       /* monotonic: when it was */
};
void left_free(struct left **left);

struct task {
	struct move *move;
	struct left *left;   /* NULL = all that was done is in the record */
	struct left *seen;   /* no more than what was read; NULL = nothing */
	int64_t write_by_us; /* monotonic: until when it may be left there, 0 = nothing is */
	struct task_facts facts;
	unsigned failures;   /* in a row */
	bool rested;         /* since a trouble that the next step is to mend */
	uint64_t taken_over; /* term under which an older claim was taken over, */
	int64_t hold_off_us; /* and until when its action may still run: CLOCK_BOOTTIME */
	bool stale;          /* something that was done is not recorded: the record counts */
	bool yields;         /* its room may go to another: it cannot go on for now */

	/* of the store: */
	uint8_t uuid[16];
	size_t heap; /* place, 0 = none */
	int64_t due_us;
	bool busy, woken, dead, in_room, in_queue;
	struct slot *slot; /* of the system that it waits to act on, */
	bool slot_offered; /* or may act on now */
	struct task *slot_before, *slot_after;
	bool orphan;                   /* its record is gone, and its mailbox may be on hold */
	bool offered;                  /* it was woken because there is room */
	bool begun, open;              /* of the move, as others of its mailbox may know */
	int64_t complete_us;           /* since when it is, 0 = it is not */
	struct kept *kept;             /* NULL = nothing */
	struct move *newer;            /* came while it was busy */
	struct task *next_uuid;        /* chain of its bucket */
	struct task *next_mailbox;     /* chain of its mailbox's bucket */
	struct task *queue, *queue_up; /* those that wait for room */
	char *mailbox;                 /* as it is in the index, NULL = not there */
};

struct store;

struct store *store_new(void);
void store_free(struct store **store); /* nobody uses it any more */

/* --- from the directory: takes the move ------------------------------------------------------- */
void store_put(struct store *store, const uint8_t *uuid, struct move *move);
void store_gone(struct store *store, const uint8_t *uuid);
/* Around a refresh. absent: what was neither put nor present since its begin is gone. */
void store_begin(struct store *store);
void store_present(struct store *store, const uint8_t *uuid);
void store_end(struct store *store, bool absent);

/* --- for workers ------------------------------------------------------------------------------ */

/* The next one that is due, busy from now on; waits until *stop. NULL: stop, or (patience_us) none
 * for so long. */
struct task *store_take(struct store *store, const atomic_bool *stop, int64_t patience_us);
/* Gives it back: due at that instant (monotonic), or when something wakes it. `gone`: the record
 * was purged. */
void store_give(struct store *store, struct task *task, int64_t due_us, bool gone);
/* After store_stop: one of those whose record lacks what was done; NULL: none. */
struct task *store_take_left(struct store *store);
/* A newer version of the record, where one came meanwhile; the caller's. */
struct move *store_newer(struct store *store, struct task *task);
/* Takes it back, where none came since: the task has it when it was given back. */
void store_put_newer(struct store *store, struct task *task, struct move *newer);
/* What others of its mailbox must know has changed: the mailbox is known, it has begun, is over. */
void store_index(struct store *store, struct task *task);
/* Another version of the record instead of the one it has. */
void store_replace(struct store *store, struct task *task, struct move *move);

/* To be looked at soon, whoever has it now. */
void store_wake(struct store *store, struct task *task);
void store_wake_all(struct store *store); /* a new leader, new settings */
void store_stop(struct store *store);     /* store_take returns */

/* --- for keepers ------------------------------------------------------------------------------ */

typedef void (*kept_change)(void *context, struct kept *kept);
/* By the keepers, who know a task by its uuid alone: changes what is kept, and wakes it. */
void store_keep(
	struct store *store, const uint8_t *uuid, kept_change change, void *context, bool wake);
/* By the task's worker: a copy, zeros where there is nothing. */
void store_kept(struct store *store, const struct task *task, struct kept *kept_r);

/* --- room: between instant and swap ----------------------------------------------------------- */

/* Whether it is in, or there is room for it. Whoever does not keep it (move_keeps_room, or
 * task->yields) leaves when it is given back, and the next in the queue is woken. */
bool store_has_room(struct store *store, const struct task *task, size_t limit);
/* A mailbox that is held is in, whatever the limit. */
bool store_enter(struct store *store, struct task *task, size_t limit);
void store_leave(struct store *store, struct task *task);
void store_queue(struct store *store, struct task *task);

/* --- places to act on a system ---------------------------------------------------------------- */

/* Whether one more step may act on a system: here are acting on it, all on any. concurrency 0: no
 * bound of its own. Pure. */
bool slot_is_free(unsigned here, unsigned all, unsigned workers, unsigned concurrency);
/* False: the task waits, and is woken when there is a place. */
bool store_slot_enter(struct store *store, struct task *task, const char *system,
	unsigned concurrency, unsigned workers);
void store_slot_leave(struct store *store, const char *system);

/* --- others of the same mailbox --------------------------------------------------------------- */

/* An open move that goes first: it has begun, or was recorded earlier. False: none. */
bool store_other(struct store *store, const struct task *task, char *dn_r, size_t size);
/* A later open move of the same mailbox to that system. */
bool store_moves_to(struct store *store, const struct task *task, const char *system);
/* A move of it to that system that was complete later than this one. */
bool store_returned(struct store *store, const struct task *task, const char *system);
/* The mailbox that such an earlier move, complete, has left on that system: its physical address
 * and stable id. False: none. */
bool store_stands(struct store *store, const struct task *task, const char *system,
	char *physical_r, char *source_id_r, size_t size);
/* It is complete: the others are looked at again. */
void store_wake_others(struct store *store, const struct task *task);

/* --- counts ----------------------------------------------------------------------------------- */
struct store_counts {
	size_t records, busy, room, queued;
	size_t state[MOVE_STATES]; /* open ones and those that are complete */
	size_t stopped, paused, over;
	size_t due; /* now, and nobody is at it */
};
void store_count(struct store *store, struct store_counts *counts_r);
/* Nobody is at work, nothing is due, nothing is waited for but time and people. */
bool store_settled(struct store *store);

#endif
