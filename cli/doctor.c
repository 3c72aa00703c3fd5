/* `restante doctor`: the command line and the screen; what is looked at is in doctor/. */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "cli/attention.h"
#include "cli/verbs.h"
#include "lib/clock.h"

struct doctoring {
	struct cli *cli;
	struct doctor_choice choice;
	const char *mta_dir;
	bool verbose, list;
	struct doctor_report report;
	struct json *findings, *checks; /* for --json */
	size_t made, not_made;
};

/* --- showing -------------------------------------------------------------------------------- */

static const struct {
	const char *label;
	enum paint paint;
} looks[] = { [DOCTOR_OK] = { "ok", PAINT_GOOD },
	[DOCTOR_UNSEEN] = { "unseen", PAINT_WARN },
	[DOCTOR_WARNING] = { "warning", PAINT_WARN },
	[DOCTOR_ERROR] = { "error", PAINT_BAD } };

static void show_line(struct cli *cli, const char *label, enum paint paint, const char *id,
	const char *what, const char *remedy)
{
	struct str line = STR_INIT;
	char padded[16];

	snprintf(padded, sizeof(padded), "%-7s", label);
	term_paint(&cli->term, paint, padded, &line);
	str_printf(&line, "  %s: ", id);
	term_safe(what, &line);
	if (*remedy != '\0') {
		str_append_z(&line, "; ");
		term_safe(remedy, &line);
	}
	cli_say(cli, "%s", str_cstr(&line));
	str_free(&line);
}

static struct json *object_of(const char *id, const char *severity, const char *what)
{
	struct json *object = json_new_object();

	json_set_string(object, "check", id);
	json_set_string(object, "severity", severity);
	json_set_string(object, "what", what);
	return object;
}

static void show_finding(struct doctoring *d, const struct doctor_finding *finding)
{
	struct json *object =
		object_of(finding->check, doctor_severity_name(finding->severity), finding->what);

	show_line(d->cli, looks[finding->severity].label, looks[finding->severity].paint,
		finding->check, finding->what, finding->remedy);
	json_set_string(object, "remedy", finding->remedy);
	json_add(d->findings, object);
}

static void take_check(void *context, const struct doctor_check *check, enum doctor_result result,
	const struct doctor_report *report, size_t first)
{
	struct doctoring *d = context;
	bool ran = result == DOCTOR_RAN;

	d->made += ran;
	d->not_made += !ran;
	for (size_t i = first; i < report->count; i++)
		show_finding(d, &report->findings[i]);
	if (!d->verbose || report->count > first)
		return;
	if (ran)
		show_line(d->cli, "ok", PAINT_GOOD, check->id, check->looks_at, "");
	else
		show_line(d->cli, "-", PAINT_DIM, check->id,
			"not looked at, for want of something named above or below", "");
	json_add(d->checks, object_of(check->id, ran ? "ok" : "not looked at", check->looks_at));
}

static void show_summary(struct doctoring *d)
{
	char errors[TERM_COUNT], warnings[TERM_COUNT], checks[TERM_COUNT];
	size_t unseen = report_count(&d->report, DOCTOR_UNSEEN);
	struct str line = STR_INIT;

	term_count(checks, (int64_t)d->made, "check", "checks");
	if (d->report.count == 0) {
		term_paint(&d->cli->term, PAINT_GOOD, "ok", &line);
		str_printf(&line, ": %s, nothing found", checks);
	} else {
		str_printf(&line, "%s, %s, %zu unseen; %s",
			term_count(errors, (int64_t)report_count(&d->report, DOCTOR_ERROR), "error",
				"errors"),
			term_count(warnings, (int64_t)report_count(&d->report, DOCTOR_WARNING),
				"warning", "warnings"),
			unseen, checks);
	}
	if (d->not_made > 0)
		str_printf(&line, ", %zu not made", d->not_made);
	cli_say(d->cli, "%s", str_cstr(&line));
	str_free(&line);
}

static void give(struct doctoring *d)
{
	struct json *object = json_new_object();

	json_set_bool(object, "ok", d->report.count == 0);
	json_set_int(object, "errors", (int64_t)report_count(&d->report, DOCTOR_ERROR));
	json_set_int(object, "warnings", (int64_t)report_count(&d->report, DOCTOR_WARNING));
	json_set_int(object, "unseen", (int64_t)report_count(&d->report, DOCTOR_UNSEEN));
	json_set_int(object, "made", (int64_t)d->made);
	json_set_int(object, "not_made", (int64_t)d->not_made);
	json_set(object, "findings", d->findings);
	if (d->verbose)
		json_set(object, "checks", d->checks);
	else
		json_free(&d->checks);
	d->findings = d->checks = NULL;
	cli_give(d->cli, object);
}

/* --- what the command knows itself ---------------------------------------------------------- */

/* Errors of restante.conf are a finding here. */
static void load(struct cli *cli, struct facts *facts)
{
	cli->config = config_load(cli->config_path, &facts->config_error);
	facts->config = cli->config;
	facts->config_path = cli->config_path;
	facts->now_us = clock_wall_us();
}

static struct json *ask_milter(struct cli *cli, struct facts *facts)
{
	struct json *status = NULL, *request = cli_request("status");

