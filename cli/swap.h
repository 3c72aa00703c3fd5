/*
 * `restante swap`: what was asked for, what happened, and how both are shown. Whether it may be
 * made is cli/swap_check.c, the act itself cli/swap.c, the showing cli/swap_show.c; many at once
 * are cli/wave.h.
 */
#ifndef RESTANTE_CLI_SWAP_H
#define RESTANTE_CLI_SWAP_H

#include "cli/cli.h"
#include "lib/fence.h"
#include "lib/mailbox.h"

struct swap {
	const char *address, *system, *physical, *source_id; /* as asked for */
	bool wait, force, yes;
	bool many; /* it is one of a file */
	int64_t timeout_us;

	bool there; /* of many: it was made before */
	bool made;
	int settled;       /* of many: the code of swap_make */
	char *system_name; /* as the directory spells it */
	struct mailbox *mailbox;
	char *old_system, *old_physical;
	char *hold_csn;
	struct fence_progress fence;
	bool fenced;
	unsigned rounds; /* fences passed */
};

#define SWAP_ROUNDS_MAX 5 /* fences passed again because the entry was touched */

/* What all swaps of one command are judged by. */
struct swap_world {
	struct federation *federation;
	struct federation_systems systems;
};
/* CLI_DONE, or a code after a complaint; freed in both cases. */
int swap_world_read(struct cli *cli, struct swap_world *world_r);
void swap_world_free(struct swap_world *world);

/* Finds the mailbox; CLI_DONE where the swap may be made, else a code after a complaint. */
int swap_check(struct cli *cli, const struct swap_world *world, struct swap *swap);
/* An interrupt from now on says that what is held stays held. */
void swap_catch_interrupt(void);
/* The mailbox becomes holding, and its CSN is noted. */
int swap_hold(struct cli *cli, struct swap *swap);
/* Behind the fence: the one modify. CLI_DONE without swap->made: touched meanwhile, and another
 * fence may be passed. */
int swap_make(struct cli *cli, struct swap *swap);
/* The complaint that this was in vain for too often. */
int swap_refuse_rounds(struct cli *cli, const struct swap *swap);
void swap_free(struct swap *swap);

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
/* Microseconds from hold to swap by the directory's own clock, -1 = not known. */
int64_t swap_duration(const struct swap *swap);
/* For programs; the caller's. */
struct json *swap_json(const struct swap *swap);

#endif
