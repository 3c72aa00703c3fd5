/*
 * One LDAP connection (RFC 4511); hides libldap from the programs. directory/ uses the raw handle
 * for RFC 4533, nobody else. Not thread-safe: one session, one thread at a time.
 */
#ifndef RESTANTE_LIB_LDAP_SESSION_H
#define RESTANTE_LIB_LDAP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

enum ldap_bind_method { LDAP_BIND_ANONYMOUS, LDAP_BIND_SIMPLE, LDAP_BIND_EXTERNAL };

struct ldap_options {
	const char *uri;  /* ldapi://, ldap://, ldaps:// */
	const char *base; /* the base of the federated tree, "dc=example,dc=org" */
	enum ldap_bind_method bind;
	const char *bind_dn;
	const char *password_file; /* first line; refused where others can read it or the group
				      write it */
	bool starttls;
	const char *ca_file, *cert_file, *key_file;
	int64_t timeout_us; /* of connect and of each operation; 0 = 10 s */
};

/* What is now unusable. The text is ldap_session_reason(). */
enum ldap_result {
	LDAP_DONE = 0,
	LDAP_NO_ENTRY,  /* noSuchObject, or a search without result where one was asked for */
	LDAP_ASSERTION, /* the asserted state is no longer true (RFC 4528): read again */
	LDAP_TAKEN,     /* entryAlreadyExists, typeOrValueExists or a uniqueness rule refused it */
	LDAP_REFUSED,   /* insufficientAccess, schema, ...: an administrator must act */
	LDAP_DOWN,      /* no server, time-out, TLS or bind trouble: open a new session */
};

struct ldap_session;

/* Whether a simple bind could have its password. 0, or -1 with *error_r: one line with the remedy.
 */
int ldap_options_check(const struct ldap_options *options, const char **error_r);
/* Connects, encrypts, binds. SIGPIPE is set to be ignored unless the process handles it. NULL with
 * *error_r: one line, uri and remedy included. */
struct ldap_session *ldap_session_open(const struct ldap_options *options, const char **error_r);
void ldap_session_close(struct ldap_session **session);
/* Whether the server has ended the connection since it was used last, as one does that is started
 * anew. Asks nobody: false may be wrong. For sessions without an operation under way. */
bool ldap_session_ended(const struct ldap_session *session);
const char *ldap_session_reason(const struct ldap_session *session);
const char *ldap_session_uri(const struct ldap_session *session);
/* The result code (RFC 4511, or libldap's own below 0) of the last operation. */
int ldap_session_code(const struct ldap_session *session);
/* The libldap handle (LDAP *), for directory/ only. */
void *ldap_session_handle(struct ldap_session *session);

struct ldap_attribute {
	char *name;
	char **values; /* NULL-terminated, each NUL-terminated */
	size_t count;
};

struct ldap_entry {
	char *dn;
	struct ldap_attribute *attributes;
	size_t count;
};

void ldap_entry_free(struct ldap_entry **entry);
/* First value, NULL where there is none; names compare case-insensitively. */
const char *ldap_entry_value(const struct ldap_entry *entry, const char *name);
const struct ldap_attribute *ldap_entry_attribute(const struct ldap_entry *entry, const char *name);

enum ldap_scope { LDAP_BASE, LDAP_ONE, LDAP_SUB };

/* attributes: NULL-terminated list. callback non-zero stops and abandons. */
typedef int (*ldap_entry_callback)(void *context, const struct ldap_entry *entry);
enum ldap_result ldap_session_search(struct ldap_session *session, const char *base,
	enum ldap_scope scope, const char *filter, const char *const *attributes,
	ldap_entry_callback callback, void *context);
/* One entry by DN; LDAP_NO_ENTRY where it is not there. */
enum ldap_result ldap_session_read(struct ldap_session *session, const char *dn,
	const char *const *attributes, struct ldap_entry **entry_r);

enum ldap_change_kind { LDAP_CHANGE_REPLACE, LDAP_CHANGE_ADD, LDAP_CHANGE_DELETE };

struct ldap_change {
	enum ldap_change_kind kind;
	const char *attribute;
	const char *const *values; /* NULL-terminated; NULL with REPLACE or DELETE removes all */
};

/*
 * assertion: an RFC 4528 filter, NULL = none. csn_r (may be NULL, size >= 64): the entryCSN after
 * the change (RFC 4527 post-read where offered, else read again).
 */
enum ldap_result ldap_session_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, char *csn_r,
	size_t csn_size);
enum ldap_result ldap_session_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count);
enum ldap_result ldap_session_delete(
	struct ldap_session *session, const char *dn, const char *assertion);

/* The entry gets another RDN, and stands below parent from now on (NULL: where it stood). keep_old:
 * the values of its old RDN stay, as values of its attributes. */
enum ldap_result ldap_session_rename(struct ldap_session *session, const char *dn, const char *rdn,
	const char *parent, bool keep_old);

/* RFC 4515 escaping of a value for a filter; RFC 4514 of a value for a DN. Append to out. */
void ldap_filter_escape(const char *value, struct str *out);
void ldap_dn_escape(const char *value, struct str *out);

#endif
