/*
 * What a command of an action prints (restante-actions(5)): one JSON object, or lines of
 * NAME: VALUE. Pure.
 */
#ifndef RESTANTE_CONTROL_ACTION_OUTPUT_H
#define RESTANTE_CONTROL_ACTION_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

#define ACTION_OUTPUT_MAX (1 << 20) /* bytes */

struct action_output {
	struct str physical, source_id, text; /* empty: not told */
	char **addresses;                     /* NULL-terminated; NULL: not told */
	size_t count;
	bool told_empty, empty;
};

/* 0, also where nothing was printed; -1 with *error_r (valid until the thread's next call): one
 * line. What was told by an earlier output stays where this one does not tell it. */
int action_output_parse(
	const char *data, size_t len, struct action_output *output, const char **error_r);
void action_output_free(struct action_output *output);

#endif
