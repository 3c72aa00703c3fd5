/*
 * A move as its entry in ou=moves has it (DESIGN sections 3 and 6): read and written by
 * restante-control, recorded and steered by restante(1), explained to syncs by dirsync/moves.h.
 * An entry made by any LDAP editor has an address and a target at least, and no state: the
 * controller takes it at state 0 with what is missing filled in, or ends it there with the reason.
 */
#ifndef RESTANTE_LIB_MOVE_H
#define RESTANTE_LIB_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"
#include "lib/str.h"

/* Of the paper; 11 and 12 do not occur. */
enum {
	MOVE_NEW = -1, /* no state yet: recorded by LDAP, not looked at */
	MOVE_RECORDED = 0,
	MOVE_CREATED = 1,
	MOVE_STATION_CHECKED = 2,
	MOVE_STATION_RECHECKED = 3,
	MOVE_ADDRESSED = 4,
	MOVE_FENCED = 5,
	MOVE_SWAPPED = 6,
	MOVE_TRANSFERRING = 7,
	MOVE_TRANSFERRED = 8,
	MOVE_LOCAL_DONE = 9,
	MOVE_COMPLETE = 10,
	MOVE_DELETED = 13,
	MOVE_STATES,
};

enum move_request {
	MOVE_ASKED_NOTHING,
	MOVE_ASKED_PAUSE,               /* stays until `resume` takes it away */
	MOVE_ASKED_RESUME,              /* same as nothing: the controller removes it */
	MOVE_ASKED_RETRY,               /* the controller removes it, and the error */
	MOVE_ASKED_CANCEL,              /* the same as rollback: before state 4 it is cancelled, */
	MOVE_ASKED_ROLLBACK,            /* from then on rolled back, until the old mailbox goes */
	MOVE_ASKED_ROLLBACK_LEAVE_MAIL, /* "rollback leave-mail" */
	MOVE_ASKED_UNKNOWN,             /* an error of whoever wrote it */
};

enum move_outcome {
	MOVE_OPEN_OR_DONE, /* none: open before state 10, finished from then on */
	MOVE_ENDED,        /* a check said no, or it could not be taken */
	MOVE_CANCELLED,
	MOVE_ROLLED_BACK,
	MOVE_MOVED_BACK,      /* done; a later move brought the mailbox back to the old one */
	MOVE_OUTCOME_UNKNOWN, /* a text that is none of ours: nothing is done with it */
};

/* A sync run that the move waits for (lib/syncask.h). */
struct move_wait {
	char *system;
	uint64_t number;
};

/*
 * What was done, each as "STEP INSTANT" in restanteMoveDone: names of control/machine.h. A step
 * that is there is done, also when the state has not been written yet.
 */
struct move_done {
	char *step;
	int64_t at_us;
};

/* "TERM STEP INSTANT HOLDER SECONDS" in restanteMoveWork: who works on it, on what, and how long
 * something of that may still go on after it was written. */
struct move_work {
	uint64_t term; /* of the controller's lease; 0 = nobody ever */
	char *step;    /* "-" = nothing just now */
	int64_t since_us;
	char *holder;
	int64_t length_us; /* 0 = not said */
};

struct move {
	char *dn, *uuid, *csn;
	char *address;                   /* in normal form; NULL where it is none: see `fault` */
	char *target, *scenario, *wave;  /* "" = not said */
	int64_t instant_us;              /* 0 = at once */
	int state;                       /* MOVE_NEW to MOVE_DELETED */
	int64_t reached_us[MOVE_STATES]; /* 0 = not, or passed over */
	char *mailbox;                   /* entryUUID of the mailbox, "" = not looked for yet */
	char *assignor, *old_physical, *old_source_id;
	char *physical, *source_id; /* of the second mailbox, "" = not made yet */
	char **claims;              /* NULL-terminated: written by dirsync */
	struct move_wait *waits;
	size_t wait_count;
	struct move_done *done;
	size_t done_count;
	char **branches; /* NULL-terminated: "transfer INSTANT", "station INSTANT" */
	struct move_work work;
	char *work_text; /* as it stands there: what the next claim asserts; "" = absent */
	enum move_request request;
	enum move_outcome outcome;
	char *outcome_text;
	char *identifier; /* address-migration identifier: of the swap */
	char *error;      /* one line: what is wrong and what to do; "" = nothing */
	bool stopped;     /* error stands until `retry`; else the step is tried again by itself */
	bool may_delete;  /* restanteMoveMayDelete: the old mailbox may go though no data was moved
			   */
	bool old_gone;    /* an up sync saw the old mailbox gone */
	char *made;       /* "SYSTEM MAILBOX ADDRESS": what create was done for; "" = not said */
	char *hold_csn, *swap_csn; /* of the mailbox's entry: how long it was held */
	uint64_t held_messages;    /* as front doors told, all together */
	char *fault;               /* "": it can be worked with; else why not, one line */
};

/* Attributes to be read for move_parse: NULL-terminated. */
extern const char *const move_attributes[];

/* Pure. Never fails: what is wrong is in `fault`. */
struct move *move_parse(const struct ldap_entry *entry);
void move_free(struct move **move);

bool move_open(const struct move *move); /* before 10 and without outcome */
bool move_has(const struct move *move, const char *step);
const char *move_state_text(int state); /* "second mailbox made": for people */
const char *move_request_name(enum move_request request);
const char *move_outcome_name(enum move_outcome outcome);

/* Append the DN of ou=moves, and that of a record there (cn=NAME). */
void move_container_dn(const char *base, struct str *out);
void move_record_dn(const char *base, const char *name, struct str *out);

/* All records, or those of one address (normal form; NULL = all), or of one wave. The callback
 * owns the move; non-zero stops. */
typedef int (*move_callback)(void *context, struct move *move);
enum ldap_result move_read_all(struct ldap_session *session, const char *base, const char *address,
	const char *wave, move_callback callback, void *context);
enum ldap_result move_read(struct ldap_session *session, const char *dn, struct move **move_r);

/* What a new record says; the rest comes from the mailbox's entry as it is then. */
struct move_order {
	const char *address; /* normal form */
	const char *target, *scenario, *wave;
	int64_t instant_us;
	bool may_delete;
};
/*
 * Adds the record in state 0: cn is the identifier "YYYYMMDDTHHMMSSZ-xxxxxxxx", mailbox, assignor,
 * physical address and source id those of the entry now. dn_r gets its DN. LDAP_TAKEN: one is open
 * already for that mailbox (looked for by address and entryUUID just before; two recorded at the
 * same moment are settled by the controller: the older one stays).
 */
enum ldap_result move_record(struct ldap_session *session, const char *base,
	const struct move_order *order, struct str *dn_r, const char **error_r);
/* Asserted on the request that is there: LDAP_ASSERTION where another stands there meanwhile. */
enum ldap_result move_ask(
	struct ldap_session *session, const struct move *move, enum move_request request);

/*
 * By a front door, once a mailbox (its entryUUID) is not held any more: adds a value of
 * restanteMoveHeld, "NODE MESSAGES INSTANT", to the record of the move that held it, which had
 * begun to when the mailbox's entry was of that version. LDAP_NO_ENTRY: no move did.
 */
enum ldap_result move_note_held(struct ldap_session *session, const char *base, const char *mailbox,
	const char *csn, const char *value);

#endif
