/*
 * The stores of the front door, faked: a directory of a few mailboxes and a hold queue in memory,
 * so that tests drive milter/connection.h without LDAP, disk or MTA.
 */
#ifndef RESTANTE_TESTS_UNIT_MILTER_FAKES_H
#define RESTANTE_TESTS_UNIT_MILTER_FAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"
#include "milter/front.h"
#include "queue/holdq.h"

struct fake_mailbox {
	const char *address; /* normal form */
	const char *physical;
	enum route_state state;
	uint8_t uuid; /* first byte */
};

extern struct fake {
	bool loaded, current, node_enabled;
	struct fake_mailbox mailboxes[8]; /* all of domain fed.test */
	unsigned lookups;
	/* after that many look-ups the mailbox `flip` (index) gets flip_state */
	unsigned flip_after;
	int flip;
	enum route_state flip_state;

	enum holdq_result room, append, commit;
	struct str content;  /* of the last commit */
	struct str envelope; /* of the last commit: sender, parameters, each recipient, in lines */
	const char *waiting; /* an earlier copy for it is in the queue; NULL = for nobody */
	bool repeatable;
	uint8_t repeat[32];
	unsigned commits, drafts, drafts_freed;
} fake;

void fake_reset(void); /* loaded, current, enabled; no mailboxes */
struct fake_mailbox *fake_add(const char *address, const char *physical, enum route_state state);
struct front *fake_front(void); /* with config, trackers; free with fake_front_free */
void fake_front_free(struct front **front);

#endif
