#include "milter/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/mem.h"

static const char *or_null(const char *text)
{
	return text != NULL && *text != '\0' ? text : NULL;
}

int settings_log(const struct config_log *log, const char **error_r)
{
	log_set_level(log->level);
	log_set_file_mode((mode_t)strtoul(log->file_mode, NULL, 8));
	return log_open("restante-milter", log->target, log->file, error_r);
}

struct replica_options settings_replica(const struct config *config)
{
	const struct config_milter *m = &config->milter;

	return (struct replica_options){
		.dir = m->replica_dir,
		.cache_bytes = (uint64_t)m->replica_cache,
		.base = config->ldap.base,
		.node = m->node,
		.delimiters = m->recipient_delimiter,
		.carry_detail = m->carry_detail,
		.postmaster = or_null(m->postmaster),
		.vanish_grace_us = m->vanish_grace,
		.heartbeat_us = m->heartbeat,
		.mass_delete_percent = (unsigned)m->mass_delete,
	};
}

struct holdq_options settings_holdq(const struct config *config)
{
	const struct config_milter *m = &config->milter;

	return (struct holdq_options){
		.dir = m->queue_dir,
		.node = m->node,
		.cache_bytes = (uint64_t)m->queue_cache,
		.limit_bytes = (uint64_t)m->queue_bytes,
		.limit_free = (uint64_t)m->queue_free,
		.limit_mailbox = (uint64_t)m->mailbox_bytes,
	};
}

int settings_tls_mode(const char *text)
{
	static const char *const names[] = { "none", "may", "encrypt", "verify" };

	for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
		if (strcasecmp(text, names[i]) == 0)
			return i;
	return -1;
}

static struct release_system system_of(const struct config_system *said)
{
	return (struct release_system){
		.name = said->name,
		.connections = (unsigned)said->connections,
		.rate = (unsigned)said->rate,
		.ca_file = or_null(said->ca_file),
		.certificate_name = or_null(said->certificate_name),
		.tls_minimum = said->tls_minimum,
		.auth_user = or_null(said->auth_user),
		.password_file = or_null(said->password_file),
		.auth_in_clear = said->auth_in_clear,
	};
}

static const struct release_system *all_systems(const struct config_list *list)
{
	struct release_system *systems = mem_grow(NULL, list->count + 1, sizeof *systems);

	for (size_t i = 0; i < list->count; i++)
		systems[i] = system_of(list->items[i]);
	return systems;
}

void settings_release_free(struct release_options *options)
{
	mem_free(&options->systems);
	options->system_count = 0;
}

struct release_options settings_release(const struct config *config)
{
	const struct config_milter *m = &config->milter;

	return (struct release_options){
		.listener = m->release_listener,
		.hostname = m->hostname,
		.tls = (enum release_tls)settings_tls_mode(m->release_tls), /* one of them */
		.ca_file = or_null(m->release_ca_file),
		.workers = (unsigned)m->release_workers,
		.expire_us = m->release_expire,
		.delay_notice_us = m->delay_notice,
		.notice_bytes = (uint64_t)m->notice_bytes,
		.hop_limit = (unsigned)m->hop_limit,
		.retry_min_us = m->release_retry_min,
		.retry_max_us = m->release_retry_max,
		.stop_us = m->stop_timeout,
		.systems = all_systems(&config->systems),
		.system_count = config->systems.count,
	};
}
