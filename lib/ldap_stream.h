/*
 * Large searches, entry by entry, values as bytes: for pulls from backends and for reading all
 * mailboxes of the directory. On a session of lib/ldap_session.h, one search at a time on it.
 *
 * Values that Active Directory hands out in parts ("member;range=0-1499") are fetched to their end.
 */
#ifndef RESTANTE_LIB_LDAP_STREAM_H
#define RESTANTE_LIB_LDAP_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"

struct ldap_value {
	const char *name; /* as the server spells it; ";range=..." and ";binary" are taken off */
	const char *data; /* data[len] is NUL */
	size_t len;
};

/* Valid in the callback only. */
struct ldap_stream_entry {
	const char *dn;
	const struct ldap_value *values; /* those of one attribute stand together */
	size_t count;
	bool deleted;        /* isDeleted: a tombstone (Active Directory) */
	const uint8_t *uuid; /* RFC 4533: entryUUID, 16 bytes; else NULL */
};

struct ldap_stream_options {
	const char *base;
	enum ldap_scope scope;
	const char *filter;
	const char *const *attributes; /* NULL-terminated; NULL = all */
	unsigned page;                 /* entries per page (RFC 2696), 0 = no pages */
	bool show_deleted;       /* LDAP_SERVER_SHOW_DELETED_OID 1.2.840.113556.1.4.417, critical */
	bool one_domain;         /* Active Directory: no references to other naming contexts
				    (LDAP_SERVER_DOMAIN_SCOPE_OID 1.2.840.113556.1.4.1339) */
	int64_t timeout_us;      /* silence of the server; 0 = that of the session */
	int64_t deadline_us;     /* clock_mono_us() at which it is given up, 0 = never */
	const atomic_bool *stop; /* looked at five times a second; NULL: none */
};

typedef int (*ldap_stream_callback)(void *context, const struct ldap_stream_entry *entry);

/* First value, NULL where there is none; names compare case-insensitively. */
const struct ldap_value *ldap_stream_value(const struct ldap_stream_entry *entry, const char *name);

/*
 * LDAP_DONE only where the server said that this was all: a size limit, a time limit, a reference
 * to another server, a connection that closes in the middle are LDAP_REFUSED or LDAP_DOWN, and the
 * reason is in ldap_session_reason(). A callback that is not 0, or options->stop, stops it:
 * LDAP_REFUSED, *stopped_r true.
 *
 * With pages the next one is asked for before the callbacks of this one: server and callbacks work
 * at the same time. The callback must not use the session.
 */
enum ldap_result ldap_stream_search(struct ldap_session *session,
	const struct ldap_stream_options *options, ldap_stream_callback callback, void *context,
	bool *stopped_r);

/* Each 0, or anything else to stop. */
struct ldap_sync_sink {
	void *context;
	int (*entry)(void *context, const struct ldap_stream_entry *entry);
	int (*present)(void *context, const uint8_t *uuid); /* unchanged, and still there */
	int (*gone)(void *context, const uint8_t *uuid);
};

struct ldap_sync_end {
	struct str cookie;     /* "" = the server gave none */
	bool absent;           /* what was neither shown nor present is gone */
	bool refresh_required; /* LDAP_REFUSED: the server wants a full load, use "" */
	bool stopped;
};

/* RFC 4533, refreshOnly: what has changed since the cookie ("" = everything). options->page does
 * not count. */
enum ldap_result ldap_stream_sync(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *cookie,
	const struct ldap_sync_sink *sink, struct ldap_sync_end *end_r);

/*
 * RFC 4533, refreshAndPersist, of which only that something changed is wanted: options->attributes
 * are best { "1.1", NULL }. LDAP_DONE with *msgid_r; then wait as often as one likes: 1 = an entry
 * was shown, changed or removed, or the server wants a full load (begin anew, with a newer cookie);
 * 0 = nothing within timeout_us, or *stop; -1 = it is over: ldap_session_reason().
 */
enum ldap_result ldap_stream_listen(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *cookie, int *msgid_r);
int ldap_stream_heard(struct ldap_session *session, const struct ldap_stream_options *options,
	int msgid, int64_t timeout_us);

#endif
