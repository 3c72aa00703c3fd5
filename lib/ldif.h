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

struct ldif_value {
	const char *name; /* with its options: "cn;lang-de" */
	const char *data; /* data[len] is NUL */
	size_t len;
};

struct ldif_record {
	uint64_t line; /* of its "dn:", the first of the stream is 1 */
	const char *dn;
	const struct ldif_value *values; /* in their order; of attributes alone */
	size_t count;
};

/* Gets each record; what it points to lives until it returns. 0; -1 stops the reading. */
typedef int (*ldif_take)(void *context, const struct ldif_record *record);

struct ldif_reader;

struct ldif_reader *ldif_reader_new(ldif_take take, void *context);
void ldif_reader_free(struct ldif_reader **reader);
/*
 * The next bytes, cut anywhere. 0; -1 with *error_r (valid until the reader is freed): what is
 * wrong with line ldif_reader_line(), NULL where `take` stopped it. Nothing more can be read then.
 */
int ldif_reader_feed(
	struct ldif_reader *reader, const char *data, size_t len, const char **error_r);
/* There is no more: 0 where the LDIF is complete, else -1 as above. */
int ldif_reader_end(struct ldif_reader *reader, const char **error_r);
uint64_t ldif_reader_line(const struct ldif_reader *reader);
uint64_t ldif_reader_records(const struct ldif_reader *reader); /* that were taken */
bool ldif_reader_marked(const struct ldif_reader *reader);      /* "# end COUNT" was there */

#endif
