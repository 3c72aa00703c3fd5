/* `restante status`: the milter here and the directory, on one screen. */
#include "cli/verbs.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/attention.h"
#include "cli/node_show.h"
#include "lib/when.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/route.h"

struct status {
	struct json *milter; /* NULL: not reachable */
	struct json *lines;  /* what needs attention */
	struct federation *federation;
	struct federation_nodes nodes;
	struct federation_systems systems;
	struct sync_systems syncs;
	struct move_tally moves;
	bool directory;
	int64_t now_us;
};

/* --- asking --------------------------------------------------------------------------------- */

static void note(struct status *status, const char *what, const char *reason)
{
	struct str line = STR_INIT;

	str_printf(&line, "%s%s", what, reason);
	json_add_string(status->lines, str_cstr(&line));
	str_free(&line);
}

/* A machine with another of our daemons, and without that socket, is no front door. */
static bool is_elsewhere(struct cli *cli)
{
	const char *others[] = { cli->config->control.control_socket,
		cli->config->dirsync.control_socket };

	if (access(cli_control_path(cli), F_OK) == 0)
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (access(others[i], F_OK) == 0)
			return true;
	return false;
}

static void ask_milter(struct cli *cli, struct status *status)
{
	const char *error = NULL;
	struct json *request = cli_request("status");

	cli->control = control_connect(cli_control_path(cli), &error);
	if (cli->control != NULL)
		status->milter = control_ask(cli->control, request, &error);
	json_free(&request);
	if (status->milter == NULL && is_elsewhere(cli))
		return;
	if (status->milter == NULL) {
		note(status, "restante-milter on this machine: ", error);
		return;
	}
	if (json_get_bool(status->milter, "ok", false))
		attention_milter(status->milter, status->lines);
	else
		note(status, "restante-milter refused: ", json_get_string(status->milter, "error"));
}

static enum ldap_result read_directory(struct cli *cli, struct status *status)
{
	const char *base = cli->config->ldap.base;
	enum ldap_result result = federation_read(cli->session, base, &status->federation);

	if (result == LDAP_DONE)
		result = federation_read_nodes(cli->session, base, &status->nodes);
	if (result == LDAP_DONE)
		result = federation_read_systems(cli->session, base, &status->systems);
	if (result == LDAP_DONE)
		result = syncask_read(cli->session, base, NULL, &status->syncs);
	if (result == LDAP_DONE)
		result = move_tally_read(cli->session, base, status->now_us, &status->moves);
	return result == LDAP_NO_ENTRY && status->federation != NULL ? LDAP_DONE : result;
}

static void ask_directory(struct cli *cli, struct status *status)
{
	const char *error;
	struct ldap_options options = cli_ldap_options(cli);

	if (config_require_directory(cli->config, &error) == 0)
		cli->session = ldap_session_open(&options, &error);
	if (cli->session == NULL) {
		note(status, "directory: ", error);
		return;
	}
	enum ldap_result result = read_directory(cli, status);
	if (result == LDAP_NO_ENTRY) {
		note(status,
			"directory: the federation is not there, or bind_dn may not see it; "
			"correct "
			"base, or add it as in sample.ldif: ",
			ldap_session_reason(cli->session));
		return;
	}
	if (result != LDAP_DONE) {
		note(status, "directory: ", ldap_session_reason(cli->session));
		return;
	}
	status->directory = true;
	attention_nodes(&status->nodes, status->federation->epoch, cli->config->milter.heartbeat,
		status->now_us, status->lines);
	attention_systems(&status->systems, status->lines);
	attention_syncs(&status->syncs, status->lines);
	attention_moves(&status->moves, status->federation, status->now_us, status->lines);
}

/* --- showing -------------------------------------------------------------------------------- */

static void show_milter(struct cli *cli, const struct status *status)
{
	const struct json *view = json_get(status->milter, "view");
	const struct json *queue = json_get(status->milter, "queue");
	const char *node = json_get_string(status->milter, "node");
	const char *state = json_get_string(view, "node_state");
	char up[32], size[16], age[16];
	char mailboxes[TERM_COUNT], addresses[TERM_COUNT], messages[TERM_COUNT];

	if (status->milter == NULL) {
		if (is_elsewhere(cli))
			cli_say(cli, "front door   none on this machine");
		return;
	}
	cli_say(cli, "front door   %s: %s, replica %s, %s with %s, up %s",
		node != NULL ? node : "?", state != NULL ? state : "?",
		json_get_bool(view, "current", false) ? "current" : "not current",
		term_count(mailboxes, json_get_int(view, "mailboxes", 0), "mailbox", "mailboxes"),
		term_count(addresses, json_get_int(view, "addresses", 0), "address", "addresses"),
		clock_human(up, sizeof(up), json_get_int(status->milter, "uptime_us", 0)));
	int64_t held = json_get_int(queue, "messages", 0);
	if (held == 0)
		cli_say(cli, "hold queue   empty");
	else
		cli_say(cli, "hold queue   %s for %s, %s, oldest %s",
			term_count(messages, held, "message", "messages"),
			term_count(mailboxes, json_get_int(queue, "mailboxes", 0), "mailbox",
				"mailboxes"),
			term_bytes(size, sizeof(size), (uint64_t)json_get_int(queue, "bytes", 0)),
			when_age(age, sizeof(age), json_get_int(queue, "oldest_us", 0),
				status->now_us));
}

