/* ESMTP parameters of MAIL and RCPT as one string, "RET=HDRS ENVID=QQ314159". Pure. */
#ifndef RESTANTE_QUEUE_PARAMS_H
#define RESTANTE_QUEUE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

/* Finds a parameter by its name, case-insensitively; value_r/len_r point into params ("" for one
 * without "="). */
bool params_get(const char *params, const char *name, const char **value_r, size_t *len_r);
bool params_has(const char *params, const char *name);
/* Whether the parameter has exactly this value, or, in a comma-separated one, lists it. */
bool params_lists(const char *params, const char *name, const char *word);
/* Appends " NAME=value" as given where the parameter is there, without control characters. */
void params_copy(const char *params, const char *name, struct str *out);

/*
 * The parameters of a recipient who stands for two (RCPT, NOTIFY and ORCPT): told is whatever
 * either of them asked for (RFC 3461 section 4.1; who said nothing is told of failures and delays).
 * NULL: it is what a says; otherwise joined holds them.
 */
const char *params_join(const char *a, const char *b, struct str *joined);

#endif
