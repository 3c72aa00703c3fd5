/* Sendmail's domains, files and limits: judged. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "doctor/sendmail.h"

#define SNIPPET "as in contrib/sendmail/sendmail.mc"
#define DOMAINS "RestanteDomain" /* the class of the snippet */
#define SHOWN   3

/* --- domains -------------------------------------------------------------------------------- */

void sendmail_check_classes(const struct facts *facts, struct doctor_report *report)
{
	static const char *const classes[] = { "w", "VirtHost" };
	const struct federation *federation = facts->directory.federation;

	for (size_t i = 0; i < federation->domain_count; i++)
		for (size_t k = 0; k < sizeof(classes) / sizeof(classes[0]); k++)
			if (sendmail_class_has(
				    sendmail_of(facts), classes[k], federation->domains[i]))
				report_error(report,
					"the federated domain %s is in class {%s}: "
					"Sendmail delivers its mail itself, past the milter" REMEDY
					"take it out of local-host-names and of virtual "
					"domains",
					federation->domains[i], classes[k]);
}

void sendmail_check_relay(const struct facts *facts, struct doctor_report *report)
{
	const struct federation *federation = facts->directory.federation;

	for (size_t i = 0; i < federation->domain_count; i++)
		if (!sendmail_class_has(sendmail_of(facts), "R", federation->domains[i]))
			report_error(report,
				"the federated domain %s is not in class {R}: its mail is "
				"refused" REMEDY "add it to the file of domains, " SNIPPET,
				federation->domains[i]);
}

void sendmail_check_route(const struct facts *facts, struct doctor_report *report)
{
	const struct federation *federation = facts->directory.federation;
	const struct sendmail *s = sendmail_of(facts);

	if (!s->routed) {
		report_error(report,
			"no rule of sendmail.cf routes to the re-entry listener: bounces "
			"and forwards "
			"to federated addresses go astray" REMEDY "LOCAL_RULE_0, " SNIPPET);
		return;
	}
	for (size_t i = 0; i < federation->domain_count; i++)
		if (sendmail_class_has(s, "R", federation->domains[i]) &&
			!sendmail_class_has(s, DOMAINS, federation->domains[i]))
			report_error(report,
				"mail that still bears an address of %s is not routed to "
				"the re-entry "
				"listener: it is not in class {" DOMAINS "}" REMEDY
				"the rules and the file of domains, " SNIPPET,
				federation->domains[i]);
}

void sendmail_check_stale(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail_class *class = sendmail_class_find(sendmail_of(facts), DOMAINS);

	for (size_t i = 0; class != NULL && i < class->words.count; i++)
		if (!federation_serves(facts->directory.federation, class->words.items[i]))
			report_warning(report,
				"Sendmail routes %s to the re-entry listener, and the "
				"directory does not know that domain: its mail gets 451" REMEDY
				"take it out of the file of domains, or add it as "
				"associatedDomain",
				class->words.items[i]);
}

/* The mailer that leads there: its port, and F=k. */
void sendmail_check_loop(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail_mailer *mailer =
		sendmail_mailer_find(sendmail_of(facts), SENDMAIL_REENTRY);
	const struct sendmail_daemon *daemon = sendmail_reentry(facts);
	const char *port = mailer != NULL && mailer->arguments != NULL
				   ? strrchr(mailer->arguments, ' ')
				   : NULL;

	if (mailer == NULL)
		report_error(report,
			"sendmail.cf has no mailer " SENDMAIL_REENTRY REMEDY "add it, " SNIPPET);
	else if (mailer->flags == NULL || strchr(mailer->flags, 'k') == NULL)
		report_error(report, "the mailer " SENDMAIL_REENTRY
				     " lacks F=k: the first hop is \"mail loops back to me\", "
				     "for good" REMEDY "its flags " SNIPPET);
	else if (daemon != NULL && daemon->port != NULL &&
		 (port == NULL || strcmp(port + 1, daemon->port) != 0))
		report_error(report,
			"the mailer " SENDMAIL_REENTRY
			" leads to %s, the re-entry listener is at port %s" REMEDY
			"the same port in both, " SNIPPET,
			mailer->arguments != NULL ? mailer->arguments : "nothing", daemon->port);
}

static void report_keys(const struct strings *keys, const char *what, struct doctor_report *report)
{
	struct str shown = STR_INIT;

	strings_show(keys, SHOWN, &shown);
	if (keys->count > 0)
		report_warning(report,
			"%s has federated addresses (%s): the milter sees what they lead "
			"to only on its way out" REMEDY
			"let the directory have such addresses and lists",
			what, str_cstr(&shown));
	str_free(&shown);
}

void sendmail_check_aliases(const struct facts *facts, struct doctor_report *report)
{
	report_keys(&sendmail_of(facts)->overlaps, "the alias file", report);
}

void sendmail_check_virtual(const struct facts *facts, struct doctor_report *report)
{
	report_keys(&sendmail_of(facts)->table_overlaps, "virtusertable", report);
}

void sendmail_check_tables(const struct facts *facts, struct doctor_report *report)
{
	const struct strings *unread = &sendmail_of(facts)->unread;

	for (size_t i = 0; i < unread->count; i++)
		report_unseen(report,
			"a file of Sendmail cannot be read: %s" REMEDY
			"run this as root, or look at it yourself",
			unread->items[i]);
}

/* --- queue and limits ----------------------------------------------------------------------- */

static bool locks_the_queue(const char *queue_list)
{
	return (strstr(queue_list, "mailq") != NULL || strstr(queue_list, "sendmail") != NULL) &&
	       strcasestr(queue_list, "QueueSortOrder=") == NULL;
}

/* Mail that is answered, and not yet in a queue file, is what a drain would miss. */
void sendmail_check_queue(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail *s = sendmail_of(facts);
	const char *safe = s->super_safe != NULL ? s->super_safe : "True";

	if (strcasecmp(safe, "true") != 0 && strcasecmp(safe, "postmilter") != 0)
		report_error(report,
			"SuperSafe is %s: mail is answered before it is in the queue, and "
			"a drain misses it" REMEDY "confSAFE_QUEUE True or PostMilter",
			safe);
	if (s->queue_run > 0)
		report_error(report,
			"MaxQueueRunSize cuts the queue's listing at %lld messages, and a "
			"drain misses the others" REMEDY "leave confMAX_QUEUE_RUN_SIZE unset",
			(long long)s->queue_run);
	if (locks_the_queue(facts->config->milter.queue_list))
		report_warning(report,
			"queue_list locks each queue file for a moment: a Sendmail that finds the "
			"one it has just made locked disconnects its client" REMEDY
			"-OQueueSortOrder=filename for each mailq in it");
}

void sendmail_check_spared(const struct facts *facts, struct doctor_report *report)
{
	struct str keys = STR_INIT;

	strings_show(&sendmail_of(facts)->unspared, SHOWN, &keys);
	if (sendmail_of(facts)->unspared.count > 0)
		report_warning(report,
			"the access table does not spare this machine (%s): release and "
			"re-entry are slowed down or refused" REMEDY
			"a line with 0 for each of them",
			str_cstr(&keys));
	str_free(&keys);
}

void sendmail_check_limits(const struct facts *facts, struct doctor_report *report)
{
	if (sendmail_of(facts)->message_size > 0)
		report_warning(report,
			"MaxMessageSize holds for the release listener, too: what was just "
			"small enough is returned after a hold" REMEDY
			"leave it unset, or limit the size in check_eom for port 25");
}
