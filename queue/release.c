#include "queue/release.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tls.h"
#include "queue/release_core.h"

#define TIMEOUT_US (300 * CLOCK_SECOND)
#define VANISH_US  (200 * CLOCK_MS) /* wakes come in crowds */
#define STOP_US    (30 * CLOCK_SECOND)

/* --- options ----------------------------------------------------------------------------- */

static void settings_free(struct settings *settings)
{
	endpoint_clear(&settings->smtp.endpoint);
	tls_context_free(&settings->smtp.tls);
	mem_free(&settings->listener);
	mem_free(&settings->hostname);
	mem_free(&settings->ca_file);
	mem_free(&settings);
}

static int make_tls(
	struct settings *settings, const struct release_options *options, const char **error_r)
{
	const struct tls_options tls = {
		.ca_file = settings->ca_file && settings->ca_file[0] ? settings->ca_file : NULL,
		.verify = options->tls == RELEASE_TLS_VERIFY,
	};

	if (options->tls == RELEASE_TLS_NONE)
		return 0;
	settings->smtp.tls_required = options->tls != RELEASE_TLS_MAY;
	settings->smtp.tls = tls_context_new(&tls, error_r);
	return settings->smtp.tls ? 0 : -1;
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
	settings->retry_min_us = options->retry_min_us > 0 ? options->retry_min_us : CLOCK_SECOND;
	settings->retry_max_us = options->retry_max_us > settings->retry_min_us
					 ? options->retry_max_us
					 : settings->retry_min_us;
	settings->stop_us = options->stop_us > 0 ? options->stop_us : STOP_US;
	settings->smtp.timeout_us = options->timeout_us > 0 ? options->timeout_us : TIMEOUT_US;
}

static struct settings *settings_new(const struct release_options *options, const char **error_r)
{
	struct settings *settings = mem_zalloc(sizeof *settings);
	struct endpoint *endpoint = &settings->smtp.endpoint;

	settings->users = 1;
	settings->listener = mem_strdup(options->listener ? options->listener : "");
	settings->hostname = mem_strdup(options->hostname ? options->hostname : "localhost");
	settings->ca_file = mem_strdup(options->ca_file);
	settings->workers = bounded_workers(options->workers);
	copy_times(settings, options);
	if (endpoint_parse(settings->listener, endpoint, error_r) < 0 ||
		make_tls(settings, options, error_r) < 0) {
		settings_free(settings);
		return NULL;
	}
	settings->remote = endpoint->path ? "localhost" : endpoint->host;
	settings->smtp.hostname = settings->hostname;
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

/* --- start and stop ---------------------------------------------------------------------- */

static void stored(void *context, const uint8_t *mailbox)
{
	struct release *release = context;

	pthread_mutex_lock(&release->lock);
	release_stored(release, mailbox);
	pthread_mutex_unlock(&release->lock);
}

/* As many threads as are wanted; those there are too many rest. */
static int make_workers(struct release *release)
{
	while (release->worker_count < release->settings->workers) {
		struct worker *worker = mem_zalloc(sizeof *worker);
		worker->release = release;
		worker->index = release->worker_count;
		worker->smtp = smtp_new();
		if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
			smtp_free(&worker->smtp);
			mem_free(&worker);
			return -1;
		}
		release->workers[release->worker_count++] = worker;
		release->running++;
	}
	return 0;
}

static struct release *release_new(
	struct holdq *queue, const struct release_hooks *hooks, struct settings *settings)
{
	struct release *release = mem_zalloc(sizeof *release);

	release->queue = queue;
	release->hooks = *hooks;
	release->settings = settings;
	release->started_us = clock_wall_us();
	pthread_mutex_init(&release->lock, NULL);
	pthread_mutex_init(&release->record, NULL);
	clock_cond_init(&release->work);
	clock_cond_init(&release->tick);
	clock_cond_init(&release->quiet);
	box_table_init(&release->table);
	return release;
}

static void release_free(struct release *release)
{
	box_table_clear(&release->table);
	settings_drop(release, &release->settings);
	pthread_cond_destroy(&release->quiet);
	pthread_cond_destroy(&release->tick);
	pthread_cond_destroy(&release->work);
	pthread_mutex_destroy(&release->record);
	pthread_mutex_destroy(&release->lock);
	mem_free(&release);
}

