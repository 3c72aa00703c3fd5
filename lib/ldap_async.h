/*
 * Writes whose results are awaited later, several in flight on one connection. slapd runs them in
 * any order: the caller keeps two for one entry apart (TRAPS 35). Same errors as
 * lib/ldap_session.h. Nothing else may be asked of the session while one is in flight.
 */
#ifndef RESTANTE_LIB_LDAP_ASYNC_H
#define RESTANTE_LIB_LDAP_ASYNC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"

/* Each gives the number of the operation, above 0. LDAP_DOWN: none, open a new session;
 * LDAP_REFUSED: none, it is no operation that could be sent (an assertion that is no filter). */
enum ldap_result ldap_async_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count, int *number_r);
enum ldap_result ldap_async_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, int *number_r);
/* The same, and ldap_async_csn tells the entryCSN after it (RFC 4527). */
enum ldap_result ldap_async_modify_csn(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, int *number_r);
enum ldap_result ldap_async_delete(
	struct ldap_session *session, const char *dn, const char *assertion, int *number_r);
enum ldap_result ldap_async_search(struct ldap_session *session, const char *base,
	enum ldap_scope scope, const char *filter, const char *const *attributes, int *number_r);

/*
 * The next result of any of them: 1 (number, result, and text: the server's words, valid until the
 * next call), 0 after timeout_us without one, -1 where the connection is gone: what is in flight
 * may have been done or not. Entries of searches come through the callback before their result;
 * *number_r is that of their search already while the callback runs. entry NULL: no searches.
 * ldap_session_code is the server's result code.
 */
int ldap_async_result(struct ldap_session *session, int64_t timeout_us, int *number_r,
	enum ldap_result *result_r, const char **text_r, ldap_entry_callback entry, void *context);

/* Of the last result: "" where it was not asked for, or not done. Valid until the next. */
const char *ldap_async_csn(const struct ldap_session *session);

#endif
