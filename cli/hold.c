#include "cli/verbs.h"

#include "lib/mailbox.h"

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

static int turn_one(struct cli *cli, const char *address, const struct turn *turn)
{
	struct mailbox *mailbox;
	const char *error;
	int code = cli_address(cli, address);

	if (code != CLI_DONE)
		return code;
	enum ldap_result result =
		mailbox_find(cli->session, cli->config->ldap.base, address, &mailbox, &error);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, address, error);
	code = turn_found(cli, address, mailbox, turn);
	mailbox_free(&mailbox);
	return code;
}

static int run(struct cli *cli, int argc, char **argv, const struct turn *turn)
{
	int letter = cli_getopt(cli, argc, argv, "", NULL), worst = CLI_DONE;

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (optind == argc)
		return cli_usage(cli, "no address given");
	int code = cli_need_directory(cli);
	if (code != CLI_DONE)
		return code;
	cli->list = json_new_array();
	for (int i = optind; i < argc && worst != CLI_DIRECTORY; i++) {
		cli->subject = argv[i];
		code = turn_one(cli, argv[i], turn);
		worst = code != CLI_DONE ? code : worst;
	}
	cli_give(cli, cli->list);
	return worst;
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
