/* What the directory offers, and how it is set: judged. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "doctor/checks.h"
#include "doctor/schema.h"
#include "lib/clock.h"
#include "lib/route.h"
#include "lib/when.h"

#define CONTROL_ASSERTION "1.3.6.1.1.12" /* RFC 4528 */
#define SHOWN             5
#define LAG_US            (60 * CLOCK_SECOND)

/* --- reaching it ---------------------------------------------------------------------------- */

static void check_reach(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;

	if (d->state == DIRECTORY_UNSEEN)
		report_unseen(report,
			"the directory cannot be asked as the milter: you cannot read %s" REMEDY
			"run this as root",
			d->reason);
	else if (d->state == DIRECTORY_DOWN)
		report_error(report,
			"the milter's bind fails: %s" REMEDY
			"nothing of the directory was looked at",
			d->reason);
}

static void check_administrator(const struct facts *facts, struct doctor_report *report)
{
	if (facts->directory.administrator_reason != NULL)
		report_error(report,
			"the bind of cli {} fails: %s" REMEDY
			"check cli.bind_dn and cli.password_file",
			facts->directory.administrator_reason);
}

static void check_readers(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;

	for (size_t i = 1; i < d->reader_count; i++)
		if (d->readers[i].error != NULL)
			report_warning(report,
				"a server of ldap.uri does not serve: %s" REMEDY
				"bring it back, or take it out of uri",
				d->readers[i].error);
}

/* Of the same server id: the level of a reader, or -1. */
static int64_t level_of(const struct strings *level, const char *csn)
{
	const char *sid = strchr(csn, '#') != NULL ? strchr(strchr(csn, '#') + 1, '#') : NULL;

	for (size_t i = 0; sid != NULL && i < level->count; i++) {
		const char *other = strchr(level->items[i], '#');

		other = other != NULL ? strchr(other + 1, '#') : NULL;
		if (other != NULL && strncmp(other, sid, 5) == 0) /* "#001#" */
			return when_csn_us(level->items[i]);
	}
	return -1;
}

static void check_level(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;

	for (size_t i = 1; i < d->reader_count; i++) {
		int64_t lag = 0;

		for (size_t k = 0; k < d->readers[0].level.count; k++) {
			const char *csn = d->readers[0].level.items[k];
			int64_t there = level_of(&d->readers[i].level, csn);

			if (there > 0 && when_csn_us(csn) - there > lag)
				lag = when_csn_us(csn) - there;
		}
		if (lag > LAG_US)
			report_warning(report,
				"%s is %" PRId64 " s behind %s" REMEDY
				"see its replication; no swap is made while a front door "
				"follows it",
				d->readers[i].uri, lag / CLOCK_SECOND, d->readers[0].uri);
	}
}

