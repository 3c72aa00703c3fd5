/*
 * What the next system offers (EHLO) and what a message needs of it: the ESMTP parameters that go
 * on, and what cannot be sent there. Pure.
 *
 *   RET, ENVID, NOTIFY, ORCPT  RFC 3461 section 5.2.1 (as they came), 5.2.2 (not to who has no DSN)
 *   BODY                       RFC 6152, RFC 3030: nothing is converted, what cannot go is returned
 *   SMTPUTF8                   RFC 6531 section 3.6; ORCPT: RFC 6533 section 3
 *   SIZE                       RFC 1870 section 6.1
 */
#ifndef RESTANTE_QUEUE_OFFER_H
#define RESTANTE_QUEUE_OFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"
#include "queue/ehlo.h"
#include "queue/scan.h"

struct offer_mail {
	const char *sender, *params; /* of MAIL, as they came */
	uint64_t bytes;              /* as it will be sent */
	unsigned hop_limit;          /* Received fields; 0 = any number */
};

/* Whether that can be answered by the header alone. */
bool offer_needs_body(const struct ehlo *ehlo, const struct offer_mail *mail);
/*
 * Why it cannot go there, as the reply of a server ("554 5.6.7 ..."); NULL = it can. The scan has
 * seen the header, and the body where offer_needs_body.
 */
const char *offer_refusal(
	const struct ehlo *ehlo, const struct offer_mail *mail, const struct scan *scan);
/* The same for one recipient. */
const char *offer_refuses_recipient(const struct ehlo *ehlo, const char *address);

/* " SIZE=... BODY=...": what goes behind MAIL FROM:<...>. utf8: a recipient is not ASCII. */
void offer_mail_params(
	const struct ehlo *ehlo, const struct offer_mail *mail, bool utf8, struct str *out);
/* " NOTIFY=... ORCPT=...". original: the address that the client gave, for an ORCPT where it gave
 * none; NULL = add none. */
void offer_rcpt_params(
	const struct ehlo *ehlo, const char *params, const char *original, struct str *out);

#endif
