/*
 * What keepers have in common (control/fencing.h, control/syncing.h): a thread with a session of
 * its own that waits for all moves together, in rounds, as long as this controller leads and
 * anything is waited for.
 */
#ifndef RESTANTE_CONTROL_ROUNDS_H
#define RESTANTE_CONTROL_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/ldap_session.h"

struct control;
struct rounds;

struct rounds_kind {
	const char *thread;       /* its name, 15 characters at most */
	const char *fails, *well; /* for the log: "fences cannot be passed", "... again" */
	int64_t trouble_us;       /* pause after a round that failed, whoever asks meanwhile */
	/* With the lock held: how many wait (0: no round is due), and microseconds until the next
	 * round. */
	size_t (*waiting)(void *keeper);
	int64_t (*pause)(void *keeper);
	/* Without it. -1: the session is of no use any more; *error_r, NULL = as the session says.
	 */
	int (*round)(void *keeper, struct ldap_session *session, const struct config *config,
		const char **error_r);
};

/* *rounds_r is there before the thread is. -1: no thread can be made. */
int rounds_start(struct control *control, const struct rounds_kind *kind, void *keeper,
	struct rounds **rounds_r);
/* control->stopping is set. The keeper's own may be freed afterwards. */
void rounds_stop(struct rounds **rounds);

/* The lock of what the keeper has. */
void rounds_lock(struct rounds *rounds);
void rounds_unlock(struct rounds *rounds);

/* With the lock held, after something was added. soon: the pause is not waited out. */
void rounds_wake(struct rounds *rounds, bool soon);

#endif
