#include "cli/swap.h"

#include <signal.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/verbs.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define ROUNDS_MAX 5 /* fences passed again because the entry was touched */

/* --- may it be made? ------------------------------------------------------------------------ */

static bool same_address(const char *one, const char *other)
{
	struct address a, b;
	const char *error;

	if (address_parse(one, &a, &error) != 0 || address_parse(other, &b, &error) != 0)
		return strcasecmp(one, other) == 0;
	return strcmp(a.key, b.key) == 0;
}

enum swap_fault swap_judge(const struct mailbox *mailbox, const struct federation *federation,
	const char *system, const char *physical, bool wait)
{
	struct address to;
	const char *error;

	if (address_parse(physical, &to, &error) == 0 &&
		federation_serves(federation, address_domain(&to)))
		return SWAP_FEDERATED;
	if (strcasecmp(mailbox->system, system) == 0 && same_address(mailbox->physical, physical))
		return SWAP_SAME_PLACE;
	if (mailbox->state != STATE_HOLDING && mailbox->state != STATE_ACTIVE)
		return SWAP_STATE;
	if (mailbox->state == STATE_ACTIVE && !wait)
		return SWAP_NOT_HELD;
	return SWAP_FINE;
}

static int refuse(struct cli *cli, const struct swap *swap, enum swap_fault fault)
{
	switch (fault) {
	case SWAP_NOT_HELD:
		return cli_fail(cli, CLI_REFUSED,
			"%s is not held; `restante hold %s` first, or swap with --wait",
			swap->address, swap->address);
	case SWAP_STATE:
		return cli_fail(cli, CLI_REFUSED,
			"%s is in state %s, not holding; nothing was changed", swap->address,
			swap->mailbox->state_text);
	case SWAP_SAME_PLACE:
		return cli_fail(cli, CLI_REFUSED,
			"%s lives at %s on %s already; to end a hold: `restante unhold %s`",
			swap->address, swap->physical, swap->system, swap->address);
	case SWAP_FEDERATED:
		return cli_fail(cli, CLI_REFUSED,
			"%s is in a federated domain: mail for it would come back here; give the "
			"address that reaches it on %s itself",
			swap->physical, swap->system);
	case SWAP_FINE: break;
	}
	return CLI_DONE;
}

static int check_federation(struct cli *cli, const struct swap *swap)
{
	struct federation *federation;
	enum ldap_result result =
		federation_read(cli->session, cli->config->ldap.base, &federation);

	if (result == LDAP_NO_ENTRY)
		return cli_fail(cli, CLI_NOTFOUND,
			"no federation entry cn=restante,%s; add it (see restante-schema(5))",
			cli->config->ldap.base);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, swap->address, ldap_session_reason(cli->session));
	enum swap_fault fault =
		swap_judge(swap->mailbox, federation, swap->system, swap->physical, swap->wait);
	federation_free(&federation);
	return refuse(cli, swap, fault);
}

/* Takes over the directory's spelling of the system's name: others may compare it byte by byte. */
static int check_system(struct cli *cli, struct swap *swap)
{
	const char *base = cli->config->ldap.base;
	struct federation_systems systems;
	enum ldap_result result = federation_read_systems(cli->session, base, &systems);

	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, swap->system, ldap_session_reason(cli->session));
	for (size_t i = 0; i < systems.count && swap->system_name == NULL; i++)
		if (strcasecmp(systems.systems[i].name, swap->system) == 0)
			swap->system_name = mem_strdup(systems.systems[i].name);
	federation_systems_free(&systems);
	if (swap->system_name == NULL)
		return cli_fail(cli, CLI_NOTFOUND,
			"no system %s below ou=systems; add cn=%s,ou=systems,cn=restante,%s or "
			"correct --system",
			swap->system, swap->system, base);
	swap->system = swap->system_name;
	return CLI_DONE;
}

