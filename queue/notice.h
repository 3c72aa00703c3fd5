/*
 * Delivery status notices (RFC 3461, RFC 3464): what the sender of a held message hears about it.
 * Pure. Addresses that are not ASCII stand in the encoded form of RFC 6533 section 3 (\x{E9}).
 */
#ifndef RESTANTE_QUEUE_NOTICE_H
#define RESTANTE_QUEUE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"
#include "queue/holdq.h"

enum notice_kind {
	NOTICE_FAILED,
	NOTICE_DELAYED,
	NOTICE_RELAYED,   /* success asked for, handed to a system that does not announce DSN */
	NOTICE_DELIVERED, /* the same over LMTP: it is in the mailbox */
};

struct notice_recipient {
	const char *address, *params;
	const char *status;     /* "5.1.1" */
	const char *diagnostic; /* the reply, "" = none */
};

struct notice {
	enum notice_kind kind;
	const char *hostname; /* who reports */
	const char *remote;   /* who answered, "" = nobody */
	const struct holdq_envelope *envelope;
	const struct notice_recipient *recipients;
	size_t count;
	int64_t now_us;       /* wall */
	int64_t until_us;     /* delayed: tried until then, 0 = not known */
	const char *original; /* content of the message, or its beginning */
	size_t original_len;
	bool complete; /* all of it */
};

#define NOTICE_ORIGINAL_MAX 65536 /* larger ones are returned by their header */

/* Never to <>; else as NOTIFY says, which defaults to failures and delays. */
bool notice_wanted(enum notice_kind kind, const char *sender, const char *params);
void notice_write(const struct notice *notice, struct str *out);
/* Parameters for the MAIL command of a notice. */
const char *notice_mail_params(const struct notice *notice);

#endif
