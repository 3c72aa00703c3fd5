/*
 * A destination of released mail: the MTA's release listener, or a backend whose entry says that it
 * takes released mail straight (DESIGN section 4). It works or is in trouble as a whole. Made when
 * it is first needed and kept until the release ends, so that pointers to it stay good.
 */
#ifndef RESTANTE_QUEUE_LANE_H
#define RESTANTE_QUEUE_LANE_H

#include "lib/metrics.h"
#include "queue/box.h"
#include "queue/endpoint.h"
#include "queue/relay.h"
#include "queue/release.h"

struct lane {
	struct lane *next;
	char *system;   /* "" = the MTA */
	char *listener; /* "lmtp:host:port"; its name in the log */
	enum release_tls mode;
	struct endpoint endpoint;
	struct metric_histogram times; /* transactions, by metric_work */
	/* under the release's lock: */
	struct relay relay;
	int64_t trouble_wall_us; /* since when, 0 = none */
	unsigned connections;
	bool no_8bit;         /* it did not announce 8BITMIME when it was asked last */
	struct box_line line; /* mailboxes for it; the MTA's are in the table's own */
	unsigned busy;        /* workers that have such a mailbox */
	int64_t free_us;      /* monotonic: the next message may go, where the rate is limited */
};

/* The lane of a system there, made where there is none; NULL with *error_r (static text). */
struct lane *lane_get(struct lane **lanes, const char *system, const char *listener,
	enum release_tls mode, const char **error_r);
void lanes_free(struct lane **lanes);
/* Its name in a notice to the sender. */
const char *lane_remote(const struct lane *lane);

#endif