static int check(struct cli *cli, struct swap *swap)
{
	const char *error;
	int code;

	if (address_check_physical(swap->physical, &error) != 0)
		return cli_usage(cli, "--to %s: %s", swap->physical, error);
	code = cli_address(cli, swap->address);
	if (code == CLI_DONE)
		code = check_system(cli, swap);
	if (code != CLI_DONE)
		return code;
	enum ldap_result result = mailbox_find(
		cli->session, cli->config->ldap.base, swap->address, &swap->mailbox, &error);
	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, swap->address, error);
	swap->old_system = mem_strdup(swap->mailbox->system);
	swap->old_physical = mem_strdup(swap->mailbox->physical);
	return check_federation(cli, swap);
}

/* --- hold ----------------------------------------------------------------------------------- */

static const char interrupted[] =
	"\nrestante: interrupted; the mailbox stays held: swap again, or `restante unhold`\n";

static void on_interrupt(int number)
{
	ssize_t written = write(STDERR_FILENO, interrupted, sizeof(interrupted) - 1);

	_exit(written >= 0 ? 128 + number : CLI_FAILED);
}

static int hold(struct cli *cli, struct swap *swap)
{
	const char *error;

	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	if (swap->mailbox->state == STATE_ACTIVE) {
		enum ldap_result result =
			mailbox_set_state(cli->session, swap->mailbox, STATE_HOLDING, &error);
		if (result != LDAP_DONE)
			return cli_fail_ldap(cli, result, swap->address, error);
	}
	swap->hold_csn = mem_strdup(swap->mailbox->csn);
	return CLI_DONE;
}

/* --- fence and swap ------------------------------------------------------------------------- */

static int refuse_fence(
	struct cli *cli, const struct swap *swap, enum fence_outcome outcome, const char *error)
{
	struct str text = STR_INIT;
	int code;

	if (outcome == FENCE_ERROR) {
		return cli_fail(cli, CLI_DIRECTORY, "%s is not swapped and stays held: %s",
			swap->address, error);
	}
	swap_explain(&swap->fence, outcome, swap->old_physical, swap->timeout_us, &text);
	code = cli_fail(cli, CLI_REFUSED, "%s is not swapped and stays held: %s", swap->address,
		str_cstr(&text));
	str_free(&text);
	return code;
}

static int pass_fence(struct cli *cli, struct swap *swap)
{
	struct swap_view view = { .cli = cli };
	bool shown = swap->wait || cli->term.error_tty;
	const char *error = "";
	enum fence_outcome outcome = fence_pass(cli->session, cli->config->ldap.base,
		swap->old_physical, swap->timeout_us, shown ? swap_show_progress : NULL, &view,
		&swap->fence, &error);

	swap_end_progress(&view);
	swap->rounds++;
	swap->fenced = outcome == FENCE_PASSED;
	return swap->fenced ? CLI_DONE : refuse_fence(cli, swap, outcome, error);
}

/* After a failed assertion: is it still the mailbox that was held? */
static int look_again(struct cli *cli, struct swap *swap)
{
	const char *error;
	enum ldap_result result = mailbox_reread(cli->session, swap->mailbox, &error);

	if (result != LDAP_DONE)
		return cli_fail_ldap(cli, result, swap->address, error);
	if (swap->mailbox->state != STATE_HOLDING)
		return cli_fail(cli, CLI_REFUSED,
			"%s is not swapped: somebody ended the hold meanwhile (state %s)",
			swap->address, route_state_name(swap->mailbox->state));
	if (strcmp(swap->mailbox->physical, swap->old_physical) != 0)
		return cli_fail(cli, CLI_REFUSED,
			"%s is not swapped and stays held: somebody moved it to %s meanwhile",
			swap->address, swap->mailbox->physical);
	return CLI_DONE;
}

