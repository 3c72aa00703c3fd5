/* Whether all mail meets the milter, in the right place, and what happens when it is down. */
#include <string.h>
#include <strings.h>

#include "doctor/postfix.h"
#include "lib/mem.h"

#define ON_THE_FRONT "smtpd_milters = unix:restante/milter.sock in main.cf"

/* --- is it ours? ---------------------------------------------------------------------------- */

/* Behind "unix:" or "local:"; NULL for TCP. */
static const char *path_of(const char *socket)
{
	if (strncasecmp(socket, "unix:", 5) == 0)
		return socket + 5;
	return strncasecmp(socket, "local:", 6) == 0 ? socket + 6 : NULL;
}

/* Where smtpd, which runs in the queue directory, finds that path. */
static char *full_path(const char *queue_directory, bool chrooted, const char *path)
{
	if (*path == '/' && !chrooted)
		return mem_strdup(path);
	return mem_printf("%s/%s", queue_directory, path + (*path == '/'));
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Postfix has inet:host:port, libmilter inet:port@host. */
static bool same_tcp(const char *postfix, const char *libmilter)
{
	const char *at = strchr(libmilter, '@'), *colon = strrchr(postfix, ':');
	const char *port = strchr(libmilter, ':');

	if (at == NULL || colon == NULL || port == NULL || port > at)
		return false;
	return strlen(colon + 1) == (size_t)(at - port - 1) &&
	       strncmp(colon + 1, port + 1, strlen(colon + 1)) == 0;
}

enum postfix_place postfix_judge_socket(
	const struct facts *facts, const char *queue_directory, bool chrooted, const char *socket)
{
	const char *ours = facts->config->milter.socket;
	const char *path = path_of(socket), *our_path = path_of(ours);

	if (path == NULL || our_path == NULL)
		return path == our_path && same_tcp(socket, ours) ? MILTER_OURS : MILTER_ABSENT;
	char *full = full_path(queue_directory, chrooted, path);
	enum postfix_place place = strcmp(full, our_path) == 0 ? MILTER_OURS
				   : strcmp(last_part(path), last_part(our_path)) == 0
					   ? MILTER_ELSEWHERE
					   : MILTER_ABSENT;
	mem_free(&full);
	return place;
}

/* The entries of smtpd_milters of a service, and which of them is ours. */
struct chain {
	struct strings entries;
	size_t ours; /* entries.count: none */
	enum postfix_place place;
};

static void judge_entry(const struct facts *facts, bool chrooted, struct chain *chain, size_t i)
{
	const char *queue = postfix_main_value(postfix_of(facts), "queue_directory");
	struct postfix_milter milter;

	postfix_milter_parse(chain->entries.items[i], &milter);
	enum postfix_place place = postfix_judge_socket(facts, queue, chrooted, milter.socket);
	postfix_milter_free(&milter);
	if (place > chain->place) {
		chain->place = place;
		chain->ours = i;
	}
}

static void read_chain(const struct facts *facts, const struct postfix_service *service,
	const char *parameter, struct chain *chain)
{
	const struct postfix *postfix = postfix_of(facts);
	bool switched_off = service != NULL && postfix_lists(postfix_value(postfix, service,
								     "receive_override_options"),
						       "no_milters");

	memset(chain, 0, sizeof(*chain));
	if (!switched_off)
		strings_split(service != NULL ? postfix_value(postfix, service, parameter)
					      : postfix_main_value(postfix, parameter),
			&chain->entries);
	chain->ours = chain->entries.count;
	for (size_t i = 0; i < chain->entries.count; i++)
		judge_entry(facts, service != NULL && service->chrooted, chain, i);
}

bool postfix_has_milter(const struct facts *facts, const struct postfix_service *service)
{
	struct chain chain;

	read_chain(facts, service, "smtpd_milters", &chain);
	bool has = chain.place != MILTER_ABSENT;
	strings_free(&chain.entries);
	return has;
}

/* --- all mail meets it ---------------------------------------------------------------------- */

static bool is_filtered(const struct facts *facts, const struct postfix_service *service)
{
	const struct postfix *postfix = postfix_of(facts);

	return *postfix_value(postfix, service, "content_filter") != '\0' ||
	       *postfix_value(postfix, service, "smtpd_proxy_filter") != '\0';
}

/* Takes mail from elsewhere; the listeners of our own are looked at by themselves. */
static bool is_front(const struct facts *facts, const struct postfix_service *service)
{
	return postfix_is_smtpd(service) && !postfix_is_release(facts, service) &&
	       !postfix_is_reentry(facts, service);
}

void postfix_check_milter(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);
	struct strings without = { NULL, 0 };
	size_t with = 0;

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];

		if (!is_front(facts, service))
			continue;
		if (postfix_has_milter(facts, service))
			with++;
		else if (!is_filtered(facts, service))
			strings_add(&without, service->name);
	}
	if (with == 0)
		report_error(report, "no listener of Postfix has the milter: mail is neither "
				     "routed nor held" REMEDY ON_THE_FRONT);
	for (size_t i = 0; with > 0 && i < without.count; i++)
		report_warning(report,
			"mail that comes in at %s does not meet the milter before it is "
			"queued: unknown recipients are bounced" REMEDY
			"take smtpd_milters and no_milters out of its options in master.cf",
			without.items[i]);
	strings_free(&without);
}

