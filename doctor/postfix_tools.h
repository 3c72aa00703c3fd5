/* Postfix' own tools, and what is asked of them. */
#ifndef RESTANTE_DOCTOR_POSTFIX_TOOLS_H
#define RESTANTE_DOCTOR_POSTFIX_TOOLS_H

#include "doctor/postfix.h"

#define POSTFIX_TOOL_TIMEOUT_US (INT64_C(30) * 1000000)

/* How the milter calls postqueue says where the other tools are, and which instance it is. */
struct postfix_tools {
	struct strings before; /* "env NAME=VALUE" */
	char *folder;          /* "/usr/sbin/", or "" */
	char *dir;             /* of -c; NULL: the default */
};

/* dir: instead of what queue_list names; NULL = none. Pure. */
void postfix_tools_find(const char *queue_list, const char *dir, struct postfix_tools *tools);
void postfix_tools_free(struct postfix_tools *tools);
/* As command_run(). */
int postfix_tool(const struct postfix_tools *tools, const char *name, const char *const *arguments,
	const char *input, struct str *out, struct str *error_r);

/* Classes and routes of the federated domains (postfix_ask_domains.c). */
void postfix_ask_domains(
	const struct facts *facts, const struct postfix_tools *tools, struct postfix *postfix);
/* Tables that have federated addresses (postfix_ask_maps.c). */
void postfix_ask_maps(
	const struct facts *facts, const struct postfix_tools *tools, struct postfix *postfix);

/* What a table has for each of the keys (one per line): "key TAB value" lines. */
void postfix_ask_table(const struct postfix_tools *tools, struct postfix *postfix,
	const char *table, const char *keys, struct str *found_r);

#endif
