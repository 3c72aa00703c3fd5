/*
 * The release on the real store, without milter and directory: fills a hold queue, releases it to a
 * listener, says how that went. For the system tests and by hand:
 *
 *   release_driver --dir DIR [--fill N] [--mailboxes N] [--bytes N] [--sender S] [--params P]
 *                  [--listener L] [--workers N] [--tls none|may|encrypt|verify] [--ca FILE]
 *                  [--seconds N]
 *
 * Message n (X-Seq: n) goes to m<n % mailboxes>@example.org, which lives at the same name
 * @s2.example. Last line: "left=N delivered=N bounced=N deferred=N trouble=N seconds=S".
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/holdq.h"
#include "queue/release.h"

struct plan {
	const char *dir, *sender, *params;
	unsigned long fill, mailboxes, bytes, seconds;
	struct release_options options;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "release_driver: %s: %s\n", what, why);
	exit(1);
}

/* --- filling ----------------------------------------------------------------------------- */

static void uuid_of(unsigned long mailbox, uint8_t *uuid)
{
	memset(uuid, 0x5a, ROUTE_UUID_BYTES);
	memcpy(uuid, &mailbox, sizeof mailbox);
}

static void fill_content(struct holdq_draft *draft, const struct plan *plan, unsigned long n)
{
	static const char line[] =
		"0123456789012345678901234567890123456789012345678901234567890\r\n";
	char header[128];
	size_t len = (size_t)snprintf(
		header, sizeof header, "Subject: test\r\nX-Seq: %lu\r\n\r\n.dot\r\n", n);

	if (holdq_draft_append(draft, header, len) != HOLDQ_OK)
		die("append", holdq_reason());
	for (; len < plan->bytes; len += sizeof line - 1)
		if (holdq_draft_append(draft, line, sizeof line - 1) != HOLDQ_OK)
			die("append", holdq_reason());
}

static void put(struct holdq *queue, const struct plan *plan, unsigned long n)
{
	char empty[] = "", address[64], id[32];
	struct holdq_recipient recipient = { .address = address, .params = empty };
	struct holdq_draft *draft = holdq_draft_new(queue);
	uint64_t number;
	size_t held;

	snprintf(address, sizeof address, "m%lu@example.org", n % plan->mailboxes);
	snprintf(id, sizeof id, "d%lu", n);
	uuid_of(n % plan->mailboxes, recipient.mailbox);
	struct holdq_envelope envelope = { (char *)(uintptr_t)plan->sender,
		(char *)(uintptr_t)plan->params, empty, empty, empty, empty, empty, id, 0 };
	fill_content(draft, plan, n);
	if (holdq_commit(draft, &envelope, &recipient, 1, NULL, &number, &held) != HOLDQ_OK)
		die("commit", holdq_reason());
	holdq_draft_free(&draft);
}

/* --- releasing --------------------------------------------------------------------------- */

static uint64_t on_begin(void *context)
{
	(void)context;
	return 0;
}

static void on_end(void *context, uint64_t token)
{
	(void)context, (void)token;
}

static void on_route(void *context, const char *recipient, struct route *route_r)
{
	const char *at = strchr(recipient, '@');

	(void)context;
	memset(route_r, 0, sizeof *route_r);
	route_r->verdict = ROUTE_REWRITE;
	uuid_of(strtoul(recipient + 1, NULL, 10), route_r->facts.uuid);
	snprintf(route_r->facts.physical, sizeof route_r->facts.physical, "%.*s@s2.example",
		at ? (int)(at - recipient) : 0, recipient);
}

static void on_unclear(void *context, const char *physical)
{
	(void)context;
	printf("unclear %s\n", physical);
	fflush(stdout);
}

static uint64_t left(struct holdq *queue)
{
	struct holdq_totals totals;

	holdq_totals(queue, &totals);
	return totals.messages;
}

