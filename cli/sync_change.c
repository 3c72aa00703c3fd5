/* `restante sync approve` and `restante sync adopt`: what waits for an administrator's word. */
#include "cli/sync.h"

#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "lib/mem.h"
#include "lib/synclist.h"
#include "lib/syncoutcome.h"

/* --- approve -------------------------------------------------------------------------------- */

static void give_approval(struct cli *cli, const struct sync_system *system,
	enum sync_direction direction, const char *list, const char *words, bool asked)
{
	struct json *object = json_new_object();

	cli_say(cli, "approved for %s, and no more than that: %s; %s", system->name, words,
		asked ? "a run is asked for" : "the next run applies it");
	json_set_bool(object, "ok", true);
	json_set_string(object, "system", system->name);
	json_set_string(object, "direction", sync_direction_name(direction));
	json_set(object, "approved", sync_list_json(list));
	if (asked)
		json_set_int(object, "number", (int64_t)system->side[direction].asked);
	cli_give(cli, object);
}

static bool was_stopped(const struct sync_side *side, struct sync_outcome *outcome_r)
{
	return sync_outcome_parse(side->outcome, outcome_r) && outcome_r->word == SYNC_STOPPED &&
	       (outcome_r->pending > 0 || outcome_r->stops != NULL);
}

/* Shows the list, and writes it as it was shown. */
static int approve_list(struct cli *cli, struct sync_system *system, enum sync_direction direction,
	const char *list, const char *words)
{
	enum ldap_result result = syncask_approve(cli->session, system, direction, list);

	if (result == LDAP_ASSERTION)
		return cli_fail(cli, CLI_REFUSED,
			"%s: another run has ended meanwhile; look at `restante sync status` and "
			"approve that one",
			system->name);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, system->name, ldap_session_reason(cli->session));
	result = syncask_raise(cli->session, system, direction);
	give_approval(cli, system, direction, list, words, result == LDAP_DONE);
	return CLI_DONE;
}

static int confirm_list(struct cli *cli, struct sync_system *system, enum sync_direction direction,
	const char *list, bool yes)
{
	struct str words = STR_INIT, question = STR_INIT;
	int code = CLI_REFUSED;

	sync_list_words(list, &words);
	str_printf(&question, "Let these pass, and no more of each: %s?", str_cstr(&words));
	if (!cli->quiet)
		fprintf(stderr, "`restante sync diff %s%s` shows what would be done.\n%s\n",
			direction == SYNC_DOWN ? "--down " : "", system->name, str_cstr(&words));
	if (cli_confirm(cli, yes, str_cstr(&question)))
		code = approve_list(cli, system, direction, list, str_cstr(&words));
	str_free(&words);
	str_free(&question);
	return code;
}

/* What the last run was stopped for, and nothing else. */
static int approve_outcome(struct cli *cli, struct sync_system *system,
	enum sync_direction direction, const struct sync_outcome *outcome, bool yes)
{
	const char *stops = outcome->stops != NULL ? outcome->stops : "";
	char *list = mem_strndup(stops, strcspn(stops, " ;"));
	int code;

	if (sync_list_is_one(list)) {
		if (!cli->quiet)
			fprintf(stderr, "%s %s: %s\n", system->name, sync_direction_name(direction),
				outcome->text);
		code = confirm_list(cli, system, direction, list, yes);
	} else {
		code = cli_fail(cli, CLI_REFUSED,
			"%s: its last sync does not say what it was stopped for, as those of an "
			"earlier version; `restante sync run %s`, then approve",
			system->name, system->name);
	}
	mem_free(&list);
	return code;
}

/* An empty source is stopped, too, and nothing approves that. */
static int nothing_waits(struct cli *cli, const struct sync_system *system)
{
	struct sync_outcome outcome;

	for (int d = SYNC_UP; d <= SYNC_DOWN; d++)
		if (sync_outcome_parse(system->side[d].outcome, &outcome) &&
			outcome.word == SYNC_STOPPED)
			return cli_fail(cli, CLI_REFUSED, "%s: no approval lets that pass: %s",
				system->name, outcome.text);
	return cli_fail(cli, CLI_REFUSED,
		"%s: its last syncs were not stopped, nothing waits for approval", system->name);
}

/* Where both directions were stopped the up sync comes first: what it finds may change the other.
 */
static int approve(struct cli *cli, struct sync_system *system, bool yes)
{
	enum sync_direction direction = SYNC_UP;
	struct sync_outcome outcome;

	if (!was_stopped(&system->side[SYNC_UP], &outcome)) {
		direction = SYNC_DOWN;
		if (!was_stopped(&system->side[SYNC_DOWN], &outcome))
			return nothing_waits(cli, system);
	}
	return approve_outcome(cli, system, direction, &outcome, yes);
}

int verb_sync_approve(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "yes", no_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 } };
	struct sync_systems systems;
	bool yes = false;
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "y", options)) == 'y')
		yes = true;
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind != 1)
		return cli_usage(
			cli, "one name of a system is needed, %d are given", argc - optind);
	const char *name = argv[optind];
	code = cli_need_directory(cli);
	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		syncask_read(cli->session, cli->config->ldap.base, name, &systems);
	if (result == LDAP_NO_ENTRY)
		return cli_fail(cli, CLI_NOTFOUND, "%s: no such system in ou=systems", name);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, name, ldap_session_reason(cli->session));
	code = approve(cli, &systems.systems[0], yes);
	syncask_free(&systems);
	return code;
}

/* --- adopt ---------------------------------------------------------------------------------- */

int verb_sync_adopt(struct cli *cli, int argc, char **argv)
{
	int letter = cli_getopt(cli, argc, argv, "", NULL), code;

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind != 2)
		return cli_usage(
			cli, "a system and an address are needed, %d are given", argc - optind);
	const char *system = argv[optind], *address = argv[optind + 1];
	code = cli_address(cli, address);
	if (code == CLI_DONE)
		code = sync_need_daemon(cli, "run this where it runs");
	if (code != CLI_DONE)
		return code;
	struct json *request = cli_request("adopt");
	json_set_string(request, "system", system);
	json_set_string(request, "address", address);
	struct json *reply = cli_ask(cli, request, &code);
	if (reply == NULL)
		return code;
	const char *dn = json_get_string(reply, "dn");
	cli_say(cli, "%s on %s is ours now: %s", address, system, dn != NULL ? dn : "?");
	cli_give(cli, reply);
	return CLI_DONE;
}
