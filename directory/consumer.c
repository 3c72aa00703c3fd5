#define _GNU_SOURCE
#include "directory/consumer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "directory/feed.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/pulse.h"

#define WAIT_LEAST_US (100 * CLOCK_MS)
#define WAIT_MOST_US  (30 * CLOCK_SECOND)
#define LOG_AGAIN_US  (300 * CLOCK_SECOND) /* the same failure is told again after that */
#define PROVIDERS_MAX 32

struct provider {
	const char *uri; /* points into the consumer's uris */
	char error[1024];
	int64_t logged_us; /* monotonic: when that error was told */
};

struct consumer {
	struct replica *replica;
	struct ldap_options options; /* its strings are ours */
	char *uris;                  /* cut into providers */
	struct provider providers[PROVIDERS_MAX];
	size_t provider_count;
	char *node;
	bool full; /* begin without a cookie */
	struct provider *tried;
	bool resumes; /* the search that was sent to it has a cookie */
	pthread_t thread;
	atomic_bool stop;      /* for good */
	atomic_bool hangup;    /* this connection: also set by a stop */
	atomic_bool elsewhere; /* another provider is wanted than `tried` */
	struct pulse pulse;
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	const struct provider *provider; /* NULL: none follows our search */
	const char *phase;
	int64_t since_us;
	char last_error[sizeof(((struct provider *)NULL)->error)];
	int64_t last_behind_us;
	struct feed_counts counts;
	uint64_t connects;
};

/* --- telling -------------------------------------------------------------------------------- */

static void set_phase(void *context, const char *phase)
{
	struct consumer *consumer = context;

	pthread_mutex_lock(&consumer->lock);
	consumer->phase = phase;
	pthread_mutex_unlock(&consumer->lock);
}

/* A server that refuses the search, or ends it at once, was never connected. */
static void set_provider(struct consumer *consumer, const struct provider *provider)
{
	pthread_mutex_lock(&consumer->lock);
	if (provider == NULL)
		consumer->phase = "waiting";
	if (provider != consumer->provider)
		consumer->since_us = clock_mono_us();
	consumer->provider = provider;
	consumer->connects += provider != NULL ? 1 : 0;
	pthread_mutex_unlock(&consumer->lock);
}

/* The same failure over and over is one fact. */
static void tell_error(struct consumer *consumer, struct provider *provider, const char *error)
{
	char text[sizeof(provider->error)];
	int64_t now = clock_mono_us();

	/* a replica that cannot be written is no fault of the provider's */
	if (strncmp(error, provider->uri, strlen(provider->uri)) == 0 ||
		strncmp(error, "replica: ", strlen("replica: ")) == 0)
		snprintf(text, sizeof(text), "%s", error);
	else
		snprintf(text, sizeof(text), "%s: %s", provider->uri, error);
	pthread_mutex_lock(&consumer->lock);
	memcpy(consumer->last_error, text, sizeof(text));
	pthread_mutex_unlock(&consumer->lock);
	if (strcmp(text, provider->error) == 0 && now - provider->logged_us < LOG_AGAIN_US)
		return;
	memcpy(provider->error, text, sizeof(text));
	provider->logged_us = now;
	log_error("directory", "%s", text);
}

static void tell_behind(struct consumer *consumer, const char *uri, bool used)
{
	int64_t now = clock_mono_us();

	if (consumer->last_behind_us != 0 && now - consumer->last_behind_us < LOG_AGAIN_US)
		return;
	consumer->last_behind_us = now;
	log_warning("directory", "provider is behind provider=%s used=%s", uri,
		used ? "yes, there is no other" : "no");
}

/* --- one connection ------------------------------------------------------------------------- */

static void accepted(void *context)
{
	struct consumer *consumer = context;

	set_provider(consumer, consumer->tried);
	log_info("directory", "connected provider=%s resume=%s", consumer->tried->uri,
		consumer->resumes ? "yes" : "no");
}

static struct feed make_feed(struct consumer *consumer, struct ldap_session *session)
{
	return (struct feed){ .replica = consumer->replica,
		.session = session,
		.base = consumer->options.base,
		.node = consumer->node,
		.full = consumer->full,
		.alone = consumer->provider_count == 1,
		.stop = &consumer->hangup,
		.pulse = &consumer->pulse,
		.counts = &consumer->counts,
		.phase = set_phase,
		.accepted = accepted,
		.context = consumer };
}

