#define _GNU_SOURCE
#include "control/start.h"

#include <libgen.h>
#include <stdlib.h>

#include "lib/journal.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/privileges.h"

struct config *start_config(const char *path, struct str *error_r)
{
	const char *error = NULL;
	struct config *config = config_load(path, &error);

	if (config != NULL && (config_require(config, "ldap", "uri", &error) < 0 ||
				      config_require(config, "ldap", "base", &error) < 0))
		config_free(&config);
	if (config == NULL)
		str_append_z(error_r, error);
	return config;
}

bool start_check(const struct config *config, FILE *out)
{
	const struct ldap_options options = config_control_options(config);
	const char *error;
	bool good = true;

	if (ldap_options_check(&options, &error) < 0) {
		fprintf(out, "%s: %s\n", config->path, error);
		good = false;
	}
	for (size_t i = 0; i < config->actions.count; i++) {
		struct actions *actions = actions_new(config->actions.items[i], &error);
		if (actions == NULL ||
			actions_check_pairs(actions, config->actions.items[i], &error) < 0) {
			fprintf(out, "%s: %s\n", config->path, error);
			good = false;
		}
		if (actions != NULL)
			actions_free(&actions);
	}
	return good;
}

int start_privileges(const struct config *config, gid_t *gid_r, struct str *error_r)
{
	const struct config_control *c = &config->control;
	struct privileges privileges = { .user = NULL };
	char *copy = mem_strdup(c->control_socket);
	int done = privileges_find("control", c->user, c->group, &privileges, error_r);

	if (done == 0)
		done = privileges_folder(&privileges, dirname(copy), 0750, error_r);
	if (done == 0)
		done = privileges_drop(&privileges, error_r);
	*gid_r = privileges.gid;
	privileges_free(&privileges);
	mem_free(&copy);
	return done;
}

int start_log(const struct config_log *log, struct str *error_r)
{
	const char *error;

	log_set_level(log->level);
	log_set_file_mode((mode_t)strtoul(log->file_mode, NULL, 8));
	if (log_open(CONTROL_IDENT, log->target, log->file, &error) == 0)
		return 0;
	str_printf(error_r, "%s: %s; the user of control {} must be able to write it",
		*log->file ? log->file : JOURNAL_SOCKET, error);
	return -1;
}
