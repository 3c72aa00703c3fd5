/* What the daemon and --once do first: settings, user, log, the one lock of a host. */
#ifndef RESTANTE_DIRSYNC_START_H
#define RESTANTE_DIRSYNC_START_H

#include "dirsync/exits.h"
#include "lib/config.h"
#include "lib/privileges.h"

#define DIRSYNC_IDENT "restante-dirsync"

/* NULL after the reason was appended: what nothing can be done without is there. */
struct config *start_config(const char *path, struct str *error_r);
/* Each section judged by its connector; a line to `out` for each thing that is wrong. */
bool start_check(const struct config *config, FILE *out);
/* Becomes the user of dirsync {}, in possession of the folders; opens the log. */
int start_privileges(
	const struct config *config, struct privileges *privileges_r, struct str *error_r);
int start_log(const struct config_log *log, struct str *error_r);
/* Of state_dir: a descriptor to be kept open; -1: another process has it, or it cannot be had. */
int start_lock(const struct config *config, bool *busy_r, struct str *error_r);

#endif