static void release(struct holdq *queue, const struct plan *plan)
{
	const struct release_hooks hooks = {
		.begin = on_begin, .end = on_end, .route = on_route, .unclear = on_unclear
	};
	int64_t began = clock_mono_us(), until = began + (int64_t)plan->seconds * CLOCK_SECOND;
	struct release_totals totals;
	const char *error = "";
	struct release *release = release_start(queue, &plan->options, &hooks, &error);

	if (release == NULL)
		die("release", error);
	while (left(queue) > 0 && clock_mono_us() < until)
		clock_sleep_us(2 * CLOCK_MS);
	int64_t took = clock_mono_us() - began;
	release_totals(release, &totals);
	release_stop(&release);
	printf("left=%llu delivered=%llu bounced=%llu deferred=%llu trouble=%d seconds=%.3f\n",
		(unsigned long long)left(queue), (unsigned long long)totals.delivered,
		(unsigned long long)totals.bounced, (unsigned long long)totals.deferred,
		totals.listener_trouble, (double)took / 1e6);
}

/* --- options ----------------------------------------------------------------------------- */

static enum release_tls tls_of(const char *name)
{
	static const char *const names[] = { "none", "may", "encrypt", "verify" };

	for (int i = 0; i < 4; i++)
		if (strcmp(names[i], name) == 0)
			return (enum release_tls)i;
	die("--tls", name);
	return RELEASE_TLS_NONE;
}

static void take(struct plan *plan, int option, const char *value)
{
	switch (option) {
	case 'd': plan->dir = value; break;
	case 'f': plan->fill = strtoul(value, NULL, 10); break;
	case 'm': plan->mailboxes = strtoul(value, NULL, 10); break;
	case 'b': plan->bytes = strtoul(value, NULL, 10); break;
	case 'S': plan->sender = value; break;
	case 'p': plan->params = value; break;
	case 'l': plan->options.listener = value; break;
	case 'w': plan->options.workers = (unsigned)strtoul(value, NULL, 10); break;
	case 't': plan->options.tls = tls_of(value); break;
	case 'c': plan->options.ca_file = value; break;
	case 's': plan->seconds = strtoul(value, NULL, 10); break;
	default: die("usage", "see the top of tests/system/release_driver.c");
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dir", 1, NULL, 'd' }, { "fill", 1, NULL, 'f' },
		{ "mailboxes", 1, NULL, 'm' }, { "bytes", 1, NULL, 'b' },
		{ "sender", 1, NULL, 'S' }, { "params", 1, NULL, 'p' },
		{ "listener", 1, NULL, 'l' }, { "workers", 1, NULL, 'w' }, { "tls", 1, NULL, 't' },
		{ "ca", 1, NULL, 'c' }, { "seconds", 1, NULL, 's' }, { NULL, 0, NULL, 0 } };
	struct plan plan = { .sender = "sender@o.example",
		.params = "",
		.mailboxes = 1,
		.bytes = 2048,
		.seconds = 30,
		.options = { .hostname = "front.example",
			.workers = 8,
			.retry_min_us = 50 * CLOCK_MS,
			.retry_max_us = CLOCK_SECOND,
			.expire_us = 3600 * CLOCK_SECOND,
			.notice_bytes = 65536,
			.timeout_us = 10 * CLOCK_SECOND } };
	const char *error = "";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take(&plan, option, optarg);
	if (plan.dir == NULL || plan.mailboxes == 0)
		die("usage", "--dir is needed, --mailboxes at least 1");
	log_set_level(LOG_LEVEL_WARNING);
	struct holdq_options store = { .dir = plan.dir, .node = "driver", .cache_bytes = 16 << 20 };
	struct holdq *queue = holdq_open(&store, &error);
	if (queue == NULL)
		die(plan.dir, error);
	for (unsigned long n = 0; n < plan.fill; n++)
		put(queue, &plan, n);
	if (plan.options.listener != NULL)
		release(queue, &plan);
	holdq_close(&queue);
	return 0;
}
