/*
 * The scheduler's view of the mailboxes that have held mail: which may run, which wait for what.
 * Memory only, rebuilt at start. Not locked: the caller is; the fields marked so belong to
 * the worker while the mailbox is running.
 */
#ifndef RESTANTE_QUEUE_BOX_H
#define RESTANTE_QUEUE_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/route.h"

enum box_state {
	BOX_RUNNABLE,  /* in the line for a worker */
	BOX_RUNNING,   /* a worker has it */
	BOX_HELD,      /* the route says hold: until it is woken */
	BOX_UNDECIDED, /* the route cannot be told: until it is woken or due */
	BOX_DELAYED,   /* refused for now: until due, new mail does not change that */
	BOX_PARKED,    /* the listener is in trouble */
	BOX_RESTING,   /* nothing to do now; what is left is delayed message by message, or nobody's
			*/
	BOX_STATES,
};

/* A message that steps aside while later ones go ahead. */
struct box_delay {
	uint64_t id;
	int64_t due_us;   /* monotonic */
	int64_t since_us; /* monotonic: first refusal that this process saw */
	int64_t mark_us;  /* trouble clock at the last refusal */
};

struct lane;

/* Mailboxes that wait for a worker, in turn. */
struct box_line {
	struct box *head, *tail;
};

struct box {
	uint8_t mailbox[ROUTE_UUID_BYTES];
	enum box_state state;
	int64_t due_us;          /* monotonic; INT64_MAX = not by time */
	bool woken;              /* start over when it runs next */
	bool stored;             /* while running: there is new mail */
	_Atomic unsigned claims; /* administrators who want no worker to have it; changed under the
				    lock, the worker looks at it */
	bool hurry;              /* while running: an administrator wants everything tried now */
	/* of the worker while running: */
	struct lane *lane;         /* where its mail goes, as far as is known; NULL = the MTA */
	struct box_line *line;     /* where it waits; NULL = the table's: nobody has looked it up */
	uint64_t cursor;           /* messages up to here were looked at in this pass */
	_Atomic uint64_t vanished; /* of them, recipients that are nobody's; others look at it */
	int64_t pass_us;           /* what the pass cost so far */
	int64_t look_us;     /* monotonic: recipients that are nobody's are not looked at before */
	int64_t warned_us;   /* monotonic: the last warning about them, 0 = none */
	unsigned failures;   /* refusals of the mailbox in a row */
	unsigned undecided;  /* routes that could not be told, in a row */
	int64_t began_us;    /* wall: its release began, 0 = not */
	int64_t since_us;    /* monotonic: first refusal that this process saw, 0 = none */
	int64_t held_us;     /* wall: it was last seen held or in transfer, 0 = not */
	int64_t mark_us;     /* trouble clock when release began */
	uint64_t refused_id; /* the message that was refused last, and the mailbox with it */
	int64_t refused_mark_us;  /* trouble clock at that refusal */
	struct box_delay *delays; /* by id */
	size_t delay_count;
	uint64_t retried; /* where the next retry goes on, all being due at once */
	/* of the table: */
	struct box *hash_next, *line_next;
};

struct box_table {
	struct box **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	size_t states[BOX_STATES];
	struct box_line line;
};

void box_table_init(struct box_table *table);
void box_table_clear(struct box_table *table);

struct box *box_find(const struct box_table *table, const uint8_t *mailbox);
struct box *box_add(struct box_table *table, const uint8_t *mailbox); /* runnable, in the line */
void box_drop(struct box_table *table, struct box *box);              /* a running one; frees it */
void box_set(struct box_table *table, struct box *box, enum box_state state, int64_t due_us);
/* To the end of its line; nothing where it is there or running. */
void box_run(struct box_table *table, struct box *box);
/*
 * The first of the line (NULL: of the table's), now running; from the start of its mail where it
 * was woken. NULL = none.
 */
struct box *box_take(struct box_table *table, struct box_line *line);
/* Each in turn: begin with NULL. The table must not change meanwhile, states may. */
struct box *box_next(const struct box_table *table, const struct box *box);

struct box_delay *box_delay_find(const struct box *box, uint64_t id);
void box_delay_set(struct box *box, const struct box_delay *delay);
void box_delay_forget(struct box *box, uint64_t id);
/* Those that are due, by id; more than max: the others have the next turn. */
size_t box_delays_due(struct box *box, int64_t now_us, uint64_t *ids_r, size_t max);
/* When the first is due, INT64_MAX = none. */
int64_t box_delay_due(const struct box *box);

#endif
