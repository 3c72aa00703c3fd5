/* Whether a traced message is still in the hold queue of this machine, as far as that can be told.
 */
#ifndef RESTANTE_CLI_TRACE_NOW_H
#define RESTANTE_CLI_TRACE_NOW_H

#include "cli/cli.h"
#include "cli/trace_join.h"

enum trace_now { TRACE_UNKNOWN, TRACE_GONE, TRACE_HELD };

/*
 * Asks the milter, without complaining where there is none. TRACE_HELD: held_r, the caller's, has
 * what queue.show answers.
 */
enum trace_now trace_now(
	struct cli *cli, const struct trace_message *message, struct json **held_r);

#endif