/* A lost connection says nothing about the modify that was sent; trying again is safe. */
static int refuse_swap(
	struct cli *cli, const struct swap *swap, enum ldap_result result, const char *error)
{
	if (result != LDAP_DOWN)
		return cli_fail_ldap(cli, result, swap->address, error);
	return cli_fail(cli, CLI_DIRECTORY,
		"%s: it is not known whether the swap was made: %s; run it again, it is made once",
		swap->address, error);
}

static int swap_fenced(struct cli *cli, struct swap *swap)
{
	const char *error;

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		int code = swap->force ? CLI_DONE : pass_fence(cli, swap);
		if (code != CLI_DONE)
			return code;
		enum ldap_result result = mailbox_swap(cli->session, swap->mailbox, swap->system,
			swap->physical, swap->source_id, &error);
		if (result == LDAP_DONE)
			return CLI_DONE;
		if (result != LDAP_ASSERTION)
			return refuse_swap(cli, swap, result, error);
		if (!swap->wait)
			return cli_fail(cli, CLI_REFUSED,
				"%s is not swapped: its entry was changed while the fence was "
				"passed; "
				"try again",
				swap->address);
		code = look_again(cli, swap);
		if (code != CLI_DONE)
			return code;
	}
	return cli_fail(cli, CLI_REFUSED,
		"%s is not swapped and stays held: its entry was changed during each of %d fences; "
		"find out who writes it",
		swap->address, ROUNDS_MAX);
}

static bool risk_taken(struct cli *cli, const struct swap *swap)
{
	struct federation_nodes nodes;

	if (!swap->force)
		return true;
	if (federation_read_nodes(cli->session, cli->config->ldap.base, &nodes) != LDAP_DONE)
		memset(&nodes, 0, sizeof(nodes));
	swap_show_risk(cli, swap, &nodes);
	federation_nodes_free(&nodes);
	return cli_confirm(cli, swap->yes, "Swap all the same?");
}

static int make(struct cli *cli, struct swap *swap)
{
	int code = cli_need_directory(cli);

	if (code != CLI_DONE)
		return code;
	if (swap->timeout_us == 0)
		swap->timeout_us =
			swap->wait ? cli->config->cli.wait_timeout : cli->config->cli.swap_timeout;
	code = check(cli, swap);
	if (code != CLI_DONE)
		return code;
	if (!risk_taken(cli, swap))
		return CLI_REFUSED;
	code = hold(cli, swap);
	if (code == CLI_DONE)
		code = swap_fenced(cli, swap);
	if (code == CLI_DONE)
		swap_show_result(cli, swap);
	return code;
}

/* --- the command line ----------------------------------------------------------------------- */

static int take_option(struct cli *cli, struct swap *swap, int letter)
{
	switch (letter) {
	case 's': swap->system = optarg; return 0;
	case 't': swap->physical = optarg; return 0;
	case 'i': swap->source_id = optarg; return 0;
	case 'w': swap->wait = true; return 0;
	case 'f': swap->force = true; return 0;
	case 'y': swap->yes = true; return 0;
	case 'T': return cli_duration(cli, optarg, &swap->timeout_us);
	default: return -1;
	}
}

int verb_swap(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "system", required_argument, NULL, 's' },
		{ "to", required_argument, NULL, 't' }, { "id", required_argument, NULL, 'i' },
		{ "wait", no_argument, NULL, 'w' }, { "force", no_argument, NULL, 'f' },
		{ "yes", no_argument, NULL, 'y' }, { "timeout", required_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 } };
	struct swap swap = { 0 };
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) != -1)
		if (take_option(cli, &swap, letter) != 0)
			return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (argc - optind != 1)
		return cli_usage(cli, "one address is needed, %d are given", argc - optind);
	if (swap.system == NULL || swap.physical == NULL)
		return cli_usage(cli, "--system and --to are needed");
	swap.address = argv[optind];
	int code = make(cli, &swap);
	mailbox_free(&swap.mailbox);
	mem_free(&swap.system_name);
	mem_free(&swap.old_system);
	mem_free(&swap.old_physical);
	mem_free(&swap.hold_csn);
	return code;
}
