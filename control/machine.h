/*
 * The state machine of a move (DESIGN section 6), pure: (record, scenario, facts, now) -> what to
 * do next. Whatever it says may be done twice: every step is idempotent, and what was done is in
 * the record (restanteMoveDone) before the next step is asked for.
 */
#ifndef RESTANTE_CONTROL_MACHINE_H
#define RESTANTE_CONTROL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/action.h"
#include "lib/config.h"
#include "lib/move.h"
#include "lib/syncask.h"

/* In the order in which they occur on the way forward; then those of cancel and rollback. */
enum step {
	STEP_NONE,            /* nothing to be done: until when, or for what, is in the decision */
	STEP_TAKE,            /* E1: a record without state is completed from the mailbox's entry */
	STEP_CREATE,          /* E2: assignee */
	STEP_REDIRECT_SECOND, /* E2: assignee, to the old physical address */
	STEP_ADDRESSES,       /* E3, E4: assignee */
	STEP_ASK_SYNCS,       /* E5: up syncs of both; their numbers into the record */
	STEP_LIST,            /* E7, E8: assignee; facts.listed */
	STEP_HOLD,            /* state `holding`; hold_csn into the record */
	STEP_FENCE,           /* epoch, acknowledgements: facts.fenced */
	STEP_UNREDIRECT_SECOND, /* E9: assignee, verified gone */
	STEP_REDIRECT_FIRST,    /* assignor, to the new physical address, verified */
	STEP_DRAIN,             /* facts.drained */
	STEP_SWAP,              /* one asserted modify; swap_csn and identifier into the record */
	STEP_ASK_DOWN,          /* down syncs of the other systems */
	STEP_CLOSE,             /* assignor: `close` */
	STEP_DELETE_OLD,        /* E41, E42: assignor; the record re-read right before */
	STEP_CONTACT,           /* E43: assignor */
	STEP_PURGE,             /* the record goes */
	/* cancel, rollback: */
	STEP_HOLD_BACK,        /* swapped already: held again, then FENCE */
	STEP_UNREDIRECT_FIRST, /* assignor */
	STEP_REDIRECT_BACK,    /* assignee's second to the old physical address again */
	STEP_DRAIN_BACK,       /* swapped already: the new physical address drained */
	STEP_SWAP_BACK,        /* asserted */
	STEP_UNHOLD,           /* held but not swapped: active again */
	STEP_OPEN,             /* assignor: the reverse of CLOSE */
	STEP_UNADDRESS,        /* assignee */
	STEP_EMPTY,            /* assignee: facts.second_empty */
	STEP_DELETE_SECOND,    /* assignee; only where it is empty */
	STEP_OUTCOME,          /* the outcome is written; the move is over */
	STEPS,
};

const char *step_name(enum step step); /* "create": in the record, the log and --json */
/* The action of that step, ACTIONS where it is none, and whether it is on the assignee. */
enum action step_action(enum step step, bool *on_assignee_r);

/* What was seen of the world in this life of the controller. A fact that is not known is false. */
struct move_facts {
	/* the mailbox's entry in DIR, read not longer ago than the last step */
	bool mailbox_known, mailbox_gone;
	bool held;                     /* its own state is `holding` */
	bool on_assignor, on_assignee; /* restanteSystem, and the physical address of that side */
	/* of this hold, by the entryCSN that it has still: */
	bool fenced, drained;
	bool drain_over; /* the scenario's bound on draining has passed, the fence was passed */
	bool assignor_redirects; /* restanteCanRedirect and the action are there */
	bool target_known;       /* the assignee is in ou=systems and has actions */
	enum sync_answer syncs;  /* of all runs that the record waits for */
	const char *sync_reason; /* of SYNC_REFUSED: "S1: ..." */
	bool listed;             /* after the up syncs were answered */
	const char *missing;     /* the first address of DIR that the list lacks, "" = none */
	bool second_asked, second_empty;
	bool action_absent[STEPS];  /* the system has no such action */
	const char *other_open;     /* an older open move for the same mailbox: its DN, "" = none */
	const char *scenario_fault; /* "" = it can be done by this program */
	bool working_hours;         /* steps that touch users may begin now */
	bool room;                  /* concurrency limits of both systems and of the whole */
};

enum move_verdict {
	MOVE_DO,    /* the step, now */
	MOVE_WAIT,  /* until_us (0 = until something changes); text says for what */
	MOVE_STOP,  /* write `text` as the error, stopped */
	MOVE_ENTER, /* write that the state is reached */
	MOVE_OVER,  /* write the outcome */
	MOVE_IDLE,  /* paused, stopped or over: nothing until the record changes */
};

struct move_decision {
	enum move_verdict verdict;
	enum step step;
	int state;                 /* ENTER */
	enum move_outcome outcome; /* OVER */
	int64_t until_us;          /* WAIT: wall clock */
	char text[512];            /* STOP, WAIT, OVER: one line */
};

/* now_us: wall clock, as near to the directory's as is known. */
void move_decide(const struct move *move, const struct config_scenario *scenario,
	const struct move_facts *facts, int64_t now_us, struct move_decision *decision_r);

/* Why a scenario cannot be done by this program yet: "" = it can. Static text. */
const char *scenario_fault(const struct config_scenario *scenario);
/* When the way to `state` may begin (MOVE_CREATED: create, MOVE_ADDRESSED: the instant,
 * MOVE_DELETED: delete): the instant of the move plus the scenario's offset; what is past already
 * is due at once. INT64_MAX: never in this scenario. */
int64_t scenario_time_us(
	const struct config_scenario *scenario, const struct move *move, int state);

#endif
