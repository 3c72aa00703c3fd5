/* Sendmail's settings as sendmail.cf has them; its ruleset language is left alone. */
#ifndef RESTANTE_DOCTOR_SENDMAIL_H
#define RESTANTE_DOCTOR_SENDMAIL_H

#include "doctor/mta.h"

#define SENDMAIL_REENTRY "restante-reentry" /* the mailer of the snippet */

/* "Xname, S=socket, F=T, ..." */
struct sendmail_filter {
	char *name, *socket, *flags;
};

/* "O DaemonPortOptions=Name=..., Addr=..., Port=..., M=..., InputMailFilters=..." */
struct sendmail_daemon {
	char *name, *address, *port, *modifiers;
	char *filters; /* NULL: those of the option InputMailFilters */
};

/* "Mname, P=..., F=..., A=..." */
struct sendmail_mailer {
	char *name, *flags, *arguments;
};

/* "Cw...", "C{Name}..." and what "F" reads */
struct sendmail_class {
	char *name;
	struct strings words;
	struct strings files; /* to be read */
};

struct sendmail {
	struct strings filters; /* InputMailFilters, in order */
	struct strings aliases; /* AliasFile */
	struct sendmail_filter *known;
	size_t known_count;
	struct sendmail_daemon *daemons;
	size_t daemon_count;
	struct sendmail_mailer *mailers;
	size_t mailer_count;
	struct sendmail_class *classes;
	size_t class_count;
	struct strings tables;           /* virtusertable: "hash -o /etc/mail/virtusertable" */
	int64_t max_children;            /* 0 = no limit */
	int64_t message_size, queue_run; /* 0 = no limit */
	char *super_safe;                /* NULL = True */
	char *access; /* "hash -T<TMPF> -o /etc/mail/access"; NULL: there is none */
	bool greet_pause, rate_control, connection_control; /* features that look into it */
	struct strings unspared; /* keys of theirs that access lacks for this machine */
	bool routed;             /* a rule leads to the mailer restante-reentry */

	struct strings overlaps,
		table_overlaps; /* aliases, virtual users with federated addresses */
	struct strings unread;  /* files that could not be read */
	struct path_facts socket;
};

/* sendmail.cf, continued lines put together. Pure. */
void sendmail_parse(const char *text, struct sendmail *sendmail);
void sendmail_free(struct sendmail **sendmail);

const struct sendmail_class *sendmail_class_find(const struct sendmail *sendmail, const char *name);
const struct sendmail_mailer *sendmail_mailer_find(
	const struct sendmail *sendmail, const char *name);
bool sendmail_class_has(const struct sendmail *sendmail, const char *name, const char *word);
/* The filters that mail of the daemon passes, in order; the caller's. */
void sendmail_chain(const struct sendmail *sendmail, const struct sendmail_daemon *daemon,
	struct strings *names_r);

/* The re-entry listener; NULL: there is none. */
const struct sendmail_daemon *sendmail_reentry(const struct facts *facts);

static inline const struct sendmail *sendmail_of(const struct facts *facts)
{
	return facts->mta_facts;
}

void sendmail_check_milter(const struct facts *, struct doctor_report *);
void sendmail_check_socket(const struct facts *, struct doctor_report *);
void sendmail_check_order(const struct facts *, struct doctor_report *);
void sendmail_check_down(const struct facts *, struct doctor_report *);
void sendmail_check_queue(const struct facts *, struct doctor_report *);
void sendmail_check_spared(const struct facts *, struct doctor_report *);
void sendmail_check_limits(const struct facts *, struct doctor_report *);
void sendmail_check_rights(const struct facts *, struct doctor_report *);
void sendmail_check_classes(const struct facts *, struct doctor_report *);
void sendmail_check_relay(const struct facts *, struct doctor_report *);
void sendmail_check_route(const struct facts *, struct doctor_report *);
void sendmail_check_loop(const struct facts *, struct doctor_report *);
void sendmail_check_stale(const struct facts *, struct doctor_report *);
void sendmail_check_aliases(const struct facts *, struct doctor_report *);
void sendmail_check_virtual(const struct facts *, struct doctor_report *);
void sendmail_check_tables(const struct facts *, struct doctor_report *);
void sendmail_check_reentry(const struct facts *, struct doctor_report *);
void sendmail_check_reentry_milter(const struct facts *, struct doctor_report *);
void sendmail_check_reentry_rewrites(const struct facts *, struct doctor_report *);
void sendmail_check_release(const struct facts *, struct doctor_report *);
void sendmail_check_release_milter(const struct facts *, struct doctor_report *);
void sendmail_check_release_rewrites(const struct facts *, struct doctor_report *);

#endif
