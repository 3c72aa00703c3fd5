/* The control socket (docs/sync.md): what its commands share. */
#ifndef RESTANTE_DIRSYNC_COMMANDS_H
#define RESTANTE_DIRSYNC_COMMANDS_H

#include "dirsync/dirsync.h"

#define COMMANDS_LOOK (100 * CLOCK_MS) /* progress is told at most that often */

struct json *commands_record(const struct run_record *record);
void commands_run(void *dirsync, const struct json *request, struct control_reply *reply);

#endif
