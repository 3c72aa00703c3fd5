#include "milter/front.h"

#include <string.h>

#include "lib/log.h"
#include "milter/exposition.h"
#include "milter/settings.h"

static int reopen_log(const struct config_log *log, struct str *error_r)
{
	const char *error;

	if (settings_log(log, &error) == 0)
		return 0;
	str_printf(error_r, "log: %s", error);
	return -1;
}

static void configure_parts(struct front *f)
{
	struct replica_options replica = settings_replica(f->config);
	struct holdq_options queue = settings_holdq(f->config);
	struct release_options release = settings_release(f->config);
	struct release *running = atomic_load(&f->release);

	replica_configure(f->replica, &replica);
	holdq_configure(f->queue, &queue);
	if (running != NULL)
		release_configure(running, &release);
	settings_release_free(&release);
	lateness_configure(f->lateness, f->config->milter.late_commit);
}

/* Whoever rotates logs counts on it, be the new settings as they may. */
static void reopen_old_log(void)
{
	const char *error;

	if (log_reopen(&error) < 0)
		log_error("milter", "the log file cannot be opened anew: %s", error);
}

int front_reload(struct front *f, struct str *unchanged_r, struct str *error_r)
{
	struct node *node = atomic_load(&f->node);
	const char *error;
	struct config *fresh = config_load(f->options.config_path, &error);

	if (fresh == NULL) {
		str_append_z(error_r, error);
		reopen_old_log();
		return -1;
	}
	pthread_mutex_lock(&f->config_lock);
	config_reload(f->config, fresh, unchanged_r);
	configure_parts(f);
	int done = reopen_log(&f->config->log, error_r);
	exposition_configure(f);
	pthread_mutex_unlock(&f->config_lock);
	config_free(&fresh);
	consumer_reconnect(f->consumer);
	if (node != NULL)
		node_wake(node);
	return done;
}
