/*
 * Writes whose results are awaited later, several in flight on one connection. slapd runs them in
 * any order: the caller keeps two for one entry apart (TRAPS 35). Same errors as
 * lib/ldap_session.h.
 */
#ifndef RESTANTE_LIB_LDAP_ASYNC_H
#define RESTANTE_LIB_LDAP_ASYNC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ldap_session.h"

/* Each gives the number of the operation, above 0; LDAP_DOWN: none, open a new session. */
enum ldap_result ldap_async_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count, int *number_r);
enum ldap_result ldap_async_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, int *number_r);
enum ldap_result ldap_async_delete(
	struct ldap_session *session, const char *dn, const char *assertion, int *number_r);
enum ldap_result ldap_async_search(struct ldap_session *session, const char *base,
	enum ldap_scope scope, const char *filter, const char *const *attributes, int *number_r);

/*
 * The next result of any of them: 1 (number, result, and text: the server's words, valid until the
 * next call), 0 after timeout_us without one, -1 where the connection is gone: what is in flight
 * may have been done or not. Entries of searches come through the callback before their result;
 * *number_r is that of their search already while the callback runs.
 */
int ldap_async_result(struct ldap_session *session, int64_t timeout_us, int *number_r,
	enum ldap_result *result_r, const char **text_r, ldap_entry_callback entry, void *context);

#endif