void postfix_check_socket(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];
		struct chain chain;

		if (!postfix_is_smtpd(service))
			continue;
		read_chain(facts, service, "smtpd_milters", &chain);
		if (chain.place == MILTER_ELSEWHERE)
			report_error(report,
				"%s%s looks for the milter at %s, it listens at %s" REMEDY
				"smtpd_milters = unix:restante/milter.sock, milter.socket "
				"= unix:%s/restante/milter.sock",
				service->name, service->chrooted ? " (chrooted)" : "",
				chain.entries.items[chain.ours], facts->config->milter.socket,
				postfix_main_value(postfix, "queue_directory"));
		strings_free(&chain.entries);
		if (chain.place == MILTER_ELSEWHERE)
			return; /* the others say the same */
	}
}

void postfix_check_order(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];
		struct chain chain;

		if (!postfix_is_smtpd(service))
			continue;
		read_chain(facts, service, "smtpd_milters", &chain);
		bool behind = chain.place != MILTER_ABSENT && chain.ours + 1 < chain.entries.count;
		if (behind)
			report_error(report,
				"%s is behind the milter in smtpd_milters of %s: it sees "
				"no held mail, and may refuse what is held already" REMEDY
				"put restante-milter last",
				chain.entries.items[chain.entries.count - 1], service->name);
		strings_free(&chain.entries);
		if (behind)
			return;
	}
}

/* --- when it is down ------------------------------------------------------------------------ */

static char *action_of(const struct facts *facts, const struct postfix_service *service)
{
	struct postfix_milter milter = { NULL, NULL };
	struct chain chain;
	char *action = NULL;

	read_chain(facts, service, "smtpd_milters", &chain);
	if (chain.place != MILTER_ABSENT) {
		postfix_milter_parse(chain.entries.items[chain.ours], &milter);
		action =
			mem_strdup(milter.action != NULL ? milter.action
							 : postfix_value(postfix_of(facts), service,
								   "milter_default_action"));
		postfix_milter_free(&milter);
	}
	strings_free(&chain.entries);
	return action;
}

void postfix_check_action(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);
	bool said = false;

	for (size_t i = 0; i < postfix->service_count && !said; i++) {
		const struct postfix_service *service = &postfix->services[i];
		char *action = postfix_is_smtpd(service) ? action_of(facts, service) : NULL;

		said = action != NULL && strcasecmp(action, "tempfail") != 0;
		if (said)
			report_error(report,
				"when the milter is down, %s does \"%s\": held mail would "
				"leak to the old place, or be refused" REMEDY
				"milter_default_action = tempfail",
				service->name, action);
		mem_free(&action);
	}
}

