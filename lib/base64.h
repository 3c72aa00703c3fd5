/* Base64 (RFC 4648, section 4). Pure. */
#ifndef RESTANTE_LIB_BASE64_H
#define RESTANTE_LIB_BASE64_H

#include <stddef.h>

#include "lib/str.h"

void base64_encode(struct str *out, const void *data, size_t len);
/* Appends what the text says: 0; -1 where it is none: other characters, blanks and line ends
 * included, no padding, bits behind the last byte. `out` is as it was then. */
int base64_decode(struct str *out, const char *text, size_t len);

#endif
