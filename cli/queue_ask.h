/* Questions to the control socket about one held message. */
#ifndef RESTANTE_CLI_QUEUE_ASK_H
#define RESTANTE_CLI_QUEUE_ASK_H

#include "cli/cli.h"

struct json *queue_request(const char *command, int64_t id);
/* What the milter answers about the message whose id is the one argument; NULL after a complaint.
 */
struct json *queue_ask_by_id(
	struct cli *cli, int argc, char **argv, const char *command, int64_t *id_r, int *code_r);

#endif
