/* What the files of lib/ldap_*.c share; nobody else includes it. */
#ifndef RESTANTE_LIB_LDAP_INTERNAL_H
#define RESTANTE_LIB_LDAP_INTERNAL_H

#include <sys/time.h>

#include <ldap.h>

#include "lib/ldap_session.h"

struct ldap_session {
	LDAP *handle;
	char *uri;
	int64_t timeout_us;
	struct ldap_conncb on_connect;
	int64_t connected_at; /* clock_mono_us() of the connection, before TLS; 0: there was none */
	char reason[1024];
	int code;     /* of the last operation */
	char csn[64]; /* entryCSN after the last result of lib/ldap_async.c, "" = not known */
};

/* Everything before the bind: with TLS where the uri or starttls asks for it, or not at all. 0, or
 * -1 with the reason. */
int ldap_session_connect(struct ldap_session *session, const struct ldap_options *options);
struct timeval ldap_session_timeval(const struct ldap_session *session);
/* Maps libldap's code and keeps "WHAT DN: text (code)[: server's words][; remedy]" as the reason.
 */
enum ldap_result ldap_session_judge(struct ldap_session *session, const char *what, const char *dn,
	int code, const char *server_text);
/* Judges an operation that failed before it had an answer. */
enum ldap_result ldap_session_broken(
	struct ldap_session *session, const char *what, const char *dn, int code);
/* Waits for the one answer to msgid and judges it; *message_r (may be NULL) on LDAP_DONE only. */
enum ldap_result ldap_session_wait(struct ldap_session *session, const char *what, const char *dn,
	int msgid, LDAPMessage **message_r);

/* Sends a write; libldap's code, and on LDAP_SUCCESS the number of the message. csn: RFC 4527
 * post-read of entryCSN is asked for. */
int ldap_session_send_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, bool csn,
	int *msgid_r);
int ldap_session_send_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count, int *msgid_r);
int ldap_session_send_delete(
	struct ldap_session *session, const char *dn, const char *assertion, int *msgid_r);
/* The entryCSN that came with the answer; false: none. */
bool ldap_session_post_read(LDAP *handle, LDAPMessage *message, char *csn_r, size_t size);
/* A constraint violation counts as "taken" only where a uniqueness rule is what was violated. */
enum ldap_result ldap_session_tell_unique(struct ldap_session *session, enum ldap_result result);
/* A copy of a search's entry; NULL where it is malformed. */
struct ldap_entry *ldap_session_entry(LDAP *handle, LDAPMessage *message);

#endif
