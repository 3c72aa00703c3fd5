/*
 * Comma-separated values (RFC 4180), as spreadsheets and people write them: quoted fields, CRLF or
 * LF, a byte order mark; blanks around an unquoted field, empty lines and lines that begin with #
 * do not count. Pure.
 */
#ifndef RESTANTE_LIB_CSV_H
#define RESTANTE_LIB_CSV_H

#include <stddef.h>

#include "lib/str.h"

#define CSV_FIELDS_MAX 32

struct csv {
	const char *at, *end; /* what is left of the caller's text */
	unsigned next_line;
	unsigned line; /* of the record that was read last; the first is 1 */
	struct str text;
	size_t starts[CSV_FIELDS_MAX]; /* of the fields in text */
	size_t count;
};

/* The text must live until csv_end. */
void csv_begin(struct csv *csv, const char *text, size_t len);
void csv_end(struct csv *csv);
/*
 * The next record: the number of its fields, 0 at the end, -1 with *error_r (what is wrong with
 * line csv->line; nothing more can be read).
 */
int csv_next(struct csv *csv, const char **error_r);
/* Of the record that was read last; "" beyond its end. */
const char *csv_field(const struct csv *csv, size_t index);

#endif