/* True: a refresh was completed. */
static bool follow(struct consumer *consumer, struct feed *feed, struct provider *provider)
{
	enum feed_end end;

	consumer->tried = provider;
	consumer->resumes = !feed->full && replica_loaded(consumer->replica);
	end = feed_run(feed);
	set_provider(consumer, NULL);
	if (feed->refreshed)
		consumer->full = false;
	if (end == FEED_RELOAD) {
		if (!feed->reload)
			log_warning("directory", "provider asks for a complete refresh provider=%s",
				provider->uri);
		consumer->full = true;
		return true;
	}
	if (end != FEED_STOPPED)
		tell_error(consumer, provider, feed_error(feed));
	return feed->refreshed;
}

enum attempt { ATTEMPT_FAILED, ATTEMPT_BEHIND, ATTEMPT_SERVED };

static enum attempt try_provider(
	struct consumer *consumer, struct provider *provider, bool take_behind)
{
	struct ldap_options options = consumer->options;
	struct ldap_session *session;
	const char *error = NULL;
	enum attempt attempt = ATTEMPT_FAILED;
	struct feed feed;
	bool behind = false;

	pulse_step(&consumer->pulse);
	options.uri = provider->uri;
	if ((session = ldap_session_open(&options, &error)) == NULL) {
		tell_error(consumer, provider, error);
		return ATTEMPT_FAILED;
	}
	feed = make_feed(consumer, session);
	if (feed_check(&feed, &behind) < 0)
		tell_error(consumer, provider, feed_error(&feed));
	else if (behind && !take_behind)
		attempt = ATTEMPT_BEHIND;
	else if (follow(consumer, &feed, provider))
		attempt = ATTEMPT_SERVED;
	if (behind)
		tell_behind(consumer, provider->uri, attempt != ATTEMPT_BEHIND);
	feed_free(&feed);
	ldap_session_close(&session);
	return attempt;
}

/* The order begins with the first one, or behind the one that is to be left. */
static size_t first_to_try(struct consumer *consumer)
{
	if (!atomic_exchange(&consumer->elsewhere, false) || consumer->tried == NULL)
		return 0;
	log_warning("directory", "provider shows no changes any more, %s provider=%s",
		consumer->provider_count > 1 ? "it is left for the next one" : "it is asked anew",
		consumer->tried->uri);
	return (size_t)(consumer->tried - consumer->providers) + 1;
}

/* Each in turn; one that is behind only where no other is to be had. */
static bool try_providers(struct consumer *consumer)
{
	struct provider *behind = NULL;
	size_t first = first_to_try(consumer);

	for (size_t i = 0; i < consumer->provider_count && !atomic_load(&consumer->hangup); i++) {
		struct provider *provider =
			&consumer->providers[(first + i) % consumer->provider_count];

		switch (try_provider(consumer, provider, false)) {
		case ATTEMPT_SERVED: return true;
		case ATTEMPT_BEHIND: behind = behind == NULL ? provider : behind; break;
		case ATTEMPT_FAILED: break;
		}
	}
	return behind != NULL && !atomic_load(&consumer->hangup) &&
	       try_provider(consumer, behind, true) == ATTEMPT_SERVED;
}

/* --- the thread ----------------------------------------------------------------------------- */

static void wait_a_while(struct consumer *consumer, int64_t wait_us)
{
	int64_t deadline = clock_mono_us() + wait_us;

	pthread_mutex_lock(&consumer->lock);
	while (!atomic_load(&consumer->hangup) && clock_mono_us() < deadline)
		clock_cond_wait_until(&consumer->wake, &consumer->lock, deadline);
	pthread_mutex_unlock(&consumer->lock);
}

/* Under the lock, or a stop that comes in between would be forgotten. */
static void forget_hangup(struct consumer *consumer)
{
	pthread_mutex_lock(&consumer->lock);
	atomic_store(&consumer->hangup, atomic_load(&consumer->stop));
	pthread_mutex_unlock(&consumer->lock);
}

static void *run(void *context)
{
	struct consumer *consumer = context;
	int64_t wait_us = WAIT_LEAST_US;

	pthread_setname_np(pthread_self(), "consumer");
	while (!atomic_load(&consumer->stop)) {
		forget_hangup(consumer);
		if (try_providers(consumer))
			wait_us = WAIT_LEAST_US;
		pulse_rest(&consumer->pulse);
		if (!atomic_load(&consumer->hangup)) {
			wait_a_while(consumer, wait_us);
			wait_us = wait_us * 2 < WAIT_MOST_US ? wait_us * 2 : WAIT_MOST_US;
		}
		pulse_step(&consumer->pulse);
		replica_tick(consumer->replica);
	}
	return NULL;
}

