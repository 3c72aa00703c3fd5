/* Between the parts of a run: run.c decides, run_claim.c writes. */
#ifndef RESTANTE_CONTROL_RUN_INTERNAL_H
#define RESTANTE_CONTROL_RUN_INTERNAL_H

#include "control/run.h"

/* What the log names a move by. */
const char *run_id(const struct run *r);
/* The record as it is now in place of what we had: what was not written is forgotten. */
enum progress run_reread(struct run *r, struct str *why);
/* What has changed, with a claim of that step; STEPS: without. ended: the claim is over.
 * length_us: how long what is claimed may go on. */
enum progress run_write(
	struct run *r, enum step step, bool ended, int64_t length_us, struct str *why);
enum progress run_claim(struct run *r, enum step step, int64_t length_us, struct str *why);
/* How long after its claim something of that step may still go on. */
int64_t run_claim_length_us(const struct run *r, enum step step);
/* What is left to write; a claim whose action runs no more says so. */
enum progress run_flush(struct run *r, struct str *why);
/* Whether an older claim is waited out: r->task->hold_off_us. False with `why`: it failed. */
bool run_takes_over(struct run *r, struct str *why);

#endif
