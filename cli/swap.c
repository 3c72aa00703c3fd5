#include "cli/swap.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/sync.h"
#include "cli/verbs.h"
#include "cli/wave.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- hold ----------------------------------------------------------------------------------- */

static const char interrupted[] =
	"\nrestante: interrupted; what is held stays held: swap again, or `restante unhold`\n";

static void on_interrupt(int number)
{
	ssize_t written = write(STDERR_FILENO, interrupted, sizeof(interrupted) - 1);

	_exit(written >= 0 ? 128 + number : CLI_FAILED);
}

void swap_catch_interrupt(void)
{
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
}

int swap_hold(struct cli *cli, struct swap *swap)
{
	const char *error;

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

int swap_make(struct cli *cli, struct swap *swap)
{
	const char *error;
	enum ldap_result result = mailbox_swap(
		cli->session, swap->mailbox, swap->system, swap->physical, swap->source_id, &error);

	swap->made = result == LDAP_DONE;
	if (result != LDAP_ASSERTION)
		return swap->made ? CLI_DONE : refuse_swap(cli, swap, result, error);
	if (!swap->wait)
		return cli_fail(cli, CLI_REFUSED,
			"%s is not swapped: its entry was changed while the fence was passed; try "
			"again",
			swap->address);
	return look_again(cli, swap);
}

int swap_refuse_rounds(struct cli *cli, const struct swap *swap)
{
	return cli_fail(cli, CLI_REFUSED,
		"%s is not swapped and stays held: its entry was changed during each of %d fences; "
		"find out who writes it",
		swap->address, SWAP_ROUNDS_MAX);
}

static int swap_fenced(struct cli *cli, struct swap *swap)
{
	for (unsigned round = 0; round < SWAP_ROUNDS_MAX; round++) {
		int code = swap->force ? CLI_DONE : pass_fence(cli, swap);
		if (code == CLI_DONE)
			code = swap_make(cli, swap);
		if (code != CLI_DONE || swap->made)
			return code;
	}
	return swap_refuse_rounds(cli, swap);
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
	struct swap_world world;
	int code = swap_world_read(cli, &world);

	if (code == CLI_DONE)
		code = swap_check(cli, &world, swap);
	swap_world_free(&world);
	if (code != CLI_DONE)
		return code;
	if (!risk_taken(cli, swap))
		return CLI_REFUSED;
	swap_catch_interrupt();
	code = swap_hold(cli, swap);
	if (code == CLI_DONE)
		code = swap_fenced(cli, swap);
	if (code == CLI_DONE) {
		swap_show_result(cli, swap);
		sync_after_swap(cli);
	}
	return code;
}

/* --- the command line ----------------------------------------------------------------------- */

struct request {
	struct swap swap;
	const char *path; /* of a file with many */
};

static int take_option(struct cli *cli, struct request *request, int letter)
{
	struct swap *swap = &request->swap;

	switch (letter) {
	case 's': swap->system = optarg; return 0;
	case 't': swap->physical = optarg; return 0;
	case 'i': swap->source_id = optarg; return 0;
	case 'w': swap->wait = true; return 0;
	case 'f': swap->force = true; return 0;
	case 'y': swap->yes = true; return 0;
	case 'T': return cli_duration(cli, optarg, &swap->timeout_us);
	case 'F': request->path = optarg; return 0;
	default: return -1;
	}
}

static int check_line(struct cli *cli, const struct request *request, int words)
{
	const struct swap *swap = &request->swap;

	if (request->path != NULL) {
		bool one = words > 0 || swap->system != NULL || swap->physical != NULL ||
			   swap->source_id != NULL || swap->force;
		return one ? cli_usage(cli, "--file goes with --wait and --timeout alone")
			   : CLI_DONE;
	}
	if (words != 1)
		return cli_usage(cli, "one address is needed, %d are given", words);
	if (swap->system == NULL || swap->physical == NULL)
		return cli_usage(cli, "--system and --to are needed");
	return CLI_DONE;
}

static int run(struct cli *cli, struct request *request)
{
	struct swap *swap = &request->swap;
	int code = cli_need_directory(cli);

	if (code != CLI_DONE)
		return code;
	if (swap->timeout_us == 0)
		swap->timeout_us =
			swap->wait ? cli->config->cli.wait_timeout : cli->config->cli.swap_timeout;
	return request->path != NULL ? wave_run(cli, request->path, swap->wait, swap->timeout_us)
				     : make(cli, swap);
}

int verb_swap(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "system", required_argument, NULL, 's' },
		{ "to", required_argument, NULL, 't' }, { "id", required_argument, NULL, 'i' },
		{ "wait", no_argument, NULL, 'w' }, { "force", no_argument, NULL, 'f' },
		{ "yes", no_argument, NULL, 'y' }, { "timeout", required_argument, NULL, 'T' },
		{ "file", required_argument, NULL, 'F' }, { NULL, 0, NULL, 0 } };
	struct request request = { .path = NULL };
	int letter;

	while ((letter = cli_getopt(cli, argc, argv, "", options)) != -1)
		if (take_option(cli, &request, letter) != 0)
			return letter == 'h' ? CLI_DONE : CLI_USAGE;
	int code = check_line(cli, &request, argc - optind);
	if (code != CLI_DONE)
		return code;
	request.swap.address = argv[optind];
	code = run(cli, &request);
	swap_free(&request.swap);
	return code;
}
