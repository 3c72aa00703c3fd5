/* What the other side of an SMTP or LMTP session can do (RFC 5321 section 4.1.1.1). Pure. */
#ifndef RESTANTE_QUEUE_EHLO_H
#define RESTANTE_QUEUE_EHLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ehlo {
	bool pipelining;             /* RFC 2920 */
	bool eightbit;               /* 8BITMIME, RFC 6152 */
	bool utf8;                   /* SMTPUTF8, RFC 6531 */
	bool dsn;                    /* RFC 3461 */
	bool starttls;               /* RFC 3207 */
	bool auth_plain, auth_login; /* RFC 4954 */
	bool size;                   /* RFC 1870 */
	uint64_t limit;              /* bytes a message may have; 0 = not said */
};

/* One line of the reply after its first, with or without "250-" and line end. */
void ehlo_line(struct ehlo *ehlo, const char *line, size_t len);

#endif
