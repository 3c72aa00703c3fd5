/*
 * Writing a move's record. What changes is put into the move in memory and noted here; one modify
 * writes all of it, at the latest with the claim of the next step. Each write asserts the claim
 * that it replaces or leaves (restanteMoveWork), so whoever was replaced writes nothing any more.
 */
#ifndef RESTANTE_CONTROL_RECORD_H
#define RESTANTE_CONTROL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/machine.h"
#include "lib/ldap_session.h"
#include "lib/move.h"

/* What is not written yet; an object of zeros is nothing. */
struct record_change {
	bool mailbox, physical, waits, hold, identifier, error, stopped, request, outcome, state,
		made;
	size_t done;      /* so many at the end of move->done */
	bool done_anew;   /* all of move->done, for something of it is not done any more */
	uint32_t reached; /* bit per state */
};

bool record_changed(const struct record_change *change);

/* Into the move and the change; now_us: wall clock. */
void record_done(struct move *move, struct record_change *change, enum step step, int64_t now_us);
void record_state(struct move *move, struct record_change *change, int state, int64_t now_us);
/* What the second mailbox is made for, where that is not said yet. */
void record_made(struct move *move, struct record_change *change);
/* Not done, after all; nothing where it was not. */
void record_undone(struct move *move, struct record_change *change, enum step step);
/* The way back was not gone: nothing of it is done or begun any more. */
void record_unturned(struct move *move, struct record_change *change);
/* Whether the queues were drained is of one hold: `step` is done from now on, or not any more. */
void record_drained(struct move *move, struct record_change *change, enum step step, bool drained,
	int64_t now_us);
/* Its claim is about to be replaced and nobody saw it end: a mark says so from now on. */
void record_begun(struct move *move, struct record_change *change, enum step step, int64_t now_us);
/* stopped: until `retry`. Nothing where it says the same already. */
void record_error(struct move *move, struct record_change *change, const char *error, bool stopped);
void record_outcome(struct move *move, struct record_change *change, enum move_outcome outcome);
/* `*field` of the move, a copy. */
void record_text(char **field, const char *text);

/*
 * One modify: the change, and where step is not STEPS a new claim of it under that term (STEP_NONE:
 * nobody works on it; ended: its action runs no more). csn, work and the change are then as
 * written. LDAP_ASSERTION: somebody else has claimed it meanwhile.
 */
struct record_claim {
	enum step step;
	bool ended;
	uint64_t term;
	const char *holder;
	int64_t length_us; /* how long something of it may go on from now; 0 = not at all */
};
enum ldap_result record_write(struct ldap_session *session, struct move *move,
	struct record_change *change, const struct record_claim *claim, int64_t now_us);

#endif
