/*
 * Delivery status notices: what the sender of a held message hears about it. Pure.
 *
 *   who is told, of what      RFC 3461 sections 4.1 (NOTIFY), 5.2 (never to <>)
 *   what is returned with it  RFC 3461 section 4.3 (RET)
 *   envelope and form         RFC 3461 section 6, RFC 3464, RFC 6522 (multipart/report)
 *   internationalized mail    RFC 6533
 *   its own header            RFC 3834 (Auto-Submitted, In-Reply-To)
 *
 * Where the message came with SMTPUTF8 and something of it is not ASCII, the parts are of the types
 * of RFC 6533 section 4. They are 8-bit where the sender's own address is not ASCII, since the way
 * there must take internationalized mail anyhow; otherwise quoted-printable (section 4.5), so that
 * any system on the way can carry them. All else is RFC 3464, and its addresses that are not ASCII
 * are in the form utf-8-addr-xtext (\x{E9}).
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
	const char *address, *params; /* as the client gave them */
	const char *status;           /* "5.1.1" */
	const char *diagnostic;       /* the reply, "" = none */
	bool own;                     /* it is ours: no other system said so */
	const char *remote;           /* who said so, where that is not the notice's; else NULL */
	int64_t attempt_us;           /* wall: last attempt, 0 = none or not known */
	int64_t until_us;             /* wall: delayed, it is tried until then, 0 = not known */
};

struct notice {
	enum notice_kind kind;
	const char *hostname; /* who reports */
	const char *remote;   /* who answered, "" = nobody: a name or an IP address */
	const struct holdq_envelope *envelope;
	const struct notice_recipient *recipients;
	size_t count;
	int64_t now_us;       /* wall */
	const char *original; /* content of the message, or its beginning */
	size_t original_len;
	bool complete; /* all of it */
	bool no_8bit;  /* the system that takes notices does not take 8-bit content */
};

/* What is read of a message that is returned by its header alone. */
#define NOTICE_HEADER_MAX 65536

/* Never to <>; else as NOTIFY says, which defaults to failures and delays. */
bool notice_wanted(enum notice_kind kind, const char *sender, const char *params);
/*
 * A reply for the sender, appended: where it names the physical address it names the one that the
 * client gave. (RFC 3461 section 9.2 would have it word by word; but where a mailbox lives is the
 * federation's business.)
 */
void notice_veil(const char *reply, const char *physical, const char *address, struct str *out);
void notice_write(const struct notice *notice, struct str *out);
/* Parameters for the MAIL command of a notice. */
const char *notice_mail_params(const struct notice *notice);

#endif
