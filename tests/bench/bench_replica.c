/*
 * The replica beside LDAP itself: look-ups against searches, the first load against a consumer that
 * does nothing, a restart, and the time from a change in the directory to its effect.
 *
 *	bench_replica --rounds N [--quick] [--mailboxes N]
 *
 * Works in the present directory, which it does not clean up.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench_peer_sync.h"
#include "directory/consumer.h"
#include "directory/record.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define BASE     "dc=example,dc=org"
#define ROUNDS   1000
#define CACHE    (UINT64_C(512) << 20)
#define LOOKUPS  20000
#define SEARCHES 300
#define CHANGES  20 /* per round */
#define FILTER                                                                                     \
	"(|(objectClass=restanteMailbox)(objectClass=restanteBackend)"                             \
	"(objectClass=restanteFederation)(&(objectClass=restanteNode)(cn=front1)))"

static unsigned mailboxes = 1000000;
static const char *uri;

struct series {
	double values[ROUNDS];
	unsigned count;
};

/* --- figures -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const struct series *series, double share)
{
	struct series sorted = *series;

	qsort(sorted.values, sorted.count, sizeof(double), compare);
	return sorted.values[(unsigned)(share * (sorted.count - 1) + 0.5)];
}

/* The rank below which an order statistic is outside of the 95% interval of the median. */
static unsigned interval_rank(unsigned n)
{
	double term = 1, sum = 0;
	unsigned rank = 0;

	for (unsigned i = 0; i < n; i++)
		term /= 2;
	for (unsigned k = 0; k < n / 2; k++) {
		sum += term;
		if (2 * sum > 0.05)
			break;
		rank = k;
		term = term * (n - k) / (k + 1);
	}
	return rank;
}

static void row(const char *name, const char *what, const char *unit, const struct series *series,
	const char *goal, const char *ours, const char *peer)
{
	struct series sorted = *series;
	unsigned rank = interval_rank(series->count);

	qsort(sorted.values, sorted.count, sizeof(double), compare);
	printf("{\"row\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"median\":%.4f,\"low\":%.4f,"
	       "\"high\":%.4f,\"rounds\":%u,\"goal\":\"%s\",\"ours\":\"%s\",\"peer\":\"%s\"}\n",
		name, what, unit, quantile(&sorted, 0.5), sorted.values[rank],
		sorted.values[sorted.count - 1 - rank], sorted.count, goal, ours, peer);
	fflush(stdout);
}

static void add(struct series *series, double value)
{
	if (series->count < ROUNDS)
		series->values[series->count++] = value;
}

/* --- a replica ------------------------------------------------------------------------------ */

struct side {
	struct replica *replica;
	struct consumer *consumer;
};

static struct ldap_options ldap_options(void)
{
	return (struct ldap_options){ .uri = uri,
		.base = BASE,
		.bind = LDAP_BIND_EXTERNAL,
		.timeout_us = 60 * CLOCK_SECOND };
}

static struct ldap_session *session_open(void)
{
	struct ldap_options options = ldap_options();
	const char *error = NULL;
	struct ldap_session *session = ldap_session_open(&options, &error);

	if (session == NULL)
		bench_die("slapd", error);
	return session;
}

static void side_open(struct side *side, const char *dir)
{
	struct replica_options options = { .dir = dir,
		.cache_bytes = CACHE,
		.base = BASE,
		.node = "front1",
		.delimiters = "+",
		.carry_detail = true,
		.vanish_grace_us = 300 * CLOCK_SECOND,
		.heartbeat_us = 10 * CLOCK_SECOND,
		.mass_delete_percent = 10 };
	struct ldap_options ldap = ldap_options();
	const char *error = NULL;

	side->replica = replica_open(&options, &error);
	if (side->replica == NULL)
		bench_die("replica", error);
	side->consumer = consumer_start(side->replica, &ldap, uri, "front1", &error);
	if (side->consumer == NULL)
		bench_die("consumer", error);
}

static void side_wait(struct side *side)
{
	struct replica_view view;

	for (;;) {
		replica_view(side->replica, &view);
		if (view.loaded)
			break;
		clock_sleep_us(CLOCK_MS);
	}
}

static void side_close(struct side *side)
{
	consumer_stop(&side->consumer);
	replica_close(&side->replica);
}

/* --- look-ups ------------------------------------------------------------------------------- */

static void random_address(unsigned *seed, char *text, size_t size)
{
	static const char *const forms[] = { "u%07u@example.org", "first.last%07u@example.org",
		"%07u.alias@example.org" };
	unsigned n =
		(unsigned)(((uint64_t)rand_r(seed) << 16 ^ (uint64_t)rand_r(seed)) % mailboxes);

	snprintf(text, size, forms[(unsigned)rand_r(seed) % 3], n);
}

