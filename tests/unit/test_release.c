/* The release as a whole: in-memory store, scripted listener, a directory that the test turns. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "queue/release.h"
#include "tests/unit/fake_holdq.h"
#include "tests/unit/smtp_server.h"

#define NAMES 4

/* What the directory says about "name@x"; all else is active and lives at name@s. */
struct said {
	char name[16];
	enum route_verdict verdict;
	char owner[16]; /* "" = the name itself */
};

struct scene {
	struct holdq *queue;
	struct server *server;
	struct release *release;
	struct release_options options;
	pthread_mutex_t lock;
	struct said said[NAMES];
	atomic_uint begun, ended, unclear, looked;
	atomic_bool add_more; /* the next look-up is the moment new mail comes */
	bool outside;         /* a look-up came without begin */
	int max_open;
};

static struct scene scene;

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
	fake_mailbox(owner, route_r->facts.uuid);
	pthread_mutex_unlock(&scene.lock);
	snprintf(route_r->facts.physical, sizeof route_r->facts.physical, "%s@s", name);
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

static void say(const char *name, enum route_verdict verdict, const char *owner)
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

static void set_up(bool lmtp, const struct server_rule *rules)
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
		.timeout_us = 300 * CLOCK_MS,
		.stop_us = CLOCK_SECOND,
	};
}

static void go(void)
{
	const struct release_hooks hooks = { &scene, on_begin, on_end, on_route, on_unclear,
		on_name };
	const char *error = NULL;

	scene.release = release_start(scene.queue, &scene.options, &hooks, &error);
	assert_non_null(scene.release);
}

static void tear_down(void)
{
	release_stop(&scene.release);
	assert_null(scene.release);
	assert_int_equal(scene.begun, scene.ended);
	assert_false(scene.outside);
	server_stop(&scene.server);
	fake_free(&scene.queue);
}

#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		int64_t until = clock_mono_us() + 10 * CLOCK_SECOND;                               \
		while (!(condition) && clock_mono_us() < until)                                    \
			clock_sleep_us(CLOCK_MS);                                                  \
		assert_true(condition);                                                            \
	} while (0)

static uint64_t add(const char *name, const char *mark)
{
	char recipient[32], content[64];

	snprintf(recipient, sizeof recipient, "%s@x", name);
	snprintf(content, sizeof content, "Subject: %s\r\n\r\nbody %s\r\n", mark, mark);
	return fake_add(scene.queue, name, "sender@o", "", recipient, "", content);
}

static struct release_totals totals(void)
{
	struct release_totals t;

	release_totals(scene.release, &t);
	return t;
}

static void wake(const char *name)
{
	uint8_t uuid[ROUTE_UUID_BYTES];

	fake_mailbox(name, uuid);
	release_wake(scene.release, uuid);
}

/* The number in "Subject: N" of a mail the server has. */
static int mark_of(size_t index)
{
	const char *at = strstr(server_mail(scene.server, index)->content, "Subject: ");

	return at ? atoi(at + 9) : -1;
}

/* Each mailbox's marks rise, each exactly once, and all are there. */
static void expect_order(const char *name, int count)
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

/* --- order, holding ---------------------------------------------------------------------- */

static void test_delivers_in_order(void **state)
{
	static const char *const names[] = { "anna", "bert", "carl", "dora", "emil", "fred" };
	char mark[8];

	(void)state;
	set_up(false, NULL);
	for (int i = 0; i < 100; i++)
		for (size_t n = 0; n < COUNT(names); n++) {
			snprintf(mark, sizeof mark, "%d", i);
			if (i == 50 && n == 0)
				go();
			add(names[n], mark);
		}
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 600);
	for (size_t n = 0; n < COUNT(names); n++)
		expect_order(names[n], 100);
	assert_true(server_connections(scene.server) <= 4);
	assert_true(scene.max_open <= 4);
	assert_int_equal(totals().delivered, 600);
	const struct server_mail *mail = server_mail(scene.server, 0);
	assert_int_equal(strncmp(mail->content,
				 "Received: from helo.example (client.example "
				 "[192.0.2.1])\r\n\tby front.example (Restante) with ESMTP id M",
				 99),
		0);
	assert_non_null(strstr(mail->content, "@x>; "));
	tear_down();
}

