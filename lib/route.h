/*
 * Where a recipient belongs: the facts that the replica knows, and the one decision drawn from
 * them. At RCPT, at end of message, at release and in `restante route` it is this function
 * (DESIGN sections 3 and 4, "what happens to a recipient").
 */
#ifndef RESTANTE_LIB_ROUTE_H
#define RESTANTE_LIB_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/address.h"

#define ROUTE_UUID_BYTES 16
#define ROUTE_UUID_TEXT  37 /* as text, the NUL included */
#define ROUTE_SYSTEM_MAX 64

/* In the order in which they count: of a mailbox's and its system's, the larger wins. */
enum route_state { STATE_ACTIVE, STATE_HOLDING, STATE_DEFERRED, STATE_UNKNOWN };

/* Case-insensitive; NULL or "" is active; anything not known is STATE_UNKNOWN. */
enum route_state route_state_parse(const char *text);
const char *route_state_name(enum route_state state);

enum route_match { MATCH_NONE, MATCH_FULL, MATCH_BARE, MATCH_CATCHALL, MATCH_POSTMASTER };

struct route_facts {
	bool loaded;       /* the replica holds a complete copy of the directory */
	bool current;      /* and its knowledge is fresh (DESIGN section 3) */
	bool node_enabled; /* this front door may decide */
	bool federated;    /* the domain is one FED answers for */
	bool vanished;     /* nobody, but the address was there within vanish_grace */
	bool trouble;      /* the replica could not be read */
	enum route_match match;
	unsigned claims;                /* mailboxes that claim the matched address */
	uint8_t uuid[ROUTE_UUID_BYTES]; /* entryUUID of the mailbox */
	enum route_state mailbox_state;
	enum route_state system_state;
	char system[ROUTE_SYSTEM_MAX + 1];
	char physical[ADDRESS_MAX + 1]; /* with the detail carried over; "" where none is usable */
	const char *physical_fault;     /* static text: why physical is "" */
};

enum route_verdict {
	ROUTE_LEAVE,    /* not ours: untouched */
	ROUTE_REWRITE,  /* to route.physical */
	ROUTE_HOLD,     /* into the hold queue of mailbox route.uuid */
	ROUTE_NOBODY,   /* 550 5.1.1 at RCPT, left as it is at end of message */
	ROUTE_DEFER,    /* 451 4.2.1: mailbox in transfer, try later */
	ROUTE_TRYAGAIN, /* 451 4.3.0: we do not know */
};

struct route {
	enum route_verdict verdict;
	const char *reason; /* static text for the log, the reply and `restante route` */
	struct route_facts facts;
};

void route_decide(const struct route_facts *facts, struct route *route_r);
/* Lower case with dashes, as entryUUID has it; buffer: ROUTE_UUID_TEXT. */
const char *route_uuid_text(char *buffer, const uint8_t *uuid);
const char *route_verdict_name(enum route_verdict verdict); /* "rewrite", "hold", ... */

#endif
