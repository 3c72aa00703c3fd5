/* How `restante queue` shows what the milter answered; nothing with --json or --quiet. */
#ifndef RESTANTE_CLI_QUEUE_SHOW_H
#define RESTANTE_CLI_QUEUE_SHOW_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"

void queue_show_list(struct cli *cli, const struct json *messages, bool more);
void queue_show_stats(struct cli *cli, const struct json *totals);
void queue_show_message(struct cli *cli, const struct json *message);
/* Content as it is; on a terminal without control sequences. */
void queue_show_content(struct cli *cli, const char *data, size_t len);

/* "held", "waits for its turn", or the last refusal: pure. */
void queue_recipient_state(const struct json *recipient, struct str *out);

#endif
