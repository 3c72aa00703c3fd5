/*
 * What an answer of the listener means for a held recipient: the rules of DESIGN section 4,
 * "Release". Pure.
 */
#ifndef RESTANTE_QUEUE_OUTCOME_H
#define RESTANTE_QUEUE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/reply.h"

/* Where in the session the answer came. */
enum stage {
	STAGE_CONNECT,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_TLS,
	STAGE_AUTH,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_DOT,  /* after the final dot */
	STAGE_LOST, /* 421, closed, silent or garbage before the final dot was sent: not delivered
		     */
	STAGE_UNCLEAR, /* the same after it: it may have been delivered (RFC 1047) */
	STAGE_COUNT,
};

enum outcome_action {
	OUTCOME_DONE,          /* delivered: 2xx after the final dot, nothing else */
	OUTCOME_BOUNCE,        /* never: tell the sender */
	OUTCOME_DELAY_MESSAGE, /* later; the next messages of the mailbox go ahead */
	OUTCOME_DELAY_MAILBOX, /* later, and the mailbox waits with it, so that order is kept */
	OUTCOME_TROUBLE,       /* nothing to do with this message: the listener is out of order */
};

struct outcome {
	enum outcome_action action;
	/* Says something about the listener rather than the mail: three different mailboxes or
	 * messages in a row are trouble. */
	bool suspect;
	bool by_mailbox; /* what counts as different: the mailbox, else the message */
};

#define OUTCOME_TRIES 3 /* refusals of one message's content before it steps aside */

/* tries: temporary failures of this message so far, this one included. */
struct outcome outcome_decide(enum stage stage, const struct reply *reply, unsigned tries);
const char *stage_name(enum stage stage);

struct outcome_clock {
	int64_t began_us;         /* wall: release of this message began */
	int64_t trouble_us;       /* since then, waiting for a listener in trouble */
	int64_t since_us;         /* monotonic: first temporary refusal that this process saw */
	int64_t wall_us, mono_us; /* now */
	bool seen_all;            /* it began in this process, which needs no wall clock for it */
};

/*
 * Whether a temporary refusal is the last one: refused for expire_us in all, trouble left out.
 * retry_max_us: a process that was down for days sees refusals for that long itself before it gives
 * up.
 */
bool outcome_expired(const struct outcome_clock *clock, int64_t expire_us, int64_t retry_max_us);

#endif
