/*
 * LDIF (RFC 2849): composing lines, and reading content records from a stream of bytes.
 *
 * What is read: records of attributes, `changetype: add` among them; other changes, controls and
 * values by URL (`name:< file:///...`) are refused. Lines may be folded, end with LF or CRLF, begin
 * with a byte order mark; comments and `version: 1` may stand where the RFC has them. Text must be
 * UTF-8; values in base64 may be any bytes.
 *
 * Where an LDIF ends: behind an empty line after its last record (ldapsearch and slapcat write
 * one), or behind a line
 *
 *     # end COUNT
 *
 * with the number of its records, behind which nothing may follow. What ends elsewhere is
 * truncated, an LDIF without any record and without that line, too. Only that line tells of a file
 * that was cut off exactly between two records; whoever reads may ask whether it was there.
 *
 * Not thread-safe, but for the composing.
 */
#ifndef RESTANTE_LIB_LDIF_H
#define RESTANTE_LIB_LDIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

#define LDIF_COLUMNS    76         /* of a line that is composed */
#define LDIF_RECORD_MAX (16 << 20) /* bytes of one record that is read */

/* "name: value", with base64 where RFC 2849 wants it ("name:: ..."), folded, with its line end. */
void ldif_put(struct str *out, const char *name, const void *value, size_t len);
void ldif_put_text(struct str *out, const char *name, const char *value);
/* "# text"; a line end in it begins a further line of comment. */
void ldif_put_comment(struct str *out, const char *text);
/* "# end COUNT", see above. */
void ldif_put_end(struct str *out, uint64_t records);

#endif
