/* The table of connectors, up. */
#include "dirsync/source.h"

#include <stdio.h>
#include <strings.h>

static const struct source_kind *const kinds[] = { &source_ldap, &source_ldif, &source_csv,
	&source_command };

const struct source_kind *source_kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcasecmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

void source_result_free(struct source_result *result)
{
	str_free(&result->mark);
	str_free(&result->reason);
}

int source_fault(
	const struct config_up *settings, const char *key, const char *what, const char **error_r)
{
	static _Thread_local char text[500];

	snprintf(text, sizeof(text), "up %s.%s: %s", settings->name, key, what);
	*error_r = text;
	return -1;
}
