/*
 * Postfix' settings as `postconf -x`, `postconf -F` and `postconf -Px` print them, and what its own
 * postmap says of its tables.
 */
#ifndef RESTANTE_DOCTOR_POSTFIX_H
#define RESTANTE_DOCTOR_POSTFIX_H

#include "doctor/mta.h"

struct postfix_pair {
	char *name, *value;
};

struct postfix_pairs {
	struct postfix_pair *items;
	size_t count;
};

struct postfix_service {
	char *name, *type; /* "127.0.0.1:10026", "inet" */
	char *command;     /* "smtpd" */
	bool chrooted;
	int64_t processes; /* 0 = no limit */
	struct postfix_pairs overrides;
};

/* What Postfix does with a federated domain. */
struct postfix_domain {
	char *name;
	bool destination, relay, alias, mailbox; /* the four classes of domains */
	char *transport;                         /* "transport:nexthop" */
};

/* A table that has addresses of federated domains. */
struct postfix_overlap {
	const char *parameter; /* "virtual_alias_maps" */
	char *table;
	struct strings keys;
};

struct postfix {
	struct postfix_pairs main;
	struct postfix_service *services;
	size_t service_count;
	struct postfix_domain *domains;
	size_t domain_count;
	struct strings stale; /* routed to re-entry, and not federated */
	struct postfix_overlap *overlaps;
	size_t overlap_count;
	struct strings unread;    /* tables that could not be asked */
	struct identity owner;    /* mail_owner */
	struct path_facts socket; /* the milter's socket, as that one */
	bool control_member;      /* mail_owner is in milter.group */
};

/* --- reading (postfix_read.c), pure ------------------------------------------------------- */

/* "name = value" lines. */
void postfix_parse_main(const char *text, struct postfix *postfix);
/* "name/type/field = value" lines. */
void postfix_parse_services(const char *text, struct postfix *postfix);
/* "name/type/parameter = value" lines; after the services. */
void postfix_parse_overrides(const char *text, struct postfix *postfix);
void postfix_free(struct postfix **postfix);

/* "" where there is none. */
const char *postfix_main_value(const struct postfix *postfix, const char *name);
/* Of main.cf, unless the service has its own. */
const char *postfix_value(
	const struct postfix *postfix, const struct postfix_service *service, const char *name);
bool postfix_lists(const char *list, const char *word); /* a word of a list, in any case */
const struct postfix_service *postfix_find(
	const struct postfix *postfix, const char *name, const char *type);

/* An entry of smtpd_milters. */
struct postfix_milter {
	char *socket; /* "unix:path", "inet:host:port" */
	char *action; /* default_action of its own, or NULL */
};
void postfix_milter_parse(const char *entry, struct postfix_milter *milter_r);
void postfix_milter_free(struct postfix_milter *milter);

/* --- which listener is which (postfix_listeners.c), pure ------------------------------------ */

bool postfix_is_release(const struct facts *facts, const struct postfix_service *service);
bool postfix_is_reentry(const struct facts *facts, const struct postfix_service *service);
bool postfix_is_smtpd(const struct postfix_service *service);

/* --- its milters (postfix_milters.c), pure ---------------------------------------------------- */

enum postfix_place { MILTER_ABSENT, MILTER_ELSEWHERE /* another path */, MILTER_OURS };
/* Whether the entry is restante-milter, as that service would look for it. */
enum postfix_place postfix_judge_socket(
	const struct facts *facts, const char *queue_directory, bool chrooted, const char *socket);
/* Whether mail of that service passes restante-milter. */
bool postfix_has_milter(const struct facts *facts, const struct postfix_service *service);

static inline const struct postfix *postfix_of(const struct facts *facts)
{
	return facts->mta_facts;
}

void postfix_check_milter(const struct facts *, struct doctor_report *);
void postfix_check_socket(const struct facts *, struct doctor_report *);
void postfix_check_order(const struct facts *, struct doctor_report *);
void postfix_check_action(const struct facts *, struct doctor_report *);
void postfix_check_protocol(const struct facts *, struct doctor_report *);
void postfix_check_milter_maps(const struct facts *, struct doctor_report *);
void postfix_check_non_smtpd(const struct facts *, struct doctor_report *);
void postfix_check_filter(const struct facts *, struct doctor_report *);
void postfix_check_rights(const struct facts *, struct doctor_report *);
void postfix_check_control(const struct facts *, struct doctor_report *);

void postfix_check_release(const struct facts *, struct doctor_report *);
void postfix_check_release_milter(const struct facts *, struct doctor_report *);
void postfix_check_release_rewrites(const struct facts *, struct doctor_report *);
void postfix_check_release_filter(const struct facts *, struct doctor_report *);
void postfix_check_release_limits(const struct facts *, struct doctor_report *);
void postfix_check_release_processes(const struct facts *, struct doctor_report *);
void postfix_check_release_pace(const struct facts *, struct doctor_report *);
void postfix_check_reentry(const struct facts *, struct doctor_report *);
void postfix_check_reentry_milter(const struct facts *, struct doctor_report *);
void postfix_check_reentry_rewrites(const struct facts *, struct doctor_report *);
void postfix_check_reentry_filter(const struct facts *, struct doctor_report *);
void postfix_check_reentry_limits(const struct facts *, struct doctor_report *);

void postfix_check_version(const struct facts *, struct doctor_report *);
void postfix_check_classes(const struct facts *, struct doctor_report *);
void postfix_check_relay(const struct facts *, struct doctor_report *);
void postfix_check_route(const struct facts *, struct doctor_report *);
void postfix_check_stale(const struct facts *, struct doctor_report *);
void postfix_check_recipients(const struct facts *, struct doctor_report *);
void postfix_check_subdomains(const struct facts *, struct doctor_report *);
void postfix_check_virtual(const struct facts *, struct doctor_report *);
void postfix_check_canonical(const struct facts *, struct doctor_report *);
void postfix_check_aliases(const struct facts *, struct doctor_report *);
void postfix_check_tables(const struct facts *, struct doctor_report *);

#endif
