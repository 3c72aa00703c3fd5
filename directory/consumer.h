/*
 * The RFC 4533 refreshAndPersist consumer that feeds the replica: one thread, one connection,
 * reconnects by itself with backoff, tries the providers in order. Reads only; the node's
 * acknowledgements and heartbeat are milter/node.h.
 */
#ifndef RESTANTE_DIRECTORY_CONSUMER_H
#define RESTANTE_DIRECTORY_CONSUMER_H

#include "directory/replica.h"
#include "lib/json.h"
#include "lib/ldap_session.h"

struct consumer;

/* uris: space-separated providers; options->uri is ignored. The strings are copied. */
struct consumer *consumer_start(struct replica *replica, const struct ldap_options *options,
	const char *uris, const char *node, const char **error_r);
void consumer_stop(struct consumer **consumer);
/* Drop the connection and resume at once (after a reload, or when an acknowledgement is late). */
void consumer_reconnect(struct consumer *consumer);
/*
 * What the provider that is followed does not tell, another one may (a copy whose own replication
 * stands still, a connection that is dead and does not end): the next in the order is tried first.
 */
void consumer_elsewhere(struct consumer *consumer);
/* For `restante status`: provider, connected since, phase, last error, changes per kind. */
void consumer_status(struct consumer *consumer, struct json *object);

struct consumer_totals {
	bool connected; /* a provider follows our search */
	/* since the start: */
	uint64_t connects, refreshes, entries, deletes, cookies;
};
void consumer_totals(struct consumer *consumer, struct consumer_totals *totals_r);

/*
 * For how long it has been at one step (a connection's beginning, a message of the provider with
 * what it stores), in microseconds; 0 = it waits for the time of its next attempt.
 */
int64_t consumer_busy_us(const struct consumer *consumer);

#endif
