#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- what is said -------------------------------------------------------------------------- */

void cli_say(struct cli *cli, const char *format, ...)
{
	va_list list;

	if (cli->json || cli->quiet)
		return;
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

void cli_give(struct cli *cli, struct json *value)
{
	struct str text = STR_INIT;

	if (cli->json) {
		if (cli->term.out_tty)
			json_dump_pretty(value, &text);
		else
			json_dump(value, &text);
		printf("%s\n", str_cstr(&text));
		str_free(&text);
	}
	json_free(&value);
}

static void complain(struct cli *cli, int code, const char *text)
{
	struct str safe = STR_INIT;

	term_safe(text, &safe);
	fflush(stdout);
	fprintf(stderr, "restante: %s\n", str_cstr(&safe));
	str_free(&safe);
	if (!cli->json)
		return;
	struct json *object = json_new_object();
	json_set_bool(object, "ok", false);
	json_set_string(object, "error", text);
	json_set_int(object, "exit", code);
	if (cli->list == NULL) {
		cli_give(cli, object);
		return;
	}
	json_set_string(object, "address", cli->subject);
	json_add(cli->list, object);
}

int cli_fail(struct cli *cli, enum cli_exit code, const char *format, ...)
{
	char text[2048];
	size_t len = 0;
	va_list list;

	if (cli->place != NULL)
		len = (size_t)snprintf(text, sizeof(text) / 2, "%s: ", cli->place);
	len = len < sizeof(text) / 2 ? len : sizeof(text) / 2 - 1;
	va_start(list, format);
	vsnprintf(text + len, sizeof(text) - len, format, list);
	va_end(list);
	complain(cli, code, text);
	return code;
}

int cli_fail_ldap(struct cli *cli, enum ldap_result result, const char *what, const char *reason)
{
	static const enum cli_exit codes[] = { [LDAP_DONE] = CLI_DONE,
		[LDAP_NO_ENTRY] = CLI_NOTFOUND,
		[LDAP_ASSERTION] = CLI_REFUSED,
		[LDAP_TAKEN] = CLI_REFUSED,
		[LDAP_REFUSED] = CLI_FAILED,
		[LDAP_DOWN] = CLI_DIRECTORY };

	if (result == LDAP_ASSERTION)
		return cli_fail(cli, CLI_REFUSED,
			"%s: somebody else changed the entry meanwhile; look at it and try again",
			what);
	return cli_fail(cli, codes[result], "%s: %s", what, reason);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return cli_fail(cli, CLI_USAGE, "%s; see `restante help%s%s`", text,
		cli->verb != NULL ? " " : "", cli->verb != NULL ? cli->verb->name : "");
}

/* --- options ------------------------------------------------------------------------------- */

#define OPTIONS_MAX 24

void cli_print_verb(const struct verb *verb, FILE *out)
{
	fprintf(out, "restante %s%s%s\n    %s\n%s", verb->name, *verb->synopsis ? " " : "",
		verb->synopsis, verb->summary, verb->details);
}

static const struct option common_options[] = { { "json", no_argument, NULL, 'J' },
	{ "quiet", no_argument, NULL, 'q' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

static void join_options(const struct option *options, struct option *all_r)
{
	size_t count = 0;

	for (; options != NULL && options->name != NULL; options++)
		all_r[count++] = *options;
	for (const struct option *o = common_options; o->name != NULL; o++)
		all_r[count++] = *o;
	memset(&all_r[count], 0, sizeof(all_r[count]));
}

static int complain_option(struct cli *cli, char **argv, int letter)
{
	if (letter == ':')
		cli_usage(cli, "option %s needs a value", argv[optind - 1]);
	else if (optopt != 0 && optopt < 128)
		cli_usage(cli, "unknown option -%c", optopt);
	else
		cli_usage(cli, "unknown option %s", argv[optind - 1]);
	return '?';
}

int cli_getopt(
	struct cli *cli, int argc, char **argv, const char *letters, const struct option *options)
{
	struct option all[OPTIONS_MAX];
	char all_letters[64];
	int letter;

	join_options(options, all);
	snprintf(all_letters, sizeof(all_letters), ":%sqh", letters);
	opterr = 0;
	for (;;) {
		letter = getopt_long(argc, argv, all_letters, all, NULL);
		if (letter == 'J')
			cli->json = true;
		else if (letter == 'q')
			cli->quiet = true;
		else
			break;
	}
	if (letter == 'h')
		cli_print_verb(cli->verb, stdout);
	return letter == '?' || letter == ':' ? complain_option(cli, argv, letter) : letter;
}

int cli_duration(struct cli *cli, const char *text, int64_t *us_r)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "ms", CLOCK_MS }, { "s", CLOCK_SECOND }, { "", CLOCK_SECOND },
		{ "m", 60 * CLOCK_SECOND }, { "h", 3600 * CLOCK_SECOND },
		{ "d", 86400 * CLOCK_SECOND } };
	char *end;
	long amount = strtol(text, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (end == text || strcmp(end, units[i].unit) != 0 || amount <= 0 ||
			amount > 1000000)
			continue;
		*us_r = amount * units[i].us;
		return 0;
	}
	cli_usage(cli, "%s is no duration, like 500ms, 5s, 10m or 2h", text);
	return -1;
}

