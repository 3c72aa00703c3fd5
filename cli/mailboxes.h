/*
 * A file of mailboxes for `hold`, `unhold` and `swap`: comma-separated, one mailbox per line, as
 * restante(1) describes it.
 */
#ifndef RESTANTE_CLI_MAILBOXES_H
#define RESTANTE_CLI_MAILBOXES_H

#include "cli/cli.h"

struct mailbox_line {
	char *place; /* "FILE:LINE", for complaints */
	char *address, *system, *physical;
	char *source_id; /* NULL: none is given */
};

struct mailbox_lines {
	struct mailbox_line *list;
	size_t count;
};

/*
 * Reads the file ("-" = standard input). addresses_only: what else stands in a line is not looked
 * at. CLI_DONE with one mailbox at least, or a code after complaints about every line that is
 * wrong.
 */
int mailbox_lines_read(struct cli *cli, const char *path, bool addresses_only, struct mailbox_lines *lines_r);
void mailbox_lines_free(struct mailbox_lines *lines);
/* The same for text that is there already. */
int mailbox_lines_parse(struct cli *cli, const char *path, const char *text, size_t len,
	bool addresses_only, struct mailbox_lines *lines_r);

#endif
