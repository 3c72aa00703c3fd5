/* Options as the workers use them, one generation after the other. */
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "queue/release_core.h"

#define TIMEOUT_US (300 * CLOCK_SECOND)
#define STOP_US    (30 * CLOCK_SECOND)

static void settings_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->system_count; i++) {
		struct system_settings *system = &settings->systems[i];
		tls_context_free(&system->tls[false]);
		tls_context_free(&system->tls[true]);
		mem_free(&system->name);
		mem_free(&system->ca_file);
		mem_free(&system->certificate_name);
		mem_free(&system->auth_user);
		mem_free(&system->password_file);
	}
	mem_free(&settings->systems);
	mem_free(&settings->hostname);
	mem_free(&settings);
}

struct system_settings *settings_system(const struct settings *settings, const char *system)
{
	for (size_t i = 1; i < settings->system_count; i++)
		if (strcasecmp(settings->systems[i].name, system) == 0)
			return &settings->systems[i];
	return &settings->systems[0];
}

static int make_tls(struct system_settings *system, enum release_tls mode,
	struct tls_context **tls_r, const char **error_r)
{
	bool verify = mode == RELEASE_TLS_VERIFY;
	const struct tls_options options = {
		.ca_file = system->ca_file,
		.verify = verify,
		.minimum = system->tls_minimum,
	};

	*tls_r = NULL;
	if (mode == RELEASE_TLS_NONE)
		return 0;
	if (system->tls[verify] == NULL)
		system->tls[verify] = tls_context_new(&options, error_r);
	*tls_r = system->tls[verify];
	return *tls_r ? 0 : -1;
}

int settings_tls(struct release *release, struct system_settings *system, enum release_tls mode,
	struct tls_context **tls_r, const char **error_r)
{
	pthread_mutex_lock(&release->lock);
	int done = make_tls(system, mode, tls_r, error_r);
	pthread_mutex_unlock(&release->lock);
	return done;
}

static unsigned bounded_workers(unsigned workers)
{
	if (workers < 1)
		return 1;
	return workers < RELEASE_WORKERS_MAX ? workers : RELEASE_WORKERS_MAX;
}

static void copy_times(struct settings *settings, const struct release_options *options)
{
	settings->expire_us = options->expire_us;
	settings->delay_notice_us = options->delay_notice_us;
	settings->notice_bytes = options->notice_bytes;
	settings->hop_limit = options->hop_limit;
	settings->retry_min_us = options->retry_min_us > 0 ? options->retry_min_us : CLOCK_SECOND;
	settings->retry_max_us = options->retry_max_us > settings->retry_min_us
					 ? options->retry_max_us
					 : settings->retry_min_us;
	settings->stop_us = options->stop_us > 0 ? options->stop_us : STOP_US;
	settings->timeout_us = options->timeout_us > 0 ? options->timeout_us : TIMEOUT_US;
}

static char *copy_set(const char *text)
{
	return text && *text ? mem_strdup(text) : NULL;
}

static void copy_systems(struct settings *settings, const struct release_options *options)
{
	size_t count = options->system_count + 1;
	struct system_settings *all = mem_zalloc(count * sizeof *all);

	all[0].ca_file = copy_set(options->ca_file);
	for (size_t i = 1; i < count; i++) {
		const struct release_system *said = &options->systems[i - 1];
		bool own = said->ca_file != NULL && *said->ca_file != '\0';
		all[i] = (struct system_settings){
			.name = mem_strdup(said->name),
			.connections = said->connections,
			.rate = said->rate,
			.ca_file = copy_set(own ? said->ca_file : options->ca_file),
			.certificate_name = copy_set(said->certificate_name),
			.auth_user = copy_set(said->auth_user),
			.password_file = copy_set(said->password_file),
			.tls_minimum = said->tls_minimum,
			.auth_in_clear = said->auth_in_clear,
		};
	}
	settings->systems = all;
	settings->system_count = count;
}

struct settings *settings_new(const struct release_options *options, const char **error_r)
{
	struct settings *settings = mem_zalloc(sizeof *settings);
	struct tls_context *tls;

	settings->users = 1;
	settings->hostname = mem_strdup(options->hostname ? options->hostname : "localhost");
	settings->workers = bounded_workers(options->workers);
	copy_times(settings, options);
	copy_systems(settings, options);
	if (make_tls(&settings->systems[0], options->tls, &tls, error_r) < 0) {
		settings_free(settings);
		return NULL;
	}
	return settings;
}

struct settings *settings_hold(struct release *release)
{
	release->settings->users++;
	return release->settings;
}

void settings_drop(struct release *release, struct settings **settings)
{
	if (*settings == NULL)
		return;
	pthread_mutex_lock(&release->lock);
	bool last = --(*settings)->users == 0;
	pthread_mutex_unlock(&release->lock);
	if (last)
		settings_free(*settings);
	*settings = NULL;
}
