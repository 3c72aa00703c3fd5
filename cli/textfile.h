/* A file that a person has made, such as a list of mailboxes. */
#ifndef RESTANTE_CLI_TEXTFILE_H
#define RESTANTE_CLI_TEXTFILE_H

#include "cli/cli.h"
#include "lib/str.h"

/* Appends all of it ("-" = standard input), 64 MB at most. CLI_DONE, or a code after a complaint.
 */
int textfile_read(struct cli *cli, const char *path, struct str *text);

#endif
