/* What the control socket answers. */
#include "config.h"

#include <unistd.h>

#include "control/control.h"
#include "control/fencing.h"
#include "control/follow.h"
#include "control/leader.h"
#include "control/store.h"
#include "control/syncing.h"
#include "lib/clock.h"

static struct json *json_of_states(const struct store_counts *counts)
{
	struct json *j = json_new_array();

	for (int state = 0; state < MOVE_STATES; state++) {
		if (counts->state[state] == 0)
			continue;
		struct json *one = json_new_object();
		json_set_int(one, "state", state);
		json_set_string(one, "name", move_state_text(state));
		json_set_int(one, "moves", (int64_t)counts->state[state]);
		json_add(j, one);
	}
	return j;
}

static void set_counts(struct control *c, struct json *j)
{
	struct store_counts counts;

	store_count(c->store, &counts);
	json_set_int(j, "records", (int64_t)counts.records);
	json_set_int(j, "busy", (int64_t)counts.busy);
	json_set_int(j, "due", (int64_t)counts.due);
	json_set_int(j, "under_way", (int64_t)counts.room);
	json_set_int(j, "queued", (int64_t)counts.queued);
	json_set_int(j, "stopped", (int64_t)counts.stopped);
	json_set_int(j, "paused", (int64_t)counts.paused);
	json_set_int(j, "over", (int64_t)counts.over);
	json_set(j, "states", json_of_states(&counts));
}

static void command_status(void *context, const struct json *request, struct control_reply *reply)
{
	struct control *c = context;
	struct settings *settings = settings_hold(c);
	struct json *j = json_new_object();
	char leader[128];

	(void)request;
	leader_who(c->leader, leader, sizeof leader);
	json_set_string(j, "program", "restante-control");
	json_set_string(j, "version", PACKAGE_VERSION);
	json_set_int(j, "pid", getpid());
	json_set_int(j, "uptime_us", clock_wall_us() - c->started_us);
	json_set_bool(j, "stopping", atomic_load(&c->stopping));
	json_set_string(j, "holder", settings->config->control.holder);
	json_set_string(j, "leader", leader);
	json_set_int(j, "term", (int64_t)leader_term(c->leader));
	json_set_bool(j, "loaded", follow_loaded(c->follow));
	json_set_bool(j, "trouble", follow_troubled(c->follow));
	json_set_int(j, "fencing", (int64_t)fencing_count(c->fencing));
	json_set_int(j, "syncing", (int64_t)syncing_count(c->syncing));
	json_set_int(j, "writes", (int64_t)metric_count(&c->counts.writes));
	json_set_int(j, "steps", (int64_t)metric_count(&c->counts.steps));
	json_set_int(j, "deleted", (int64_t)metric_count(&c->counts.deleted));
	set_counts(c, j);
	settings_drop(&settings);
	control_ok(reply, j);
}

static void command_reload(void *context, const struct json *request, struct control_reply *reply)
{
	struct str unchanged = STR_INIT, error = STR_INIT;

	(void)request;
	int result = control_reload(context, &unchanged, &error);
	control_reloaded(reply, result, &unchanged, &error);
}

const struct control_command control_commands[] = {
	{ "status", command_status },
	{ "reload", command_reload },
	{ NULL, NULL },
};
