/* The front doors as a table and as JSON; shared by `node list` and `status`. */
#ifndef RESTANTE_CLI_NODE_SHOW_H
#define RESTANTE_CLI_NODE_SHOW_H

#include "cli/cli.h"
#include "lib/federation.h"

void node_show_table(struct cli *cli, const struct federation_nodes *nodes);
struct json *node_show_json(const struct federation_nodes *nodes);

#endif
