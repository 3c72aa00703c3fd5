/*
 * The trace field for the time a message was held (RFC 5321 section 4.4). The MTA's own is not
 * shown to milters, so without this one a released message would hide where it came from and
 * escape the count of hops. Pure.
 */
#ifndef RESTANTE_QUEUE_RECEIVED_H
#define RESTANTE_QUEUE_RECEIVED_H

#include "lib/str.h"
#include "queue/holdq.h"

/* recipient: NULL where the transaction has several (blind copies stay blind). Folded, CRLF. */
void received_write(const struct holdq_envelope *envelope, const char *hostname,
	const char *recipient, struct str *out);

#endif
