/* The table of connectors, up. */
#include "dirsync/source.h"

#include <strings.h>

static const struct source_kind *const kinds[] = { &source_ldap };

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
