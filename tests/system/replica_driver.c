/*
 * A replica with its consumer and nothing else, driven by lines on standard input, one answer line
 * each; for tests of directory/ that want no milter around it.
 *
 *	replica_driver DIR URIS BASE NODE [KEY=VALUE ...]
 *
 * Commands: lookup ADDRESS | view | status | held | approve | sync | reconnect | events | quit
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directory/consumer.h"
#include "directory/replica.h"
#include "lib/clock.h"
#include "lib/log.h"

static struct {
	struct replica_options replica;
	struct ldap_options ldap;
	const char *uris;
} options;

static struct replica *replica;
static struct consumer *consumer;
static _Atomic uint64_t events_all, events_one;

static void observe(void *context, const uint8_t *uuid)
{
	(void)context;
	if (uuid == NULL)
		events_all++;
	else
		events_one++;
}

static void say(struct json *object)
{
	struct str line = STR_INIT;

	json_dump(object, &line);
	printf("%s\n", str_cstr(&line));
	fflush(stdout);
	str_free(&line);
	json_free(&object);
}

static void fail(const char *error)
{
	struct json *object = json_new_object();

	json_set_string(object, "error", error);
	say(object);
}

static void lookup(const char *text)
{
	static const char *const matches[] = { "none", "full", "bare", "catchall", "postmaster" };
	struct json *object;
	struct address address;
	struct route_facts facts;
	struct route route;
	const char *error;
	char name[256];

	if (address_parse_path(text, &address, &error) < 0) {
		fail(error);
		return;
	}
	replica_lookup(replica, &address, &facts);
	route_decide(&facts, &route);
	replica_mailbox_name(replica, facts.uuid, name, sizeof(name));
	object = json_new_object();
	json_set_string(object, "verdict", route_verdict_name(route.verdict));
	json_set_string(object, "reason", route.reason);
	json_set_string(object, "match", matches[facts.match]);
	json_set_int(object, "claims", facts.claims);
	json_set_bool(object, "federated", facts.federated);
	json_set_bool(object, "vanished", facts.vanished);
	json_set_bool(object, "enabled", facts.node_enabled);
	json_set_string(object, "system", facts.system);
	json_set_string(object, "physical", facts.physical);
	json_set_string(object, "name", name);
	say(object);
}

static void view(void)
{
	static const char *const states[] = { "absent", "enabled", "disabling", "disabled",
		"unknown" };
	struct replica_view v;
	struct json *object = json_new_object();

	replica_view(replica, &v);
	json_set_bool(object, "loaded", v.loaded);
	json_set_bool(object, "current", v.current);
	json_set_bool(object, "refreshing", v.refreshing);
	json_set_int(object, "epoch", (int64_t)v.epoch);
	json_set_bool(object, "epoch_covered", v.epoch_covered);
	json_set_string(object, "epoch_csn", v.epoch_csn);
	json_set_string(object, "node", states[v.node]);
	json_set_bool(object, "node_durable", v.node_durable);
	json_set_string(object, "node_dn", v.node_dn);
	json_set_int(object, "mailboxes", (int64_t)v.mailboxes);
	json_set_int(object, "addresses", (int64_t)v.addresses);
	json_set_int(object, "refused", (int64_t)v.refused_deletes);
	say(object);
}

static void status(void)
{
	struct json *object = json_new_object();

	replica_status(replica, object);
	consumer_status(consumer, object);
	say(object);
}

static int collect(void *context, const uint8_t *uuid, const char *physical)
{
	(void)uuid;
	json_add_string(context, physical);
	return 0;
}

static void held(void)
{
	struct json *object = json_new_object(), *list = json_new_array();

	if (replica_each_held(replica, collect, list) != 0)
		json_set_string(object, "error", "store");
	json_set(object, "held", list);
	say(object);
}

static void events(void)
{
	struct json *object = json_new_object();

	json_set_int(object, "all", (int64_t)events_all);
	json_set_int(object, "one", (int64_t)events_one);
	say(object);
}

static void numbered(int64_t number, const char *error)
{
	struct json *object = json_new_object();

	json_set_int(object, "result", number);
	if (number < 0)
		json_set_string(object, "error", error);
	say(object);
}

static bool command(char *line)
{
	const char *error = "";
	int64_t number;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "lookup ", 7) == 0)
		lookup(line + 7);
	else if (strcmp(line, "view") == 0)
		view();
	else if (strcmp(line, "status") == 0)
		status();
	else if (strcmp(line, "held") == 0)
		held();
	else if (strcmp(line, "events") == 0)
		events();
	else if (strcmp(line, "approve") == 0) {
		number = replica_approve(replica, &error);
		numbered(number, error);
	} else if (strcmp(line, "sync") == 0) {
		number = replica_sync(replica, &error);
		numbered(number, error);
	} else if (strcmp(line, "reconnect") == 0) {
		consumer_reconnect(consumer);
		numbered(0, NULL);
	} else {
		return false;
	}
	return true;
}

static void set(const char *key, const char *value)
{
	if (strcmp(key, "cache") == 0)
		options.replica.cache_bytes = strtoull(value, NULL, 10);
	else if (strcmp(key, "grace_ms") == 0)
		options.replica.vanish_grace_us = strtoll(value, NULL, 10) * CLOCK_MS;
	else if (strcmp(key, "heartbeat_ms") == 0)
		options.replica.heartbeat_us = strtoll(value, NULL, 10) * CLOCK_MS;
	else if (strcmp(key, "percent") == 0)
		options.replica.mass_delete_percent = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(key, "postmaster") == 0)
		options.replica.postmaster = value;
	else if (strcmp(key, "bind_dn") == 0)
		options.ldap.bind_dn = value;
	else if (strcmp(key, "password_file") == 0)
		options.ldap.password_file = value;
	else if (strcmp(key, "ca_file") == 0)
		options.ldap.ca_file = value;
	else if (strcmp(key, "starttls") == 0)
		options.ldap.starttls = strcmp(value, "yes") == 0;
	else if (strcmp(key, "bind") == 0)
		options.ldap.bind = strcmp(value, "simple") == 0     ? LDAP_BIND_SIMPLE
				    : strcmp(value, "external") == 0 ? LDAP_BIND_EXTERNAL
								     : LDAP_BIND_ANONYMOUS;
}

static void read_arguments(int argc, char **argv)
{
	options.replica = (struct replica_options){ .dir = argv[1],
		.cache_bytes = 32 << 20,
		.base = argv[3],
		.node = argv[4],
		.delimiters = "+",
		.carry_detail = true,
		.vanish_grace_us = 300 * CLOCK_SECOND,
		.heartbeat_us = 10 * CLOCK_SECOND,
		.mass_delete_percent = 10 };
	options.ldap = (struct ldap_options){ .base = argv[3], .timeout_us = 5 * CLOCK_SECOND };
	options.uris = argv[2];
	for (int i = 5; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (equals != NULL) {
			*equals = '\0';
			set(argv[i], equals + 1);
		}
	}
}

int main(int argc, char **argv)
{
	char line[2048];
	const char *error = "";

	if (argc < 5)
		return 2;
	read_arguments(argc, argv);
	log_set_level(LOG_LEVEL_DEBUG);
	replica = replica_open(&options.replica, &error);
	if (replica == NULL) {
		fail(error);
		return 1;
	}
	replica_observe(replica, observe, NULL);
	consumer = consumer_start(replica, &options.ldap, options.uris, argv[4], &error);
	if (consumer == NULL) {
		fail(error);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL && command(line))
		;
	consumer_stop(&consumer);
	replica_close(&replica);
	return 0;
}
