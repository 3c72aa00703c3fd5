#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "lib/log.h"
#include "tests/unit/release_scene.h"

struct scene scene;

static uint64_t on_begin(void *context)
{
	(void)context;
	pthread_mutex_lock(&scene.lock);
	uint64_t token = ++scene.begun;
	int open = (int)(scene.begun - scene.ended);
	scene.max_open = open > scene.max_open ? open : scene.max_open;
	pthread_mutex_unlock(&scene.lock);
	return token;
}

static void on_end(void *context, uint64_t token)
{
	(void)context;
	(void)token;
	pthread_mutex_lock(&scene.lock);
	scene.ended++;
	pthread_mutex_unlock(&scene.lock);
}

static void on_route(void *context, const char *recipient, struct route *route_r)
{
	char name[16];
	const char *owner = name;

	(void)context;
	if (atomic_exchange(&scene.add_more, false))
		fake_add(scene.queue, "anna", "s@o", "", "anna@x", "", "Subject: 2\r\n\r\n");
	snprintf(name, sizeof name, "%.*s", (int)strcspn(recipient, "@+"), recipient);
	memset(route_r, 0, sizeof *route_r);
	route_r->verdict = ROUTE_REWRITE;
	route_r->reason = "as the test wants it";
	route_r->facts.match = scene.caught ? MATCH_CATCHALL : MATCH_FULL;
	pthread_mutex_lock(&scene.lock);
	scene.looked++;
	scene.outside |= scene.begun == scene.ended;
	for (int i = 0; i < NAMES; i++) {
		if (strcmp(scene.said[i].name, name) != 0)
			continue;
		route_r->verdict = scene.said[i].verdict;
		if (scene.said[i].owner[0] != '\0')
			owner = scene.said[i].owner;
	}
	if (strchr(recipient, '+') != NULL && route_r->verdict == ROUTE_TRYAGAIN) {
		route_r->facts.match = MATCH_BARE;
		route_r->facts.physical_fault = "too long with the subaddress";
	}
	fake_mailbox(owner, route_r->facts.uuid);
	pthread_mutex_unlock(&scene.lock);
	snprintf(route_r->facts.physical, sizeof route_r->facts.physical, "%s@s", name);
	snprintf(route_r->facts.system, sizeof route_r->facts.system, "%.1s", name);
}

static int on_straight(
	void *context, const char *system, struct release_target *target_r, const char **error_r)
{
	const char *straight = scene.straight, *other = scene.other;

	(void)context;
	if (straight == NULL || strcmp(system, straight) != 0)
		return 0;
	target_r->tls = scene.tls;
	snprintf(target_r->listener, sizeof target_r->listener, "%s", other ? other : "");
	*error_r = "as the test wants it";
	return other != NULL ? 1 : -1;
}

static void on_unclear(void *context, const char *physical)
{
	(void)context;
	(void)physical;
	pthread_mutex_lock(&scene.lock);
	scene.unclear++;
	pthread_mutex_unlock(&scene.lock);
}

static void on_name(void *context, const uint8_t *mailbox, char *name_r, size_t size)
{
	(void)context;
	snprintf(name_r, size, "%.16s", (const char *)mailbox);
}

static bool on_known(void *context, const uint8_t *mailbox)
{
	(void)context;
	(void)mailbox;
	return !scene.gone;
}

static void on_broken(void *context, const char *reason)
{
	(void)context;
	(void)reason;
	scene.broken++;
}

void say(const char *name, enum route_verdict verdict, const char *owner)
{
	int i = 0;

	pthread_mutex_lock(&scene.lock);
	while (scene.said[i].name[0] != '\0' && strcmp(scene.said[i].name, name) != 0)
		i++;
	assert_true(i < NAMES);
	snprintf(scene.said[i].name, sizeof scene.said[i].name, "%s", name);
	snprintf(scene.said[i].owner, sizeof scene.said[i].owner, "%s", owner ? owner : "");
	scene.said[i].verdict = verdict;
	pthread_mutex_unlock(&scene.lock);
}

void set_up(bool lmtp, const struct server_rule *rules)
{
	memset(&scene, 0, sizeof scene);
	pthread_mutex_init(&scene.lock, NULL);
	scene.queue = fake_holdq();
	scene.server = server_start(lmtp, NULL, rules);
	scene.options = (struct release_options){
		.listener = server_listener(scene.server),
		.hostname = "front.example",
		.workers = 4,
		.expire_us = 3600 * CLOCK_SECOND,
		.retry_min_us = 20 * CLOCK_MS,
		.retry_max_us = 80 * CLOCK_MS,
		.timeout_us = 5 * CLOCK_SECOND,
		.stop_us = CLOCK_SECOND,
		.notice_bytes = 65536,
	};
}

void go(void)
{
	const struct release_hooks hooks = { &scene, on_begin, on_end, on_route, on_straight,
		on_unclear, on_name, on_known, on_broken };
	const char *error = NULL;

	scene.release = release_start(scene.queue, &scene.options, &hooks, &error);
	assert_non_null(scene.release);
}

void tear_down(void)
{
	release_stop(&scene.release);
	assert_null(scene.release);
	assert_int_equal(scene.begun, scene.ended);
	assert_false(scene.outside);
	server_stop(&scene.server);
	fake_free(&scene.queue);
}

uint64_t add(const char *name, const char *mark)
{
	char recipient[32], content[64];

	snprintf(recipient, sizeof recipient, "%s@x", name);
	snprintf(content, sizeof content, "Subject: %s\r\n\r\nbody %s\r\n", mark, mark);
	return fake_add(scene.queue, name, "sender@o", "", recipient, "", content);
}

void add_marks(const char *name, int count)
{
	char mark[12];

	for (int i = 1; i <= count; i++) {
		snprintf(mark, sizeof mark, "%d", i);
		add(name, mark);
	}
}

struct release_totals totals(void)
{
	struct release_totals t;

	release_totals(scene.release, &t);
	return t;
}

void wake(const char *name)
{
	uint8_t uuid[ROUTE_UUID_BYTES];

	fake_mailbox(name, uuid);
	release_wake(scene.release, uuid);
}

int mark_of(size_t index)
{
	const char *at = strstr(server_mail(scene.server, index)->content, "Subject: ");

	return at ? atoi(at + 9) : -1;
}

void expect_order(const char *name, int count)
{
	int last = -1, seen = 0;

	for (size_t i = 0; i < server_count(scene.server); i++) {
		if (strstr(server_mail(scene.server, i)->recipients, name) == NULL)
			continue;
		assert_true(mark_of(i) > last);
		last = mark_of(i);
		seen++;
	}
	assert_int_equal(seen, count);
}

void scene_quiet(void)
{
	log_set_level(getenv("RESTANTE_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
}
