/*
 * One line of what Sendmail's `mailq` prints, with -v or without. Pure.
 *
 * A heading tells how many files a folder has, and each of them gets a line, unless a limit
 * (MaxQueueRunSize, J= of a queue group) leaves some out, the second without a mark.
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
	MAILQ_NOTHING, /* columns' names, reasons */
	MAILQ_HEADING,
	MAILQ_FILE,
	MAILQ_GONE, /* a file that was delivered meanwhile */
	MAILQ_RECIPIENT,
	MAILQ_END, /* the number of requests: there is no more of this listing */
	MAILQ_NO_LISTING,
};

struct mailq_found {
	struct str recipient; /* MAILQ_RECIPIENT: as the queue file has it; the caller frees it */
	bool cut;
	long requests;     /* MAILQ_HEADING: files that will follow */
	const char *error; /* MAILQ_NO_LISTING: static text */
};

/* line has no line end, but a NUL after its len bytes. */
enum mailq_line mailq_read(const char *line, size_t len, struct mailq_found *found_r);

#endif