static int start_threads(struct release *release, const char **error_r)
{
	release->keeper_made = pthread_create(&release->keeper, NULL, keeper_main, release) == 0;
	pthread_mutex_lock(&release->lock);
	int done = release->keeper_made ? make_workers(release) : -1;
	pthread_mutex_unlock(&release->lock);
	if (done < 0)
		*error_r = "cannot start threads";
	return done;
}

struct release *release_start(struct holdq *queue, const struct release_options *options,
	const struct release_hooks *hooks, const char **error_r)
{
	struct settings *settings = settings_new(options, error_r);

	if (settings == NULL)
		return NULL;
	struct release *release = release_new(queue, hooks, settings);
	holdq_observe(queue, stored, release);
	int done = keeper_scan(release);
	if (done < 0)
		*error_r = holdq_reason();
	else
		done = start_threads(release, error_r);
	if (done < 0)
		release_stop(&release);
	return release;
}

/* Sessions that are only being made end at once; transactions, when their time is over. */
static void abort_sessions(struct release *release, bool all)
{
	for (unsigned i = 0; i < release->worker_count; i++)
		if (all || !release->workers[i]->transacting)
			smtp_abort(release->workers[i]->smtp);
}

static void wait_for_workers(struct release *release)
{
	int64_t deadline = clock_mono_us() + release->settings->stop_us;

	while (release->running > 0) {
		int64_t now = clock_mono_us();
		abort_sessions(release, now >= deadline);
		clock_cond_wait_until(&release->quiet, &release->lock, now + 100 * CLOCK_MS);
	}
}

void release_stop(struct release **release_p)
{
	struct release *release = *release_p;

	if (release == NULL)
		return;
	holdq_observe(release->queue, NULL, NULL);
	pthread_mutex_lock(&release->lock);
	release->stop = true;
	pthread_cond_broadcast(&release->work);
	pthread_cond_broadcast(&release->quiet);
	pthread_cond_signal(&release->tick);
	wait_for_workers(release);
	pthread_mutex_unlock(&release->lock);
	for (unsigned i = 0; i < release->worker_count; i++) {
		pthread_join(release->workers[i]->thread, NULL);
		smtp_free(&release->workers[i]->smtp);
		mem_free(&release->workers[i]);
	}
	if (release->keeper_made)
		pthread_join(release->keeper, NULL);
	release_free(release);
	*release_p = NULL;
}

/* --- changes ----------------------------------------------------------------------------- */

void release_configure(struct release *release, const struct release_options *options)
{
	const char *error;
	struct settings *fresh = settings_new(options, &error);

	if (fresh == NULL) {
		log_error("release", "the new options are not taken over: %s", error);
		return;
	}
	pthread_mutex_lock(&release->lock);
	struct settings *old = release->settings;
	release->settings = fresh;
	if (strcmp(old->listener, fresh->listener) != 0)
		relay_try_now(&release->relay, clock_mono_us());
	if (make_workers(release) < 0)
		log_warning("release", "cannot start more workers");
	release_due(release, 0);
	pthread_cond_broadcast(&release->quiet);
	pthread_cond_broadcast(&release->work);
	pthread_mutex_unlock(&release->lock);
	settings_drop(release, &old);
}

void release_wake(struct release *release, const uint8_t *mailbox)
{
	pthread_mutex_lock(&release->lock);
	struct box *box = mailbox ? box_find(&release->table, mailbox) : NULL;
	if (box != NULL)
		release_wake_box(release, box, true);
	for (struct box *b = mailbox ? NULL : box_next(&release->table, NULL); b != NULL;
		b = box_next(&release->table, b))
		release_wake_box(release, b, false);
	/* An address that was nobody's may have come back with any mailbox. */
	if (!release->vanish_wake && release->table.states[BOX_RESTING] > 0) {
		release->vanish_wake = true;
		release_due(release, clock_mono_us() + VANISH_US);
	}
	pthread_mutex_unlock(&release->lock);
}