static void cut_uris(struct consumer *consumer)
{
	char *rest = consumer->uris, *uri;

	while (consumer->provider_count < PROVIDERS_MAX &&
		(uri = strtok_r(rest, " \t", &rest)) != NULL)
		consumer->providers[consumer->provider_count++].uri = uri;
}

static void copy_options(struct ldap_options *copy, const struct ldap_options *options)
{
	*copy = *options;
	copy->uri = NULL;
	copy->base = mem_strdup(options->base);
	copy->bind_dn = mem_strdup(options->bind_dn);
	copy->password_file = mem_strdup(options->password_file);
	copy->ca_file = mem_strdup(options->ca_file);
	copy->cert_file = mem_strdup(options->cert_file);
	copy->key_file = mem_strdup(options->key_file);
}

static void free_consumer(struct consumer *consumer)
{
	mem_free(&consumer->options.base);
	mem_free(&consumer->options.bind_dn);
	mem_free(&consumer->options.password_file);
	mem_free(&consumer->options.ca_file);
	mem_free(&consumer->options.cert_file);
	mem_free(&consumer->options.key_file);
	mem_free(&consumer->uris);
	mem_free(&consumer->node);
	pthread_cond_destroy(&consumer->wake);
	pthread_mutex_destroy(&consumer->lock);
	mem_free(&consumer);
}

struct consumer *consumer_start(struct replica *replica, const struct ldap_options *options,
	const char *uris, const char *node, const char **error_r)
{
	struct consumer *consumer = mem_zalloc(sizeof(*consumer));

	consumer->replica = replica;
	copy_options(&consumer->options, options);
	consumer->uris = mem_strdup(uris);
	consumer->node = mem_strdup(node);
	consumer->phase = "waiting";
	cut_uris(consumer);
	pthread_mutex_init(&consumer->lock, NULL);
	clock_cond_init(&consumer->wake);
	if (consumer->provider_count == 0)
		*error_r = "no uri of a directory server is given";
	else if (pthread_create(&consumer->thread, NULL, run, consumer) != 0)
		*error_r = "cannot start the directory's thread";
	else
		return consumer;
	free_consumer(consumer);
	return NULL;
}

static void hang_up(struct consumer *consumer)
{
	pthread_mutex_lock(&consumer->lock);
	atomic_store(&consumer->hangup, true);
	pthread_cond_broadcast(&consumer->wake);
	pthread_mutex_unlock(&consumer->lock);
}

void consumer_stop(struct consumer **consumer)
{
	if (*consumer == NULL)
		return;
	atomic_store(&(*consumer)->stop, true);
	hang_up(*consumer);
	pthread_join((*consumer)->thread, NULL);
	free_consumer(*consumer);
	*consumer = NULL;
}

void consumer_reconnect(struct consumer *consumer)
{
	hang_up(consumer);
}

void consumer_elsewhere(struct consumer *consumer)
{
	atomic_store(&consumer->elsewhere, true);
	hang_up(consumer);
}

int64_t consumer_busy_us(const struct consumer *consumer)
{
	return pulse_busy_us(&consumer->pulse);
}

void consumer_status(struct consumer *consumer, struct json *object)
{
	pthread_mutex_lock(&consumer->lock);
	if (consumer->provider != NULL)
		json_set_string(object, "provider", consumer->provider->uri);
	json_set_bool(object, "connected", consumer->provider != NULL);
	json_set_real(
		object, "since", (double)(clock_mono_us() - consumer->since_us) / CLOCK_SECOND);
	json_set_string(object, "phase", consumer->phase);
	if (consumer->last_error[0] != '\0')
		json_set_string(object, "last_error", consumer->last_error);
	json_set_int(object, "connects", (int64_t)consumer->connects);
	json_set_int(object, "refreshes", (int64_t)consumer->counts.refreshes);
	json_set_int(object, "entries", (int64_t)consumer->counts.entries);
	json_set_int(object, "deletes", (int64_t)consumer->counts.deletes);
	json_set_int(object, "cookies", (int64_t)consumer->counts.cookies);
	pthread_mutex_unlock(&consumer->lock);
}

void consumer_totals(struct consumer *consumer, struct consumer_totals *totals_r)
{
	pthread_mutex_lock(&consumer->lock);
	*totals_r = (struct consumer_totals){
		.connected = consumer->provider != NULL,
		.connects = consumer->connects,
		.refreshes = consumer->counts.refreshes,
		.entries = consumer->counts.entries,
		.deletes = consumer->counts.deletes,
		.cookies = consumer->counts.cookies,
	};
	pthread_mutex_unlock(&consumer->lock);
}
