/* cn=config and the access rules: judged. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor/checks.h"

#define SHOWN           3
#define SESSION_LOG_LOW 1000

/* --- cn=config ------------------------------------------------------------------------------ */

static void check_seen(const struct facts *facts, struct doctor_report *report)
{
	if (!facts->directory.settings.seen)
		report_unseen(report,
			"cn=config cannot be read: whether syncprov has a session log, "
			"unique is serialized and attributes are indexed cannot be seen "
			"from here" REMEDY
			"as root on the directory server: slapcat -n 0 | grep -E "
			"'olcSp|olcUnique|olcDbIndex'; or grant it as slapd.conf.example does");
}

static void check_session_log(const struct facts *facts, struct doctor_report *report)
{
	const struct settings *settings = &facts->directory.settings;
	long changes = settings->session_log != NULL ? atol(settings->session_log) : 0;

	if (settings->syncprov && changes < SESSION_LOG_LOW)
		report_warning(report,
			"syncprov keeps %ld changes in its session log: a front door that "
			"comes back compares everything" REMEDY "set olcSpSessionlog to 100000",
			changes);
}

static void check_checkpoint(const struct facts *facts, struct doctor_report *report)
{
	const struct settings *settings = &facts->directory.settings;

	if (settings->syncprov && settings->checkpoint == NULL)
		report_warning(report, "syncprov writes its change numbers to the disk only when "
				       "slapd stops" REMEDY "set olcSpCheckpoint to 100 1");
}

/* "serialize ldap:///base?mailLocalAddress?sub": whether it is about the attribute. */
static bool is_about(const char *value, const char *attribute, bool *serialized_r)
{
	const char *uri = strstr(value, "ldap:///");
	const char *list = uri != NULL ? strchr(uri, '?') : NULL;
	size_t wanted = strlen(attribute);

	*serialized_r = uri != NULL && strstr(value, "serialize") != NULL &&
			strstr(value, "serialize") < uri;
	while (list != NULL) {
		size_t len = strcspn(++list, ",?");

		if (len == wanted && strncasecmp(list, attribute, len) == 0)
			return true;
		list = list[len] == ',' ? list + len : NULL;
	}
	return false;
}

static void judge_unique(
	const struct settings *settings, const char *attribute, bool *found_r, bool *serialized_r)
{
	*found_r = *serialized_r = false;
	for (size_t i = 0; i < settings->unique_uris.count; i++) {
		bool serialized;

		if (!is_about(settings->unique_uris.items[i], attribute, &serialized))
			continue;
		*found_r = true;
		*serialized_r = *serialized_r || serialized;
	}
}

static const char *const unique_attributes[] = { "mailLocalAddress", "restanteAddressUTF8", NULL };

static void check_unique(const struct facts *facts, struct doctor_report *report)
{
	bool found, serialized;

	for (size_t i = 0; unique_attributes[i] != NULL; i++) {
		judge_unique(&facts->directory.settings, unique_attributes[i], &found, &serialized);
		if (!found)
			report_error(report,
				"nothing keeps two mailboxes from having one %s" REMEDY
				"overlay unique with olcUniqueURI: serialize "
				"ldap:///%s?%s?sub",
				unique_attributes[i], facts->config->ldap.base,
				unique_attributes[i]);
	}
}

static void check_serialize(const struct facts *facts, struct doctor_report *report)
{
	bool found, serialized;

	for (size_t i = 0; unique_attributes[i] != NULL; i++) {
		judge_unique(&facts->directory.settings, unique_attributes[i], &found, &serialized);
		if (found && !serialized)
			report_error(report,
				"two writers at once can give one %s to two mailboxes" REMEDY
				"put the word serialize before the URI in olcUniqueURI",
				unique_attributes[i]);
	}
}

/* "mailLocalAddress,restanteAddressUTF8 eq": whether it has the attribute, for equality. */
static bool indexes(const char *value, const char *attribute)
{
	size_t wanted = strlen(attribute), len;
	const char *kinds = strchr(value, ' ');

	if (kinds != NULL && strstr(kinds, "eq") == NULL)
		return false;
	for (;; value += len + 1) {
		len = strcspn(value, ", ");
		if (len == wanted && strncasecmp(value, attribute, len) == 0)
			return true;
		if (value[len] != ',')
			return false;
	}
}

static void need_index(const struct strings *list, const char *wanted, struct doctor_report *report)
{
	for (size_t k = 0; k < list->count; k++)
		if (indexes(list->items[k], wanted))
			return;
	report_warning(report,
		"%s is not indexed for equality: slapd reads every entry" REMEDY
		"add olcDbIndex: %s eq",
		wanted, wanted);
}

