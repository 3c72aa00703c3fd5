/*
 * The store of the hold queue beside what it replaces: one synced Berkeley DB transaction for each
 * message, by the same number of threads. Both in one run, alternating, each round in a directory
 * of its own; the ratio is taken pair by pair. Then the same queue with 10,000 and with 100,000
 * messages held, again alternating.
 *
 *   bench_store [--rounds N] [--messages N] [--dir DIR] [--held] [--few N --many N] [--quick]
 *   bench_store --fill QUEUE --node NAME --many N --mailboxes N
 *
 * --held: the last comparison alone. few, many: messages held in it (10,000 and 100,000), and the
 * time of a start with the many.
 * --fill: so many messages of 2 KB into the hold queue of front1 in that directory, for mailboxes
 * with the entryUUID 00000000-0000-4000-8000-000000000000 and counting, held as h0@example.org,
 * h1@... messages: of 2 KB in a round; a quarter of them where they have 64 KB. DIR must be on the
 * disk that is to be measured (default: /var/tmp).
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bdb.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/holdq.h"

#define CACHE       (UINT64_C(64) << 20)
#define MAX_ROUNDS  99
#define MAX_WRITERS 32
#define SMALL       2048
#define LARGE       65536

static const char *base = "/var/tmp", *node = "bench";
static unsigned mailboxes = 100;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, why);
	exit(1);
}

/* --- what both sides share ------------------------------------------------------------------- */

struct side;

struct round {
	const struct side *side;
	size_t bytes;
	unsigned writers, messages;
	char dir[128];
	char *data;
	_Atomic unsigned next;
	struct bdb_env *env;
	struct bdb_table *table;
	struct holdq *queue;
};

struct side {
	void (*open)(struct round *round);
	void (*store)(struct round *round, unsigned n);
	void (*close)(struct round *round);
};

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void *work(void *context)
{
	struct round *round = context;
	unsigned n;

	while ((n = atomic_fetch_add(&round->next, 1)) < round->messages)
		round->side->store(round, n);
	return NULL;
}

/* Messages per second. */
static double run_writers(struct round *round, unsigned messages)
{
	pthread_t threads[MAX_WRITERS];

	round->messages = messages;
	round->next = 0;
	int64_t began = clock_mono_us();
	for (unsigned i = 0; i < round->writers; i++)
		if (pthread_create(&threads[i], NULL, work, round) != 0)
			die("pthread_create", "failed");
	for (unsigned i = 0; i < round->writers; i++)
		pthread_join(threads[i], NULL);
	return messages * 1e6 / (double)(clock_mono_us() - began);
}

static void round_begin(
	struct round *round, const struct side *side, size_t bytes, unsigned writers)
{
	memset(round, 0, sizeof(*round));
	round->side = side;
	round->bytes = bytes;
	round->writers = writers;
	round->data = mem_alloc(bytes);
	for (size_t i = 0; i < bytes; i++)
		round->data[i] = (char)rand();
	snprintf(round->dir, sizeof(round->dir), "%s/bench_store.XXXXXX", base);
	if (mkdtemp(round->dir) == NULL)
		die(round->dir, "cannot make the directory");
	side->open(round);
}

static void round_end(struct round *round)
{
	round->side->close(round);
	nftw(round->dir, forget, 8, FTW_DEPTH | FTW_PHYS);
	free(round->data);
}

/* --- one synced transaction for each message ------------------------------------------------- */

static void peer_open(struct round *round)
{
	struct bdb_options options = { round->dir, CACHE, 0, true };
	const char *error;

	round->env = bdb_env_open(&options, &error);
	if (round->env == NULL)
		die("peer", error);
	round->table = bdb_table_open(round->env, "messages", 0, 0, &error);
	if (round->table == NULL)
		die("peer", error);
}