/* Where nobody moves anything there is nothing to say. */
static void show_moves(struct cli *cli, const struct status *status)
{
	const struct move_tally *moves = &status->moves;
	const bool leads = status->federation->lease_until_us > status->now_us;
	struct str leader = STR_INIT;

	if (!leads && moves->due == 0 && moves->stopped == 0 && moves->trouble == 0)
		return;
	term_safe(leads ? status->federation->controller : "no controller", &leader);
	cli_say(cli,
		"moves        %" PRId64 " due, %" PRId64 " under way, %" PRId64
		" stopped; %s leads",
		moves->due, moves->under_way, moves->stopped, str_cstr(&leader));
	str_free(&leader);
}

static void show_directory(struct cli *cli, const struct status *status)
{
	struct str line = STR_INIT;

	if (!status->directory)
		return;
	for (size_t i = 0; i < status->federation->domain_count; i++)
		str_printf(&line, "%s%s", i > 0 ? " " : "", status->federation->domains[i]);
	cli_say(cli, "directory    epoch %" PRIu64 ", domains %s", status->federation->epoch,
		str_cstr(&line));
	str_reset(&line);
	for (size_t i = 0; i < status->systems.count; i++) {
		const struct federation_system *system = &status->systems.systems[i];

		str_printf(&line, "%s%s", i > 0 ? ", " : "", system->name);
		if (route_state_parse(system->state) != STATE_ACTIVE)
			str_printf(&line, " (%s)", system->state);
	}
	cli_say(cli, "systems      %s", str_cstr(&line));
	str_free(&line);
	show_moves(cli, status);
	if (status->nodes.count > 0) {
		cli_say(cli, "%s", "");
		node_show_table(cli, &status->nodes);
	}
}

static void show_attention(struct cli *cli, const struct status *status)
{
	size_t count = json_count(status->lines);
	struct str line = STR_INIT;

	term_paint(&cli->term, count == 0 ? PAINT_GOOD : PAINT_BAD,
		count == 0 ? "all is well" : "needs attention", &line);
	cli_say(cli, "restante     %s", str_cstr(&line));
	for (size_t i = 0; i < count; i++) {
		str_reset(&line);
		str_append_z(&line, "  ! ");
		term_safe(json_text(json_at(status->lines, i)), &line);
		cli_say(cli, "%s", str_cstr(&line));
	}
	str_free(&line);
}

/* --- for programs --------------------------------------------------------------------------- */

static struct json *systems_json(const struct federation_systems *systems)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < systems->count; i++) {
		struct json *object = json_new_object();

		json_set_string(object, "system", systems->systems[i].name);
		json_set_string(object, "state",
			route_state_name(route_state_parse(systems->systems[i].state)));
		json_add(list, object);
	}
	return list;
}

/* Takes milter and lines. */
static void give(struct cli *cli, struct status *status)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", json_count(status->lines) == 0);
	json_set_bool(object, "ready", attention_ready(status->milter));
	json_set(object, "attention", status->lines);
	if (status->milter != NULL)
		json_set(object, "milter", status->milter);
	if (status->directory) {
		struct json *domains = json_new_array();

		json_set_int(object, "epoch", (int64_t)status->federation->epoch);
		for (size_t i = 0; i < status->federation->domain_count; i++)
			json_add_string(domains, status->federation->domains[i]);
		json_set(object, "domains", domains);
		json_set(object, "nodes", node_show_json(&status->nodes));
		json_set(object, "systems", systems_json(&status->systems));
		json_set(object, "moves", move_tally_json(&status->moves));
		json_set_string(object, "controller", status->federation->controller);
		json_set_int(object, "lease_until_us", status->federation->lease_until_us);
	}
	status->lines = status->milter = NULL;
	cli_give(cli, object);
}

int verb_status(struct cli *cli, int argc, char **argv)
{
	struct status status = { .now_us = clock_wall_us() };
	int letter = cli_getopt(cli, argc, argv, "", NULL), code;

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc != optind)
		return cli_usage(cli, "status takes no arguments");
	code = cli_need_config(cli);
	if (code != CLI_DONE)
		return code;
	status.lines = json_new_array();
	ask_milter(cli, &status);
	ask_directory(cli, &status);
	code = json_count(status.lines) == 0 ? CLI_DONE : CLI_FAILED;
	show_attention(cli, &status);
	show_milter(cli, &status);
	show_directory(cli, &status);
	give(cli, &status);
	federation_free(&status.federation);
	federation_nodes_free(&status.nodes);
	federation_systems_free(&status.systems);
	syncask_free(&status.syncs);
	return code;
}
