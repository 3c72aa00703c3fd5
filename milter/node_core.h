/*
 * Private to the node agent: what milter/node.c, node_state.c and node_watch.c share. Called by the
 * agent's thread alone, or before it runs.
 */
#ifndef RESTANTE_MILTER_NODE_CORE_H
#define RESTANTE_MILTER_NODE_CORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "directory/replica.h"
#include "milter/drain.h"
#include "milter/node.h"
#include "milter/node_entry.h"
#include "milter/nodemark.h"
#include "milter/silence.h"
#include "milter/twin.h"

struct node {
	struct front *front;
	pthread_t thread;
	struct drain *drain;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	bool woken, stop;
	struct {
		uint64_t acked, drained;
		int64_t acked_us, heartbeat_us; /* wall clock of the last write */
	} shown;

	/* The thread's own: */
	struct node_entry *entry;
	int64_t heartbeat_at; /* next one */
	char heartbeat[32];   /* last one written */
	enum nodemark mark;
	char level[NODEMARK_LEVEL]; /* recorded with it: what the replica had at the last epoch */
	enum node_state state;      /* last one that was said in the log */
	bool state_said, refusal_said, twin_said, silence_said, level_failed;
	struct twin twin;
	struct silence silence;
	uint64_t acked;                 /* written last */
	uint64_t pending, pending_mark; /* epoch that waits for decisions; 0 = none */
	uint64_t ready;                 /* may be written, or was: acked */
	struct drain_report report;     /* to be written, when have_report */
	bool have_report, drain_begun;
	uint64_t leaving_mark;  /* decisions begun before `disabling` was seen; 0 = not */
	char leaving_since[64]; /* the version of the entry that said so */
};

/* --- node_state.c --- */

/* At the start: what an earlier process recorded. */
void node_read_mark(struct node *n);
/* Says the state, records what has to outlive this process, and begins or ends the leaving. */
void node_follow_state(struct node *n, const struct replica_view *view);
/* Records that the replica has that change: before an epoch is acknowledged. False: not yet. */
bool node_record_level(struct node *n, const char *csn);
/* A node that is `disabling` holds nothing any more, and its MTA's queue has nothing either. */
bool node_may_leave(struct node *n, const struct replica_view *view);
/* Writes `disabled`, unless the entry was touched since. */
void node_leave(struct node *n, const struct replica_view *view);

/* --- node_watch.c --- */

/* Somebody else writes the same entry: nothing is acknowledged meanwhile. */
void node_watch_twin(struct node *n, const struct replica_view *view);
/* A replica from before what was acknowledged serves nothing until it is level again. */
void node_watch_level(struct node *n);
/* The directory's changes do not come any more: raises the alarm, looks for another provider. Until
 * when there is nothing to see. */
int64_t node_watch_silence(struct node *n, const struct replica_view *view);

#endif