static void peer_store(struct round *round, unsigned n)
{
	uint8_t key[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
	enum bdb_result result;

	do {
		struct bdb_txn *txn;
		result = bdb_begin(round->env, 0, &txn);
		if (result == BDB_OK)
			result = bdb_put(
				round->table, txn, key, sizeof(key), round->data, round->bytes, 0);
		if (result == BDB_OK)
			result = bdb_commit(&txn);
		else
			bdb_abort(&txn);
	} while (result == BDB_RETRY);
	if (result != BDB_OK)
		die("peer", bdb_reason());
}

static void peer_close(struct round *round)
{
	bdb_table_close(&round->table);
	bdb_env_close(&round->env);
}

/* --- the hold queue -------------------------------------------------------------------------- */

static void queue_open(struct round *round)
{
	struct holdq_options options = { .dir = round->dir, .node = node, .cache_bytes = CACHE };
	const char *error;

	round->queue = holdq_open(&options, &error);
	if (round->queue == NULL)
		die("hold queue", error);
}

static char text_sender[] = "sender@example.net", text_empty[] = "", text_id[] = "4bXyz0123-1",
	    text_host[] = "client.example.net", text_notify[] = "NOTIFY=FAILURE";

static void queue_store(struct round *round, unsigned n)
{
	struct holdq_envelope envelope = { text_sender, text_empty, text_host, text_host, text_host,
		text_empty, text_id, text_id, 0 };
	struct holdq_recipient recipient = { .params = text_notify };
	struct holdq_draft *draft = holdq_draft_new(round->queue);
	char address[64];
	uint8_t digest[32];
	unsigned seed = n * 2654435761U;
	uint64_t id;
	size_t held;

	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)rand_r(&seed);
	unsigned whose = n % mailboxes;
	snprintf(address, sizeof(address), "h%u@example.org", whose);
	recipient.address = address;
	recipient.mailbox[6] = 0x40;
	recipient.mailbox[8] = 0x80;
	for (int i = 0; i < 4; i++)
		recipient.mailbox[15 - i] = (uint8_t)(whose >> (8 * i));
	if (holdq_draft_append(draft, round->data, round->bytes) != HOLDQ_OK ||
		holdq_commit(draft, &envelope, &recipient, 1, digest, &id, &held) != HOLDQ_OK)
		die("hold queue", holdq_reason());
	holdq_draft_free(&draft);
}

static void queue_close(struct round *round)
{
	holdq_close(&round->queue);
}

static const struct side peer_side = { peer_open, peer_store, peer_close };
static const struct side queue_side = { queue_open, queue_store, queue_close };

/* --- figures --------------------------------------------------------------------------------- */

struct figures {
	double median, low, high;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The ranks around the median that hold it with 95 %, whatever the distribution: the largest k with
 * P(fewer than k of n values are below the median) < 0.025. Below six values: all of them. */
static unsigned interval_rank(unsigned n)
{
	double term = 1, sum = 0;
	unsigned rank = 0;

	for (unsigned i = 0; i < n; i++)
		term /= 2;
	for (; rank < n / 2; rank++) {
		sum += term;
		if (sum > 0.025)
			break;
		term = term * (n - rank) / (rank + 1);
	}
	return rank > 0 ? rank - 1 : 0;
}

static struct figures figures_of(double *values, unsigned count)
{
	unsigned rank = interval_rank(count);