static bool is_here(const char *uri)
{
	static const char *const hosts[] = { "ldap://localhost", "ldap://127.", "ldap://[::1]" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (strncasecmp(uri, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return false;
}

static void check_cleartext(const struct facts *facts, struct doctor_report *report)
{
	const struct config_ldap *ldap = &facts->config->ldap;

	for (size_t i = 0; i < facts->directory.reader_count; i++) {
		const char *uri = facts->directory.readers[i].uri;

		if (ldap->bind == LDAP_BIND_SIMPLE && !ldap->starttls &&
			strncasecmp(uri, "ldap://", 7) == 0 && !is_here(uri))
			report_warning(report,
				"the password goes to %s in the clear" REMEDY
				"set starttls = true, or ldaps:// in the uri",
				uri);
	}
}

/* --- what it offers ------------------------------------------------------------------------- */

static void report_names(const char *what, const char *remedy, const struct strings *names,
	struct doctor_report *report)
{
	struct str list = STR_INIT;

	strings_show(names, SHOWN, &list);
	if (names->count > 0)
		report_error(report, "%s: %s" REMEDY "%s", what, str_cstr(&list), remedy);
	str_free(&list);
}

static void judge_names(const struct strings *definitions, const struct schema_name *list,
	struct strings *missing, struct strings *other)
{
	for (const struct schema_name *name = list; name->name != NULL; name++)
		switch (schema_judge(definitions, name)) {
		case SCHEMA_THERE: break;
		case SCHEMA_MISSING: strings_add(missing, name->name); break;
		case SCHEMA_OTHER: strings_add(other, name->name); break;
		}
}

static void check_schema(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;
	struct strings missing = { NULL, 0 }, other = { NULL, 0 };

	if (!d->schema_seen) {
		report_unseen(report,
			"the schema cannot be read by the milter's bind" REMEDY
			"let it read cn=Subschema, as the rules of slapd.conf.example do");
		return;
	}
	judge_names(&d->attribute_types, schema_attributes(), &missing, &other);
	judge_names(&d->object_classes, schema_classes(), &missing, &other);
	report_names("the directory's schema lacks",
		"load ldap-schema/restante.ldif of this version, and OpenLDAP's misc.ldif",
		&missing, report);
	report_names("the directory's schema has, with other numbers than restante.schema",
		"load ldap-schema/restante.ldif in place of what is there", &other, report);
	strings_free(&missing);
	strings_free(&other);
}

static void check_sync(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;

	if (d->sync == LDAP_ANSWER_NO)
		report_error(report,
			"the tree cannot be followed: the database has no syncprov overlay" REMEDY
			"add it, as in slapd.conf.example");
	else if (d->sync == LDAP_ANSWER_UNCLEAR)
		report_error(report,
			"the tree cannot be followed: %s" REMEDY
			"check ldap.base, and that the milter may read it",
			d->sync_reason);
}

static void check_assertion(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;

	if (d->controls.count == 0)
		report_unseen(report,
			"the controls that the server offers cannot be read" REMEDY
			"let everybody read the root DSE, as the rules of slapd.conf.example do");
	else if (!strings_has(&d->controls, CONTROL_ASSERTION))
		report_error(report, "the server does not offer assertions (RFC 4528): no mailbox "
				     "can be held or "
				     "swapped safely" REMEDY "let write_uri be an OpenLDAP server");
}

static void check_writes(const struct facts *facts, struct doctor_report *report)
{
	if (facts->directory.rights.read_only)
		report_error(report,
			"write_uri takes no writes: %s" REMEDY "name the provider that does",
			facts->directory.rights.read_only_reason);
}

static void check_limits(const struct facts *facts, struct doctor_report *report)
{
	if (facts->directory.limited)
		report_error(report,
			"the milter is not shown all mailboxes: %s" REMEDY
			"lift the limits of its bind, as the limits of slapd.conf.example "
			"do",
			facts->directory.limited_reason);
}

/* --- clocks --------------------------------------------------------------------------------- */

#define SKEW_WARNED_US (5 * CLOCK_SECOND)
#define SKEW_BAD_US    (300 * CLOCK_SECOND)

static void report_skew(
	const char *whose, int64_t skew_us, const char *remedy, struct doctor_report *report)
{
	char text[32];

	clock_human(text, sizeof(text), skew_us < 0 ? -skew_us : skew_us);
	if (skew_us > SKEW_BAD_US || skew_us < -SKEW_BAD_US)
		report_error(report, "%s is %s %s the directory's" REMEDY "%s", whose, text,
			skew_us < 0 ? "behind" : "ahead of", remedy);
	else
		report_warning(report, "%s is %s %s the directory's" REMEDY "%s", whose, text,
			skew_us < 0 ? "behind" : "ahead of", remedy);
}

/* A heartbeat is cut to seconds, and the entry may have been written again up to a period later. */
static void check_nodes_clock(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;
	int64_t slack = facts->config->milter.heartbeat + CLOCK_SECOND;

	for (size_t i = 0; i < d->clock_count; i++) {
		const struct node_clock *clock = &d->clocks[i];
		int64_t ahead = clock->beat_us - clock->csn_us;
		char whose[300];

		if (clock->beat_us < 0 || clock->csn_us < 0)
			continue;
		snprintf(whose, sizeof(whose), "the clock of front door %s", clock->name);
		if (ahead > SKEW_WARNED_US)
			report_skew(
				whose, ahead, "let both machines follow one time server", report);
		else if (clock->own && -ahead > SKEW_WARNED_US + slack)
			report_skew(whose, ahead + slack,
				"let both machines follow one time server", report);
	}
}

static void check_clock(const struct facts *facts, struct doctor_report *report)
{
	int64_t newest = facts->directory.newest_us;

	if (newest < 0 && facts->directory.sync != LDAP_ANSWER_NO)
		report_unseen(report,
			"the directory's clock cannot be seen: no contextCSN at %s" REMEDY
			"let the milter's bind read it there, as slapd.conf.example does",
			facts->directory.suffix);
	else if (newest >= 0 && facts->now_us - newest < -SKEW_WARNED_US)
		report_skew("the clock of this machine", facts->now_us - newest,
			"let both machines follow one time server; a clock that was set "
			"back makes changes be ignored for their age",
			report);
}

/* --- the federation ------------------------------------------------------------------------- */

static void check_federation(const struct facts *facts, struct doctor_report *report)
{
	const struct directory_facts *d = &facts->directory;

	if (d->federation == NULL)
		report_error(report,
			"the milter does not see the federation, cn=restante,%s: %s" REMEDY
			"correct ldap.base, or add it as in sample.ldif",
			facts->config->ldap.base, d->federation_reason);
}

static void check_domains(const struct facts *facts, struct doctor_report *report)
{
	if (facts->directory.federation->domain_count == 0)
		report_error(report,
			"the federation has no domain: no mail is looked after" REMEDY
			"add associatedDomain to cn=restante,%s",
			facts->config->ldap.base);
}

static void check_node(const struct facts *facts, struct doctor_report *report)
{
	const char *state = facts->directory.node_state, *name = facts->config->milter.node;

	if (state == NULL)
		report_error(report,
			"this front door has no entry %s: federated recipients get 451" REMEDY
			"restante node enable %s",
			facts->directory.node_dn, name);
	else if (strcasecmp(state, "enabled") != 0)
		report_warning(report,
			"this front door is %s: federated recipients get 451" REMEDY
			"restante node enable %s",
			*state ? state : "without a state", name);
}

static void check_others(const struct facts *facts, struct doctor_report *report)
{
	for (size_t i = 0; i < json_count(facts->others); i++)
		report_warning(report, "%s" REMEDY "restante status",
			json_text(json_at(facts->others, i)));
}

const struct doctor_check doctor_directory_checks[] = {
	{ "directory.reach", "the milter can bind at write_uri", NEED_CONFIG | WANT_DIRECTORY,
		check_reach },
	{ "directory.administrator", "the bind of cli {} works", NEED_DIRECTORY,
		check_administrator },
	{ "directory.readers", "every other server of ldap.uri serves", NEED_DIRECTORY,
		check_readers },
	{ "directory.level", "no server of ldap.uri is behind write_uri", NEED_DIRECTORY,
		check_level },
	{ "directory.cleartext", "no password crosses the network in the clear", NEED_DIRECTORY,
		check_cleartext },
	{ "directory.schema", "the schema of this version is loaded", NEED_DIRECTORY,
		check_schema },
	{ "directory.sync", "the tree can be followed (syncprov, RFC 4533)", NEED_DIRECTORY,
		check_sync },
	{ "directory.assertion", "assertions are offered (RFC 4528)", NEED_DIRECTORY,
		check_assertion },
	{ "directory.writes", "write_uri takes writes", NEED_DIRECTORY, check_writes },
	{ "directory.limits", "the milter is shown all mailboxes", NEED_DIRECTORY, check_limits },
	{ "clock.directory", "the directory's clock is not ahead of ours", NEED_DIRECTORY,
		check_clock },
	{ "clock.nodes", "the clocks of the front doors agree with the directory's", NEED_DIRECTORY,
		check_nodes_clock },
	{ "federation.entry", "the federation is there", NEED_DIRECTORY, check_federation },
	{ "federation.domains", "it has domains", NEED_FEDERATION, check_domains },
	{ "federation.node", "this front door has an entry and is enabled", NEED_FEDERATION,
		check_node },
	{ "federation.others", "the other front doors and the systems are well", NEED_FEDERATION,
		check_others },
	{ NULL, NULL, 0, NULL },
};
