#include "config.h"

#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

const struct verb cli_verbs[] = {
	{ "route", "ADDRESS...", "say what would happen to mail for the address now, and why", "",
		verb_route },
	{ "hold", "ADDRESS... | --file FILE", "hold the mail of the mailbox from now on",
		"      --file FILE      the mailboxes of a file (restante(1)), all or none\n",
		verb_hold },
	{ "unhold", "ADDRESS... | --file FILE",
		"end the hold; held mail goes where the mailbox lives now",
		"      --file FILE      the mailboxes of a file (restante(1)), all or none\n",
		verb_unhold },
	{ "swap", "ADDRESS --system NAME --to PHYSICAL [options] | --file FILE",
		"give the held mailbox its new place, once no front door can send to the old one",
		"      --system NAME    the system it lives on from now on\n"
		"      --to PHYSICAL    its physical address there\n"
		"      --id SOURCEID    its id there (without it the old id is removed)\n"
		"      --wait           hold it, pass the fence and drain, then swap\n"
		"      --timeout TIME   how long to wait for the front doors (5s, 10m)\n"
		"      --force          do not wait for the front doors\n"
		"      --yes            do not ask\n"
		"      --file FILE      many at once: address,system,to[,id] in each line\n",
		verb_swap },
	{ "queue list", "[ADDRESS]", "list held messages",
		"      --limit N        at most N messages (1000; 0 = all)\n", verb_queue_list },
	{ "queue show", "ID", "show envelope and recipients of a held message", "",
		verb_queue_show },
	{ "queue cat", "ID", "print the content of a held message", "", verb_queue_cat },
	{ "queue release", "ADDRESS | --all",
		"forget delays and try again now what is not held any more",
		"      --all            every mailbox\n", verb_queue_release },
	{ "queue delete", "ID [--recipient ADDRESS]", "delete a held message, without a notice",
		"      --recipient ADDRESS  this recipient only\n"
		"      --yes                do not ask\n",
		verb_queue_delete },
	{ "queue bounce", "ID [--recipient ADDRESS]", "return a held message to its sender",
		"      --recipient ADDRESS  this recipient only\n"
		"      --reason TEXT        what the notice says (returned by the administrator)\n"
		"      --yes                do not ask\n",
		verb_queue_bounce },
	{ "queue redirect", "ID ADDRESS [--recipient ADDRESS]",
		"send a held message to another address",
		"      --recipient ADDRESS  this recipient's copy only\n"
		"      --yes                do not ask\n",
		verb_queue_redirect },
	{ "queue stats", "", "count what is held", "", verb_queue_stats },
	{ "node list", "", "list the front doors", "", verb_node_list },
	{ "node enable", "NAME",
		"take a front door into service; makes its entry where there is none",
		"      --password-file FILE  for a new entry: its password, or the hash of it\n",
		verb_node_enable },
	{ "node disable", "NAME", "take a front door out of service",
		"      --force          the machine is gone: write disabled for it\n"
		"      --yes            do not ask\n",
		verb_node_disable },
	{ "node approve", "", "let this front door apply a refused mass disappearance", "",
		verb_node_approve },
	{ "sync run", "[SYSTEM...]", "read the addresses of systems, and write their address books",
		"      --up             up only: what the system has goes to the directory\n"
		"      --down           down only: everyone else goes to its address book\n"
		"      --full           read everything, not changes alone\n"
		"      --wait           show progress, and wait for the end\n"
		"      --timeout TIME   how long to wait where no daemon answers here (5m)\n",
		verb_sync_run },
	{ "sync status", "[SYSTEM...]", "show the last runs; exit 1 when something needs attention",
		"", verb_sync_status },
	{ "sync diff", "SYSTEM", "show what a run would change, as LDIF; nothing is written",
		"      --down           of its address book\n"
		"      --full           read everything, not changes alone\n"
		"      --limit N        at most N changes (1000; 0 = all)\n",
		verb_sync_diff },
	{ "sync conflicts", "[SYSTEM...]",
		"list addresses claimed twice, and what was refused; exit 1 when there are any",
		"      --limit N        at most N lines (1000; 0 = all)\n", verb_sync_conflicts },
	{ "sync approve", "SYSTEM", "let what stopped a run pass, as it was shown",
		"      --yes            do not ask\n", verb_sync_approve },
	{ "sync assign", "ADDRESS SYSTEM",
		"give an address to the mailbox that claims it on that system",
		"      --id SOURCEID    its id there, where no run has reported it\n"
		"      --yes            do not ask\n",
		verb_sync_assign },
	{ "sync adopt", "SYSTEM ADDRESS",
		"take over the foreign contact that has the address in its address book", "",
		verb_sync_adopt },
	{ "move add", "ADDRESS... --to SYSTEM --scenario NAME [options]",
		"record that a mailbox is to move",
		"      --to SYSTEM      the system it moves to\n"
		"      --scenario NAME  how: a scenario of restante.conf(5)\n"
		"      --at INSTANT     when its address changes: 2026-11-22T05:30 in local time,\n"
		"                       with a Z in UTC (now)\n"
		"      --wave NAME      what it belongs to\n"
		"      --may-delete     the old mailbox may be deleted though no data is moved\n"
		"      --dry-run        judge it, record nothing\n",
		verb_move_add },
	{ "move import", "FILE [options]", "record the moves of a CSV file, all or none",
		"      FILE             its first line names the columns: address, to, at,\n"
		"                       scenario, wave; - is standard input\n"
		"      --to, --at, --scenario, --wave  where the file says none\n"
		"      --may-delete     the old mailboxes may be deleted though no data is moved\n"
		"      --dry-run        judge them, record nothing\n",
		verb_move_import },
	{ "move list", "[options]", "list the open moves",
		"      --all            those that are over, too\n"
		"      --wave NAME      all of a wave\n"
		"      --errors         those with an error\n"
		"      --limit N        at most N (1000; 0 = all)\n",
		verb_move_list },
	{ "move show", "ADDRESS | NAME", "show a move: what was done, and when", "",
		verb_move_show },
	{ "move watch", "[WAVE]",
		"follow the moves until all are done; exit 1 when some have stopped", "",
		verb_move_watch },
	{ "move report", "[WAVE]", "write what became of a wave",
		"      --format FORMAT  csv, json or html (csv)\n", verb_move_report },
	{ "move pause", "ADDRESS... | --wave NAME", "do no further step",
		"      --wave NAME      all of a wave for which it makes sense\n"
		"      --yes            do not ask\n",
		verb_move_pause },
	{ "move resume", "ADDRESS... | --wave NAME", "go on after a pause",
		"      --wave NAME      all of a wave for which it makes sense\n"
		"      --yes            do not ask\n",
		verb_move_resume },
	{ "move retry", "ADDRESS... | --wave NAME", "try the step again that went wrong",
		"      --wave NAME      all of a wave for which it makes sense\n"
		"      --yes            do not ask\n",
		verb_move_retry },
	{ "move cancel", "ADDRESS... | --wave NAME",
		"end a move whose addresses are where they were",
		"      --wave NAME      all of a wave for which it makes sense\n"
		"      --yes            do not ask\n",
		verb_move_cancel },
	{ "move rollback", "ADDRESS... | --wave NAME", "take a move back that is not complete",
		"      --leave-mail     mail that came into the second mailbox stays there\n"
		"      --wave NAME      all of a wave for which it makes sense\n"
		"      --yes            do not ask\n",
		verb_move_rollback },
	{ "trace", "KEY", "put the log lines of one message together",
		"      KEY              id=, queue id, number in the hold queue, Message-ID or "
		"address\n"
		"      --since TIME     found in lines since then (2h, 3d, 2026-11-22T05:30)\n"
		"      --until TIME     and until then\n"
		"      --log FILE       read this log; may be given several times\n",
		verb_trace },
	{ "status", "", "the whole state on one screen; exit 1 when something needs attention", "",
		verb_status },
	{ "doctor", "[CHECK...]",
		"look for what is wrong here: settings, directory, MTA, machine; exit 1 or 2",
		"      --verbose        show every check, not only what was found (-v)\n"
		"      --list           list the checks, without making them\n"
		"      --skip CHECK     not this one, or this group; may be repeated\n"
		"      --mta-config FOLDER  configuration of the MTA\n",
		verb_doctor },
	{ NULL, NULL, NULL, NULL, NULL },
};

