#include "config.h"

#include "milter/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "milter/front.h"
#include "milter/libraries.h"
#include "milter/reply.h"

static const char *match_name(enum route_match match)
{
	static const char *const names[] = { "none", "full", "bare", "catchall", "postmaster" };

	return names[match];
}

static void add_mailbox(struct front *front, const struct route_facts *facts, struct json *o)
{
	char uuid[ROUTE_UUID_TEXT], name[ADDRESS_MAX + 1];

	json_set_string(o, "mailbox_state", route_state_name(facts->mailbox_state));
	json_set_string(o, "system", facts->system);
	json_set_string(o, "system_state", route_state_name(facts->system_state));
	json_set_string(o, "mailbox", route_uuid_text(uuid, facts->uuid));
	replica_mailbox_name(front->replica, facts->uuid, name, sizeof name);
	json_set_string(o, "name", name);
}

static void add_facts(const struct route_facts *facts, struct json *o)
{
	json_set_bool(o, "loaded", facts->loaded);
	json_set_bool(o, "current", facts->current);
	json_set_bool(o, "node_enabled", facts->node_enabled);
	json_set_bool(o, "federated", facts->federated);
	json_set_bool(o, "vanished", facts->vanished);
	json_set_string(o, "match", match_name(facts->match));
	json_set_int(o, "claims", facts->claims);
}

static void add_reply(enum route_verdict verdict, struct json *o)
{
	const struct reply_text *text = reply_text(reply_for(verdict));
	char line[256];

	snprintf(line, sizeof line, "%s %s %s", text ? text->code : "250",
		text ? text->enhanced : "2.1.5", text ? text->text : "Ok");
	json_set_string(o, "reply", line);
}

static void command_route(void *context, const struct json *request, struct control_reply *reply)
{
	const char *text = json_get_string(request, "address"), *error = "";
	struct address address;
	struct route route;

	if (text == NULL) {
		control_fail(reply, "usage", "route needs an address");
		return;
	}
	if (address_parse_path(text, &address, &error) < 0) {
		control_fail(reply, "usage", "%s: %s", text, error);
		return;
	}
	front_route(context, &address, &route);
	struct json *o = json_new_object();
	json_set_string(o, "address", address.key);
	json_set_string(o, "verdict", route_verdict_name(route.verdict));
	json_set_string(o, "reason", route.reason);
	add_reply(route.verdict, o);
	add_facts(&route.facts, o);
	if (route.facts.match != MATCH_NONE)
		json_set_string(o, "physical", route.facts.physical);
	if (route.facts.match != MATCH_NONE && route.facts.match != MATCH_POSTMASTER)
		add_mailbox(context, &route.facts, o);
	control_ok(reply, o);
}

static const char *node_state_name(enum node_state state)
{
	switch (state) {
	case NODE_ABSENT: return "absent";
	case NODE_ENABLED: return "enabled";
	case NODE_DISABLING: return "disabling";
	case NODE_DISABLED: return "disabled";
	case NODE_UNKNOWN: break;
	}
	return "unknown";
}

static struct json *status_view(struct front *f)
{
	struct json *o = json_new_object();
	struct replica_view view;

	replica_view(f->replica, &view);
	json_set_bool(o, "loaded", view.loaded);
	json_set_bool(o, "current", view.current);
	json_set_bool(o, "refreshing", view.refreshing);
	json_set_string(o, "node_state", node_state_name(view.node));
	json_set_bool(o, "node_durable", view.node_durable);
	json_set_string(o, "node_dn", view.node_dn);
	json_set_int(o, "epoch", (int64_t)view.epoch);
	json_set_bool(o, "epoch_covered", view.epoch_covered);
	json_set_string(o, "epoch_csn", view.epoch_csn);
	json_set_int(o, "node_acked", (int64_t)view.node_acked);
	json_set_int(o, "node_drained", (int64_t)view.node_drained);
	json_set_int(o, "heartbeat_age_us", view.heartbeat_age_us);
	json_set_int(o, "mailboxes", (int64_t)view.mailboxes);
	json_set_int(o, "addresses", (int64_t)view.addresses);
	json_set_int(o, "refused_deletes", (int64_t)view.refused_deletes);
	return o;
}

