/*
 * The node agent: this front door's own entry in the directory (DESIGN section 5). A thread with
 * an LDAP session to write_uri writes the heartbeat, acknowledges each epoch, reports the drain,
 * and carries out `disabling`. It is woken by what the replica shows; it does not poll.
 */
#ifndef RESTANTE_MILTER_NODE_H
#define RESTANTE_MILTER_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"

struct front;
struct node;

struct node_totals {
	uint64_t acked, drained;   /* epochs written by this process, 0 = none */
	uint64_t writes, failures; /* of this front door's entry, since the start */
	bool failing;              /* the last one did */
};

/* NULL where no thread can be had. The front's stores are open and stay so until node_stop. */
struct node *node_start(struct front *front);
void node_stop(struct node **node);
/* The replica, the queue or the settings changed. From any thread, cheap. */
void node_wake(struct node *node);
void node_status(struct node *node, struct json *object);
void node_totals(struct node *node, struct node_totals *totals_r);

#endif
