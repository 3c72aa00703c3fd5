/*
 * The fence (DESIGN section 5): after it no front door sends mail on a decision older than the
 * hold. The caller has made the mailbox `holding` and read its entryCSN before.
 */
#ifndef RESTANTE_LIB_FENCE_H
#define RESTANTE_LIB_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/federation.h"
#include "lib/ldap_session.h"

enum fence_outcome {
	FENCE_PASSED,      /* every node acknowledged, and drained where that was asked for */
	FENCE_NOT_ACKED,   /* time is up; some node did not acknowledge, or no node is known */
	FENCE_NOT_DRAINED, /* all acknowledged, mail for the physical address is still queued */
	FENCE_ERROR,       /* the directory failed; *error_r */
};

enum fence_wait {
	FENCE_WAITS_NOTHING,
	FENCE_WAITS_NODES, /* no front door has an entry: nobody could acknowledge */
	FENCE_WAITS_ACK,   /* the node has not acknowledged */
	FENCE_WAITS_LIST,  /* it has acknowledged, not yet listed its MTA's queue */
	FENCE_WAITS_QUEUE, /* its MTA's queue has mail for the physical address */
};

struct fence_progress {
	uint64_t epoch; /* the first number raised */
	unsigned known; /* nodes that have an entry, disabled ones included */
	unsigned nodes; /* nodes that are not disabled */
	unsigned acked;
	unsigned drained;    /* nodes without mail for the physical address */
	unsigned passed;     /* mailboxes */
	const char *waiting; /* name of one node that is waited for, NULL when none */
	enum fence_wait why;
	int64_t elapsed_us;
	int64_t acked_us, drained_us; /* elapsed when the last node had; -1 = not yet */
};
typedef void (*fence_progress_callback)(void *context, const struct fence_progress *progress);

/*
 * Raises restanteEpoch (compare and swap), reads the list of nodes from the same server
 * afterwards, waits. physical: the old address that must be drained, NULL = acknowledgement only.
 * timeout_us bounds the wait. progress may be NULL; it is called at each look (5 ms at first,
 * slower later). The name in result_r->waiting and *error_r live until the thread's next call.
 */
enum fence_outcome fence_pass(struct ldap_session *session, const char *base, const char *physical,
	int64_t timeout_us, fence_progress_callback progress, void *context,
	struct fence_progress *result_r, const char **error_r);

/* One of many mailboxes that share a fence, for one epoch serves all holds written before it. */
struct fence_mailbox {
	const char *physical; /* as for fence_pass */
	/* what became of it: */
	bool passed;
	enum fence_wait why; /* while it has not passed: what it waits for, and for whom */
	char waiting[64];
};
/* mailboxes[index] has just passed; may use the session, but pass no fence with it. */
typedef void (*fence_passed_callback)(void *context, size_t index);

/*
 * The same for all of them, each as soon as it can. passed may be NULL. FENCE_PASSED: every one
 * did; else some may have. count is not 0.
 */
enum fence_outcome fence_pass_all(struct ldap_session *session, const char *base,
	struct fence_mailbox *mailboxes, size_t count, int64_t timeout_us,
	fence_passed_callback passed, fence_progress_callback progress, void *context,
	struct fence_progress *result_r, const char **error_r);

/*
 * The judgement, pure: how far the nodes are with this epoch. Fills the counts, waiting (borrowed
 * from nodes) and why; the node that lags most is named. A node whose state is not `disabled`
 * counts, whatever its state says; without any entry at all nothing is fenced.
 */
void fence_look(const struct federation_nodes *nodes, uint64_t epoch, const char *physical,
	struct fence_progress *progress_r);

/* The number to raise to: above the epoch and above all that was ever acknowledged, so that no
 * old acknowledgement passes for a new one (a federation entry restored from a backup). 0: there
 * is none. */
uint64_t fence_next_epoch(const struct federation_nodes *nodes, uint64_t epoch);

/*
 * After `raised` raises, the time from the last one to the next: 100 ms, doubling up to 10 s; 10 s
 * where all have acknowledged and a drain alone is waited for. A front door's report that was given
 * up may be executed late and cover a newer one; it tells anew only for another number. The first
 * number raised and any later one count.
 */
int64_t fence_raise_interval_us(unsigned raised, bool acked);

/* One raise, for a caller that waits by itself (fence_look): epoch_r is what it was raised to. */
enum ldap_result fence_raise(
	struct ldap_session *session, const char *base, uint64_t *epoch_r, const char **error_r);

#endif