struct lookups {
	struct replica *replica;
	unsigned seed;
	unsigned count;
	float *us; /* of each, or NULL */
	double total_us;
};

static void *lookups_run(void *context)
{
	struct lookups *work = context;
	int64_t began = clock_mono_us();

	for (unsigned i = 0; i < work->count; i++) {
		struct address address;
		struct route_facts facts;
		struct timespec a, b;
		const char *error;
		char text[64];

		random_address(&work->seed, text, sizeof(text));
		address_parse(text, &address, &error);
		clock_gettime(CLOCK_MONOTONIC, &a);
		replica_lookup(work->replica, &address, &facts);
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (facts.match != MATCH_FULL)
			bench_die("look-up", text);
		if (work->us != NULL)
			work->us[i] = (float)((double)(b.tv_sec - a.tv_sec) * 1e6 +
					      (double)(b.tv_nsec - a.tv_nsec) / 1e3);
	}
	work->total_us = (double)(clock_mono_us() - began);
	return NULL;
}

static double lookup_us(struct replica *replica, unsigned seed)
{
	struct lookups work = { .replica = replica, .seed = seed, .count = LOOKUPS };

	lookups_run(&work);
	return work.total_us / LOOKUPS;
}

static int count_entry(void *context, const struct ldap_entry *entry)
{
	(void)entry;
	++*(unsigned *)context;
	return 0;
}

static double search_us(struct ldap_session *session, unsigned seed)
{
	static const char *const attributes[] = { "mailRoutingAddress", NULL };
	int64_t began = clock_mono_us();
	char address[64], filter[128];
	unsigned found = 0;

	for (int i = 0; i < SEARCHES; i++) {
		random_address(&seed, address, sizeof(address));
		snprintf(filter, sizeof(filter), "(mailLocalAddress=%s)", address);
		ldap_session_search(
			session, BASE, LDAP_SUB, filter, attributes, count_entry, &found);
	}
	if (found != SEARCHES)
		bench_die("search", "did not find what is there");
	return (double)(clock_mono_us() - began) / SEARCHES;
}

static int compare_floats(const void *a, const void *b)
{
	return compare(&(double){ *(const float *)a }, &(double){ *(const float *)b });
}

