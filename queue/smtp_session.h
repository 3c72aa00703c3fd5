/* Private to queue/smtp.c (the session) and queue/smtp_mail.c (a transaction in it). */
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
	int64_t timeout_us;
	bool reset_due; /* the last transaction was not finished: RSET comes first */
	unsigned used;
	struct str out; /* at most a group of commands, or a chunk stuffed */
	char chunk[SMTP_CHUNK];
};

#endif
