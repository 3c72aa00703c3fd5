#include "milter/libraries.h"

#include <libmilter/mfapi.h>
#include <stdio.h>

#include "lib/bdb.h"

static void add(struct json *list, const char *name, const char *built, const char *runs)
{
	struct json *library = json_new_object();

	json_set_string(library, "name", name);
	json_set_string(library, "built", built);
	json_set_string(library, "runs", runs);
	json_add(list, library);
}

struct json *libraries_json(void)
{
	struct json *list = json_new_array();
	unsigned major = 0, minor = 0, patch = 0;
	char built[48], runs[48];

	smfi_version(&major, &minor, &patch);
	snprintf(built, sizeof built, "%u.%u.%u", SM_LM_VRS_MAJOR(SMFI_VERSION),
		SM_LM_VRS_MINOR(SMFI_VERSION), SM_LM_VRS_PLVL(SMFI_VERSION));
	snprintf(runs, sizeof runs, "%u.%u.%u", major, minor, patch);
	add(list, "libmilter", built, runs);
	bdb_versions(built, runs, sizeof built);
	add(list, "Berkeley DB", built, runs);
	return list;
}