static double two_threads_p99(struct replica *replica, unsigned seed)
{
	float *us = mem_alloc(2 * LOOKUPS * sizeof(*us));
	struct lookups work[2];
	pthread_t threads[2];
	double p99;

	for (unsigned i = 0; i < 2; i++) {
		work[i] = (struct lookups){ .replica = replica,
			.seed = seed + i,
			.count = LOOKUPS,
			.us = us + i * LOOKUPS };
		pthread_create(&threads[i], NULL, lookups_run, &work[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	qsort(us, 2 * LOOKUPS, sizeof(*us), compare_floats);
	p99 = us[2 * LOOKUPS * 99 / 100];
	mem_free(&us);
	return p99;
}

static void bench_lookups(struct side *side, unsigned rounds)
{
	static struct series ratios, ours, peers, p99s;
	struct ldap_session *session = session_open();
	char our_text[64], peer_text[64];

	lookup_us(side->replica, 1); /* the cache becomes warm */
	search_us(session, 1);
	for (unsigned i = 0; i < rounds; i++) {
		double search = search_us(session, i + 2), lookup = lookup_us(side->replica, i + 2);

		add(&ratios, search / lookup);
		add(&ours, lookup);
		add(&peers, search);
		add(&p99s, two_threads_p99(side->replica, 2 * i + 2));
	}
	ldap_session_close(&session);
	snprintf(our_text, sizeof(our_text), "%.1f us", quantile(&ours, 0.5));
	snprintf(peer_text, sizeof(peer_text), "%.0f us", quantile(&peers, 0.5));
	row("replica-lookup", "look-up of a random address, one thread, against an LDAP search",
		"x", &ratios, ">= 20", our_text, peer_text);
	row("replica-p99", "look-up with two threads, 99th percentile", "us", &p99s, "<= 50", "",
		"");
}

/* --- loads ---------------------------------------------------------------------------------- */

static double load_s(const char *dir)
{
	int64_t began = clock_mono_us();
	struct side side;

	side_open(&side, dir);
	side_wait(&side);
	began = clock_mono_us() - began;
	side_close(&side);
	return (double)began / CLOCK_SECOND;
}

static double read_s(void)
{
	struct ldap_session *session = session_open();
	int64_t us = peer_sync_us(session, BASE, FILTER, record_attributes);

	ldap_session_close(&session);
	return (double)us / CLOCK_SECOND;
}

static void bench_loads(unsigned rounds)
{
	static struct series ratios, ours, peers;
	char our_text[64], peer_text[64];

	for (unsigned i = 0; i < rounds; i++) {
		double peer = read_s(), our;

		if (system("rm -rf load") != 0)
			bench_die("load", "cannot be removed");
		our = load_s("load");
		add(&ratios, our / peer);
		add(&ours, our);
		add(&peers, peer);
	}
	snprintf(our_text, sizeof(our_text), "%.2f s", quantile(&ours, 0.5));
	snprintf(peer_text, sizeof(peer_text), "%.2f s", quantile(&peers, 0.5));
	row("replica-load", "first load against a consumer that does nothing", "x", &ratios,
		"<= 2.5", our_text, peer_text);
}

/* --- restarts and changes ------------------------------------------------------------------- */

static void bench_restarts(const char *dir, unsigned rounds)
{
	static struct series seconds;

	for (unsigned i = 0; i < rounds; i++) {
		int64_t began = clock_mono_us();
		struct replica_view view;
		struct side side;

		side_open(&side, dir);
		do {
			replica_view(side.replica, &view);
			if (clock_mono_us() - began > 60 * CLOCK_SECOND)
				bench_die("restart", "no usable replica within a minute");
		} while (!view.loaded || !view.node_durable);
		add(&seconds, (double)(clock_mono_us() - began) / CLOCK_SECOND);
		side_close(&side);
	}
	row("replica-restart", "start with all mailboxes ready", "s", &seconds, "<= 1", "", "");
}

static double effect_ms(struct side *side, struct ldap_session *session, unsigned *seed)
{
	static unsigned serial;
	unsigned n = (unsigned)rand_r(seed) % mailboxes;
	char dn[64], text[64], physical[64];
	const char *const values[] = { physical, NULL };
	struct ldap_change change = { LDAP_CHANGE_REPLACE, "mailRoutingAddress", values };
	struct address address;
	struct route_facts facts;
	const char *error;
	int64_t began;

	snprintf(dn, sizeof(dn), "uid=u%07u,ou=people," BASE, n);
	snprintf(text, sizeof(text), "u%07u@example.org", n);
	snprintf(physical, sizeof(physical), "changed%u@s2.example.net", ++serial);
	address_parse(text, &address, &error);
	if (ldap_session_modify(session, dn, &change, 1, NULL, NULL, 0) != LDAP_DONE)
		bench_die("modify", ldap_session_reason(session));
	began = clock_mono_us();
	for (;;) {
		replica_lookup(side->replica, &address, &facts);
		if (strcmp(facts.physical, physical) == 0)
			return (double)(clock_mono_us() - began) / CLOCK_MS;
		clock_sleep_us(50);
	}
}

static void bench_effects(struct side *side, unsigned rounds)
{
	static struct series medians, p99s;
	struct ldap_session *session = session_open();
	struct series one = { .count = 0 };
	unsigned seed = 7;

	for (unsigned i = 0; i < rounds; i++) {
		one.count = 0;
		for (int k = 0; k < CHANGES * 5; k++)
			add(&one, effect_ms(side, session, &seed));
		add(&medians, quantile(&one, 0.5));
		add(&p99s, quantile(&one, 0.99));
	}
	ldap_session_close(&session);
	row("replica-effect", "change acknowledged by the directory to its effect, median", "ms",
		&medians, "<= 5", "", "");
	row("replica-effect-p99", "the same, 99th percentile", "ms", &p99s, "<= 50", "", "");
}

/* --- all of it ------------------------------------------------------------------------------ */

static unsigned read_arguments(int argc, char **argv)
{
	static const struct option longs[] = { { "rounds", required_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' }, { "mailboxes", required_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 } };
	unsigned rounds = 15;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'r': rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'q': mailboxes = 20000; break;
		case 'm': mailboxes = (unsigned)strtoul(optarg, NULL, 10); break;
		default: exit(2);
		}
	return rounds > 0 && rounds < ROUNDS ? rounds : 15;
}

int main(int argc, char **argv)
{
	unsigned rounds = read_arguments(argc, argv);
	struct side side;

	log_set_level(LOG_LEVEL_WARNING);
	uri = bench_slapd_start(mailboxes);
	bench_loads(rounds);
	bench_restarts("load", rounds);
	side_open(&side, "load");
	side_wait(&side);
	bench_lookups(&side, rounds);
	bench_effects(&side, rounds);
	side_close(&side);
	bench_slapd_stop();
	return 0;
}
