/* What the files of dirsync/source_ldap*.c share; nobody else includes it. */
#ifndef RESTANTE_DIRSYNC_SOURCE_LDAP_INTERNAL_H
#define RESTANTE_DIRSYNC_SOURCE_LDAP_INTERNAL_H

#include "dirsync/mapping.h"
#include "dirsync/source.h"
#include "dirsync/source_mark.h"
#include "dirsync/uuidset.h"
#include "lib/ldap_stream.h"

struct source {
	const struct config_up *settings;
	char digest[SOURCE_SETTINGS]; /* of the settings: in marks */
	char *marker_name;            /* NULL: there is no marker */
	const char *marker_value;
	struct mapping *mapping;
	char *broken;            /* why there is no mapping */
	const char **attributes; /* to ask for; NULL-terminated */
	size_t mapped;           /* so many of them the mapping needs: the first ones */
	/* of wait() alone */
	struct ldap_session *listener;
	int listening;
	char *listener_mark; /* from which it listens */
};

struct ldap_pull {
	struct source *source;
	const struct config_up *settings;
	const struct source_request *request;
	const struct source_sink *sink;
	struct source_result *result;
	struct ldap_session *session;
	char *uri;               /* that answered */
	struct ldap_entry *root; /* root DSE, NULL where it cannot be read */
	bool active_directory;
	int64_t deadline_us; /* monotonic */
	struct person person;
	struct template_value *values;
	size_t room;
	struct str raw; /* an entry as bytes */
	bool dated;        /* newest is wanted */
	int64_t now_us;    /* of the server, before the search */
	struct str newest; /* modifyTimestamp not after now_us */
	bool by_uuid;      /* shown is wanted: of deltas that tell what is gone */
	struct uuidset shown;
};

/* The ways to a delta (up NAME.delta); each fills pull->result. */
void ldap_pull_plain(struct ldap_pull *pull);
void ldap_pull_modified(struct ldap_pull *pull);
void ldap_pull_usn(struct ldap_pull *pull);
void ldap_pull_sync(struct ldap_pull *pull);
/* dirsync/source_ldap_ids.c: after a delta, those of the request. */
void ldap_pull_ids(struct ldap_pull *pull);

/* The rest of the request's mark where a delta is wanted and the mark is of that kind; else NULL.
 */
const char *ldap_pull_mark(const struct ldap_pull *pull, const char *kind);
void ldap_pull_options(
	const struct ldap_pull *pull, const char *filter, struct ldap_stream_options *options_r);
/* The configured filter alone, or with a condition. */
void ldap_pull_filter(const struct ldap_pull *pull, const char *condition, struct str *filter_r);
/* A callback of searches in the base: the entry to the sink, where it is one. */
int ldap_pull_entry(void *pull, const struct ldap_stream_entry *entry);
/* Searches the base; false: it failed, and the result says so. */
bool ldap_pull_search(struct ldap_pull *pull, const char *condition);
/* The id that an entry has as a person: 0, or -1 where it has none. */
int ldap_pull_id(const struct ldap_pull *pull, const struct ldap_stream_entry *entry,
	struct person *scratch);

void ldap_pull_failed(struct ldap_pull *pull, bool stopped);
void ldap_pull_refuse(struct ldap_pull *pull, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void ldap_pull_remark(struct ldap_pull *pull, const char *text);

/* dirsync/source_ldap_raw.c: what a person comes from as bytes, and the other way round. */
void ldap_raw_put(
	const struct source *source, const struct ldap_stream_entry *entry, struct str *out);
int ldap_source_tell(
	struct source *source, const void *bytes, size_t len, const struct source_sink *sink);

/* dirsync/source_ldap_open.c */
struct ldap_session *ldap_source_session(
	const struct config_up *settings, char **uri_r, struct str *error);
int ldap_source_check(const struct config_up *settings, const char **error_r);
struct source *ldap_source_open(const struct config_up *settings, const char *marker);
void ldap_source_close(struct source **source);

/* dirsync/source_ldap_sync.c: RFC 4533, persist. */
int ldap_source_wait(struct source *source, const char *mark, int64_t timeout_us,
	const atomic_bool *stop, const char **error_r);

#endif
