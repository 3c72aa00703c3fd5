/*
 * restante.conf (restante.conf(5)): libconfuse syntax, one section per program plus ldap {} and
 * system NAME {}. One table (lib/config_table.c) per section says name, type,
 * default, target and whether a reload takes it over; the parser, --dump-config and the manual page
 * are checked against it. An unknown key, a bad value or an unreadable file is an error with file,
 * line, key and remedy.
 */
#ifndef RESTANTE_LIB_CONFIG_H
#define RESTANTE_LIB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/ldap_session.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/tls.h"

/*
 * Durations are microseconds ("5s", "10m", "2h", "5d", "100ms"), sizes bytes ("64K", "10M", "2G").
 * Strings are never NULL: "" where nothing is set and nothing follows from other keys.
 */
struct config_ldap {
	char *uri;       /* where to read; several, space-separated, are tried in order */
	char *write_uri; /* where every write goes; default: the first of uri */
	char *base;
	enum ldap_bind_method bind; /* anonymous, simple, external */
	char *bind_dn;
	char *password_file;
	bool starttls;
	char *ca_file, *cert_file, *key_file;
	int64_t timeout;
};

struct config_log {
	enum log_target target; /* stderr, syslog, file, journal */
	char *file;
	char *file_mode; /* octal text: "0600", "0640" */
	enum log_level level;
};

struct config_milter {
	char *node;          /* default: the host name up to its first dot */
	char *hostname;      /* for HELO, Received and notices; default: the host's own name */
	char *socket;        /* libmilter notation, "unix:/path" */
	int64_t socket_mode; /* octal in the file */
	char *user, *group;  /* run as; empty: stay */
	char *control_socket;
	char *replica_dir, *queue_dir;
	int64_t replica_cache, queue_cache; /* bytes */
	char *recipient_delimiter;          /* any of these characters; "" = no subaddresses */
	bool carry_detail;
	char *postmaster; /* physical address for postmaster@<federated domain> */
	int64_t vanish_grace, heartbeat, late_commit;
	int64_t mass_delete; /* percent of all mailboxes */
	char *reentry_daemon_name;
	char *queue_list; /* command that lists the MTA's queue */
	int64_t queue_list_timeout;
	int64_t queue_bytes, queue_free, mailbox_bytes; /* limits, bytes; 0 = none */
	char *release_listener; /* "smtp:host:port", "lmtp:host:port", "smtp:unix:/path",
				   "lmtp:unix:/path" */
	char *release_tls;      /* none, may, encrypt, verify */
	char *release_ca_file;
	int64_t release_workers;
	int64_t release_expire; /* of 4xx answers after the release began */
	int64_t delay_notice;   /* sender is told after that time on hold; 0 = never */
	int64_t notice_bytes;   /* larger content is returned by its header alone */
	int64_t hop_limit;      /* Received fields of a message that is released; 0 = any number */
	int64_t release_retry_min, release_retry_max; /* backoff */
	bool metrics;
	char *metrics_listen; /* "ADDRESS:PORT" */
	int64_t stop_timeout; /* transactions in flight get that long at a stop */
};

struct config_cli {
	char *control_socket; /* default: that of milter {} */
	int64_t swap_timeout; /* restante swap without --wait */
	int64_t wait_timeout; /* with --wait */
	char *mta_log;        /* what restante trace reads of the MTA; "" = where it usually is */
	/* the administrator's own bind, where it is not that of ldap {}: */
	char *bind_dn, *password_file;
};

/* system NAME {}: how a backend is talked to. All of it is taken over by a reload. */
struct config_system {
	char *name;             /* the section's title; as in restanteSystem */
	int64_t connections;    /* at once, from this front door; 0 = milter.release_workers */
	int64_t rate;           /* messages per second, from this front door; 0 = no limit */
	char *ca_file;          /* default: milter.release_ca_file */
	char *certificate_name; /* default: the host of restanteReleaseAddress */
	enum tls_version tls_minimum;
	char *auth_user; /* "" = no AUTH */
	char *password_file;
	bool auth_in_clear; /* AUTH without TLS, too */
};

struct config_dirsync {
	char *state_dir; /* snapshots and what is under way */
	char *control_socket;
	char *user, *group;            /* run as; empty: stay */
	char *holder;                  /* name in leases; default: the host name */
	char *bind_dn, *password_file; /* where it is not the bind of ldap {} */
	int64_t lease;                 /* after that time without renewal another host may sync */
	int64_t window;                /* LDAP writes in flight */
	int64_t window_moving;         /* the same while a move stands between hold and swap */
	int64_t cache;                 /* bytes, per system */
	bool metrics;
	char *metrics_listen;
	int64_t stop_timeout; /* a stop that takes longer is ended (dirsync/stopper.h) */
};

