/*
 * The state machine of a move (DESIGN section 6), pure: (record, scenario, facts, now) -> what to
 * do next. Whatever it says may be done twice: every step is idempotent, and what was done is in
 * the record (restanteMoveDone) before the next step that acts on something is begun.
 *
 * Forward it goes by the state and by what was done. Backward (cancel, rollback, ended) it does not
 * ask what was done but what may have been begun, for a step whose end nobody saw may have had its
 * effect: each is claimed in the record before it is done, and a claim that is replaced before its
 * step was seen to end leaves a mark (step_mark) among what was done. What takes something away
 * goes by the record alone, whatever the settings have become since; what sets something, by both.
 */
#ifndef RESTANTE_CONTROL_MACHINE_H
#define RESTANTE_CONTROL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/action.h"
#include "lib/config.h"
#include "lib/move.h"
#include "lib/scenario.h"
#include "lib/syncask.h"

/* In the order in which they occur on the way forward; then those of cancel and rollback. */
enum step {
	STEP_NONE,
	STEP_TAKE,            /* E1: a record without state is completed from the mailbox's entry */
	STEP_CREATE,          /* E2: assignee */
	STEP_REDIRECT_SECOND, /* E2: assignee, to the old physical address */
	STEP_ADDRESSES,       /* E3, E4: assignee */
	STEP_ASK_SYNCS,       /* E5: up syncs of both; their numbers into the record. Asked again
				 where one was refused: text */
	STEP_LIST,            /* E7, E8: assignee; facts.listed, facts.missing */
	/* assignee: `open` of one that was found, for an earlier move back may have closed it */
	STEP_OPEN_SECOND,
	STEP_HOLD,              /* state `holding`; hold_csn into the record */
	STEP_FENCE,             /* epoch, acknowledgements: facts.fenced */
	STEP_UNREDIRECT_SECOND, /* E9: assignee, verified gone */
	STEP_REDIRECT_FIRST,    /* assignor, to the new physical address, verified */
	STEP_DRAIN,             /* facts.drained; done where it was complete */
	STEP_SWAP,              /* one asserted modify; swap_csn and identifier into the record */
	STEP_ASK_DOWN,          /* down syncs of the other systems */
	STEP_CLOSE,             /* assignor: `close` */
	STEP_DELETE_OLD,        /* E41, E42: assignor; the record re-read right before */
	STEP_CONTACT,           /* E43: assignor */
	STEP_PURGE,             /* the record goes */
	/* cancel, rollback, ended: */
	STEP_HOLD_BACK,        /* swapped already: held again, then FENCE */
	STEP_UNREDIRECT_FIRST, /* assignor, verified gone */
	STEP_REDIRECT_BACK,    /* assignee's second to the old physical address again */
	STEP_OPEN,             /* assignor: the reverse of CLOSE */
	STEP_DRAIN_BACK,       /* the new physical address drained: facts.drained */
	STEP_SWAP_BACK,        /* asserted */
	STEP_UNHOLD,           /* held but not swapped: active again */
	STEP_ASK_DOWN_BACK,    /* as ASK_DOWN */
	STEP_UNADDRESS,        /* assignee */
	STEP_EMPTY,            /* assignee: facts.second_asked, second_empty */
	STEP_DELETE_SECOND,    /* assignee; only where it is empty */
	STEP_LIST_FIRST,       /* assignor: facts.first_asked, first_gone */
	/* the old mailbox is gone, so the second redirects to nobody: assignee, verified gone */
	STEP_UNREDIRECT_AGAIN,
	/* answers to a request, and decisions that last: a write into the record, no more (ANSWER)
	 */
	STEP_RESUME,     /* the request goes */
	STEP_RETRY,      /* the request goes, the error and the stop with it */
	STEP_BACK,       /* the same, and from now on backward: into what was done */
	STEP_LEAVE_MAIL, /* as BACK, and mail in the second mailbox is left there */
	STEP_END,        /* from now on backward, to `ended`: text is the reason */
	STEP_DECLINE,    /* the request goes, text says why it was not followed */
	STEP_UNTURN,     /* BACK, and what the way back has noted, is undone; text says why */
	STEP_ADOPT,      /* with CREATE: it was there, as an earlier move of the mailbox left it */
	STEP_FOUND,   /* with CREATE: its check held before it was done, so it may be an old one */
	STEP_OUTCOME, /* what is recorded as done with an outcome: since when it is over */
	STEPS,
};

const char *step_name(enum step step); /* "create": in the record, the log and --json */
enum step step_find(const char *name); /* STEP_NONE: there is none of that name */
/* "create-begun": among what was done, for a step that may have had its effect. Static. */
const char *step_mark(enum step step);
/* The action of that step, ACTIONS where it is none; whether it is on the assignee. */
enum action step_action(enum step step, bool *on_assignee_r);
/* Whether it changes something outside of the record, and so is claimed before. */
bool step_claimed(enum step step);

