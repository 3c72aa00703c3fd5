/*
 * What the client hears: one table (DESIGN section 4). Texts carry no knowledge about the inside;
 * the log has the reason.
 */
#ifndef RESTANTE_MILTER_REPLY_H
#define RESTANTE_MILTER_REPLY_H

#include <stdbool.h>

#include "lib/route.h"

enum reply {
	REPLY_NONE, /* accepted */
	REPLY_NOBODY,
	REPLY_DEFER,
	REPLY_TRYAGAIN,
	REPLY_FULL,
	REPLY_SYNTAX,
	REPLY_TOO_MANY, /* recipients of one message */
	REPLY_FLIPPED,  /* a large message in flight as the mailbox began to hold */
	REPLY_CIRCLE,   /* re-entry: it would leave as it came */
	REPLY_STORE,    /* the hold queue failed */
	REPLY_MTA,      /* the MTA refused a change of the envelope */
	REPLY_STOPPING,
};

struct reply_text {
	const char *code, *enhanced, *text;
};

const struct reply_text *reply_text(enum reply reply); /* REPLY_NONE: NULL */
const char *reply_name(enum reply reply);              /* a word for metrics: "nobody" */
bool reply_is_permanent(enum reply reply);
/* At RCPT. */
enum reply reply_for(enum route_verdict verdict);

#endif