/* up NAME {}: where the mailboxes of a system are read (dirsync/source.h). */
struct config_up {
	char *name;                /* the section's title; as in restanteSystem */
	char *source;              /* ldap, ldif, csv, command */
	int64_t every, full_every; /* 0 = only when asked */
	int64_t time_limit;        /* of one pull */
	/* what makes a mailbox (dirsync/mapping.h); names are of attributes or columns */
	char *id;
	char *addresses;       /* access addresses, space-separated names */
	char *primary;         /* the address to be shown */
	char *proxy_addresses; /* names whose values have prefixes: SMTP:, smtp:, X500: */
	char *foreign;         /* names of X500 addresses without a prefix: legacyExchangeDN */
	char *physical;        /* template */
	char *attributes;      /* "DIR=SOURCE ...": the source is the authority */
	char *attributes_once; /* "DIR=SOURCE ...": only where the directory has none */
	char *container;       /* DN below which new mailboxes go; "" = ou=people,<ldap.base> */
	char *object_class;    /* structural class of new ones */
	char *marker;          /* "attribute=value" of contacts, which are no mailboxes */
	/* guards (dirsync/guard.h) */
	int64_t max_delete, max_delete_percent, lost_percent;
	int64_t grace;   /* of vanished mailboxes and removed addresses */
	bool new_system; /* may be empty */
	/* source = ldap */
	char *uri;
	enum ldap_bind_method bind;
	char *bind_dn, *password_file;
	bool starttls;
	char *ca_file, *cert_file, *key_file;
	int64_t timeout;
	char *base, *scope, *filter;
	int64_t page;         /* entries per page; 0 = no paging */
	char *delta;          /* none, modifyTimestamp, usn, syncrepl */
	int64_t delta_margin; /* modifyTimestamp: overlap */
	char *delta_server;   /* usn: the one domain controller; "" = that of uri */
	/* source = ldif, csv, command */
	char *folder;    /* drop folder; a file counts once it is renamed to *.ldif or *.csv */
	char *separator; /* of CSV columns: one character, or "tab" */
	char *value_separator; /* of values in a column: one character; "" = there is one value */
	bool end_mark;         /* what has not "# end COUNT" as its last line is incomplete */
	/* source = command */
	char *command;
	char *format; /* ldif, csv: of what it prints */
};

/* down NAME {}: where everyone else's addresses are written for a system (dirsync/target.h). */
struct config_down {
	char *name;
	char *target;  /* ldap, ldif, csv, vcard, command */
	int64_t every; /* 0 = only after swaps and when asked */
	int64_t time_limit;
	int64_t max_delete, max_delete_percent, lost_percent; /* guards */
	/* target = ldap */
	char *uri;
	enum ldap_bind_method bind;
	char *bind_dn, *password_file;
	bool starttls;
	char *ca_file, *cert_file, *key_file;
	int64_t timeout;
	char *container;        /* DN below which contacts are */
	char *search_base;      /* where an address may be taken already */
	char *search_addresses; /* attributes that have addresses there */
	char *object_class;     /* of contacts */
	char *rdn;              /* attribute that has the federation's id */
	char *marker;           /* "attribute=value" that says that it is ours */
	char *attributes;       /* "attribute=template ..." of a contact */
	char *after;            /* command that gets the changed DNs, a line each */
	/* target = ldif, csv, vcard: the file; command: changes on standard input */
	char *file, *command, *format;
};

struct config_control {
	char *control_socket;
	char *user, *group;            /* run as; empty: stay */
	char *holder;                  /* name in the lease and in claims; default: the host name */
	char *bind_dn, *password_file; /* where it is not the bind of ldap {} */
	int64_t lease;                 /* after that time without renewal another one leads */
	int64_t workers;               /* actions and directory writes at once */
	int64_t moves;                 /* between instant and swap at once */
	char *working_hours;           /* "Mon-Fri 07:00-19:00", local time; "" = always */
	int64_t fence_timeout;         /* acknowledgement of all front doors */
	int64_t retry_min, retry_max;  /* backoff of a step that failed */
	bool metrics;
	char *metrics_listen;
};

