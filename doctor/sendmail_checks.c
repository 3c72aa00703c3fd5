/* Sendmail's filters and listeners: judged. */
#include <string.h>
#include <strings.h>

#include "doctor/sendmail.h"

#define SNIPPET  "as in contrib/sendmail/sendmail.mc"
#define OTHERS   0007
#define WRITABLE 0022

/* --- which filter, which listener ----------------------------------------------------------- */

static const char *path_of(const char *socket)
{
	const char *colon = socket != NULL ? strchr(socket, ':') : NULL;

	if (socket == NULL || strncasecmp(socket, "inet", 4) == 0)
		return NULL;
	return colon != NULL ? colon + 1 : socket;
}

static bool is_ours(const struct facts *facts, const struct sendmail_filter *filter)
{
	const char *ours = facts->config->milter.socket;
	const char *path = path_of(filter->socket), *our_path = path_of(ours);

	if (path == NULL || our_path == NULL)
		return filter->socket != NULL && strcasecmp(filter->socket, ours) == 0;
	return strcmp(path, our_path) == 0;
}

/* The one of our socket; else the one that is called as in the snippet, which has another. */
static const struct sendmail_filter *our_filter(const struct facts *facts)
{
	const struct sendmail *s = sendmail_of(facts);

	for (size_t i = 0; i < s->known_count; i++)
		if (is_ours(facts, &s->known[i]))
			return &s->known[i];
	for (size_t i = 0; i < s->known_count; i++)
		if (strcmp(s->known[i].name, "restante") == 0)
			return &s->known[i];
	return NULL;
}

static bool is_release(const struct facts *facts, const struct sendmail_daemon *daemon)
{
	struct listener listener;

	return daemon->port != NULL &&
	       listener_parse(facts->config->milter.release_listener, &listener) &&
	       strcmp(daemon->port, listener.port) == 0;
}

static bool is_reentry(const struct facts *facts, const struct sendmail_daemon *daemon)
{
	return daemon->name != NULL &&
	       strcmp(daemon->name, facts->config->milter.reentry_daemon_name) == 0;
}

typedef bool (*listener_kind)(const struct facts *facts, const struct sendmail_daemon *daemon);

static const struct sendmail_daemon *find(const struct facts *facts, listener_kind is)
{
	const struct sendmail *s = sendmail_of(facts);

	for (size_t i = 0; i < s->daemon_count; i++)
		if (is(facts, &s->daemons[i]))
			return &s->daemons[i];
	return NULL;
}

const struct sendmail_daemon *sendmail_reentry(const struct facts *facts)
{
	return find(facts, is_reentry);
}

static const char *name_of(const struct sendmail_daemon *daemon)
{
	return daemon->name != NULL ? daemon->name : daemon->port != NULL ? daemon->port : "smtp";
}

/* Where ours stands among the filters of the daemon: 0 = not there, 1 = the last, 2 = before
 * others. */
static int position(const struct facts *facts, const struct sendmail_daemon *daemon)
{
	const struct sendmail_filter *ours = our_filter(facts);
	struct strings chain = { NULL, 0 };
	int place = 0;

	sendmail_chain(sendmail_of(facts), daemon, &chain);
	for (size_t i = 0; ours != NULL && i < chain.count; i++)
		if (strcmp(chain.items[i], ours->name) == 0)
			place = i + 1 == chain.count ? 1 : 2;
	strings_free(&chain);
	return place;
}

/* --- the milter ----------------------------------------------------------------------------- */

void sendmail_check_milter(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail *s = sendmail_of(facts);
	size_t with = 0, fronts = 0;

	for (size_t i = 0; i < s->daemon_count; i++) {
		if (is_release(facts, &s->daemons[i]) || is_reentry(facts, &s->daemons[i]))
			continue;
		fronts++;
		with += position(facts, &s->daemons[i]) != 0;
	}
	if (fronts == 0) {
		report_error(report,
			"sendmail.cf has no listener but those of Restante: no mail comes in" REMEDY
			"DAEMON_OPTIONS(`Name=MTA, Port=smtp'), too");
		return;
	}
	if (with == 0) {
		report_error(report, "no listener of Sendmail has the milter: mail is neither "
				     "routed nor held" REMEDY "INPUT_MAIL_FILTER, " SNIPPET);
		return;
	}
	for (size_t i = 0; with < fronts && i < s->daemon_count; i++)
		if (!is_release(facts, &s->daemons[i]) && !is_reentry(facts, &s->daemons[i]) &&
			position(facts, &s->daemons[i]) == 0)
			report_warning(report,
				"mail that comes in at %s does not meet the milter before "
				"it is queued: unknown recipients are bounced" REMEDY
				"take InputMailFilters= out of its DAEMON_OPTIONS",
				name_of(&s->daemons[i]));
}