	qsort(values, count, sizeof(*values), compare);
	double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
	return (struct figures){ median, values[rank], values[count - 1 - rank] };
}

struct row {
	const char *name, *what, *goal;
	unsigned rounds;
	double ours[MAX_ROUNDS], peer[MAX_ROUNDS], ratio[MAX_ROUNDS];
};

/* One line for the table (tests/bench/local.mk says what it has). */
static void print_row(struct row *row)
{
	struct figures ours = figures_of(row->ours, row->rounds);
	struct figures peer = figures_of(row->peer, row->rounds);
	struct figures ratio = figures_of(row->ratio, row->rounds);

	printf("{\"row\":\"%s\",\"what\":\"%s\",\"unit\":\"x\",\"median\":%.3f,\"low\":%.3f,"
	       "\"high\":%.3f,\"rounds\":%u,\"ours\":\"%.0f msg/s\",\"peer\":\"%.0f msg/s\","
	       "\"goal\":\"%s\"}\n",
		row->name, row->what, ratio.median, ratio.low, ratio.high, row->rounds, ours.median,
		peer.median, row->goal);
	fflush(stdout);
}

/* --- pairs ----------------------------------------------------------------------------------- */

static double one(const struct side *side, size_t bytes, unsigned writers, unsigned messages)
{
	struct round round;

	round_begin(&round, side, bytes, writers);
	double rate = run_writers(&round, messages);
	round_end(&round);
	return rate;
}

static void pairs(struct row *row, size_t bytes, unsigned writers, unsigned messages)
{
	for (unsigned i = 0; i < row->rounds; i++) {
		if (i % 2 == 0)
			row->peer[i] = one(&peer_side, bytes, writers, messages);
		row->ours[i] = one(&queue_side, bytes, writers, messages);
		if (i % 2 != 0)
			row->peer[i] = one(&peer_side, bytes, writers, messages);
		row->ratio[i] = row->ours[i] / row->peer[i];
	}
	print_row(row);
}

static void all_pairs(unsigned rounds, unsigned messages)
{
	struct row rows[] = {
		{ .name = "store-2k-8",
			.what = "store, 2 KB, 8 writers / one transaction per message",
			.goal = ">= 2.0" },
		{ .name = "store-2k-32",
			.what = "store, 2 KB, 32 writers / one transaction per message",
			.goal = ">= 2.0" },
		{ .name = "store-64k-8",
			.what = "store, 64 KB, 8 writers / one transaction per message",
			.goal = ">= 0.9" },
		{ .name = "store-64k-32",
			.what = "store, 64 KB, 32 writers / one transaction per message",
			.goal = ">= 0.9" },
	};

	for (unsigned i = 0; i < 4; i++) {
		rows[i].rounds = rounds;
		pairs(&rows[i], i < 2 ? SMALL : LARGE, i % 2 ? 32 : 8,
			i < 2 ? messages : messages / 4);
	}
}

/* --- rates by what is held ------------------------------------------------------------------- */

/* The oldest go, by eight at a time as a release would. */
struct removal {
	struct round *round;
	uint64_t *ids;
	unsigned count;
	_Atomic unsigned next;
};

static void *remove_work(void *context)
{
	struct removal *removal = context;
	unsigned n;

	while ((n = atomic_fetch_add(&removal->next, 1)) < removal->count)
		if (holdq_remove(removal->round->queue, removal->ids[n], (uint32_t[]){ 0 }, 1,
			    NULL) != HOLDQ_OK)
			die("removal", holdq_reason());
	return NULL;
}

static double remove_some(struct round *round, unsigned count)
{
	struct removal removal = { .round = round };
	pthread_t threads[8];

	removal.ids = mem_grow(NULL, count, sizeof(*removal.ids));
	removal.count = (unsigned)holdq_all_ids(round->queue, 0, removal.ids, count);
	int64_t began = clock_mono_us();
	for (unsigned i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, remove_work, &removal);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	free(removal.ids);
	return removal.count * 1e6 / (double)(clock_mono_us() - began);
}

static _Atomic unsigned stored; /* no digest comes twice */

static void store_more(struct round *round, unsigned n)
{
	(void)n;
	queue_store(round, atomic_fetch_add(&stored, 1));
}

static const struct side more_side = { queue_open, store_more, queue_close };

#define STARTS 5

static void time_start(struct round *round, unsigned held)
{
	double took[STARTS];

	for (unsigned i = 0; i < STARTS; i++) {
		queue_close(round);
		int64_t began = clock_mono_us();
		queue_open(round);
		took[i] = (double)(clock_mono_us() - began) / 1e6;
	}
	struct figures figures = figures_of(took, STARTS);
	printf("{\"row\":\"start-%u\",\"what\":\"start of the hold queue alone, %u messages "
	       "held\",\"unit\":\"s\",\"median\":%.4f,\"low\":%.4f,\"high\":%.4f,\"rounds\":%u,"
	       "\"goal\":\"<= 2\"}\n",
		held, held, figures.median, figures.low, figures.high, STARTS);
	fflush(stdout);
}

/* A row of what is held, its name and text made of the numbers. */
static struct row *held_row(
	const char *what, const char *text, unsigned rounds, unsigned few, unsigned many)
{
	struct row *row = mem_zalloc(sizeof(*row));

	row->name = many == 100000 ? mem_printf("%s-held", what) : mem_printf("%s-%u", what, many);
	row->what = mem_printf("%s: %u held / %u held", text, many, few);
	/* with more than that it is the rate through an MTA that has one (rows_held.py) */
	row->goal = many > 100000 ? "" : ">= 0.8";
	row->rounds = rounds;
	return row;
}

static void held_rates(unsigned rounds, unsigned messages, unsigned few, unsigned many)
{
	struct row *store = held_row("store", "store, 2 KB, 8 writers", rounds, few, many);
	struct row *removal = held_row("removal", "removal, 8 at a time", rounds, few, many);
	struct round small, large;

	round_begin(&small, &more_side, SMALL, 8);
	round_begin(&large, &more_side, SMALL, 8);
	run_writers(&small, few);
	run_writers(&large, many);
	for (unsigned i = 0; i < rounds; i++) {
		struct round *first = i % 2 ? &large : &small, *second = i % 2 ? &small : &large;
		double *a = i % 2 ? store->ours : store->peer,
		       *b = i % 2 ? store->peer : store->ours;
		a[i] = run_writers(first, messages);
		b[i] = run_writers(second, messages);
		a = i % 2 ? removal->ours : removal->peer;
		b = i % 2 ? removal->peer : removal->ours;
		a[i] = remove_some(first, messages);
		b[i] = remove_some(second, messages);
		store->ratio[i] = store->ours[i] / store->peer[i];
		removal->ratio[i] = removal->ours[i] / removal->peer[i];
	}
	print_row(store);
	print_row(removal);
	time_start(&large, many);
	round_end(&small);
	round_end(&large);
}

static void fill(const char *queue, unsigned many)
{
	struct round round = { .side = &more_side, .bytes = SMALL, .writers = 32 };

	snprintf(round.dir, sizeof(round.dir), "%s", queue);
	round.data = mem_zalloc(SMALL);
	for (size_t i = 0; i < SMALL; i++)
		round.data[i] = (char)(i % 64 == 62   ? '\r'
				       : i % 64 == 63 ? '\n'
						      : 'a' + rand() % 26);
	queue_open(&round);
	run_writers(&round, many);
	queue_close(&round);
	free(round.data);
}

static unsigned number(const char *text, unsigned low, unsigned high)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != '\0' || value < low || value > high)
		die("not a usable number", text);
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "messages", required_argument, NULL, 'n' },
		{ "dir", required_argument, NULL, 'd' },
		{ "held", no_argument, NULL, 'h' },
		{ "quick", no_argument, NULL, 'q' },
		{ "few", required_argument, NULL, 'F' },
		{ "many", required_argument, NULL, 'M' },
		{ "fill", required_argument, NULL, 'f' },
		{ "mailboxes", required_argument, NULL, 'm' },
		{ "node", required_argument, NULL, 'N' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned rounds = 15, messages = 4000, few = 10000, many = 100000;
	const char *queue = NULL;
	bool held_only = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'r': rounds = number(optarg, 1, MAX_ROUNDS); break;
		case 'n': messages = number(optarg, 100, 1000000); break;
		case 'd': base = optarg; break;
		case 'h': held_only = true; break;
		case 'F': few = number(optarg, 1, 10000000); break;
		case 'M': many = number(optarg, 1, 10000000); break;
		case 'f': queue = optarg; break;
		case 'N': node = optarg; break;
		case 'm': mailboxes = number(optarg, 1, 1000000); break;
		case 'q':
			messages = 400;
			many = 20000;
			break;
		default: die("usage", "see the head of bench_store.c");
		}
	}
	if (queue != NULL) {
		fill(queue, many);
		return 0;
	}
	if (!held_only)
		all_pairs(rounds, messages);
	held_rates(rounds, messages, few, many);
	return 0;
}