/* scenario NAME {}. Offsets are from the move's instant, in microseconds, mostly negative. */
struct config_scenario {
	char *name;
	/* "-7d", "+7d"; INT64_MAX: never */
	int64_t create, check, precopy, recheck, delete;
	bool verify, diary_ahead, close, integrate, local, redirect;
	char *transfer;    /* none, mail, mail+calendar */
	char *hold;        /* swap, transfer */
	int64_t drain;     /* bound of waiting for the MTAs' queues; 0 = until complete */
	int64_t retention; /* of finished records; 0 = for ever */
};

/* actions NAME {}: what the controller does on a backend (control/action.h). */
struct config_actions {
	char *name; /* the section's title; as in restanteSystem */
	/* its LDAP, for templates */
	char *uri;
	enum ldap_bind_method bind;
	char *bind_dn, *password_file;
	bool starttls;
	char *ca_file, *cert_file, *key_file;
	int64_t timeout;
	char *base;          /* %{base} of templates */
	char *templates;     /* folder of the templates that are named without a slash */
	char *settings;      /* "NAME=VALUE ...": further names for templates and commands */
	int64_t time_limit;  /* of one action */
	int64_t concurrency; /* actions on this system at once; 0 = no own bound */
	/* by action: "NAME.ldif" is a template, everything else a command */
	char *create, *redirect, *unredirect, *addresses, *unaddress, *list, *close, *open, *empty,
		*delete, *contact;
};

/* Sections with a title, in the order of the file; each item begins with its title. */
struct config_list {
	void **items;
	size_t count;
};

struct config {
	char *path;
	struct config_ldap ldap;
	struct config_log log;
	struct config_milter milter;
	struct config_cli cli;
	struct config_dirsync dirsync;
	struct config_control control;
	struct config_list systems;   /* of struct config_system */
	struct config_list ups;       /* of struct config_up */
	struct config_list downs;     /* of struct config_down */
	struct config_list scenarios; /* of struct config_scenario */
	struct config_list actions;   /* of struct config_actions */
};

#define CONFIG_DEFAULT_PATH SYSCONFDIR "/restante/restante.conf"

/* NULL with *error_r: "file:line: section.key: what is wrong; what to do" (valid until the thread's
 * next call). */
struct config *config_load(const char *path, const char **error_r);
void config_free(struct config **config);
/* Every key of a section ("ldap", "milter", ...; NULL: all) with its value, as restante.conf
 * would have it; defaults included. Values naming secrets are file names, never contents. */
void config_dump(const struct config *config, const char *section, FILE *out);
/* All of that on standard output; false: what is wrong is on standard error. */
bool config_show(const char *path);
/*
 * For SIGHUP: takes the reloadable values of `fresh` into `running`; appends to unchanged_r the
 * names of the others that differ (they need a restart), ", " between them. What was running is in
 * `fresh` afterwards: free it once nobody points into it any more.
 */
void config_reload(struct config *running, struct config *fresh, struct str *unchanged_r);

/* The other way round, for a program whose threads keep what they began with: what needs a restart
 * is put into `fresh` as it is in `running`. */
void config_keep(struct config *fresh, const struct config *running, struct str *unchanged_r);

/* config_load for a program that nothing can be done by without the directory's uri and base. */
struct config *config_load_directory(const char *path, const char **error_r);
/* 0 where both are set; else as config_require. */
int config_require_directory(const struct config *config, const char **error_r);
/* 0 where a string key is set; -1 with *error_r, which names file and key: for keys that a program
 * cannot do without ("ldap", "uri"). */
int config_require(
	const struct config *config, const char *section, const char *name, const char **error_r);

/* system NAME {}; names compare without case. NULL = there is none. */
const struct config_system *config_system(const struct config *config, const char *name);

/* up NAME {} and down NAME {}, in the same way. */
const struct config_up *config_up(const struct config *config, const char *name);
const struct config_down *config_down(const struct config *config, const char *name);
/* Of the contacts that a down sync of this system makes: as its section says, else that of its up
 * section; "" = neither is there. */
const char *config_marker(const struct config *config, const char *name);

/* scenario NAME {} and actions NAME {}, in the same way. */
const struct config_scenario *config_scenario(const struct config *config, const char *name);
const struct config_actions *config_actions(const struct config *config, const char *name);

/* The ldap {} section as options for a session; uri: NULL = write_uri. Points into config. */
struct ldap_options config_ldap_options(const struct config *config, const char *uri);
/* The same for restante-dirsync on write_uri, which may have a bind of its own. */
struct ldap_options config_dirsync_options(const struct config *config);
/* And for restante-control. */
struct ldap_options config_control_options(const struct config *config);

#endif