static void test_held_until_woken(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("anna", ROUTE_HOLD, NULL);
	for (int i = 0; i < 5; i++)
		add("anna", "1");
	go();
	add("bert", "1");
	WAIT_FOR(server_count(scene.server) == 1);
	WAIT_FOR(scene.looked >= 2);
	unsigned looked = scene.looked;
	for (int i = 0; i < 100; i++) /* new mail does not make it look again */
		add("anna", "2");
	add("bert", "2");
	WAIT_FOR(server_count(scene.server) == 2);
	assert_true(scene.looked - looked <= 3);
	assert_int_equal(fake_count(scene.queue, "anna"), 105);
	say("anna", ROUTE_REWRITE, NULL);
	wake("anna");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 107);
	tear_down();
}

static void test_held_in_the_middle(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "Subject: 3", 0, 0, SERVER_SILENT },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 9; i++)
		add("anna", (const char *[]){ "1", "2", "3", "4", "5", "6", "7", "8", "9" }[i]);
	scene.options.timeout_us = 100 * CLOCK_MS;
	go();
	WAIT_FOR(server_commands(scene.server, "DATA") == 3); /* the third is under way */
	say("anna", ROUTE_HOLD, NULL);
	WAIT_FOR(scene.unclear == 1); /* silent after the dot: reported before end */
	server_rules(scene.server, NULL);
	wake("anna");
	clock_sleep_us(150 * CLOCK_MS);
	assert_int_equal(fake_count(scene.queue, "anna"), 7);
	say("anna", ROUTE_REWRITE, NULL);
	release_wake(scene.release, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 9);
	tear_down();
}

static void test_new_mail_meanwhile(void **state)
{
	(void)state;
	set_up(false, NULL);
	scene.add_more = true;
	add("anna", "1");
	go();
	WAIT_FOR(server_count(scene.server) == 2);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static void test_undecided_waits(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("anna", ROUTE_TRYAGAIN, NULL);
	say("bert", ROUTE_DEFER, NULL);
	add("anna", "1");
	add("bert", "1");
	go();
	WAIT_FOR(scene.looked > 4); /* by itself */
	assert_int_equal(server_connections(scene.server), 0);
	say("anna", ROUTE_REWRITE, NULL);
	say("bert", ROUTE_REWRITE, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static void test_vanished_stays(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("old", ROUTE_NOBODY, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "old@x", "", "Subject: 1\r\n\r\n");
	fake_add(scene.queue, "anna", "s@o", "", "old@x anna@x", "", "Subject: 2\r\n\r\n");
	add("anna", "3");
	go();
	WAIT_FOR(server_count(scene.server) == 2); /* the mailbox goes on without that address */
	assert_int_equal(fake_count(scene.queue, "anna"), 2);
	say("old", ROUTE_REWRITE, NULL);
	wake("other"); /* any change may have brought it back */
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 4);
	tear_down();
}

static void test_rehomed(void **state)
{
	(void)state;
	set_up(false, NULL);
	say("alias", ROUTE_HOLD, "bert");
	say("bert", ROUTE_HOLD, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "alias@x anna@x", "", "Subject: 1\r\n\r\n");
	add("bert", "2");
	go();
	WAIT_FOR(fake_count(scene.queue, "bert") == 2);
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	say("alias", ROUTE_REWRITE, "bert");
	say("bert", ROUTE_REWRITE, NULL);
	wake("bert");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 3);
	assert_int_equal(mark_of(1), 1); /* keeps its place: before what came later */
	tear_down();
}

/* Filed under a mailbox whose later mail was looked at already: still found. */
static void test_rehomed_behind(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "bert", 0, 1, "450 4.2.1 later" },
		{ ".", "Subject: 9", 0, 4, "451 4.3.0 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	say("anna", ROUTE_HOLD, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "anna@x", "", "Subject: 1\r\n\r\n");
	for (int i = 0; i < 40; i++)
		add("bert", i == 20 ? "9" : "2");
	go();
	WAIT_FOR(server_count(scene.server) >= 39);
	say("anna", ROUTE_HOLD, "bert");
	wake("anna");
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	say("anna", ROUTE_REWRITE, "bert");
	wake("bert");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 41);
	tear_down();
}

