/* Private to queue/notice*.c: how the parts of a notice are written. */
#ifndef RESTANTE_QUEUE_NOTICE_PARTS_H
#define RESTANTE_QUEUE_NOTICE_PARTS_H

#include "queue/notice.h"

/* The message came with SMTPUTF8: types of RFC 6533 may be used. */
bool notice_utf8(const struct notice *notice);
/* The way to the sender takes 8-bit headers; otherwise nothing in the notice may need that. */
bool notice_way_utf8(const struct notice *notice);

/* notice_words.c: text from outside, which begins no line and ends none. */
void notice_clean(struct str *out, const char *text, size_t len); /* bytes >= 0x80 stay */
void notice_ascii(struct str *out, const char *text, size_t len);
/* "rfc822; a@b", "utf-8; \x{E9}@b", or the same as it is. */
void notice_address(struct str *out, const char *address, bool utf8);
/* A reply, folded so that no line gets longer than one of mail may be. */
void notice_diagnostic(struct str *out, const char *text);

/* notice_status.c: the fields of RFC 3464 section 2, CRLF. utf8: as RFC 6533 section 4.1. */
bool notice_status_utf8(const struct notice *notice);
void notice_status(struct str *out, const struct notice *notice, bool utf8);

/* notice_return.c: what is returned of the message. */
struct notice_returned {
	const char *description, *type;
	size_t len;      /* of notice->original */
	bool eightbit;   /* there is something in it that is not ASCII */
	bool may_encode; /* the type allows an encoding that changes it */
};
struct notice_returned notice_returned(const struct notice *notice);
/* " <id@host>" of the Message-ID where there is one that can be quoted. */
void notice_message_id(const struct notice *notice, struct str *out);

#endif
