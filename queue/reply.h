/*
 * SMTP replies (RFC 5321 section 4.2, enhanced status codes of RFC 3463) as bytes arrive. Pure;
 * nothing from the network is trusted: lines, their number and what is kept of them are bounded.
 */
#ifndef RESTANTE_QUEUE_REPLY_H
#define RESTANTE_QUEUE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define REPLY_LINE_MAX  2048 /* bytes, line end included */
#define REPLY_LINES_MAX 100
#define REPLY_TEXT_MAX  511
#define REPLY_STATUS    12 /* bytes of an enhanced status code */

struct reply {
	int code;                   /* 200..599; 0 = no reply */
	int class, subject, detail; /* of the first line; class 0 = none given */
	unsigned lines;
	bool own; /* of our making: nobody said it */
	char text[REPLY_TEXT_MAX +
		  1]; /* the whole on one line, printable ASCII, cut where too long */
};

enum reply_result {
	REPLY_MORE, /* no complete line yet */
	REPLY_LINE, /* took a line, others follow */
	REPLY_DONE, /* took the last one */
	REPLY_BAD,  /* not a reply: the connection is of no use any more */
};

/* Takes at most one line off data; *used_r bytes are consumed. A reply starts as all zeros. */
enum reply_result reply_feed(struct reply *reply, const char *data, size_t len, size_t *used_r);

/* A reply of our own making, "552 5.3.4 too big", or without a code where there was none. */
void reply_set(struct reply *reply, const char *text);
/* "5.1.1"; from the code where the peer gave none ("5.0.0"). size >= REPLY_STATUS. */
const char *reply_status(const struct reply *reply, char *buffer, size_t size);

bool reply_is(const struct reply *reply, int class);

#endif
