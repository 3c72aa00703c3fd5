/*
 * The syncs of a system as its entry in ou=systems tells them, for whoever asks for a run and
 * waits: restante(1) and the controller (docs/sync.md, "Asking for a run"). All on write_uri.
 */
#ifndef RESTANTE_LIB_SYNCASK_H
#define RESTANTE_LIB_SYNCASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"

enum sync_direction { SYNC_UP, SYNC_DOWN };

struct sync_side {
	uint64_t asked, finished;
	uint64_t failed;          /* number of the last run that failed, 0 = none */
	char *reason;             /* why, "" = none */
	int64_t start_us, end_us; /* of the last run, 0 = none */
	char *outcome;            /* lib/syncoutcome.h; "" = none */
	char *run;                /* id, "" = none */
	char *holder;             /* of the lease, "" = nobody */
};

struct sync_system {
	char *name, *dn;
	struct sync_side side[2]; /* by direction */
};

struct sync_systems {
	struct sync_system *systems;
	size_t count;
};

const char *sync_direction_name(enum sync_direction direction); /* "up", "down" */

/* The one of that name, or all (NULL) in the order of their names. LDAP_NO_ENTRY: there is none. */
enum ldap_result syncask_read(struct ldap_session *session, const char *base, const char *system,
	struct sync_systems *systems_r);
void syncask_free(struct sync_systems *systems);

/*
 * Raises the number asked, above all that was ever finished or failed; asked in `system` is then
 * what to wait for. Tried again where somebody else asked at the same time.
 */
enum ldap_result syncask_raise(
	struct ldap_session *session, struct sync_system *system, enum sync_direction direction);

enum sync_answer {
	SYNC_WAITS,
	SYNC_ANSWERED, /* a complete run began after the request */
	SYNC_REFUSED,  /* a run did, and failed: reason */
};
/* What became of the request of that number. Pure. */
enum sync_answer syncask_answer(const struct sync_side *side, uint64_t number);

/* Approves that list (lib/synclist.h), the one that was shown; asserts that the outcome is still
 * the one in `system`. */
enum ldap_result syncask_approve(struct ldap_session *session, const struct sync_system *system,
	enum sync_direction direction, const char *list);

#endif
