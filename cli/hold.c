#include "cli/mailboxes.h"
#include "cli/verbs.h"

#include "lib/mailbox.h"
#include "lib/mem.h"

/* One address of `hold` or `unhold`: from one state to the other, by one modify. */
struct turn {
	enum route_state from, to;
	const char *done, *already;
};

static int refuse_state(struct cli *cli, const char *address, const struct mailbox *mailbox)
{
	return cli_fail(cli, CLI_REFUSED,
		"%s is in state %s; only active and holding are turned by hand: see the move that "
		"set it, "
		"or write restanteState of %s yourself",
		address, mailbox->state_text, mailbox->dn);
}

static void give(
	struct json *list, const char *address, const struct mailbox *mailbox, bool changed)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", true);
	json_set_string(object, "address", address);
	json_set_string(object, "dn", mailbox->dn);
	json_set_string(object, "state", route_state_name(mailbox->state));
	json_set_string(object, "system", mailbox->system);
	json_set_string(object, "physical", mailbox->physical);
	json_set_string(object, "csn", mailbox->csn);
	json_set_bool(object, "changed", changed);
	json_add(list, object);
}

static int turn_found(
	struct cli *cli, const char *address, struct mailbox *mailbox, const struct turn *turn)
{
	const char *error;
	bool changes = mailbox->state == turn->from;

	if (!changes && mailbox->state != turn->to)
		return refuse_state(cli, address, mailbox);
	if (changes) {
		enum ldap_result result =
			mailbox_set_state(cli->session, mailbox, turn->to, &error);
		if (result != LDAP_DONE)
			return cli_fail_ldap(cli, result, address, error);
	}
	cli_say(cli, changes ? turn->done : turn->already, address, mailbox->physical,
		mailbox->system);
	give(cli->list, address, mailbox, changes);
	return CLI_DONE;
}

static int find(struct cli *cli, const char *address, struct mailbox **mailbox_r)
{
	const char *error;
	int code = cli_address(cli, address);

	*mailbox_r = NULL;
	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		mailbox_find(cli->session, cli->config->ldap.base, address, mailbox_r, &error);
	return result == LDAP_DONE ? CLI_DONE : cli_fail_ldap(cli, result, address, error);
}

static int turn_one(struct cli *cli, const char *address, const struct turn *turn)
{
	struct mailbox *mailbox;
	int code = find(cli, address, &mailbox);

	if (code == CLI_DONE)
		code = turn_found(cli, address, mailbox, turn);
	mailbox_free(&mailbox);
	return code;
}

/* --- of a command line ---------------------------------------------------------------------- */

static int turn_listed(struct cli *cli, int count, char **addresses, const struct turn *turn)
{
	int worst = CLI_DONE;

	for (int i = 0; i < count && worst != CLI_DIRECTORY; i++) {
		cli->subject = addresses[i];
		int code = turn_one(cli, addresses[i], turn);
		worst = code != CLI_DONE ? code : worst;
	}
	return worst;
}

/* --- of a file ------------------------------------------------------------------------------ */

static int find_all(struct cli *cli, const struct mailbox_lines *lines, struct mailbox **found,
	const struct turn *turn)
{
	int worst = CLI_DONE;

	for (size_t i = 0; i < lines->count && worst != CLI_DIRECTORY; i++) {
		const struct mailbox_line *line = &lines->list[i];

		cli->place = line->place;
		cli->subject = line->address;
		int code = find(cli, line->address, &found[i]);
		if (code == CLI_DONE && found[i]->state != turn->from &&
			found[i]->state != turn->to)
			code = refuse_state(cli, line->address, found[i]);
		worst = code != CLI_DONE ? code : worst;
	}
	cli->place = NULL;
	return worst;
}

static int turn_all(struct cli *cli, const struct mailbox_lines *lines, struct mailbox **found,
	const struct turn *turn)
{
	int worst = CLI_DONE;

	for (size_t i = 0; i < lines->count && worst != CLI_DIRECTORY; i++) {
		cli->place = lines->list[i].place;
		cli->subject = lines->list[i].address;
		int code = turn_found(cli, lines->list[i].address, found[i], turn);
		worst = code != CLI_DONE ? code : worst;
	}
	cli->place = NULL;
	return worst;
}

/* Nothing is changed unless all of it can be. */
static int turn_file(struct cli *cli, const char *path, const struct turn *turn)
{
	struct mailbox_lines lines;
	int code = mailbox_lines_read(cli, path, true, &lines);

	if (code != CLI_DONE) {
		mailbox_lines_free(&lines);
		return code;
	}
	struct mailbox **found = mem_zalloc(lines.count * sizeof(*found));
	code = find_all(cli, &lines, found, turn);
	cli->subject = path;
	if (code != CLI_DONE)
		cli_fail(cli, (enum cli_exit)code, "%s: nothing was changed", path);
	else
		code = turn_all(cli, &lines, found, turn);
	for (size_t i = 0; i < lines.count; i++)
		mailbox_free(&found[i]);
	mem_free(&found);
	mailbox_lines_free(&lines);
	return code;
}

/* --- the command line ----------------------------------------------------------------------- */

static int run(struct cli *cli, int argc, char **argv, const struct turn *turn)
{
	static const struct option options[] = { { "file", required_argument, NULL, 'F' },
		{ NULL, 0, NULL, 0 } };
	const char *path = NULL;
	int letter, code;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) == 'F')
		path = optarg;
	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if ((path != NULL) == (optind < argc))
		return cli_usage(
			cli, path != NULL ? "addresses or --file, not both" : "no address given");
	code = cli_need_directory(cli);
	if (code != CLI_DONE)
		return code;
	cli->list = json_new_array();
	code = path != NULL ? turn_file(cli, path, turn)
			    : turn_listed(cli, argc - optind, argv + optind, turn);
	cli_give(cli, cli->list);
	return code;
}

int verb_hold(struct cli *cli, int argc, char **argv)
{
	static const struct turn turn = { STATE_ACTIVE, STATE_HOLDING,
		"%s is held: its mail waits in the hold queues from now on (it lived at %s on %s)",
		"%s was held already (it lives at %s on %s)" };

	return run(cli, argc, argv, &turn);
}

int verb_unhold(struct cli *cli, int argc, char **argv)
{
	static const struct turn turn = { STATE_HOLDING, STATE_ACTIVE,
		"%s is not held any more: what was held and what comes goes to %s on %s",
		"%s was not held (it lives at %s on %s)" };

	return run(cli, argc, argv, &turn);
}
