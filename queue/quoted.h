/* Quoted-printable (RFC 2045 section 6.7). Pure. */
#ifndef RESTANTE_QUEUE_QUOTED_H
#define RESTANTE_QUEUE_QUOTED_H

#include <stddef.h>

#include "lib/str.h"

#define QUOTED_LINE 76 /* bytes of a line at most */

/* Appends data, whose line ends are CRLF; decoded it is the same, bare CR and LF included. */
void quoted_write(const char *data, size_t len, struct str *out);

#endif
