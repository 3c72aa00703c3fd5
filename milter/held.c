#define _GNU_SOURCE
#include "milter/held.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/log.h"
#include "milter/front.h"
#include "lib/privileges.h"
#include "milter/settings.h"

/* Its files must stay the daemon's own. */
static int become(const struct config_milter *m, struct str *error_r)
{
	struct privileges privileges;
	int done = privileges_find("milter", m->user, m->group, &privileges, error_r);

	if (done == 0)
		done = privileges_drop(&privileges, error_r);
	privileges_free(&privileges);
	return done;
}

static int count(const struct config *config, uint64_t *messages_r, struct str *error_r)
{
	struct holdq_options options = settings_holdq(config);
	struct holdq_totals totals;
	const char *error;

	*messages_r = 0;
	/* there never was one: looking makes none */
	if (access(options.dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (become(&config->milter, error_r) < 0)
		return -1;
	struct holdq *queue = holdq_open(&options, &error);
	if (queue == NULL) {
		str_append_z(error_r, error);
		return -1;
	}
	holdq_totals(queue, &totals);
	*messages_r = totals.messages;
	holdq_close(&queue);
	return 0;
}

int held_print(const char *config_path)
{
	const char *error;
	struct config *config = config_load(config_path, &error);
	struct str reason = STR_INIT;
	uint64_t messages;

	if (config == NULL) {
		fprintf(stderr, "%s\n", error);
		return FRONT_EXIT_CONFIG;
	}
	log_set_level(LOG_LEVEL_ERROR);
	int done = count(config, &messages, &reason);
	if (done == 0)
		printf("%" PRIu64 " %s\n", messages, config->milter.queue_dir);
	else
		fprintf(stderr, "restante-milter: hold queue: %s\n", str_cstr(&reason));
	str_free(&reason);
	config_free(&config);
	return done == 0 ? FRONT_EXIT_OK : FRONT_EXIT_UNAVAILABLE;
}
