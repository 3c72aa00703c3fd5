/* The daemon that runs, and what every MTA has: judged. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "doctor/checks.h"
#include "doctor/mta.h"

#define FILES_OF_ITS_OWN 96 /* databases, logs, control socket, directory */

/* --- the daemon ----------------------------------------------------------------------------- */

static void check_answers(const struct facts *facts, struct doctor_report *report)
{
	if (facts->status == NULL && facts->status_denied)
		report_unseen(report,
			"you may not ask restante-milter: %s" REMEDY
			"run this as root, or as a member of milter.group",
			facts->status_error);
	else if (facts->status == NULL)
		report_error(report,
			"restante-milter does not answer: %s" REMEDY
			"start it: systemctl start restante-milter",
			facts->status_error);
}

static void check_state(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < json_count(facts->attention); i++)
		report_error(report, "%s" REMEDY "restante status",
			json_text(json_at(facts->attention, i)));
}

static void check_version(const struct facts *facts, struct doctor_report *report)
{
	const char *version = json_get_string(facts->status, "version");

	if (version == NULL || strcmp(version, PACKAGE_VERSION) != 0)
		report_warning(report,
			"restante-milter runs as version %s, this is %s" REMEDY
			"systemctl restart restante-milter",
			version != NULL ? version : "unknown", PACKAGE_VERSION);
}

static void check_settings(const struct facts *facts, struct doctor_report *report)
{
	const char *node = json_get_string(facts->status, "node");

	if (node == NULL || strcmp(node, facts->config->milter.node) != 0)
		report_warning(report,
			"restante-milter runs as front door %s, %s says %s" REMEDY
			"restart it, or name its own settings with -c",
			node != NULL ? node : "unknown", facts->config_path,
			facts->config->milter.node);
}

static void check_libraries(const struct facts *facts, struct doctor_report *report)
{
	const struct json *libraries = json_get(facts->status, "libraries");

	for (size_t i = 0; i < json_count(libraries); i++) {
		const struct json *library = json_at(libraries, i);
		const char *name = json_get_string(library, "name");
		const char *built = json_get_string(library, "built");
		const char *runs = json_get_string(library, "runs");

		if (name != NULL && built != NULL && runs != NULL && strcmp(built, runs) != 0)
			report_warning(report,
				"restante-milter was built for %s %s and runs with %s" REMEDY
				"build it again for that one, or restart it after an "
				"upgrade",
				name, built, runs);
	}
	if (libraries == NULL)
		report_unseen(report,
			"restante-milter does not say which libraries it runs with" REMEDY
			"restart it: an older version runs");
}

static void check_files(const struct facts *facts, struct doctor_report *report)
{
	int64_t sessions = facts->mta_facts != NULL ? facts->mta->sessions(facts->mta_facts) : 0;
	int64_t wanted = sessions + facts->config->milter.release_workers + FILES_OF_ITS_OWN;

	if (!facts->process.seen)
		report_unseen(report, "the open-file limit of restante-milter cannot be seen" REMEDY
				      "run this as root, on the machine itself");
	else if (facts->process.open_files < wanted)
		report_warning(report,
			"restante-milter may open %" PRId64 " files, its MTA may open %" PRId64
			" connections to it" REMEDY "LimitNOFILE= of its unit, %" PRId64
			" at least",
			facts->process.open_files, sessions, wanted);
}

static void check_socket(const struct facts *facts, struct doctor_report *report)
{
	if (strncmp(facts->config->milter.socket, "inet", 4) == 0)
		report_warning(report,
			"milter.socket is on TCP, a fifth as fast as a unix socket" REMEDY
			"milter.socket = unix:/var/spool/postfix/restante/milter.sock");
}

const struct doctor_check doctor_milter_checks[] = {
	{ "milter.answers", "restante-milter answers", NEED_CONFIG, check_answers },
	{ "milter.state", "it decides by itself, and nothing needs attention", NEED_MILTER,
		check_state },
	{ "milter.version", "it is of this version", NEED_MILTER, check_version },
	{ "milter.settings", "it runs with these settings", NEED_MILTER, check_settings },
	{ "milter.libraries", "it runs with the libraries it was built for", NEED_MILTER,
		check_libraries },
	{ "milter.files", "it may open enough files", NEED_MILTER | WANT_MTA, check_files },
	{ "milter.socket", "the MTA reaches it by a unix socket", NEED_CONFIG, check_socket },
	{ NULL, NULL, 0, NULL },
};

/* --- any MTA -------------------------------------------------------------------------------- */

static void check_seen(const struct facts *facts, struct doctor_report *report)
{
	if (facts->mta == NULL)
		report_unseen(report,
			"which MTA this is cannot be told from milter.queue_list = %s" REMEDY
			"name its configuration with --mta-config",
			facts->config->milter.queue_list);
	else if (facts->mta_facts == NULL)
		report_unseen(report,
			"the settings of %s cannot be read: %s" REMEDY
			"run this as root; --mta-config names another folder",
			facts->mta->name, facts->mta_error);
}

static void check_listing(const struct facts *facts, struct doctor_report *report)
{
	const struct mta_common *common = &facts->common;

	if (facts->host.user_unknown)
		return;
	if (!common->listed)
		report_unseen(report,
			"whether %s may run %s cannot be seen by you" REMEDY "run this as root",
			facts->milter.name != NULL ? facts->milter.name : "the milter",
			facts->config->milter.queue_list);
	else if (common->status != 0)
		report_error(report,
			"%s cannot list the MTA's queue, no mailbox can be swapped: %s: %s" REMEDY
			"adduser %s postdrop (Sendmail: smmsp), and restart "
			"restante-milter; is the MTA up?",
			facts->milter.name, facts->config->milter.queue_list, common->listing,
			facts->milter.name);
}

static void check_released(const struct facts *facts, struct doctor_report *report)
{
	if (facts->common.released != NULL)
		report_error(report,
			"the release listener %s does not answer: %s" REMEDY
			"start the MTA with it, or correct milter.release_listener",
			facts->config->milter.release_listener, facts->common.released);
}

const struct doctor_check doctor_mta_checks[] = {
	{ "mta.seen", "the MTA's settings can be read", NEED_CONFIG | WANT_MTA, check_seen },
	{ "mta.queue-list", "the milter may list the MTA's queue", NEED_CONFIG | WANT_MTA,
		check_listing },
	{ "mta.release-answers", "the release listener answers", NEED_CONFIG | WANT_MTA,
		check_released },
	{ NULL, NULL, 0, NULL },
};
