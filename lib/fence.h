/*
 * The fence (DESIGN section 5): after it no front door sends mail on a decision older than the
 * hold. The caller has made the mailbox `holding` and read its entryCSN before.
 */
#ifndef RESTANTE_LIB_FENCE_H
#define RESTANTE_LIB_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ldap_session.h"

enum fence_outcome {
	FENCE_PASSED,      /* every node acknowledged, and drained where that was asked for */
	FENCE_NOT_ACKED,   /* time is up; some node did not acknowledge */
	FENCE_NOT_DRAINED, /* all acknowledged, mail for the physical address is still queued */
	FENCE_ERROR,       /* the directory failed; *error_r */
};

struct fence_progress {
	uint64_t epoch;       /* the first number raised */
	unsigned nodes;       /* nodes that are not disabled */
	unsigned acked;
	unsigned drained;     /* nodes without mail for the physical address */
	const char *waiting;  /* name of one node that is waited for, NULL when none */
	int64_t elapsed_us;
};
typedef void (*fence_progress_callback)(void *context, const struct fence_progress *progress);

/*
 * Raises restanteEpoch (compare and swap), reads the list of nodes from the same server
 * afterwards, waits. physical: the old address that must be drained, NULL = acknowledgement only.
 * timeout_us bounds the wait. progress may be NULL; it is called at each look (5 ms at first, slower later).
 */
enum fence_outcome fence_pass(struct ldap_session *session, const char *base,
	const char *physical, int64_t timeout_us, fence_progress_callback progress,
	void *context, struct fence_progress *result_r, const char **error_r);

#endif
