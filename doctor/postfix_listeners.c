/* The release and the re-entry listener: there, for this machine alone, and rewriting nothing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/postfix.h"

#define SNIPPET "as in contrib/postfix/master.cf"

bool postfix_is_smtpd(const struct postfix_service *service)
{
	return service->command != NULL && strcmp(service->command, "smtpd") == 0;
}

/* "127.0.0.1:10026" or "10026" */
static const char *port_of(const char *service)
{
	const char *colon = strrchr(service, ':');

	return colon != NULL ? colon + 1 : service;
}

bool postfix_is_release(const struct facts *facts, const struct postfix_service *service)
{
	struct listener listener;

	return postfix_is_smtpd(service) && strcmp(service->type, "inet") == 0 &&
	       listener_parse(facts->config->milter.release_listener, &listener) &&
	       strcmp(port_of(service->name), listener.port) == 0;
}

bool postfix_is_reentry(const struct facts *facts, const struct postfix_service *service)
{
	return postfix_is_smtpd(service) &&
	       strcmp(postfix_value(postfix_of(facts), service, "milter_macro_daemon_name"),
		       facts->config->milter.reentry_daemon_name) == 0;
}

typedef bool (*listener_kind)(const struct facts *facts, const struct postfix_service *service);

static const struct postfix_service *find(const struct facts *facts, listener_kind is)
{
	const struct postfix *postfix = postfix_of(facts);

	for (size_t i = 0; i < postfix->service_count; i++)
		if (is(facts, &postfix->services[i]))
			return &postfix->services[i];
	return NULL;
}

static bool is_local(const struct postfix *postfix, const struct postfix_service *service)
{
	const char *interfaces = postfix_value(postfix, service, "inet_interfaces");

	if (strchr(service->name, ':') != NULL)
		return listener_is_loopback(service->name);
	return strcmp(interfaces, "loopback-only") == 0 || listener_is_loopback(interfaces);
}

/* What both must be. */
static void check_listener(const struct facts *facts, const struct postfix_service *service,
	const char *which, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);
	const char *cleanup = postfix_value(postfix, service, "cleanup_service_name");

	if (!is_local(postfix, service))
		report_error(report,
			"the %s listener %s takes mail from other machines" REMEDY
			"bind it to 127.0.0.1, " SNIPPET,
			which, service->name);
	if (postfix_find(postfix, cleanup, "unix") == NULL)
		report_error(report,
			"the %s listener %s wants the cleanup service %s, which master.cf "
			"lacks" REMEDY "add it, " SNIPPET,
			which, service->name, cleanup);
}

/* --- rewriting ------------------------------------------------------------------------------ */

static void check_rewrites(const struct facts *facts, const struct postfix_service *service,
	const char *which, struct doctor_report *report)
{
	static const char *const wanted[] = { "no_address_mappings", "no_header_body_checks" };
	const struct postfix *postfix = postfix_of(facts);
	const char *options, *clients;

	if (service == NULL)
		return;
	options = postfix_value(postfix, service, "receive_override_options");
	clients = postfix_value(postfix, service, "local_header_rewrite_clients");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!postfix_lists(options, wanted[i]))
			report_error(report,
				"the %s listener %s changes mail: receive_override_options "
				"lacks %s" REMEDY "add it, " SNIPPET,
				which, service->name, wanted[i]);
	if (*clients != '\0')
		report_error(report,
			"the %s listener %s rewrites headers (local_header_rewrite_clients "
			"= %s), which breaks signatures" REMEDY
			"-o local_header_rewrite_clients= , " SNIPPET,
			which, service->name, clients);
}

static void check_filter(const struct facts *facts, const struct postfix_service *service,
	const char *which, struct doctor_report *report)
{
	static const char *const names[] = { "content_filter", "smtpd_proxy_filter" };

	for (size_t i = 0; service != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		const char *filter = postfix_value(postfix_of(facts), service, names[i]);

		if (*filter != '\0')
			report_error(report,
				"the %s listener %s gives mail to %s = %s once more" REMEDY
				"-o %s= , " SNIPPET,
				which, service->name, names[i], filter, names[i]);
	}
}

/* --- limits --------------------------------------------------------------------------------- */

/* The largest of the other listeners; 0 = no limit. */
static int64_t front_limit(const struct facts *facts, const char *name)
{
	const struct postfix *postfix = postfix_of(facts);
	int64_t most = -1;

	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];

		if (!postfix_is_smtpd(service) || postfix_is_release(facts, service) ||
			postfix_is_reentry(facts, service))
			continue;
		int64_t limit = atoll(postfix_value(postfix, service, name));
		if (limit == 0)
			return 0;
		most = limit > most ? limit : most;
	}
	return most > 0 ? most : 0;
}

static bool is_below(int64_t limit, int64_t front)
{
	return limit != 0 && (front == 0 || limit < front);
}

