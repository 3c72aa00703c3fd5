/* The folder of a system below dirsync.state_dir: snapshot, reports, what is under way. */
#ifndef RESTANTE_DIRSYNC_FOLDER_H
#define RESTANTE_DIRSYNC_FOLDER_H

#include <stdbool.h>

/* "STATE_DIR/NAME", in lower case (names compare without case); what is not a letter, a digit or
 * one of "._-" is %XX. The caller frees it. */
char *folder_of(const char *state_dir, const char *system);
/* Makes it where it is missing, and STATE_DIR: 0, or -1 with *error_r. */
int folder_make(const char *state_dir, const char *system, const char **error_r);
/* A folder in it for files of a run, empty: what a killed run left is removed. NULL with *error_r.
 * The caller frees it. */
char *folder_work(
	const char *state_dir, const char *system, const char *name, const char **error_r);
/* Whether a living process has the database in that folder: then nothing is wrong with it. */
bool folder_in_use(const char *dir);

#endif