void postfix_check_protocol(const struct facts *facts, struct doctor_report *report)
{
	const char *version = postfix_main_value(postfix_of(facts), "milter_protocol");

	if (strcmp(version, "6") != 0)
		report_error(report,
			"milter_protocol is %s: the milter would not see headers as they "
			"are" REMEDY "milter_protocol = 6",
			version);
}

void postfix_check_milter_maps(const struct facts *facts, struct doctor_report *report)
{
	const char *maps = postfix_main_value(postfix_of(facts), "smtpd_milter_maps");

	if (*maps != '\0')
		report_warning(report,
			"smtpd_milter_maps = %s: clients in it have other milters, or none" REMEDY
			"leave it empty, or name restante-milter last in each of its values",
			maps);
}

/* A refusal or "later" cannot be given to mail that no client waits for. */
void postfix_check_non_smtpd(const struct facts *facts, struct doctor_report *report)
{
	struct chain chain;

	read_chain(facts, NULL, "non_smtpd_milters", &chain);
	if (chain.place != MILTER_ABSENT)
		report_error(report,
			"non_smtpd_milters has the milter: what it would refuse or put off is lost "
			"there" REMEDY "take it out; such mail passes by the re-entry listener");
	strings_free(&chain.entries);
}

/* --- content filters ------------------------------------------------------------------------ */

void postfix_check_filter(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];

		if (!is_front(facts, service) || !postfix_has_milter(facts, service))
			continue;
		if (*postfix_value(postfix, service, "smtpd_proxy_filter") != '\0')
			report_error(report,
				"%s has smtpd_proxy_filter before the milter, which then "
				"sees no content" REMEDY
				"-o smtpd_milters= there, and let the listener behind the "
				"filter have it",
				service->name);
		else if (*postfix_value(postfix, service, "content_filter") != '\0')
			report_error(report,
				"%s gives mail to content_filter after the milter: what is "
				"held is never filtered" REMEDY
				"-o smtpd_milters= there, and let the listener behind the "
				"filter have it",
				service->name);
	}
}

/* --- the socket ----------------------------------------------------------------------------- */

#define OTHERS 0007

void postfix_check_rights(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);
	const struct place_facts *folder = &facts->host.places[PLACE_SOCKET];
	const char *owner = postfix_main_value(postfix, "mail_owner");

	if (path_of(facts->config->milter.socket) == NULL)
		return;
	if (postfix->socket.reach == REACH_DENIED)
		report_error(report,
			"%s (mail_owner) may not reach the milter's socket: %s" REMEDY
			"install -d -o %s -g %s -m 2750 %s/restante, and restart "
			"restante-milter",
			owner, postfix->socket.culprit, facts->milter.name, owner,
			postfix_main_value(postfix, "queue_directory"));
	else if (postfix->socket.reach == REACH_MISSING)
		report_error(report,
			"restante-milter runs, but its socket is not there: %s" REMEDY
			"restart restante-milter; milter.socket says where it listens",
			postfix->socket.culprit);
	else if (postfix->socket.reach == REACH_UNSEEN)
		report_unseen(report,
			"you may not look at the milter's socket: %s" REMEDY "run this as root",
			postfix->socket.culprit);
	else if (folder->path != NULL && folder->at.exists &&
		 (folder->at.st.st_mode & OTHERS) != 0 && postfix->socket.exists &&
		 (postfix->socket.st.st_mode & OTHERS) != 0)
		report_error(report,
			"anybody on this machine may talk to the milter at %s" REMEDY
			"chmod 2750 its folder, milter.socket_mode = 0660",
			facts->config->milter.socket);
}

void postfix_check_control(const struct facts *facts, struct doctor_report *report)
{
	if (postfix_of(facts)->control_member)
		report_error(report,
			"%s (mail_owner) is in the group %s, which may read and delete "
			"held mail" REMEDY "gpasswd -d %s %s",
			postfix_main_value(postfix_of(facts), "mail_owner"),
			facts->config->milter.group,
			postfix_main_value(postfix_of(facts), "mail_owner"),
			facts->config->milter.group);
}
