/*
 * The node agent: this front door's own entry in the directory (DESIGN section 5). A thread with
 * an LDAP session to write_uri writes the heartbeat, acknowledges each epoch, reports the drain,
 * and carries out `disabling`. It is woken by what the replica shows; it does not poll.
 */
#ifndef RESTANTE_MILTER_NODE_H
#define RESTANTE_MILTER_NODE_H

#include "lib/json.h"

struct front;
struct node;

/* NULL where no thread can be had. The front's stores are open and stay so until node_stop. */
struct node *node_start(struct front *front);
void node_stop(struct node **node);
/* The replica, the queue or the settings changed. From any thread, cheap. */
void node_wake(struct node *node);
void node_status(struct node *node, struct json *object);

#endif