static void test_one_place_once(void **state)
{
	struct str list = STR_INIT;

	(void)state;
	set_up(false, NULL);
	fake_add(scene.queue, "anna", "s@o", "", "anna@x Anna@x anna+d@x", "NOTIFY=NEVER",
		"Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 1);
	assert_string_equal(server_mail(scene.server, 0)->recipients, "<anna@s> NOTIFY=NEVER");
	for (int i = 0; i < 120; i++)
		str_printf(&list, "n%d@x ", i);
	fake_add(scene.queue, "many", "s@o", "", list.data, "", "Subject: 1\r\n\r\n");
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 4); /* 50 recipients at a time */
	str_free(&list);
	tear_down();
}

/* --- refusals ---------------------------------------------------------------------------- */

static void test_recipient_later(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 4, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 5; i++)
		add("anna", (const char *[]){ "1", "2", "3", "4", "5" }[i]);
	add("bert", "1");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 5); /* the mailbox waited as one */
	assert_int_equal(totals().deferred, 4);
	tear_down();
}

static void test_message_steps_aside(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "Subject: 2", 0, 5, "451 4.3.0 cannot take this" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 4; i++)
		add("anna", (const char *[]){ "1", "3", "2", "4" }[i]);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 4);
	assert_int_equal(mark_of(0), 1);
	assert_int_equal(mark_of(1), 3);
	assert_int_equal(mark_of(2), 4); /* after three tries the others go ahead */
	assert_int_equal(mark_of(3), 2);
	assert_int_equal(totals().deferred, 5);
	tear_down();
}

/* Twice as long each time; what stepped aside is left alone when the mailbox starts over. */
static void test_backoff_grows(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 0, "450 4.2.1 later" },
		{ "MAIL", "odd@o", 0, 0, "550 5.7.1 no" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	uint64_t id = add("anna", "1");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) >= 3);
	clock_sleep_us(600 * CLOCK_MS);
	assert_true(fake_attempts(scene.queue, id) <= 6); /* 20, 40, 80, 160, 320 ms */
	release_stop(&scene.release);
	scene.options.retry_min_us = 3600 * CLOCK_SECOND;
	say("old", ROUTE_NOBODY, NULL);
	fake_add(scene.queue, "bert", "s@o", "", "old@x", "", "Subject: 1\r\n\r\n");
	id = fake_add(scene.queue, "bert", "odd@o", "", "bert@x", "", "Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) == 1);
	unsigned looked = scene.looked;
	wake("other");
	WAIT_FOR(scene.looked > looked);
	assert_int_equal(fake_attempts(scene.queue, id), 1);
	wake("bert");
	WAIT_FOR(fake_attempts(scene.queue, id) == 2);
	tear_down();
}

static void test_sender_refused(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", "evil@o", 0, 3, "550 5.7.1 not you" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	fake_add(scene.queue, "anna", "evil@o", "", "anna@x", "", "Subject: 1\r\n\r\n");
	add("anna", "2");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(mark_of(0), 2);
	assert_int_equal(mark_of(1), 1);
	assert_int_equal(fake_notices(scene.queue), 0);
	tear_down();
}