void sendmail_check_socket(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail_filter *ours = our_filter(facts);

	if (ours != NULL && !is_ours(facts, ours))
		report_error(report,
			"Sendmail looks for the milter %s at %s, it listens at %s" REMEDY
			"the same in both: S= of INPUT_MAIL_FILTER, milter.socket",
			ours->name, ours->socket != NULL ? ours->socket : "?",
			facts->config->milter.socket);
}

void sendmail_check_order(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail *s = sendmail_of(facts);

	for (size_t i = 0; i < s->daemon_count; i++)
		if (position(facts, &s->daemons[i]) == 2) {
			report_error(report,
				"%s has other filters behind the milter: they see no held "
				"mail, and may refuse what is held already" REMEDY
				"its INPUT_MAIL_FILTER comes last in sendmail.mc",
				name_of(&s->daemons[i]));
			return;
		}
}

/* Without F= mail passes unfiltered while the milter is down; F=R refuses it for good. */
void sendmail_check_down(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail_filter *ours = our_filter(facts);

	if (ours != NULL && (ours->flags == NULL || strchr("T4", ours->flags[0]) == NULL ||
				    ours->flags[0] == '\0'))
		report_error(report,
			"when the milter is down, Sendmail goes on without it (F=%s): held "
			"mail would leak to the old place, or be refused" REMEDY "F=T, " SNIPPET,
			ours->flags != NULL ? ours->flags : "");
}

void sendmail_check_rights(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail *s = sendmail_of(facts);
	const struct place_facts *folder = &facts->host.places[PLACE_SOCKET];

	if (folder->path != NULL && folder->at.exists && (folder->at.st.st_mode & WRITABLE) != 0)
		report_error(report,
			"others than its owner can write to the folder of %s: Sendmail "
			"calls the socket unsafe" REMEDY "chmod go-w the folder",
			facts->config->milter.socket);
	else if (folder->path != NULL && folder->at.exists && s->socket.exists &&
		 (folder->at.st.st_mode & OTHERS) != 0 && (s->socket.st.st_mode & OTHERS) != 0)
		report_error(report,
			"anybody on this machine may talk to the milter at %s" REMEDY
			"milter.socket_mode = 0600: Sendmail runs as root",
			facts->config->milter.socket);
}

/* --- the two listeners ---------------------------------------------------------------------- */

static void check_listener(
	const struct sendmail_daemon *daemon, const char *which, struct doctor_report *report)
{
	if (daemon == NULL)
		report_error(report,
			"sendmail.cf has no %s listener" REMEDY "its DAEMON_OPTIONS, " SNIPPET,
			which);
	else if (daemon->address == NULL || !listener_is_loopback(daemon->address))
		report_error(report,
			"the %s listener %s takes mail from other machines" REMEDY
			"Addr=127.0.0.1, " SNIPPET,
			which, name_of(daemon));
}

/* C: addresses in headers stay as they are. */
static void check_rewrites(
	const struct sendmail_daemon *daemon, const char *which, struct doctor_report *report)
{
	if (daemon != NULL && (daemon->modifiers == NULL || strchr(daemon->modifiers, 'C') == NULL))
		report_error(report,
			"the %s listener %s changes addresses in headers, which breaks "
			"signatures" REMEDY "C in its M=, " SNIPPET,
			which, name_of(daemon));
}

void sendmail_check_reentry(const struct facts *facts, struct doctor_report *report)
{
	check_listener(find(facts, is_reentry), "re-entry", report);
}

void sendmail_check_reentry_milter(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail_daemon *daemon = find(facts, is_reentry);

	if (daemon != NULL && position(facts, daemon) == 0)
		report_error(report,
			"the re-entry listener %s does not have the milter: mail circles "
			"there" REMEDY "its InputMailFilters=, " SNIPPET,
			name_of(daemon));
}

void sendmail_check_reentry_rewrites(const struct facts *facts, struct doctor_report *report)
{
	check_rewrites(find(facts, is_reentry), "re-entry", report);
}

void sendmail_check_release(const struct facts *facts, struct doctor_report *report)
{
	check_listener(find(facts, is_release), "release", report);
}

void sendmail_check_release_milter(const struct facts *facts, struct doctor_report *report)
{
	const struct sendmail_daemon *daemon = find(facts, is_release);
	struct strings chain = { NULL, 0 };

	if (daemon == NULL)
		return;
	sendmail_chain(sendmail_of(facts), daemon, &chain);
	if (chain.count > 0)
		report_error(report,
			"the release listener %s has filters: what is released is decided "
			"again, and changed" REMEDY "an empty InputMailFilters=, " SNIPPET,
			name_of(daemon));
	strings_free(&chain);
}

void sendmail_check_release_rewrites(const struct facts *facts, struct doctor_report *report)
{
	check_rewrites(find(facts, is_release), "release", report);
}
