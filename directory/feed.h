/*
 * One connection to one provider: its checks, the RFC 4533 search, and every message of it, until
 * it breaks or is told to stop. Used by the consumer's thread alone.
 */
#ifndef RESTANTE_DIRECTORY_FEED_H
#define RESTANTE_DIRECTORY_FEED_H

#include <stdatomic.h>

#include "directory/replica_internal.h"
#include "lib/ldap_session.h"
#include "lib/pulse.h"

enum feed_end {
	FEED_STOPPED, /* as asked for */
	FEED_BROKEN,  /* feed_error() says why */
	FEED_RELOAD,  /* e-syncRefreshRequired: begin again without a cookie */
	FEED_BEHIND,  /* this provider lacks changes that we have */
};

struct feed_counts {
	_Atomic uint64_t entries, deletes, cookies, refreshes;
};

struct feed {
	/* given */
	struct replica *replica;
	struct ldap_session *session;
	const char *base, *node;
	bool full;           /* send no cookie */
	bool alone;          /* there is no other provider */
	atomic_bool *stop;   /* end soon */
	struct pulse *pulse; /* each message, and each wait for one, is a step */
	struct feed_counts *counts;
	void (*phase)(void *context, const char *phase); /* "refresh", "persist" */
	void (*accepted)(void *context); /* once: the provider gave a first sound answer */
	void *context;
	/* its own */
	void *handle; /* LDAP * */
	int msgid;
	struct csn_vector provider; /* what the provider has, as far as it said */
	bool behind;
	bool answered;           /* accepted() was called */
	struct refresh *refresh; /* NULL in the persist phase */
	bool refreshed;
	bool reload;            /* what was shown is not all that we lack */
	struct change *changes; /* waiting for one transaction */
	size_t waiting;
	struct csn_vector cookie; /* that goes with them */
	bool cookie_waits;
	struct change spare;
	int64_t last_message_us, last_tick_us, began_us;
	const char *error;
	char error_text[1024];
};

/*
 * Whether the directory knows our schema, and what the provider has. 0; -1: FEED_BROKEN.
 * *behind_r: it lacks changes that we have.
 */
int feed_check(struct feed *feed, bool *behind_r);
enum feed_end feed_run(struct feed *feed);
void feed_free(struct feed *feed);
const char *feed_error(const struct feed *feed);

/* --- shared by the feed's own files --------------------------------------------------------- */

int feed_fail(struct feed *feed, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One message: 1 = go on, 0 = over with *end_r. LDAPMessage *. */
int feed_message(struct feed *feed, void *message, enum feed_end *end_r);
/* The changes that wait, into the replica. */
int feed_flush(struct feed *feed);

#endif