static void test_bounces(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 0, "550 5.1.1 nobody here" },
		{ NULL, NULL, 0, 0, NULL },
	};
	const char *to;

	(void)state;
	set_up(false, rules);
	fake_add(scene.queue, "anna", "sender@o", "RET=HDRS ENVID=e+3D1", "anna@x",
		"ORCPT=rfc822;anna+40x", "Subject: secret\r\n\r\nbody\r\n");
	fake_add(scene.queue, "anna", "", "", "anna@x", "", "Subject: 2\r\n\r\n");
	fake_add(
		scene.queue, "anna", "never@o", "", "anna@x", "NOTIFY=NEVER", "Subject: 3\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(totals().bounced, 3);
	assert_int_equal(fake_notices(scene.queue), 1);
	const char *notice = fake_notice(scene.queue, &to);
	assert_string_equal(to, "sender@o");
	assert_non_null(strstr(notice, "Original-Envelope-Id: e=1\r\n"));
	assert_non_null(strstr(notice, "Original-Recipient: rfc822; anna@x\r\n"));
	assert_non_null(strstr(notice, "Final-Recipient: rfc822; anna@x\r\n"));
	assert_non_null(strstr(notice, "Action: failed\r\nStatus: 5.1.1\r\n"));
	assert_non_null(strstr(notice, "Diagnostic-Code: smtp; 550 5.1.1 nobody here\r\n"));
	assert_null(strstr(notice, "body\r\n"));
	assert_int_equal(server_count(scene.server), 1); /* the notice itself */
	const struct server_mail *mail = server_mail(scene.server, 0);
	assert_int_equal(strncmp(mail->sender, "<> ", 3), 0);
	assert_string_equal(mail->recipients, "<sender@o>");
	assert_string_equal(mail->content, notice);
	tear_down();
}

static void test_notice_refused(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", NULL, 0, 0, "550 5.1.1 nobody here" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	add("anna", "1");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0); /* no notice about a notice */
	assert_int_equal(fake_notices(scene.queue), 1);
	assert_int_equal(server_count(scene.server), 0);
	tear_down();
}

static void test_expires(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 0, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.expire_us = 300 * CLOCK_MS;
	uint64_t id = add("anna", "1");
	fake_age(scene.queue, id, clock_wall_us() - 3600 * CLOCK_SECOND); /* held: does not count */
	int64_t began = clock_mono_us();
	go();
	WAIT_FOR(fake_count(scene.queue, "anna") == 0);
	assert_true(clock_mono_us() - began >= 300 * CLOCK_MS);
	assert_int_equal(totals().expired, 1);
	assert_true(totals().deferred >= 3);
	assert_non_null(strstr(fake_notice(scene.queue, NULL), "Status: 4.4.7\r\n"));
	tear_down();
}

static void test_lmtp_each(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "b@s", 0, 1, "452 4.2.2 full" },
		{ ".", "c@s", 0, 0, "550 5.2.1 closed" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(true, rules);
	fake_add(scene.queue, "all", "s@o", "", "a@x b@x c@x", "", "Subject: 1\r\n\r\n");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(totals().delivered, 3); /* a, b and the notice about c */
	assert_int_equal(totals().bounced, 1);
	for (size_t i = 0; i < server_count(scene.server); i++)
		assert_null(strstr(server_mail(scene.server, i)->recipients, "c@s"));
	assert_int_equal(server_count(scene.server), 3);
	tear_down();
}

/* --- trouble ----------------------------------------------------------------------------- */

