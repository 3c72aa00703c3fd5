#include "cli/verbs.h"

#include <string.h>

/* What the milter found: "(system S1, full match, active)". */
static void describe(const struct json *reply, struct str *out)
{
	const char *system = json_get_string(reply, "system");
	const char *match = json_get_string(reply, "match");
	const char *state = json_get_string(reply, "mailbox_state");
	const char *system_state = json_get_string(reply, "system_state");
	const char *separator = " (";

	if (system != NULL && *system != '\0') {
		str_printf(out, "%ssystem %s", separator, system);
		separator = ", ";
	}
	if (match != NULL && strcmp(match, "none") != 0) {
		str_printf(out, "%s%s match", separator, match);
		str_printf(out, ", %s", state != NULL ? state : "active");
		if (system_state != NULL && strcmp(system_state, "active") != 0)
			str_printf(out, ", system %s", system_state);
		separator = ", ";
	}
	if (*separator == ',')
		str_append_c(out, ')');
}

static enum paint paint_of(const char *verdict)
{
	if (strcmp(verdict, "rewrite") == 0 || strcmp(verdict, "leave") == 0)
		return PAINT_GOOD;
	return strcmp(verdict, "hold") == 0 ? PAINT_WARN : PAINT_BAD;
}

static void say_route(struct cli *cli, const char *address, const struct json *reply)
{
	const char *verdict = json_get_string(reply, "verdict");
	const char *physical = json_get_string(reply, "physical");
	const char *reason = json_get_string(reply, "reason");
	struct str line = STR_INIT, safe = STR_INIT;

	verdict = verdict != NULL ? verdict : "?";
	str_printf(&line, "%s -> ", address);
	term_paint(&cli->term, paint_of(verdict), verdict, &line);
	if (strcmp(verdict, "rewrite") == 0 && physical != NULL)
		str_printf(&line, " to %s", physical);
	describe(reply, &safe);
	term_safe(str_cstr(&safe), &line);
	if (strcmp(verdict, "rewrite") != 0 && reason != NULL)
		str_printf(&line, ": %s", reason);
	cli_say(cli, "%s", str_cstr(&line));
	str_free(&line);
	str_free(&safe);
}

int verb_route(struct cli *cli, int argc, char **argv)
{
	int code, worst = CLI_DONE, letter = cli_getopt(cli, argc, argv, "", NULL);

	if (letter != -1)
		return letter == 'h' ? CLI_DONE : CLI_USAGE;
	if (optind == argc)
		return cli_usage(cli, "no address given");
	code = cli_need_control(cli);
	if (code != CLI_DONE)
		return code;
	cli->list = json_new_array();
	for (int i = optind; i < argc && worst != CLI_MILTER; i++) {
		cli->subject = argv[i];
		struct json *request = cli_request("route");
		json_set_string(request, "address", argv[i]);
		struct json *reply = cli_ask(cli, request, &code);
		if (reply == NULL) {
			worst = code;
			continue;
		}
		say_route(cli, argv[i], reply);
		json_add(cli->list, reply);
	}
	cli_give(cli, cli->list);
	return worst;
}
