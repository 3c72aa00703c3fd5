/* Private to queue/smtp.c, queue/smtp_auth.c (the session) and queue/smtp_mail.c (a transaction in
 * it).
 */
#ifndef RESTANTE_QUEUE_SMTP_SESSION_H
#define RESTANTE_QUEUE_SMTP_SESSION_H

#include "lib/str.h"
#include "queue/ehlo.h"
#include "queue/link.h"
#include "queue/smtp.h"

#define SMTP_CHUNK 32768

struct smtp {
	struct link *link;
	struct ehlo ehlo;
	bool lmtp;
	bool secure; /* by TLS */
	int64_t timeout_us;
	bool reset_due; /* the last transaction was not finished: RSET comes first */
	unsigned used;
	struct str out; /* at most a group of commands, or a chunk stuffed */
	char chunk[SMTP_CHUNK];
};

/* -1; there was no reply, only a reason. */
int smtp_fail(struct answer *failure, enum stage stage, const char *why);
/* queue/smtp_auth.c. 0, or -1 with *failure. */
int smtp_authenticate(
	struct smtp *smtp, const struct smtp_settings *settings, struct answer *failure);

#endif
