/*
 * Large searches, entry by entry, values as bytes: for pulls from backends and for reading all
 * mailboxes of the directory. On a session of lib/ldap_session.h, one search at a time on it.
 */
#ifndef RESTANTE_LIB_LDAP_STREAM_H
#define RESTANTE_LIB_LDAP_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"

struct ldap_value {
	const char *name; /* as the server spells it; ";range=..." and options are taken off */
	const char *data; /* data[len] is NUL */
	size_t len;
};

/* Valid in the callback only. */
struct ldap_stream_entry {
	const char *dn;
	const struct ldap_value *values;
	size_t count;
	bool deleted;            /* a tombstone (Active Directory), or syncDelete */
	const uint8_t *uuid;     /* RFC 4533: entryUUID, 16 bytes; else NULL */
};

struct ldap_stream_options {
	const char *base;
	enum ldap_scope scope;
	const char *filter;
	const char *const *attributes; /* NULL-terminated; NULL = all */
	unsigned page;                 /* entries per page (RFC 2696), 0 = no pages */
	bool ranges;       /* Active Directory: values beyond ";range=0-1499" are read as well */
	bool show_deleted; /* LDAP_SERVER_SHOW_DELETED_OID 1.2.840.113556.1.4.417, critical */
	int64_t timeout_us; /* silence of the server; 0 = that of the session */
	const atomic_bool *stop; /* NULL: none */
};

typedef int (*ldap_stream_callback)(void *context, const struct ldap_stream_entry *entry);

/*
 * LDAP_DONE only where the server said that this was all: a size limit, a time limit, a referral, a
 * connection that closes in the middle are LDAP_REFUSED or LDAP_DOWN, and the reason is in
 * ldap_session_reason(). A callback that is not 0 stops it: LDAP_REFUSED, *stopped_r true.
 */
enum ldap_result ldap_stream_search(struct ldap_session *session,
	const struct ldap_stream_options *options, ldap_stream_callback callback, void *context,
	bool *stopped_r);

/*
 * RFC 4533, refreshOnly: what has changed since the cookie ("" = everything). present: uuids of
 * unchanged entries that are still there (a present phase); absent: whether all that was neither
 * shown nor present is gone. *refresh_required_r: the server wants a full load, use "".
 */
struct ldap_sync_sink {
	void *context;
	int (*entry)(void *context, const struct ldap_stream_entry *entry);
	int (*present)(void *context, const uint8_t *uuid);
	int (*gone)(void *context, const uint8_t *uuid);
};
enum ldap_result ldap_stream_sync(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *cookie,
	const struct ldap_sync_sink *sink, struct str *cookie_r, bool *absent_r,
	bool *refresh_required_r);

#endif
