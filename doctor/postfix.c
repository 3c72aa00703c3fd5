/* Postfix: asks postconf and postmap, and has the table of its checks. */
#define _GNU_SOURCE
#include "doctor/postfix.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor/command.h"
#include "doctor/postfix_tools.h"
#include "lib/mem.h"

/* --- how it is recognised ------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool recognise(const char *queue_list)
{
	struct strings words = { NULL, 0 };
	bool found = false;

	strings_split(queue_list, &words);
	for (size_t i = 0; i < words.count; i++)
		found = found || strcmp(last_part(words.items[i]), "postqueue") == 0;
	strings_free(&words);
	return found;
}

void postfix_tools_find(const char *queue_list, const char *dir, struct postfix_tools *tools)
{
	struct strings words = { NULL, 0 };
	size_t at = 0;

	memset(tools, 0, sizeof(*tools));
	strings_split(queue_list, &words);
	while (at < words.count && strcmp(last_part(words.items[at]), "postqueue") != 0)
		at++;
	for (size_t i = 0; at < words.count && i < at; i++)
		strings_add(&tools->before, words.items[i]);
	if (at < words.count)
		tools->folder = mem_strndup(
			words.items[at], (size_t)(last_part(words.items[at]) - words.items[at]));
	for (size_t i = at + 1; dir == NULL && i + 1 < words.count; i++)
		if (strcmp(words.items[i], "-c") == 0)
			dir = words.items[i + 1];
	tools->dir = mem_strdup(dir);
	strings_free(&words);
}

void postfix_tools_free(struct postfix_tools *tools)
{
	strings_free(&tools->before);
	mem_free(&tools->folder);
	mem_free(&tools->dir);
}

/* --- its tools ------------------------------------------------------------------------------ */

#define ARGUMENTS_MAX 32

int postfix_tool(const struct postfix_tools *tools, const char *name, const char *const *arguments,
	const char *input, struct str *out, struct str *error_r)
{
	char *path = mem_printf("%s%s", tools->folder != NULL ? tools->folder : "", name);
	const char *argv[ARGUMENTS_MAX] = { NULL };
	struct command command = {
		.argv = argv, .input = input, .timeout_us = POSTFIX_TOOL_TIMEOUT_US
	};
	size_t count = 0;

	for (size_t i = 0; i < tools->before.count && count < ARGUMENTS_MAX / 2; i++)
		argv[count++] = tools->before.items[i];
	argv[count++] = path;
	if (tools->dir != NULL) {
		argv[count++] = "-c";
		argv[count++] = tools->dir;
	}
	for (size_t i = 0; arguments[i] != NULL && count + 1 < ARGUMENTS_MAX; i++)
		argv[count++] = arguments[i];
	int status = command_run(&command, out, error_r);
	mem_free(&path);
	return status;
}

/* --- its settings --------------------------------------------------------------------------- */

typedef void (*parser)(const char *text, struct postfix *postfix);

static int ask(const struct postfix_tools *tools, const char *option, parser parse,
	struct postfix *postfix, struct str *error_r)
{
	const char *const arguments[] = { option, NULL };
	struct str out = STR_INIT;
	int status = postfix_tool(tools, "postconf", arguments, NULL, &out, error_r);

	if (status == 0)
		parse(str_cstr(&out), postfix);
	str_free(&out);
	return status;
}

static int read_settings(
	const struct postfix_tools *tools, struct postfix *postfix, struct str *error_r)
{
	if (ask(tools, "-x", postfix_parse_main, postfix, error_r) != 0 ||
		ask(tools, "-F", postfix_parse_services, postfix, error_r) != 0 ||
		ask(tools, "-Px", postfix_parse_overrides, postfix, error_r) != 0)
		return -1;
	if (postfix->main.count > 0 && postfix->service_count > 0)
		return 0;
	str_append_z(error_r, "postconf printed nothing");
	return -1;
}

/* What the MTA's account can do on this machine; Postfix gives it no further groups. */
static void look_at_owner(const struct facts *facts, struct postfix *postfix)
{
	const char *socket = facts->config->milter.socket;
	const char *path = strncmp(socket, "inet", 4) == 0 ? NULL : strchr(socket, ':');

	if (!identity_find(postfix_main_value(postfix, "mail_owner"), &postfix->owner))
		return;
	for (int i = 0; i < postfix->owner.group_count; i++)
		postfix->control_member =
			postfix->control_member ||
			(facts->milter.known && *facts->config->milter.group != '\0' &&
				postfix->owner.groups[i] == facts->milter.gid &&
				facts->milter.gid != 0);
	identity_without_groups(&postfix->owner);
	if (path != NULL && facts->status != NULL)
		path_look(&postfix->owner, path + 1, R_OK | W_OK, &postfix->socket);
}