static void check_limit(const struct facts *facts, const struct postfix_service *service,
	const char *which, const char *name, const char *remedy, struct doctor_report *report)
{
	int64_t limit = atoll(postfix_value(postfix_of(facts), service, name));

	if (is_below(limit, front_limit(facts, name)))
		report_error(report,
			"%s of the %s %s is %" PRId64 ", below what comes in at the front" REMEDY
			"-o %s=%s, " SNIPPET,
			name, which, service->name, limit, name, remedy);
}

static void check_limits(const struct facts *facts, const struct postfix_service *service,
	const char *which, struct doctor_report *report)
{
	const struct postfix *postfix = postfix_of(facts);
	const struct postfix_service *cleanup;

	if (service == NULL)
		return;
	check_limit(facts, service, which, "message_size_limit", "0", report);
	check_limit(facts, service, which, "smtpd_recipient_limit", "10000", report);
	cleanup = postfix_find(
		postfix, postfix_value(postfix, service, "cleanup_service_name"), "unix");
	if (cleanup != NULL)
		check_limit(facts, cleanup, "cleanup service", "message_size_limit", "0", report);
}

/* --- the release listener ------------------------------------------------------------------- */

void postfix_check_release(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix_service *service = find(facts, postfix_is_release);

	if (service == NULL)
		report_error(report,
			"master.cf has no smtpd for milter.release_listener = %s" REMEDY
			"add it, " SNIPPET ", or correct its port",
			facts->config->milter.release_listener);
	else
		check_listener(facts, service, "release", report);
}

void postfix_check_release_milter(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix_service *service = find(facts, postfix_is_release);
	const struct postfix *postfix = postfix_of(facts);

	if (service == NULL ||
		postfix_lists(
			postfix_value(postfix, service, "receive_override_options"), "no_milters"))
		return;
	if (*postfix_value(postfix, service, "smtpd_milters") != '\0')
		report_error(report,
			"the release listener %s has milters: what is released is decided "
			"again, and changed" REMEDY
			"no_milters in its receive_override_options, " SNIPPET,
			service->name);
}

void postfix_check_release_rewrites(const struct facts *facts, struct doctor_report *report)
{
	check_rewrites(facts, find(facts, postfix_is_release), "release", report);
}

void postfix_check_release_filter(const struct facts *facts, struct doctor_report *report)
{
	check_filter(facts, find(facts, postfix_is_release), "release", report);
}

void postfix_check_release_limits(const struct facts *facts, struct doctor_report *report)
{
	check_limits(facts, find(facts, postfix_is_release), "release listener", report);
}

void postfix_check_release_processes(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix_service *service = find(facts, postfix_is_release);
	int64_t workers = facts->config->milter.release_workers;

	if (service != NULL && service->processes > 0 && service->processes < workers)
		report_warning(report,
			"the release listener %s has %" PRId64 " processes for %" PRId64
			" workers, which wait for each other" REMEDY
			"raise its process limit in master.cf, or lower "
			"milter.release_workers",
			service->name, service->processes, workers);
}

void postfix_check_release_pace(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix_service *service = find(facts, postfix_is_release), *cleanup;
	const struct postfix *postfix = postfix_of(facts);

	if (service == NULL)
		return;
	cleanup = postfix_find(
		postfix, postfix_value(postfix, service, "cleanup_service_name"), "unix");
	if (cleanup != NULL && atoll(postfix_value(postfix, cleanup, "in_flow_delay")) != 0)
		report_warning(report,
			"%s pauses the release for a second at a time (in_flow_delay = %s)" REMEDY
			"a cleanup service of its own with -o in_flow_delay=0, " SNIPPET,
			cleanup->name, postfix_value(postfix, cleanup, "in_flow_delay"));
}

/* --- the re-entry listener ------------------------------------------------------------------ */

void postfix_check_reentry(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix_service *service = find(facts, postfix_is_reentry);

	if (service == NULL)
		report_error(report,
			"master.cf has no smtpd with milter_macro_daemon_name=%s: bounces "
			"and forwards to federated addresses go astray" REMEDY
			"add the re-entry listener, " SNIPPET,
			facts->config->milter.reentry_daemon_name);
	else
		check_listener(facts, service, "re-entry", report);
}

void postfix_check_reentry_milter(const struct facts *facts, struct doctor_report *report)
{
	const struct postfix_service *service = find(facts, postfix_is_reentry);

	if (service != NULL && !postfix_has_milter(facts, service))
		report_error(report,
			"the re-entry listener %s does not have the milter: mail circles "
			"there" REMEDY
			"take smtpd_milters and no_milters out of its options, " SNIPPET,
			service->name);
}

void postfix_check_reentry_rewrites(const struct facts *facts, struct doctor_report *report)
{
	check_rewrites(facts, find(facts, postfix_is_reentry), "re-entry", report);
}

void postfix_check_reentry_filter(const struct facts *facts, struct doctor_report *report)
{
	check_filter(facts, find(facts, postfix_is_reentry), "re-entry", report);
}

void postfix_check_reentry_limits(const struct facts *facts, struct doctor_report *report)
{
	check_limits(facts, find(facts, postfix_is_reentry), "re-entry listener", report);
}
