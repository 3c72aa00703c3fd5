/*
 * `restante swap`: what was asked for, what happened, and how both are shown. The act itself is
 * cli/swap.c, the showing cli/swap_show.c.
 */
#ifndef RESTANTE_CLI_SWAP_H
#define RESTANTE_CLI_SWAP_H

#include "cli/cli.h"
#include "lib/fence.h"
#include "lib/mailbox.h"

struct swap {
	const char *address, *system, *physical, *source_id; /* as asked for */
	bool wait, force, yes;
	int64_t timeout_us;

	char *system_name; /* as the directory spells it */
	struct mailbox *mailbox;
	char *old_system, *old_physical;
	char *hold_csn;
	struct fence_progress fence;
	bool fenced;
	unsigned rounds; /* fences passed */
};

/* What keeps the swap from being made at all; CLI_DONE when nothing does. Pure. */
enum swap_fault {
	SWAP_FINE,
	SWAP_NOT_HELD,   /* and --wait was not given */
	SWAP_STATE,      /* neither active nor holding */
	SWAP_SAME_PLACE, /* it lives there already */
	SWAP_FEDERATED,  /* the physical address is in a federated domain */
};
enum swap_fault swap_judge(const struct mailbox *mailbox, const struct federation *federation,
	const char *system, const char *physical, bool wait);

/* The complaint about a fence that was not passed: who is waited for and what to do. Pure. */
void swap_explain(const struct fence_progress *progress, enum fence_outcome outcome,
	const char *physical, int64_t timeout_us, struct str *out);

void swap_show_risk(struct cli *cli, const struct swap *swap, const struct federation_nodes *nodes);
/* A fence_progress_callback; context is struct swap_view. */
struct swap_view {
	struct cli *cli;
	bool drawn;
	unsigned acked, drained, nodes; /* of the last line */
	bool any;
};
void swap_show_progress(void *view, const struct fence_progress *progress);
void swap_end_progress(struct swap_view *view);
void swap_show_result(struct cli *cli, const struct swap *swap);

#endif