int cli_address(struct cli *cli, const char *text)
{
	struct address address;
	const char *error;

	if (address_parse(text, &address, &error) != 0)
		return cli_fail(cli, CLI_USAGE, "%s: %s", text, error);
	return address.has_domain ? CLI_DONE
				  : cli_fail(cli, CLI_USAGE, "%s: address has no domain", text);
}

bool cli_confirm(struct cli *cli, bool yes, const char *question)
{
	char answer[16];

	if (yes)
		return true;
	if (isatty(STDIN_FILENO) != 1 || !cli->term.error_tty) {
		cli_fail(cli, CLI_REFUSED, "not confirmed; nothing was changed; repeat with --yes");
		return false;
	}
	fprintf(stderr, "%s Type yes to go on: ", question);
	if (fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0)
		return true;
	cli_fail(cli, CLI_REFUSED, "not confirmed; nothing was changed");
	return false;
}

/* --- what is opened at first use ----------------------------------------------------------- */

int cli_need_config(struct cli *cli)
{
	const char *error;

	if (cli->config != NULL)
		return CLI_DONE;
	cli->config = config_load(cli->config_path, &error);
	return cli->config != NULL ? CLI_DONE : cli_fail(cli, CLI_CONFIG, "%s", error);
}

static bool is_set(const char *text)
{
	return text != NULL && *text != '\0';
}

struct ldap_options cli_ldap_options(const struct cli *cli)
{
	struct ldap_options options = config_ldap_options(cli->config, NULL);

	if (is_set(cli->config->cli.bind_dn)) {
		options.bind = LDAP_BIND_SIMPLE;
		options.bind_dn = cli->config->cli.bind_dn;
		options.password_file = cli->config->cli.password_file;
	}
	return options;
}

int cli_need_directory(struct cli *cli)
{
	const char *error;
	int code = cli_need_config(cli);

	if (code != CLI_DONE || cli->session != NULL)
		return code;
	if (config_require_directory(cli->config, &error) < 0)
		return cli_fail(cli, CLI_CONFIG, "%s", error);
	struct ldap_options options = cli_ldap_options(cli);
	cli->session = ldap_session_open(&options, &error);
	return cli->session != NULL ? CLI_DONE : cli_fail(cli, CLI_DIRECTORY, "%s", error);
}

const char *cli_control_path(const struct cli *cli)
{
	return is_set(cli->config->cli.control_socket) ? cli->config->cli.control_socket
						       : cli->config->milter.control_socket;
}

int cli_need_control(struct cli *cli)
{
	const char *error;
	int code = cli_need_config(cli);

	if (code != CLI_DONE || cli->control != NULL)
		return code;
	cli->control = control_connect(cli_control_path(cli), &error);
	return cli->control != NULL ? CLI_DONE : cli_fail(cli, CLI_MILTER, "%s", error);
}

/* --- asking a daemon ---------------------------------------------------------------------- */

struct json *cli_request(const char *command)
{
	struct json *request = json_new_object();

	json_set_string(request, "cmd", command);
	return request;
}

int cli_code_of(const char *code)
{
	static const struct {
		const char *name;
		enum cli_exit exit;
	} codes[] = { { "usage", CLI_USAGE }, { "notfound", CLI_NOTFOUND },
		{ "refused", CLI_REFUSED } };

	for (size_t i = 0; code != NULL && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].name, code) == 0)
			return codes[i].exit;
	return CLI_FAILED;
}

struct json *cli_ask(struct cli *cli, struct json *request, int *code_r)
{
	const char *error = NULL;
	struct json *reply = NULL;

	*code_r = cli_need_control(cli);
	if (*code_r == CLI_DONE)
		reply = control_ask(cli->control, request, &error);
	json_free(&request);
	if (*code_r != CLI_DONE)
		return NULL;
	if (reply == NULL) {
		*code_r = cli_fail(cli, CLI_MILTER, "%s", error);
		return NULL;
	}
	if (json_get_bool(reply, "ok", false))
		return reply;
	const char *text = json_get_string(reply, "error");
	*code_r = cli_fail(cli, (enum cli_exit)cli_code_of(json_get_string(reply, "code")), "%s",
		text != NULL ? text : "the daemon refused without a reason");
	json_free(&reply);
	return NULL;
}