static void test_listener_down(void **state)
{
	static const struct server_rule rules[][2] = {
		{ { "CONNECT", NULL, 0, 6, "554 5.3.2 no service" } },
		{ { "CONNECT", NULL, 0, 6, "421 4.3.2 busy" } },
		{ { "CONNECT", NULL, 0, 6, SERVER_CLOSE } },
		{ { "CONNECT", NULL, 0, 6, "HTTP/1.1 400 Bad Request" } },
		{ { "EHLO", NULL, 0, 6, "502 5.5.1 what" } },
	};
	const char *error = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		set_up(false, rules[i]);
		scene.options.expire_us = 1; /* none of this counts */
		char name[8];
		for (int n = 0; n < 20; n++) {
			snprintf(name, sizeof name, "n%d", n);
			add(name, "1");
		}
		go();
		WAIT_FOR(totals().listener_trouble);
		assert_true(totals().trouble_since_us > 0);
		WAIT_FOR(fake_count(scene.queue, NULL) == 0);
		WAIT_FOR(!totals().listener_trouble);
		assert_int_equal(server_count(scene.server), 20);
		assert_int_equal(fake_notices(scene.queue), 0);
		assert_int_equal(totals().deferred, 0);
		/* In trouble one tries at a time: the others did not storm it. */
		assert_true(server_connections(scene.server) <= 6 + 4 + 4);
		tear_down();
	}
	scene.options.listener = "nonsense";
	assert_null(release_start(NULL, &scene.options, NULL, &error));
	assert_non_null(error);
}

static void test_no_storm(void **state)
{
	const struct server_rule rules[] = {
		{ "CONNECT", NULL, 0, 0, "554 5.3.2 no service" },
		{ NULL, NULL, 0, 0, NULL },
	};
	char name[8];

	(void)state;
	set_up(false, rules);
	scene.options.retry_min_us = scene.options.retry_max_us = 100 * CLOCK_MS;
	for (int n = 0; n < 50; n++) {
		snprintf(name, sizeof name, "n%d", n);
		add(name, "1");
	}
	go();
	clock_sleep_us(600 * CLOCK_MS);
	assert_in_range(server_connections(scene.server), 1, 4 + 7);
	tear_down();
}

/* Trouble does not count towards expiry, refusals around it do. */
static void test_trouble_not_counted(void **state)
{
	const struct server_rule refuse[] = {
		{ "RCPT", NULL, 0, 0, "450 4.2.1 later" },
		{ NULL, NULL, 0, 0, NULL },
	};
	const struct server_rule down[] = {
		{ "CONNECT", NULL, 0, 0, "554 no" },
		{ "RCPT", NULL, 0, 0, "421 4.3.2 going down" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, refuse);
	scene.options.expire_us = 600 * CLOCK_MS;
	scene.options.retry_max_us = 30 * CLOCK_MS;
	uint64_t id = add("anna", "1");
	go();
	WAIT_FOR(fake_attempts(scene.queue, id) >= 2);
	server_rules(scene.server, down);
	WAIT_FOR(totals().listener_trouble);
	clock_sleep_us(900 * CLOCK_MS);
	assert_int_equal(totals().expired, 0);
	uint32_t attempts = fake_attempts(scene.queue, id);
	server_rules(scene.server, refuse);
	WAIT_FOR(fake_attempts(scene.queue, id) > attempts + 1); /* still there, still tried */
	WAIT_FOR(totals().expired == 1);
	tear_down();
}

static void test_relay_denied(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", NULL, 0, 0, "554 5.7.1 <x>: Relay access denied" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.workers = 1;
	add("anna", "1");
	add("bert", "1");
	go();
	WAIT_FOR(totals().deferred >= 6);
	assert_false(totals().listener_trouble); /* two different ones are not enough */
	add("carl", "1");
	WAIT_FOR(totals().listener_trouble);
	server_rules(scene.server, NULL);
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	WAIT_FOR(!totals().listener_trouble);
	assert_int_equal(server_count(scene.server), 3);
	assert_int_equal(fake_notices(scene.queue), 0);
	tear_down();
}

static void test_session_limit(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", "SIZE", 2, 1, "421 4.7.0 too many messages" },
		{ "MAIL", "SIZE", 4, 1, "421 4.7.0 too many messages" },
		{ "MAIL", "SIZE", 6, 1, SERVER_CLOSE },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 1; i < 10; i++)
		add("anna", (const char *[]){ "", "1", "2", "3", "4", "5", "6", "7", "8", "9" }[i]);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	expect_order("anna", 9);
	assert_int_equal(totals().deferred, 0); /* a new connection at once */
	assert_true(server_connections(scene.server) > 1);
	tear_down();
}

