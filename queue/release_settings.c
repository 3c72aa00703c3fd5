/* Options as the workers use them, one generation after the other. */
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "queue/release_core.h"

#define TIMEOUT_US (300 * CLOCK_SECOND)
#define STOP_US    (30 * CLOCK_SECOND)

static void settings_free(struct settings *settings)
{
	tls_context_free(&settings->tls[false]);
	tls_context_free(&settings->tls[true]);
	mem_free(&settings->hostname);
	mem_free(&settings->ca_file);
	mem_free(&settings);
}

static int make_tls(struct settings *settings, enum release_tls mode, struct tls_context **tls_r,
	const char **error_r)
{
	bool verify = mode == RELEASE_TLS_VERIFY;
	const struct tls_options options = {
		.ca_file = settings->ca_file && settings->ca_file[0] ? settings->ca_file : NULL,
		.verify = verify,
	};

	*tls_r = NULL;
	if (mode == RELEASE_TLS_NONE)
		return 0;
	if (settings->tls[verify] == NULL)
		settings->tls[verify] = tls_context_new(&options, error_r);
	*tls_r = settings->tls[verify];
	return *tls_r ? 0 : -1;
}

int settings_tls(struct release *release, struct settings *settings, enum release_tls mode,
	struct tls_context **tls_r, const char **error_r)
{
	pthread_mutex_lock(&release->lock);
	int done = make_tls(settings, mode, tls_r, error_r);
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

struct settings *settings_new(const struct release_options *options, const char **error_r)
{
	struct settings *settings = mem_zalloc(sizeof *settings);
	struct tls_context *tls;

	settings->users = 1;
	settings->hostname = mem_strdup(options->hostname ? options->hostname : "localhost");
	settings->ca_file = mem_strdup(options->ca_file);
	settings->workers = bounded_workers(options->workers);
	copy_times(settings, options);
	if (make_tls(settings, options->tls, &tls, error_r) < 0) {
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