/* What was seen of the world in this life of the controller. A fact that is not known is false. */
struct move_facts {
	/* the mailbox's entry in DIR, read after the last step that changed it: */
	bool mailbox_known;
	bool mailbox_gone;
	const char *mailbox_trouble; /* NULL = none: why it cannot be told, one line */
	bool held;                   /* its own state is `holding` */
	const char
		*other_state; /* its own state where that is neither active nor `holding`; NULL */
	bool at_target, at_assignor;   /* restanteSystem */
	bool on_assignee, on_assignor; /* the same, and the physical address is that side's */
	/* of this hold, by the entryCSN that it has still: */
	bool fenced, drained;
	bool drain_over; /* the scenario's bound on draining has passed since the fence was passed
			  */
	bool assignor_redirects; /* restanteCanRedirect */
	bool assignee_redirects;
	bool target_known;       /* in ou=systems */
	enum sync_answer syncs;  /* of all runs that the record waits for */
	const char *sync_reason; /* of SYNC_REFUSED: "S1: ..."; NULL = none */
	bool listed; /* since the up syncs were answered, since it stopped, and not long ago;
			for the addresses that DIR has now */
	const char *missing; /* the addresses of DIR that the list lacks; NULL = none */
	bool second_asked;   /* since the last step that changed something, or fence */
	bool second_empty;
	const char *second_trouble; /* why that cannot be told; NULL = none */
	bool first_asked;           /* since the last step that changed something */
	const char *first_gone;     /* why it is not there any more; NULL = it is */
	const char *create_refused; /* on the way back, why; NULL = it was not */
	bool action_absent[STEPS];  /* the system has no such action */
	const char *other_open; /* an older open move of the same mailbox: its DN; NULL = none */
	bool returned;   /* a later move, complete, brought the mailbox back to the assignor */
	bool moves_back; /* a later open move of the mailbox goes to the assignor */
	const char *scenario_fault; /* NULL = it can be done by this program */
	bool working_hours;         /* steps that users notice may begin now */
	int64_t hours_us;           /* else: when they may, wall clock; 0 = not known */
	bool room;                  /* one more may be between instant and swap */
};

enum move_verdict {
	MOVE_DO,     /* the step, now; text may tell a trouble that it is to mend */
	MOVE_LOOK,   /* the mailbox's entry must be read first */
	MOVE_WAIT,   /* until_us (0 = until something changes); text says for what */
	MOVE_STOP,   /* write `text` as the error, stopped */
	MOVE_ENTER,  /* write that the state is reached */
	MOVE_ANSWER, /* write what `step` says */
	MOVE_OVER,   /* write the outcome, and `text` as the error where it is not "" */
	MOVE_IDLE,   /* paused, stopped or over: nothing until the record changes */
};

struct move_decision {
	enum move_verdict verdict;
	enum step step;
	int state;  /* ENTER; ANSWER: from state 10 back into this one, or there again; 0 = it stays
		     */
	bool stops; /* ANSWER: DECLINE, UNTURN: and it goes on after `retry` alone */
	enum move_outcome outcome; /* OVER */
	int64_t until_us;          /* WAIT: wall clock */
	bool trouble;              /* WAIT: text is an error that an administrator should see */
	char text[512];            /* one line */
};

/* now_us: wall clock, as near to the directory's as is known. scenario: NULL = there is none of
 * that name, facts->scenario_fault says so. */
void move_decide(const struct move *move, const struct config_scenario *scenario,
	const struct move_facts *facts, int64_t now_us, struct move_decision *decision_r);

/* Whether it goes backward: cancelled, rolled back or ended, to the end or not yet. */
bool move_backward(const struct move *move);
/* Whether the step was done, or claimed once and not seen to end. */
bool move_begun(const struct move *move, enum step step);
/* Of a step that sets a redirection: the one that the opposite redirection was set by, and the one
 * that took it away. False: it is none, or nothing can have been set before. */
bool step_opposite(enum step step, enum step *set_r, enum step *unset_r);
/* Whether UNTURN undoes what the record says of it. */
bool step_unturned(const struct move *move, enum step step);
/* Whether it is open and may have put its mailbox on hold. */
bool move_may_hold(const struct move *move);
/* Whether mail is held for it, or may be: its hold was begun, its swap not made. */
bool move_holds_mail(const struct move *move);
/* Whether it may keep its room between instant and swap: one that is stopped or paused gives it to
 * others, unless mail is held for it. */
bool move_keeps_room(const struct move *move);
/* Whether it must have room to do that. */
bool step_needs_room(enum step step);

#endif
