/*
 * `restante swap --file`: many mailboxes at once. All are judged before any is touched; they are
 * held, share the fence, and each is swapped as soon as it has passed.
 */
#ifndef RESTANTE_CLI_WAVE_H
#define RESTANTE_CLI_WAVE_H

#include "cli/cli.h"

/* wait: those that are active are held first. timeout_us: of each fence. */
int wave_run(struct cli *cli, const char *path, bool wait, int64_t timeout_us);

#endif