/* What the front doors search for, and where there is a section for it, what syncs do. */
static void check_indexes(const struct facts *facts, struct doctor_report *report)
{
	static const char *const doors[] = { "objectClass", "entryUUID", "entryCSN",
		"mailLocalAddress", "restanteAddressUTF8", NULL };
	static const char *const syncs[] = { "restanteSystem", "restanteSourceId",
		"mailRoutingAddress", NULL };
	const struct strings *list = &facts->directory.settings.indexes;

	for (size_t i = 0; doors[i] != NULL; i++)
		need_index(list, doors[i], report);
	for (size_t i = 0; facts->config->ups.count > 0 && syncs[i] != NULL; i++)
		need_index(list, syncs[i], report);
}

/* Known from the server's answers, where cn=config says nothing. */
static void check_enforced(const struct facts *facts, struct doctor_report *report)
{
	if (!facts->directory.settings.seen && facts->directory.unique_asked &&
		facts->directory.unique == LDAP_ANSWER_NO)
		report_error(report,
			"write_uri would give one mailbox the address of another" REMEDY
			"overlay unique on that server, as in slapd.conf.example");
}

const struct doctor_check doctor_settings_checks[] = {
	{ "directory.enforced", "one address cannot go to two mailboxes", NEED_FEDERATION,
		check_enforced },
	{ "directory.settings", "cn=config can be read", NEED_DIRECTORY, check_seen },
	{ "directory.session-log", "syncprov has a session log", NEED_SETTINGS, check_session_log },
	{ "directory.checkpoint", "syncprov has checkpoints", NEED_SETTINGS, check_checkpoint },
	{ "directory.unique", "overlay unique guards both kinds of addresses", NEED_SETTINGS,
		check_unique },
	{ "directory.serialize", "overlay unique is serialized", NEED_SETTINGS, check_serialize },
	{ "directory.indexes", "what is looked for is indexed", NEED_SETTINGS, check_indexes },
	{ NULL, NULL, 0, NULL },
};

/* --- access rules --------------------------------------------------------------------------- */

/* The list, once: "what: a of x, b of y and 3 more". */
static void list(const struct strings *names, bool serious, const char *what, const char *remedy,
	struct doctor_report *report)
{
	struct str shown = STR_INIT;

	if (names->count == 0)
		return;
	strings_show(names, SHOWN, &shown);
	if (serious)
		report_error(report, "%s: %s" REMEDY "%s", what, str_cstr(&shown), remedy);
	else
		report_warning(report, "%s: %s" REMEDY "%s", what, str_cstr(&shown), remedy);
	str_free(&shown);
}

#define RULES "grant it in the access rules, as slapd.conf.example does"

static void check_read(const struct facts *facts, struct doctor_report *report)
{
	list(&facts->directory.rights.unread, true, "the milter may not read", RULES, report);
}

static void check_mailboxes(const struct facts *facts, struct doctor_report *report)
{
	if (facts->directory.mailboxes.count == 0)
		report_warning(report,
			"the milter sees no mailbox at all" REMEDY
			"add some (restante-schema(5)), or grant it in the access rules");
}

static void check_deletions(const struct facts *facts, struct doctor_report *report)
{
	if (facts->directory.rights.deletions_hidden)
		report_error(report, "the milter does not see the bare entries of the tree: it "
				     "would not hear of deletions" REMEDY
				     "grant it attrs=entry read by a rule without a filter, as "
				     "slapd.conf.example "
				     "does");
}

static void check_own(const struct facts *facts, struct doctor_report *report)
{
	list(&facts->directory.rights.missing, true,
		"the milter may not write what it acknowledges", RULES, report);
}

static void check_excess(const struct facts *facts, struct doctor_report *report)
{
	list(&facts->directory.rights.excess, false, "the milter may write more than its own state",
		"refuse it in the access rules, as slapd.conf.example does", report);
}

static void check_person(const struct facts *facts, struct doctor_report *report)
{
	list(&facts->directory.rights.administrator, true,
		"the bind of cli {} may not write what hold and swap need", RULES, report);
}

static void check_unclear(const struct facts *facts, struct doctor_report *report)
{
	struct str shown = STR_INIT;

	strings_show(&facts->directory.rights.unclear, SHOWN, &shown);
	if (facts->directory.rights.unclear.count > 0)
		report_unseen(report,
			"the server does not say whether it may be written: %s" REMEDY
			"see its log",
			str_cstr(&shown));
	str_free(&shown);
}

const struct doctor_check doctor_rights_checks[] = {
	{ "rights.mailboxes", "the milter sees mailboxes", NEED_FEDERATION, check_mailboxes },
	{ "rights.read",
		"the milter reads mailboxes, systems, moves, the federation and its own entry",
		NEED_FEDERATION, check_read },
	{ "rights.deletions", "the milter hears of deletions", NEED_FEDERATION, check_deletions },
	{ "rights.own", "the milter writes its own entry", NEED_FEDERATION, check_own },
	{ "rights.excess", "the milter writes nothing else", NEED_FEDERATION, check_excess },
	{ "rights.administrator", "the bind of cli {} may hold and swap", NEED_FEDERATION,
		check_person },
	{ "rights.unclear", "the server says what may be written", NEED_FEDERATION, check_unclear },
	{ NULL, NULL, 0, NULL },
};