	cli->control = control_connect(cli_control_path(cli), &facts->status_error);
	if (cli->control != NULL)
		status = control_ask(cli->control, request, &facts->status_error);
	json_free(&request);
	if (status != NULL && !json_get_bool(status, "ok", false)) {
		facts->status_error = "it refuses to tell its status";
		json_free(&status);
	}
	facts->status = status;
	facts->status_denied =
		status == NULL && access(cli_control_path(cli), F_OK | W_OK) < 0 && errno == EACCES;
	return status;
}

/* This front door is looked at by itself. */
static void look_at_others(struct cli *cli, const struct federation_nodes *nodes, uint64_t epoch,
	int64_t now_us, struct json *lines)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const struct federation_nodes one = { &nodes->nodes[i], 1 };

		if (strcasecmp(nodes->nodes[i].name, cli->config->milter.node) != 0)
			attention_nodes(&one, epoch, cli->config->milter.heartbeat, now_us, lines);
	}
}

/* What `restante status` would say of the other front doors and of the systems. */
static void look_around(struct cli *cli, struct facts *facts, struct json *lines)
{
	struct federation_nodes nodes = { NULL, 0 };
	struct federation_systems systems = { NULL, 0 };
	struct sync_systems syncs = { NULL, 0 };
	struct federation *federation = NULL;
	struct ldap_options options = cli_ldap_options(cli);
	const char *error, *base = cli->config->ldap.base;

	if (*cli->config->ldap.write_uri != '\0' && *base != '\0')
		cli->session = ldap_session_open(&options, &error);
	if (cli->session == NULL || federation_read(cli->session, base, &federation) != LDAP_DONE)
		return;
	if (federation_read_nodes(cli->session, base, &nodes) == LDAP_DONE)
		look_at_others(cli, &nodes, federation->epoch, facts->now_us, lines);
	if (federation_read_systems(cli->session, base, &systems) == LDAP_DONE)
		attention_systems(&systems, lines);
	if (syncask_read(cli->session, base, NULL, &syncs) == LDAP_DONE)
		attention_syncs(&syncs, lines);
	federation_nodes_free(&nodes);
	federation_systems_free(&systems);
	syncask_free(&syncs);
	federation_free(&federation);
}

static int examine(struct doctoring *d)
{
	struct cli *cli = d->cli;
	struct facts facts = { 0 };
	struct json *status = NULL, *attention = json_new_array(), *others = json_new_array();
	struct gather_options options = { .mta_dir = d->mta_dir };

	load(cli, &facts);
	if (facts.config != NULL) {
		status = ask_milter(cli, &facts);
		if (status != NULL)
			attention_milter(status, attention);
		look_around(cli, &facts, others);
		options.administrator = cli_ldap_options(cli);
		options.has_administrator = *cli->config->cli.bind_dn != '\0';
	}
	facts.attention = attention;
	facts.others = others;
	doctor_gather(&facts, &options, &d->choice);
	doctor_run(&facts, &d->choice, &d->report, take_check, d);
	facts_free(&facts);
	json_free(&status);
	json_free(&attention);
	json_free(&others);
	switch (report_worst(&d->report)) {
	case DOCTOR_OK: return CLI_DONE;
	case DOCTOR_ERROR: return CLI_DOCTOR_ERRORS;
	default: return CLI_FAILED;
	}
}

/* --- the command line ----------------------------------------------------------------------- */

static void print_check(void *context, const struct doctor_check *check)
{
	struct doctoring *d = context;
	struct json *object = json_new_object();

	cli_say(d->cli, "%-24s %s", check->id, check->looks_at);
	json_set_string(object, "check", check->id);
	json_set_string(object, "looks_at", check->looks_at);
	json_add(d->findings, object);
}

static int list(struct doctoring *d)
{
	doctor_list(print_check, d);
	json_free(&d->checks);
	cli_give(d->cli, d->findings);
	return CLI_DONE;
}

static int parse(struct doctoring *d, int argc, char **argv)
{
	static const struct option options[] = { { "verbose", no_argument, NULL, 'v' },
		{ "list", no_argument, NULL, 'l' }, { "skip", required_argument, NULL, 's' },
		{ "mta-config", required_argument, NULL, 'm' }, { NULL, 0, NULL, 0 } };
	int letter;

	while ((letter = cli_getopt(d->cli, argc, argv, "v", options)) != -1) {
		switch (letter) {
		case 'v': d->verbose = true; break;
		case 'l': d->list = true; break;
		case 's': strings_add(&d->choice.skip, optarg); break;
		case 'm': d->mta_dir = optarg; break;
		case 'h': return CLI_DONE;
		default: return CLI_USAGE;
		}
	}
	for (int i = optind; i < argc; i++)
		strings_add(&d->choice.only, argv[i]);
	return -1;
}

static int refuse_unknown(struct doctoring *d, const struct strings *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!doctor_knows(names->items[i]))
			return cli_usage(d->cli, "no check %s", names->items[i]);
	return CLI_DONE;
}

int verb_doctor(struct cli *cli, int argc, char **argv)
{
	struct doctoring d = { .cli = cli };
	int code = parse(&d, argc, argv);

	if (code < 0 && refuse_unknown(&d, &d.choice.only) == CLI_DONE &&
		refuse_unknown(&d, &d.choice.skip) == CLI_DONE) {
		d.findings = json_new_array();
		d.checks = json_new_array();
		if (d.list) {
			code = list(&d);
		} else {
			code = examine(&d);
			show_summary(&d);
			give(&d);
		}
	} else if (code < 0) {
		code = CLI_USAGE;
	}
	report_free(&d.report);
	strings_free(&d.choice.only);
	strings_free(&d.choice.skip);
	return code;
}
