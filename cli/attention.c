#include "cli/attention.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "cli/term.h"
#include "lib/when.h"
#include "lib/clock.h"
#include "lib/route.h"
#include "lib/str.h"
#include "lib/syncoutcome.h"

static void add(struct json *lines, struct str *line)
{
	json_add_string(lines, str_cstr(line));
	str_free(line);
}

static bool is_text(const struct json *object, const char *key, const char *expected)
{
	const char *value = json_get_string(object, key);

	return value != NULL && strcmp(value, expected) == 0;
}

/* --- the milter ----------------------------------------------------------------------------- */

bool attention_ready(const struct json *milter)
{
	const struct json *view = json_get(milter, "view");

	return json_get_bool(view, "loaded", false) && json_get_bool(view, "current", false) &&
	       is_text(view, "node_state", "enabled") && json_get_bool(view, "node_durable", true);
}

/* What the directory answered last to the replica, or to the writer of the node entry; NULL. */
static const char *directory_error(const struct json *milter)
{
	const struct json *directory = json_get(milter, "directory");

	if (!json_get_bool(directory, "connected", true))
		return json_get_string(directory, "last_error");
	return json_get_string(json_get(milter, "agent"), "error");
}

static void look_at_replica(const struct json *milter, bool loaded, struct json *lines)
{
	const char *error = directory_error(milter);
	struct str line = STR_INIT;

	str_append_z(
		&line, loaded ? "the replica is not current: mail flows on the last known truth, "
				"unknown addresses get 451"
			      : "the replica was never loaded: all mail gets 451");
	if (error != NULL)
		str_printf(&line, "; %s", error);
	else
		str_append_z(&line, "; is the directory (uri and write_uri) up? The log of "
				    "restante-milter has its answer");
	add(lines, &line);
}

/* What a front door that leaves may wait for besides its hold queue. */
static void add_leaving(const struct json *milter, struct str *line)
{
	const struct json *drain = json_get(json_get(milter, "agent"), "drain");
	int64_t left = json_get_int(drain, "leaving_undrained", 0);

	if (left > 0)
		str_printf(line,
			"; it leaves once its MTA's queue has no mail for mailboxes any more "
			"(addresses: %" PRId64 "): `postqueue -p`",
			left);
}

static void look_at_view(const struct json *milter, const char *name, struct json *lines)
{
	const struct json *view = json_get(milter, "view");
	struct str line = STR_INIT;
	int64_t refused = json_get_int(view, "refused_deletes", 0);

	if (!json_get_bool(view, "loaded", false)) {
		look_at_replica(milter, false, lines);
		return;
	}
	if (!json_get_bool(view, "current", false))
		look_at_replica(milter, true, lines);
	if (is_text(view, "node_state", "enabled") && !json_get_bool(view, "node_durable", true))
		json_add_string(lines,
			"this front door was enabled, but its replica is not level with that "
			"yet: federated recipients get 451");
	if (!is_text(view, "node_state", "enabled")) {
		const char *state = json_get_string(view, "node_state");
		str_printf(&line,
			"this front door is not enabled (%s): federated recipients get 451; "
			"`restante node enable %s`",
			state != NULL ? state : "unknown", name);
		add_leaving(milter, &line);
		add(lines, &line);
	}
	if (refused > 0) {
		char entries[TERM_COUNT];

		str_printf(&line,
			"%s vanished at once, still routed here: nothing is acknowledged "
			"meanwhile; look at the directory, then restore what was lost or "
			"`restante node approve`",
			term_count(entries, refused, "entry", "entries"));
		add(lines, &line);
	}
}

