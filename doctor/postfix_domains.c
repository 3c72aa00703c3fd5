/* Where Postfix sends the federated domains, and which of its tables meddle with them. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor/postfix.h"

#define OLDEST_MAJOR 3
#define OLDEST_MINOR 4
#define SHOWN        3

void postfix_check_version(const struct facts *facts, struct doctor_report *report)
{
	const char *version = postfix_main_value(postfix_of(facts), "mail_version");
	char *rest;
	long major = strtol(version, &rest, 10), minor = *rest == '.' ? atol(rest + 1) : 0;

	if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		report_error(report, "this is Postfix %s" REMEDY "3.4 or later is needed", version);
}

/* --- classes and routes --------------------------------------------------------------------- */

void postfix_check_classes(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->domain_count; i++) {
		const struct postfix_domain *domain = &postfix->domains[i];
		const char *class = domain->destination ? "mydestination"
				    : domain->alias     ? "virtual_alias_domains"
				    : domain->mailbox   ? "virtual_mailbox_domains"
							: NULL;

		if (class != NULL)
			report_error(report,
				"the federated domain %s is in %s: Postfix delivers its "
				"mail itself, past the milter" REMEDY
				"take it out there; it belongs in relay_domains",
				domain->name, class);
	}
}

static bool is_own(const struct postfix_domain *domain)
{
	return domain->destination || domain->alias || domain->mailbox;
}

void postfix_check_relay(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->domain_count; i++)
		if (!postfix->domains[i].relay && !is_own(&postfix->domains[i]))
			report_error(report,
				"the federated domain %s is not in relay_domains: its mail "
				"is refused or sent away" REMEDY
				"add it to restante_domains in main.cf",
				postfix->domains[i].name);
}

/* "restante-reentry:[127.0.0.1]:10027" leads to that service of master.cf. */
static bool leads_to(const struct postfix *postfix, const char *transport,
	const struct postfix_service *listener)
{
	const char *colon = strchr(transport, ':');
	const char *port = strrchr(transport, ':');
	const char *listens = strrchr(listener->name, ':');
	char name[128];

	if (colon == NULL || port == colon || !listener_is_loopback(colon + 1))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(colon - transport), transport);
	return strcmp(port + 1, listens != NULL ? listens + 1 : listener->name) == 0 &&
	       postfix_find(postfix, name, "unix") != NULL;
}

static const struct postfix_service *reentry(const struct facts *facts)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->service_count; i++)
		if (postfix_is_reentry(facts, &postfix->services[i]))
			return &postfix->services[i];
	return NULL;
}

void postfix_check_route(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);
	const struct postfix_service *listener = reentry(facts);

	for (size_t i = 0; listener != NULL && i < postfix->domain_count; i++) {
		const struct postfix_domain *domain = &postfix->domains[i];

		if (domain->relay && !leads_to(postfix, domain->transport, listener))
			report_error(report,
				"mail that still bears an address of %s leaves by %s, not "
				"by the re-entry listener %s" REMEDY
				"relay_transport = restante-reentry:[127.0.0.1]:10027, or "
				"the same in transport_maps",
				domain->name, *domain->transport ? domain->transport : "its MX",
				listener->name);
	}
}

void postfix_check_stale(const struct facts *facts, struct doctor_report *report)
{
	const struct strings *stale = &postfix_of(facts)->stale;

	for (size_t i = 0; i < stale->count; i++)
		report_warning(report,
			"Postfix routes %s to the re-entry listener, and the directory "
			"does not know that domain: its mail gets 451" REMEDY
			"take it out of restante_domains, or add it as associatedDomain",
			stale->items[i]);
}

void postfix_check_recipients(const struct facts *facts, struct doctor_report *report)
{
	const char *maps = postfix_main_value(postfix_of(facts), "relay_recipient_maps");

	if (*maps != '\0')
		report_warning(report,
			"relay_recipient_maps = %s: Postfix refuses whom it does not list, "
			"whatever the directory says" REMEDY "relay_recipient_maps =",
			maps);
}

void postfix_check_subdomains(const struct facts *facts, struct doctor_report *report)
{
	if (postfix_lists(postfix_main_value(postfix_of(facts), "parent_domain_matches_subdomains"),
		    "relay_domains"))
		report_error(report,
			"relay_domains match their subdomains: a physical address below a "
			"federated domain is routed as that one is, and circles" REMEDY
			"parent_domain_matches_subdomains as in contrib/postfix/main.cf");
}

/* --- tables --------------------------------------------------------------------------------- */

static void report_overlaps(const struct facts *facts, const char *const *parameters,
	const char *harm, const char *remedy, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->overlap_count; i++) {
		const struct postfix_overlap *overlap = &postfix->overlaps[i];
		struct str keys = STR_INIT;
		bool wanted = false;

		for (size_t k = 0; parameters[k] != NULL; k++)
			wanted = wanted || strcmp(parameters[k], overlap->parameter) == 0;
		if (!wanted)
			continue;
		strings_show(&overlap->keys, SHOWN, &keys);
		report_warning(report, "%s, %s, has federated addresses (%s): %s" REMEDY "%s",
			overlap->parameter, overlap->table, str_cstr(&keys), harm, remedy);
		str_free(&keys);
	}
}

#define INTO_DIRECTORY                                                                             \
	"let the directory have such addresses and lists (mailLocalAddress of a mailbox)"

void postfix_check_virtual(const struct facts *facts, struct doctor_report *report)
{
	static const char *const names[] = { "virtual_alias_maps", NULL };

	report_overlaps(facts, names,
		"Postfix expands them behind the milter, which sees the result only on its way out",
		INTO_DIRECTORY, report);
}

void postfix_check_canonical(const struct facts *facts, struct doctor_report *report)
{
	static const char *const names[] = { "canonical_maps", "recipient_canonical_maps", NULL };

	report_overlaps(facts, names,
		"Postfix rewrites recipients behind the milter, to others than it decided about",
		"use sender_canonical_maps for senders, and the directory for recipients", report);
}

void postfix_check_aliases(const struct facts *facts, struct doctor_report *report)
{
	static const char *const names[] = { "alias_maps", NULL };

	report_overlaps(facts, names,
		"the milter sees what they expand to only on its way out: who is unknown "
		"is bounced, not refused",
		INTO_DIRECTORY, report);
}

void postfix_check_tables(const struct facts *facts, struct doctor_report *report)
{
	const struct strings *unread = &postfix_of(facts)->unread;

	for (size_t i = 0; i < unread->count; i++)
		report_unseen(report,
			"a table of Postfix cannot be asked: %s" REMEDY
			"run this as root; postmap -q shows what is wrong",
			unread->items[i]);
}