static void test_link_breaks(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", NULL, 0, 1, SERVER_CLOSE },
		{ "RCPT", NULL, 0, 1, SERVER_CLOSE },
		{ "DATA", NULL, 0, 1, SERVER_CUT },
		{ "DATA", NULL, 1, 1, "garbage" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 5; i++)
		add("anna", (const char *[]){ "1", "2", "3", "4", "5" }[i]);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 5); /* nothing lost, nothing twice */
	assert_int_equal(fake_notices(scene.queue), 0);
	tear_down();
}

static void test_poison(void **state)
{
	const struct server_rule rules[] = {
		{ "MAIL", "poison", 0, 8, SERVER_CLOSE },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	fake_add(scene.queue, "anna", "poison@o", "", "anna@x", "", "Subject: 1\r\n\r\n");
	add("anna", "2");
	add("bert", "3");
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 3);
	assert_int_equal(mark_of(2), 1); /* the one that breaks the link stops nobody else */
	tear_down();
}

/* The one case in which a message comes twice: its 2xx was lost (RFC 1047). */
static void test_lost_reply(void **state)
{
	const struct server_rule rules[] = {
		{ ".", "Subject: 2", 0, 1, SERVER_TAKEN },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	for (int i = 0; i < 3; i++)
		add("anna", (const char *[]){ "1", "2", "3" }[i]);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(scene.unclear, 1);
	assert_int_equal(server_count(scene.server), 4);
	assert_int_equal(mark_of(1), 2);
	assert_int_equal(mark_of(2), 2);
	assert_int_equal(mark_of(3), 3);
	tear_down();
}

static void test_removal_fails(void **state)
{
	(void)state;
	set_up(false, NULL);
	add("anna", "1");
	add("anna", "2");
	fake_fail_removals(scene.queue, 1);
	go();
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(scene.server), 2); /* removed later, not sent again */
	tear_down();
}

/* --- notices by the clock, administration ------------------------------------------------- */

static void test_delay_notice(void **state)
{
	const char *to;

	(void)state;
	set_up(false, NULL);
	scene.options.delay_notice_us = 100 * CLOCK_MS;
	say("anna", ROUTE_HOLD, NULL);
	add("anna", "1");
	fake_add(scene.queue, "anna", "quiet@o", "", "anna@x", "NOTIFY=FAILURE",
		"Subject: 2\r\n\r\n");
	fake_add(scene.queue, "anna", "", "", "anna@x", "", "Subject: 3\r\n\r\n");
	go();
	WAIT_FOR(server_count(scene.server) == 1); /* the notice, although the mailbox is held */
	const char *notice = fake_notice(scene.queue, &to);
	assert_string_equal(to, "sender@o");
	assert_non_null(strstr(notice, "Action: delayed\r\n"));
	clock_sleep_us(200 * CLOCK_MS);
	assert_int_equal(fake_notices(scene.queue), 1); /* once */
	release_stop(&scene.release);
	go();
	clock_sleep_us(200 * CLOCK_MS);
	assert_int_equal(fake_notices(scene.queue), 1); /* that was written down */
	assert_int_equal(fake_count(scene.queue, "anna"), 3);
	tear_down();
}