static void retry_box(struct release *release, struct box *box)
{
	if (box->state == BOX_RUNNING) {
		box->hurry = box->woken = true;
		return;
	}
	release_hurry(box, 0);
	box->look_us = 0;
	box->woken = true;
	if (box->state == BOX_PARKED)
		return;
	box_run(&release->table, box);
	pthread_cond_signal(&release->work);
}

void release_retry_now(struct release *release, const uint8_t *mailbox)
{
	pthread_mutex_lock(&release->lock);
	struct box *box = mailbox ? box_find(&release->table, mailbox) : NULL;
	if (box != NULL)
		retry_box(release, box);
	for (struct box *b = mailbox ? NULL : box_next(&release->table, NULL); b != NULL;
		b = box_next(&release->table, b))
		retry_box(release, b);
	relay_try_now(&release->relay, clock_mono_us());
	release_due(release, 0);
	pthread_mutex_unlock(&release->lock);
}

/* --- state ------------------------------------------------------------------------------- */

bool release_busy(struct release *release)
{
	bool busy = false;

	pthread_mutex_lock(&release->lock);
	for (unsigned i = 0; i < release->worker_count; i++)
		busy = busy || release->workers[i]->transacting;
	pthread_mutex_unlock(&release->lock);
	return busy;
}

void release_totals(struct release *release, struct release_totals *totals_r)
{
	pthread_mutex_lock(&release->lock);
	*totals_r = (struct release_totals){
		.delivered = atomic_load(&release->delivered),
		.deferred = atomic_load(&release->deferred),
		.bounced = atomic_load(&release->bounced),
		.expired = atomic_load(&release->expired),
		.connections = release->connections,
		.workers_busy = release->busy,
		.listener_trouble = release->relay.trouble,
		.trouble_since_us = release->relay.trouble ? release->trouble_wall_us : 0,
	};
	pthread_mutex_unlock(&release->lock);
}

static void count_mailboxes(struct release *release, size_t *states_r, size_t *vanished_r)
{
	*vanished_r = 0;
	pthread_mutex_lock(&release->lock);
	memcpy(states_r, release->table.states, sizeof release->table.states);
	for (const struct box *box = box_next(&release->table, NULL); box != NULL;
		box = box_next(&release->table, box))
		*vanished_r += box->state == BOX_RESTING && box->vanished > 0;
	pthread_mutex_unlock(&release->lock);
}

const char *release_waits(struct release *release, const uint8_t *mailbox)
{
	static const char *const names[BOX_STATES] = { "due", "due", "held", "undecided", "delayed",
		"listener", "delayed" };
	const char *name = "";

	pthread_mutex_lock(&release->lock);
	const struct box *box = box_find(&release->table, mailbox);
	if (box != NULL)
		name = box->state == BOX_RESTING && box->vanished > 0 ? "vanished"
								      : names[box->state];
	pthread_mutex_unlock(&release->lock);
	return name;
}

static struct json *mailboxes_json(struct release *release)
{
	static const char *const names[BOX_STATES] = { "runnable", "running", "held", "undecided",
		"delayed", "parked", "resting" };
	size_t states[BOX_STATES], vanished;
	struct json *object = json_new_object();

	count_mailboxes(release, states, &vanished);
	for (int i = 0; i < BOX_STATES; i++)
		json_set_int(object, names[i], (int64_t)states[i]);
	json_set_int(object, "vanished", (int64_t)vanished);
	return object;
}

void release_status(struct release *release, struct json *object)
{
	struct release_totals totals;
	char since[32];

	release_totals(release, &totals);
	json_set_int(object, "delivered", (int64_t)totals.delivered);
	json_set_int(object, "deferred", (int64_t)totals.deferred);
	json_set_int(object, "bounced", (int64_t)totals.bounced);
	json_set_int(object, "expired", (int64_t)totals.expired);
	json_set_int(object, "connections", totals.connections);
	json_set_int(object, "workers_busy", totals.workers_busy);
	json_set_bool(object, "listener_trouble", totals.listener_trouble);
	if (totals.listener_trouble)
		json_set_string(object, "trouble_since",
			clock_generalized(since, sizeof since, totals.trouble_since_us));
	json_set(object, "mailboxes", mailboxes_json(release));
}
