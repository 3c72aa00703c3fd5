/* One worker carrying one move on, as far as it goes. */
#ifndef RESTANTE_CONTROL_RUN_H
#define RESTANTE_CONTROL_RUN_H

#include "control/control.h"
#include "control/record.h"
#include "control/store.h"
#include "lib/mailbox.h"

/* A worker's own; its session is opened anew after trouble. */
struct worker {
	struct control *control;
	struct ldap_session *session; /* on write_uri; NULL = none now */
	uint64_t serial;              /* of the settings of the session */
};

struct run {
	struct worker *worker;
	struct control *control;
	struct settings *settings;
	struct task *task;
	struct move *move; /* task->move */
	const struct config_scenario *scenario;
	struct record_change change;
	uint64_t term;
	bool answered; /* a request, in this run */
	bool lost;     /* another one leads, or has claimed it: nothing more is written */
	bool soon;     /* something wakes it in a moment, as things go */
	struct ldap_entry *entry; /* of the mailbox, with all attributes */
	struct mailbox *mailbox;  /* the same; NULL = not read, or gone */
	int64_t looked_us;        /* monotonic: when it was read */
	bool mailbox_gone;
	char *mailbox_trouble;
	char other[512];
	struct kept kept;   /* as of the last decision */
	bool untouched;     /* the step that was claimed surely had no effect */
	int64_t claimed_us; /* CLOCK_BOOTTIME: just before the last claim */
	int64_t due_us;     /* monotonic: when to go on */
	bool purged;
};

enum progress {
	STEP_DONE,
	STEP_PENDING, /* a keeper waits for it, or a slot: run->due_us */
	STEP_FAILED,  /* to be tried again */
	STEP_REFUSED, /* an administrator must act */
};

/* When it is to be looked at again (monotonic, STORE_NEVER); *gone_r: the record was purged. */
int64_t run_task(struct worker *worker, struct task *task, bool *gone_r);

/* --- control/leave.c -------------------------------------------------------------------------- */

/* At the begin: what the run before left is the run's own again. */
bool leave_take(struct run *run);
/* At the end: true, nothing is to be written now. */
bool leave_it(struct run *run);
/* What was read of the mailbox is left as well where nothing was done: for want of a place on the
 * system, mostly. As long as what leave_it() leaves. */
void leave_seen(struct run *run);
void leave_take_seen(struct run *run);

/* --- for control/step_*.c: the reason of what did not succeed goes to `why` --------------------
 */

enum progress step_run(struct run *run, enum step step, struct str *why);
/* Longest time that the step itself may take, microseconds. */
int64_t step_limit_us(const struct run *run, enum step step);
/* How long after that something of it may still go on. */
int64_t step_rest_us(const struct run *run, enum step step);

/* The worker's session; NULL with the reason in `why`. */
struct ldap_session *run_session(struct run *run, struct str *why);
/* Judges a result of the directory: DONE, FAILED or REFUSED; drops a session that is of no use. */
enum progress run_judge(
	struct run *run, enum ldap_result result, const char *error, struct str *why);
/* Reads the mailbox's entry. */
enum progress run_look(struct run *run, struct str *why);
void run_forget_mailbox(struct run *run);
/* After a write of ours: what it changed of the mailbox is in the entry, too. */
void run_note_mailbox(struct run *run);
/* Whether the claim is fresh enough to begin with its step. */
bool run_may_act(const struct run *run, enum step step, struct str *why);
/* When its action must have ended, CLOCK_BOOTTIME: counted from the claim; 0 = it needs none. */
int64_t run_until_us(const struct run *run, enum step step);

/* By kind. */
enum progress step_action_run(struct run *run, enum step step, struct str *why);
enum progress step_take(struct run *run, struct str *why);
enum progress step_hold(struct run *run, bool back, struct str *why);
enum progress step_swap(struct run *run, bool back, struct str *why);
enum progress step_unhold(struct run *run, struct str *why);
enum progress step_purge(struct run *run, struct str *why);
/* Microseconds between the two versions, 0 where they do not tell. */
int64_t hold_length_us(const struct move *move);
/* control/orphan.c: of a task whose record is gone. True: nothing is left to be done. */
bool orphan_settle(struct run *run);

#endif