struct json *commands_queue_totals(struct front *f)
{
	struct json *o = json_new_object();
	struct holdq_totals t;

	holdq_totals(f->queue, &t);
	json_set_int(o, "messages", (int64_t)t.messages);
	json_set_int(o, "recipients", (int64_t)t.recipients);
	json_set_int(o, "bytes", (int64_t)t.bytes);
	json_set_int(o, "mailboxes", (int64_t)t.mailboxes);
	json_set_int(o, "oldest_us", t.oldest_us);
	json_set_int(o, "stored", (int64_t)t.stored);
	json_set_int(o, "removed", (int64_t)t.removed);
	json_set_int(o, "repeats", (int64_t)t.repeats);
	json_set_int(o, "refused", (int64_t)t.refused);
	json_set_int(o, "batches", (int64_t)t.batches);
	json_set_int(o, "syncs", (int64_t)t.syncs);
	json_set_bool(o, "lags", t.lags);
	if (holdq_room(f->queue, NULL) != HOLDQ_OK)
		json_set_string(o, "full", holdq_reason());
	return o;
}

static void add_process(struct front *f, struct json *o)
{
	int64_t oldest_us;

	json_set_string(o, "program", "restante-milter");
	json_set_string(o, "version", PACKAGE_VERSION);
	json_set(o, "libraries", libraries_json());
	json_set_string(o, "node", f->config->milter.node);
	json_set_int(o, "pid", getpid());
	json_set_int(o, "started_us", f->started_us);
	json_set_int(o, "uptime_us", clock_wall_us() - f->started_us);
	json_set_bool(o, "stopping", atomic_load(&f->stopping));
	json_set_bool(o, "cut_off", atomic_load(&f->cut_off));
	json_set_bool(o, "old_replica", atomic_load(&f->old));
	json_set_int(o, "connections", atomic_load(&f->connections));
	json_set_int(o, "transactions", atomic_load(&f->transactions));
	json_set_int(o, "decisions", decisions_count(f->decisions, &oldest_us));
	json_set_int(o, "oldest_decision_us", oldest_us);
}

static void command_status(void *context, const struct json *request, struct control_reply *reply)
{
	struct front *f = context;
	struct json *o = json_new_object(), *part;
	struct release *release = atomic_load(&f->release);
	struct node *node = atomic_load(&f->node);

	(void)request;
	add_process(f, o);
	json_set(o, "view", status_view(f));
	replica_status(f->replica, part = json_new_object());
	json_set(o, "replica", part);
	consumer_status(f->consumer, part = json_new_object());
	json_set(o, "directory", part);
	json_set(o, "queue", commands_queue_totals(f));
	part = json_new_object();
	if (release != NULL)
		release_status(release, part);
	json_set(o, "release", part);
	part = json_new_object();
	if (node != NULL)
		node_status(node, part);
	json_set(o, "agent", part);
	control_ok(reply, o);
}

static void command_approve(void *context, const struct json *request, struct control_reply *reply)
{
	struct front *f = context;
	const char *error;
	int64_t deleted = replica_approve(f->replica, &error);

	(void)request;
	if (deleted < 0) {
		control_fail(reply, "refused", "%s", error);
		return;
	}
	log_warning("milter", "mass disappearance approved deleted=%lld", (long long)deleted);
	struct json *o = json_new_object();
	json_set_int(o, "deleted", deleted);
	control_ok(reply, o);
}

static void command_reload(void *context, const struct json *request, struct control_reply *reply)
{
	struct str unchanged = STR_INIT, error = STR_INIT;

	(void)request;
	int result = front_reload(context, &unchanged, &error);
	control_reloaded(reply, result, &unchanged, &error);
}

const struct control_command commands[] = {
	{ "route", command_route },
	{ "status", command_status },
	{ "queue.list", command_queue_list },
	{ "queue.show", command_queue_show },
	{ "queue.cat", command_queue_cat },
	{ "queue.release", command_queue_release },
	{ "queue.delete", command_queue_delete },
	{ "queue.bounce", command_queue_bounce },
	{ "queue.redirect", command_queue_redirect },
	{ "queue.stats", command_queue_stats },
	{ "node.approve", command_approve },
	{ "reload", command_reload },
	{ NULL, NULL },
};