static void look_at_queue(const struct json *milter, struct json *lines)
{
	const struct json *mailboxes = json_get(json_get(milter, "release"), "mailboxes");
	const char *full = json_get_string(json_get(milter, "queue"), "full");
	int64_t vanished = json_get_int(mailboxes, "vanished", 0);
	struct str line = STR_INIT;

	if (full != NULL) {
		str_printf(&line,
			"the hold queue takes no more (%s): mail for held mailboxes gets 452; make "
			"space, or raise its limit in restante.conf",
			full);
		add(lines, &line);
	}
	if (vanished > 0) {
		char gone[TERM_COUNT];

		str_printf(&line,
			"%s with held mail vanished from the directory: the mail stays held; add "
			"what was lost again, or `restante queue delete`",
			term_count(gone, vanished, "mailbox", "mailboxes"));
		add(lines, &line);
	}
}

static void look_at_listing(const struct json *milter, struct json *lines)
{
	const struct json *drain = json_get(json_get(milter, "agent"), "drain");
	const char *error = json_get_string(drain, "listing_error");
	struct str line = STR_INIT;

	if (error == NULL)
		return;
	str_printf(&line, "the MTA's queue cannot be listed, no mailbox can be swapped: %s", error);
	add(lines, &line);
}

static void look_at_straight(const struct json *lanes, struct json *lines)
{
	struct str line = STR_INIT;

	for (size_t i = 0; i < json_count(lanes); i++) {
		const struct json *lane = json_at(lanes, i);
		if (!json_get_bool(lane, "trouble", false))
			continue;
		str_printf(&line,
			"the backend at %s (system %s) is in trouble: what goes straight there "
			"waits; see the log of restante-milter, and restanteReleaseAddress in its "
			"entry",
			json_get_string(lane, "listener"), json_get_string(lane, "system"));
		add(lines, &line);
	}
}

void attention_milter(const struct json *milter, struct json *lines)
{
	const struct json *release = json_get(milter, "release");
	const char *name = json_get_string(milter, "node");

	look_at_view(milter, name != NULL ? name : "NAME", lines);
	look_at_queue(milter, lines);
	look_at_listing(milter, lines);
	if (json_get_bool(milter, "cut_off", false))
		json_add_string(lines,
			"this front door was disabled by force: it serves and releases nothing "
			"until "
			"its held mail is dealt with and its two databases are emptied");
	if (json_get_bool(milter, "old_replica", false))
		json_add_string(lines,
			"the replica is older than what this front door acknowledged: federated "
			"recipients get 451 until it is level with the directory");
	if (json_get_bool(milter, "stopping", false))
		json_add_string(lines, "restante-milter is stopping");
	if (json_get_bool(release, "listener_trouble", false))
		json_add_string(lines,
			"the release listener is in trouble: what is due waits; see the "
			"log of restante-milter, and release_listener in restante.conf");
	look_at_straight(json_get(release, "straight"), lines);
}

/* --- the directory -------------------------------------------------------------------------- */

static void look_at_node(const struct federation_node *node, uint64_t epoch, int64_t patience_us,
	int64_t now_us, struct json *lines)
{
	struct str line = STR_INIT;
	char age[16];
	int64_t beat = when_generalized_us(node->heartbeat);

	if (node->disabled)
		return;
	if (!node->enabled && strcasecmp(node->state, "disabling") != 0) {
		str_printf(&line,
			"front door %s has the unknown state `%s`: it answers 451 and the "
			"fence waits for it; `restante node enable %s`",
			node->name, node->state, node->name);
		add(lines, &line);
	}
	if (beat < 0 || now_us - beat > patience_us) {
		str_printf(&line,
			"front door %s: last heartbeat %s: is restante-milter up there? "
			"While it is silent no mailbox can be swapped; when it is gone for good, "
			"`restante node disable %s --force`",
			node->name, when_age(age, sizeof(age), beat, now_us), node->name);
		add(lines, &line);
	} else if (node->acked < epoch) {
		str_printf(&line,
			"front door %s has acknowledged epoch %" PRIu64 ", not yet %" PRIu64
			"; if that lasts see its log",
			node->name, node->acked, epoch);
		add(lines, &line);
	}
}

