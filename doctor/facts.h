/*
 * What the checks judge: gathered first, by files that touch the machine (gather_*.c), and judged
 * afterwards by functions that touch nothing (check_*.c).
 */
#ifndef RESTANTE_DOCTOR_FACTS_H
#define RESTANTE_DOCTOR_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor/identity.h"
#include "doctor/strings.h"
#include "lib/config.h"
#include "lib/federation.h"
#include "lib/json.h"
#include "lib/ldap_probe.h"

/* --- this machine --------------------------------------------------------------------------- */

enum place {
	PLACE_CONFIG,   /* restante.conf */
	PLACE_PASSWORD, /* ldap.password_file */
	PLACE_CA,
	PLACE_CERT,
	PLACE_KEY,
	PLACE_RELEASE_CA,
	PLACE_LOG, /* the folder of log.file */
	PLACE_REPLICA,
	PLACE_QUEUE,
	PLACE_SOCKET, /* the folder of milter.socket */
	PLACE_COUNT,
};

struct place_facts {
	const char *path; /* NULL or "": not configured */
	struct path_facts at;
};

struct space {
	bool seen;
	uint64_t free_bytes, all_bytes;
	long type; /* statfs: magic number of the file system */
};

/* What system NAME {} names. */
struct system_files {
	const struct config_system *system;
	struct path_facts password, ca;
	char *fault; /* of the password file, as its reader would say it */
};

struct host_facts {
	struct place_facts places[PLACE_COUNT];
	char *password_fault;            /* of ldap.password_file, as the bind would say it */
	struct path_facts administrator; /* cli.password_file, as us */
	char *administrator_fault;
	bool user_unknown, group_unknown;
	struct space replica, queue;
	struct system_files *systems;
	size_t system_count;
};

/* --- the daemon ----------------------------------------------------------------------------- */

struct process_facts {
	bool seen; /* its files below /proc */
	int64_t open_files;
	bool no_new_privileges;
};

/* --- the directory -------------------------------------------------------------------------- */

/* NO_PASSWORD: config.password says why. */
enum directory_state { DIRECTORY_OPEN, DIRECTORY_UNSEEN, DIRECTORY_DOWN, DIRECTORY_NO_PASSWORD };

struct reader {
	char *uri;
	char *error;          /* NULL: it answers */
	struct strings level; /* contextCSN */
};

/* When a front door said what its clock shows, and what the directory's clock showed then. */
struct node_clock {
	char *name;
	int64_t beat_us, csn_us;
	bool own; /* it was the last to write its entry */
};

/* cn=config, of the database that holds the tree */
struct settings {
	bool seen;
	bool syncprov, unique;
	char *session_log, *checkpoint; /* NULL: not set */
	struct strings unique_uris, indexes;
};

/* Texts like "restanteAckEpoch of cn=mx1,...". */
struct rights {
	struct strings unread;        /* not to be seen by the milter */
	struct strings missing;       /* may not be written, and must */
	struct strings excess;        /* may be written, and must not */
	struct strings administrator; /* what hold and swap need and may not write */
	struct strings unclear;
	bool deletions_hidden;
	bool read_only; /* the server takes no writes at all */
	char *read_only_reason;
};

/* A backend's entry. */
struct backend_facts {
	char *name;
	bool active;
	char *address, *protocol, *tls; /* for release past the MTA; NULL = not said */
	char *listener;                 /* of them; NULL: they do not say it */
	char *trouble; /* it does not greet there; NULL: it does, or was not asked */
};

struct directory_facts {
	enum directory_state state;
	char *reason;
	char *administrator_reason; /* NULL: its bind works, or it has none of its own */
	char *suffix;               /* that holds the tree */
	struct strings controls;    /* supportedControl; empty: not to be seen */
	bool schema_seen;
	struct strings attribute_types, object_classes; /* definitions */
	enum ldap_answer sync;
	char *sync_reason;
	bool unique_asked; /* there were two mailboxes to ask with */
	enum ldap_answer unique;
	struct reader *readers; /* those of uri; the first is write_uri */
	size_t reader_count;
	bool limited; /* a search of all mailboxes was cut off */
	char *limited_reason;
	struct federation *federation; /* NULL: not to be seen */
	char *federation_reason;
	char *node_dn;
	char *node_state;         /* NULL: there is no entry */
	struct strings mailboxes; /* DNs of some */
	struct strings addresses; /* access addresses of some */
	struct strings systems;   /* DNs */
	struct backend_facts *backends;
	size_t backend_count;
	struct strings nodes; /* DNs of those that can be seen */
	struct node_clock *clocks;
	size_t clock_count;
	int64_t newest_us; /* the newest change; -1 = not seen */
	struct rights rights;
	struct settings settings;
};

/* --- all of it ------------------------------------------------------------------------------ */

struct mta;

/* What is asked of any MTA. */
struct mta_common {
	bool listed;    /* milter.queue_list was run as the milter would */
	int status;     /* of it */
	char *listing;  /* what it complained about */
	char *released; /* why the release listener does not answer; NULL: it does */
};

struct facts {
	const struct config *config; /* NULL: error says why */
	const char *config_path, *config_error;
	int64_t now_us;
	bool root;
	struct identity milter;
	struct host_facts host;
	struct process_facts process;
	struct directory_facts directory;
	const struct json *status; /* of the daemon; NULL: status_error */
	const char *status_error;
	bool status_denied; /* we may not use its control socket */
	/* Lines of `restante status` (cli/attention.h): of the daemon, of front doors and systems.
	 */
	const struct json *attention, *others;
	const struct mta *mta; /* NULL: not known which */
	void *mta_facts;       /* NULL: mta_error */
	char *mta_error;
	struct mta_common common;
};

/* What the milter binds with is read by `milter`, what the administrator binds with by `cli`. */
struct gather_options {
	struct ldap_options administrator;
	bool has_administrator; /* another identity than the milter's */
	const char *mta_dir;    /* configuration of the MTA; NULL: what queue_list says */
};

void gather_host(struct facts *facts);
void gather_process(struct facts *facts);
void gather_directory(struct facts *facts, const struct gather_options *options);
/* Connects to the backends that released mail goes straight to. */
void gather_systems(struct facts *facts);
void gather_mta(struct facts *facts, const struct gather_options *options);
void facts_free(struct facts *facts);

#endif