static void *gather(
	const struct facts *facts, const struct gather_options *options, struct str *error_r)
{
	struct postfix *postfix = mem_zalloc(sizeof(*postfix));
	struct postfix_tools tools;

	postfix_tools_find(facts->config->milter.queue_list, options->mta_dir, &tools);
	if (read_settings(&tools, postfix, error_r) < 0) {
		postfix_free(&postfix);
	} else {
		look_at_owner(facts, postfix);
		postfix_ask_domains(facts, &tools, postfix);
		postfix_ask_maps(facts, &tools, postfix);
	}
	postfix_tools_free(&tools);
	return postfix;
}

static void free_settings(void *settings)
{
	struct postfix *postfix = settings;

	postfix_free(&postfix);
}

/* Each smtpd process has one; without a limit as many as Postfix would have by itself. */
static int64_t sessions(const void *settings)
{
	const struct postfix *postfix = settings;
	int64_t most = atoll(postfix_main_value(postfix, "default_process_limit")), sum = 0;

	for (size_t i = 0; i < postfix->service_count; i++)
		if (postfix_is_smtpd(&postfix->services[i]))
			sum += postfix->services[i].processes > 0 ? postfix->services[i].processes
								  : most;
	return sum;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct doctor_check checks[] = {
	{ "mta.version", "the MTA is recent enough", NEED_MTA, postfix_check_version },
	{ "mta.milter", "each listener has the milter", NEED_MTA, postfix_check_milter },
	{ "mta.milter-socket", "the MTA looks for the milter where it listens", NEED_MTA,
		postfix_check_socket },
	{ "mta.milter-order", "the milter is the last in order", NEED_MTA, postfix_check_order },
	{ "mta.milter-down", "mail waits while the milter is down", NEED_MTA,
		postfix_check_action },
	{ "mta.milter-protocol", "the milter sees headers as they are", NEED_MTA,
		postfix_check_protocol },
	{ "mta.milter-maps", "no client has other milters", NEED_MTA, postfix_check_milter_maps },
	{ "mta.milter-local", "local mail is not given to the milter", NEED_MTA,
		postfix_check_non_smtpd },
	{ "mta.socket-rights", "the MTA, and nobody else, reaches the milter's socket", NEED_MTA,
		postfix_check_rights },
	{ "mta.control-group", "the MTA may not use the control socket", NEED_MTA,
		postfix_check_control },
	{ "mta.filter", "content filters come before the milter", NEED_MTA, postfix_check_filter },
	{ "mta.domain-class", "the MTA delivers no federated domain itself",
		NEED_MTA | NEED_FEDERATION, postfix_check_classes },
	{ "mta.relay-domains", "the MTA takes mail for each federated domain",
		NEED_MTA | NEED_FEDERATION, postfix_check_relay },
	{ "mta.route", "federated domains are routed to the re-entry listener",
		NEED_MTA | NEED_FEDERATION, postfix_check_route },
	{ "mta.stale-domains", "no other domain is routed there", NEED_MTA | NEED_FEDERATION,
		postfix_check_stale },
	{ "mta.subdomains", "subdomains are not routed as federated domains", NEED_MTA,
		postfix_check_subdomains },
	{ "mta.recipient-maps", "the directory alone says who exists", NEED_MTA,
		postfix_check_recipients },
	{ "mta.virtual-aliases", "virtual aliases leave federated addresses alone",
		NEED_MTA | NEED_FEDERATION, postfix_check_virtual },
	{ "mta.canonical", "canonical maps leave federated recipients alone",
		NEED_MTA | NEED_FEDERATION, postfix_check_canonical },
	{ "mta.aliases", "local aliases do not lead to federated addresses",
		NEED_MTA | NEED_FEDERATION, postfix_check_aliases },
	{ "mta.tables", "the MTA's tables can be asked", NEED_MTA, postfix_check_tables },
	{ "mta.reentry", "there is a re-entry listener, for this machine alone", NEED_MTA,
		postfix_check_reentry },
	{ "mta.reentry-milter", "it has the milter", NEED_MTA, postfix_check_reentry_milter },
	{ "mta.reentry-rewrites", "it rewrites nothing", NEED_MTA, postfix_check_reentry_rewrites },
	{ "mta.reentry-filter", "it has no content filter", NEED_MTA,
		postfix_check_reentry_filter },
	{ "mta.reentry-limits", "it takes whatever the front takes", NEED_MTA,
		postfix_check_reentry_limits },
	{ "mta.release", "there is a release listener, for this machine alone", NEED_MTA,
		postfix_check_release },
	{ "mta.release-milter", "it has no milter", NEED_MTA, postfix_check_release_milter },
	{ "mta.release-rewrites", "it rewrites nothing", NEED_MTA, postfix_check_release_rewrites },
	{ "mta.release-filter", "it has no content filter", NEED_MTA,
		postfix_check_release_filter },
	{ "mta.release-limits", "it takes whatever the front takes", NEED_MTA,
		postfix_check_release_limits },
	{ "mta.release-processes", "it has a process for each worker", NEED_MTA,
		postfix_check_release_processes },
	{ "mta.release-pace", "it does not pause", NEED_MTA, postfix_check_release_pace },
	{ NULL, NULL, 0, NULL },
};

const struct mta postfix_mta = { "Postfix", "main.cf", recognise, gather, free_settings, sessions,
	checks };
