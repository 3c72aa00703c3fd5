/*
 * SMTP and LMTP client (RFC 5321, RFC 2033): one session, kept over many transactions, one
 * transaction at a time, pipelined where the other side can (RFC 2920). Belongs to one thread,
 * but for smtp_abort.
 */
#ifndef RESTANTE_QUEUE_SMTP_H
#define RESTANTE_QUEUE_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tls.h"
#include "queue/endpoint.h"
#include "queue/outcome.h"
#include "queue/reply.h"

#define SMTP_RCPT_MAX 50 /* recipients of one transaction */

struct smtp_settings {
	struct endpoint endpoint;
	const char *hostname;    /* EHLO */
	struct tls_context *tls; /* NULL = plain */
	bool tls_required;
	const char *certificate_name; /* NULL = the host of the endpoint */
	const char *auth_user;        /* NULL = no AUTH, as is needed over LMTP nearly always */
	char *password;
	bool auth_in_clear; /* without TLS, too */
	int64_t timeout_us; /* of one reply; that to the final dot gets twice the time */
};

struct answer {
	enum stage stage;
	struct reply reply; /* code 0: no reply, text says why */
};

struct smtp_recipient {
	const char *address;
	const char *params;   /* NOTIFY and ORCPT are passed on where DSN is announced */
	const char *original; /* the address that the client gave, for an ORCPT; NULL = none */
	struct answer answer; /* 2xx at STAGE_DOT: delivered */
};

struct smtp_mail {
	const char *sender; /* "" = <> */
	const char *params; /* BODY, SMTPUTF8, RET, ENVID are passed on where announced */
	const char *prefix; /* goes in front of the content, CRLF; may be "" */
	uint64_t bytes;     /* of the content */
	/* Content from offset, *len_r 0 at its end; -1: it cannot be read, the transaction is
	 * broken off. */
	int (*read)(void *context, uint64_t offset, void *buffer, size_t size, size_t *len_r);
	void *context;
	unsigned hop_limit; /* with more Received fields it is refused; 0 = any number */
	struct smtp_recipient *recipients;
	size_t count;        /* 1..SMTP_RCPT_MAX */
	bool content_failed; /* set where read gave -1 */
};

struct smtp;

struct smtp *smtp_new(void);
void smtp_free(struct smtp **smtp); /* closes without a word */

/* 0, or -1: *failure_r says at which stage and why. */
int smtp_open(struct smtp *smtp, const struct smtp_settings *settings, struct answer *failure_r);
/* Open and, as far as can be seen, alive. */
bool smtp_is_ready(struct smtp *smtp);
bool smtp_is_open(const struct smtp *smtp);
/* DSN (RFC 3461) is announced. */
bool smtp_reports(const struct smtp *smtp);
/* 8BITMIME (RFC 6152) is announced. */
bool smtp_takes_8bit(const struct smtp *smtp);
/* Transactions that ended with an answer on this connection. */
unsigned smtp_used(const struct smtp *smtp);

/*
 * One transaction; afterwards every recipient has its answer. STAGE_LOST or STAGE_UNCLEAR in one of
 * them: the session is closed.
 */
void smtp_send(struct smtp *smtp, struct smtp_mail *mail);

void smtp_quit(struct smtp *smtp);  /* waits a second at most */
void smtp_abort(struct smtp *smtp); /* from any thread: what it waits for fails now */

#endif