static void test_retry_now(void **state)
{
	const struct server_rule rules[] = {
		{ "RCPT", "anna", 0, 1, "450 4.2.1 later" },
		{ "CONNECT", NULL, 0, 1, "554 no" },
		{ NULL, NULL, 0, 0, NULL },
	};

	(void)state;
	set_up(false, rules);
	scene.options.retry_min_us = scene.options.retry_max_us = 3600 * CLOCK_SECOND;
	add("anna", "1");
	go();
	WAIT_FOR(totals().listener_trouble);
	release_retry_now(scene.release, NULL);
	WAIT_FOR(totals().deferred == 1);
	assert_false(totals().listener_trouble);
	WAIT_FOR(totals().workers_busy == 0);
	release_wake(scene.release, NULL); /* says nothing about refusals */
	clock_sleep_us(50 * CLOCK_MS);
	assert_int_equal(fake_count(scene.queue, NULL), 1);
	wake("anna"); /* something about anna changed */
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	tear_down();
}

static void test_other_listener(void **state)
{
	(void)state;
	set_up(false, NULL);
	struct server *second = server_start(true, NULL, NULL);
	add("anna", "1");
	go();
	WAIT_FOR(server_count(scene.server) == 1);
	scene.options.listener = server_listener(second);
	scene.options.workers = 9;
	release_configure(scene.release, &scene.options);
	add("anna", "2");
	WAIT_FOR(server_count(second) == 1);
	scene.options.workers = 1;
	release_configure(scene.release, &scene.options);
	char name[8];
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "n%d", i);
		add(name, "1");
	}
	WAIT_FOR(fake_count(scene.queue, NULL) == 0);
	assert_int_equal(server_count(second), 51);
	tear_down();
	server_stop(&second);
}

static void test_stop_is_bounded(void **state)
{
	static const struct server_rule rules[][2] = {
		{ { "CONNECT", NULL, 0, 0, SERVER_SILENT } },
		{ { "DATA", NULL, 0, 0, SERVER_SILENT } },
		{ { ".", NULL, 0, 0, SERVER_SILENT } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		set_up(false, rules[i]);
		scene.options.timeout_us = 300 * CLOCK_SECOND;
		scene.options.stop_us = 200 * CLOCK_MS;
		add("anna", "1");
		go();
		WAIT_FOR(server_connections(scene.server) == 1);
		if (i > 0)
			WAIT_FOR(release_busy(scene.release));
		int64_t began = clock_mono_us();
		release_stop(&scene.release);
		assert_true(clock_mono_us() - began < 2 * CLOCK_SECOND);
		assert_int_equal(fake_count(scene.queue, NULL), 1);
		tear_down();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivers_in_order),
		cmocka_unit_test(test_held_until_woken),
		cmocka_unit_test(test_held_in_the_middle),
		cmocka_unit_test(test_undecided_waits),
		cmocka_unit_test(test_no_storm),
		cmocka_unit_test(test_backoff_grows),
		cmocka_unit_test(test_new_mail_meanwhile),
		cmocka_unit_test(test_vanished_stays),
		cmocka_unit_test(test_rehomed),
		cmocka_unit_test(test_rehomed_behind),
		cmocka_unit_test(test_one_place_once),
		cmocka_unit_test(test_recipient_later),
		cmocka_unit_test(test_message_steps_aside),
		cmocka_unit_test(test_sender_refused),
		cmocka_unit_test(test_bounces),
		cmocka_unit_test(test_notice_refused),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_lmtp_each),
		cmocka_unit_test(test_listener_down),
		cmocka_unit_test(test_trouble_not_counted),
		cmocka_unit_test(test_relay_denied),
		cmocka_unit_test(test_session_limit),
		cmocka_unit_test(test_link_breaks),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_lost_reply),
		cmocka_unit_test(test_removal_fails),
		cmocka_unit_test(test_delay_notice),
		cmocka_unit_test(test_retry_now),
		cmocka_unit_test(test_other_listener),
		cmocka_unit_test(test_stop_is_bounded),
	};

	/* Refusals are what this is about; RESTANTE_TEST_LOG=1 shows them. */
	log_set_level(getenv("RESTANTE_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