void attention_nodes(const struct federation_nodes *nodes, uint64_t epoch, int64_t heartbeat_us,
	int64_t now_us, struct json *lines)
{
	/* Three periods as for the replica; GeneralizedTime cuts to seconds, clocks differ a
	 * little. */
	int64_t patience = 3 * heartbeat_us + 5 * CLOCK_SECOND;

	if (nodes->count == 0)
		json_add_string(lines, "no front door has an entry in ou=nodes: all mail gets 451; "
				       "`restante node enable NAME`");
	for (size_t i = 0; i < nodes->count; i++)
		look_at_node(&nodes->nodes[i], epoch, patience, now_us, lines);
}

void attention_systems(const struct federation_systems *systems, struct json *lines)
{
	struct str line = STR_INIT;

	for (size_t i = 0; i < systems->count; i++) {
		const struct federation_system *system = &systems->systems[i];

		if (route_state_parse(system->state) != STATE_UNKNOWN)
			continue;
		str_printf(&line,
			"system %s has the unknown state `%s`: its mailboxes get 451; write "
			"active, holding or deferred",
			system->name, system->state);
		add(lines, &line);
	}
}

/* --- syncs ---------------------------------------------------------------------------------- */

static void look_at_side(const char *system, const struct sync_side *side,
	enum sync_direction direction, struct json *lines)
{
	struct sync_outcome outcome;
	struct str line = STR_INIT;

	if (!sync_outcome_parse(side->outcome, &outcome) || outcome.word == SYNC_COMPLETE ||
		outcome.word == SYNC_NOTHING)
		return;
	str_printf(&line, "%s sync of system %s: %s%s%s; `restante sync status`",
		sync_direction_name(direction), system, sync_word_name(outcome.word),
		*outcome.text ? ": " : "", outcome.text);
	add(lines, &line);
}

void attention_syncs(const struct sync_systems *systems, struct json *lines)
{
	for (size_t i = 0; i < systems->count; i++) {
		const struct sync_system *system = &systems->systems[i];

		look_at_side(system->name, &system->side[SYNC_UP], SYNC_UP, lines);
		look_at_side(system->name, &system->side[SYNC_DOWN], SYNC_DOWN, lines);
	}
}

/* --- moves ---------------------------------------------------------------------------------- */

/* A lease is renewed long before it ends; clocks differ a little. */
#define LEASE_PATIENCE (60 * CLOCK_SECOND)

static void look_at_leader(const struct move_tally *moves, const struct federation *federation,
	int64_t now_us, struct json *lines)
{
	struct str line = STR_INIT;
	char due[TERM_COUNT], at[32];

	if (moves->due == 0 || now_us - federation->lease_until_us < LEASE_PATIENCE)
		return;
	str_printf(&line, "%s due, but no controller leads",
		term_count(due, moves->due, "move is", "moves are"));
	if (federation->lease_until_us > 0)
		str_printf(&line, " (%s did until %s)", federation->controller,
			when_text(at, sizeof(at), federation->lease_until_us));
	str_append_z(&line, ": is restante-control up, and can it write to the directory?");
	add(lines, &line);
}

void attention_moves(const struct move_tally *moves, const struct federation *federation,
	int64_t now_us, struct json *lines)
{
	struct str line = STR_INIT;
	char count[TERM_COUNT];

	if (moves->stopped > 0) {
		str_printf(&line,
			"%s stopped: `restante move list --errors` says why; mend it, then "
			"`restante move retry`, or take it back with `restante move rollback`",
			term_count(count, moves->stopped, "move has", "moves have"));
		add(lines, &line);
	}
	if (moves->trouble > 0) {
		str_printf(&line, "%s an error and %s tried again: `restante move list --errors`",
			term_count(count, moves->trouble, "move has", "moves have"),
			moves->trouble == 1 ? "is" : "are");
		add(lines, &line);
	}
	look_at_leader(moves, federation, now_us, lines);
}
