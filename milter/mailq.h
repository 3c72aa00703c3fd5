/*
 * One line of what Sendmail's `mailq` prints, with -v or without. Pure.
 *
 * A recipient is printed in 71 columns, 38 without -v, and what does not fit is cut off without a
 * mark. So one that fills its columns is reported as cut: the address begins with it.
 */
#ifndef RESTANTE_MILTER_MAILQ_H
#define RESTANTE_MILTER_MAILQ_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

enum mailq_line {
	MAILQ_NOTHING, /* headings, reasons, and files that were delivered meanwhile */
	MAILQ_FILE,
	MAILQ_RECIPIENT,
	MAILQ_END, /* the number of requests: there is no more of this listing */
	MAILQ_NO_LISTING,
};

/*
 * line has no line end, but a NUL after its len bytes. MAILQ_RECIPIENT: *recipient_r, as the queue
 * file has it, and *cut_r. MAILQ_NO_LISTING: *error_r (static text).
 */
enum mailq_line mailq_read(
	const char *line, size_t len, struct str *recipient_r, bool *cut_r, const char **error_r);

#endif
