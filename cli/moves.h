/*
 * A file of mailboxes for `hold`, `unhold` and `swap`: comma-separated, one mailbox per line, as
 * restante(1) describes it.
 */
#ifndef RESTANTE_CLI_MOVES_H
#define RESTANTE_CLI_MOVES_H

#include "cli/cli.h"

struct move {
	char *place; /* "FILE:LINE", for complaints */
	char *address, *system, *physical;
	char *source_id; /* NULL: none is given */
};

struct moves {
	struct move *list;
	size_t count;
};

/*
 * Reads the file ("-" = standard input). addresses_only: what else stands in a line is not looked
 * at. CLI_DONE with one mailbox at least, or a code after complaints about every line that is
 * wrong.
 */
int moves_read(struct cli *cli, const char *path, bool addresses_only, struct moves *moves_r);
void moves_free(struct moves *moves);
/* The same for text that is there already. */
int moves_parse(struct cli *cli, const char *path, const char *text, size_t len,
	bool addresses_only, struct moves *moves_r);

#endif