/* --- help ---------------------------------------------------------------------------------- */

static void print_usage(FILE *out)
{
	fprintf(out, "usage: restante [-c FILE] [--json] [-q] VERB ...\n\n");
	for (const struct verb *verb = cli_verbs; verb->name != NULL; verb++)
		fprintf(out, "  %-14s %s\n", verb->name, verb->summary);
	fprintf(out, "\n`restante help VERB` explains one; restante(1) all of them.\n");
}

/* The verb whose words begin argv; *words_r says how many they are. */
static const struct verb *find_verb(int argc, char **argv, int *words_r)
{
	for (const struct verb *verb = cli_verbs; verb->name != NULL; verb++) {
		const char *space = strchr(verb->name, ' ');
		size_t first = space != NULL ? (size_t)(space - verb->name) : strlen(verb->name);

		if (argc < 1 || strlen(argv[0]) != first ||
			strncmp(argv[0], verb->name, first) != 0)
			continue;
		if (space != NULL && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*words_r = space != NULL ? 2 : 1;
		return verb;
	}
	return NULL;
}

/* "queue" alone: the verbs that begin with it. */
static bool print_family(const char *word, FILE *out)
{
	size_t len = strlen(word);
	bool any = false;

	for (const struct verb *verb = cli_verbs; verb->name != NULL; verb++) {
		if (strncmp(verb->name, word, len) != 0 || verb->name[len] != ' ')
			continue;
		cli_print_verb(verb, out);
		any = true;
	}
	return any;
}

/* For the completion of shells: the name, a tab, the summary. */
static void print_list(FILE *out)
{
	for (const struct verb *verb = cli_verbs; verb->name != NULL; verb++)
		fprintf(out, "%s\t%s\n", verb->name, verb->summary);
}

static int help(struct cli *cli, int argc, char **argv)
{
	int words;

	if (argc == 0) {
		print_usage(stdout);
		return CLI_DONE;
	}
	if (strcmp(argv[0], "--list") == 0) {
		print_list(stdout);
		return CLI_DONE;
	}
	const struct verb *verb = find_verb(argc, argv, &words);
	if (verb != NULL) {
		cli_print_verb(verb, stdout);
		return CLI_DONE;
	}
	if (print_family(argv[0], stdout))
		return CLI_DONE;
	return cli_usage(cli, "no verb %s", argv[0]);
}

/* --- the command line ---------------------------------------------------------------------- */

static int run_verb(struct cli *cli, int argc, char **argv)
{
	int words = 0;

	if (strcmp(argv[0], "help") == 0)
		return help(cli, argc - 1, argv + 1);
	cli->verb = find_verb(argc, argv, &words);
	if (cli->verb == NULL && print_family(argv[0], stderr))
		return cli_usage(cli, "%s needs one of these words behind it", argv[0]);
	if (cli->verb == NULL)
		return cli_usage(cli, "no verb %s", argv[0]);
	optind = 0; /* getopt_long starts afresh */
	return cli->verb->run(cli, argc - words + 1, argv + words - 1);
}

static int parse_global(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'J' }, { "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 } };
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "+:c:qhV", options, NULL)) != -1) {
		switch (letter) {
		case 'c': cli->config_path = optarg; break;
		case 'J': cli->json = true; break;
		case 'q': cli->quiet = true; break;
		case 'h': print_usage(stdout); return CLI_DONE;
		case 'V': printf("restante %s\n", PACKAGE_VERSION); return CLI_DONE;
		case ':': return cli_usage(cli, "option %s needs a value", argv[optind - 1]);
		default: return cli_usage(cli, "unknown option %s", argv[optind - 1]);
		}
	}
	return -1;
}

int cli_main(int argc, char **argv)
{
	struct cli cli = { .config_path = CONFIG_DEFAULT_PATH };

	term_init(&cli.term);
	int code = parse_global(&cli, argc, argv);
	if (code >= 0)
		return code;
	if (optind >= argc) {
		print_usage(stderr);
		return cli_fail(&cli, CLI_USAGE, "no verb given");
	}
	code = run_verb(&cli, argc - optind, argv + optind);
	control_close(&cli.control);
	ldap_session_close(&cli.session);
	config_free(&cli.config);
	if (fflush(stdout) != 0 && code == CLI_DONE)
		return cli_fail(&cli, CLI_FAILED, "standard output cannot be written");
	return code;
}
