/* UTF-8 (RFC 3629), one character at a time. Pure; text is NUL-terminated. */
#ifndef RESTANTE_LIB_UTF8_H
#define RESTANTE_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

/* The well-formed character that text begins with: its length in bytes, 1 for the NUL; 0 where
 * there is none (*code_r is not set then). */
size_t utf8_read(const char *text, uint32_t *code_r);
/* Appends one; code is a Unicode scalar value. */
void utf8_append(struct str *out, uint32_t code);
bool utf8_valid(const char *text);
/* Whether all of it is below 0x80. */
bool utf8_ascii(const char *data, size_t len);

#endif
