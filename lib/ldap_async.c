#include "lib/ldap_async.h"

#include <string.h>

#include "lib/ldap_internal.h"

/* --- sending -------------------------------------------------------------------------------- */

/* What libldap itself refuses before it has sent anything is no trouble of the connection. */
static enum ldap_result sent(
	struct ldap_session *session, const char *what, const char *dn, int code)
{
	if (code == LDAP_SUCCESS)
		return LDAP_DONE;
	if (code == LDAP_FILTER_ERROR || code == LDAP_PARAM_ERROR || code == LDAP_ENCODING_ERROR) {
		ldap_session_judge(session, what, dn, code, NULL);
		return LDAP_REFUSED;
	}
	return ldap_session_broken(session, what, dn, code);
}

enum ldap_result ldap_async_add(struct ldap_session *session, const char *dn,
	const struct ldap_change *attributes, size_t count, int *number_r)
{
	int code = ldap_session_send_add(session, dn, attributes, count, number_r);

	return sent(session, "add", dn, code);
}

enum ldap_result ldap_async_modify(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, int *number_r)
{
	int code =
		ldap_session_send_modify(session, dn, changes, count, assertion, false, number_r);

	return sent(session, "modify", dn, code);
}

enum ldap_result ldap_async_modify_csn(struct ldap_session *session, const char *dn,
	const struct ldap_change *changes, size_t count, const char *assertion, int *number_r)
{
	int code = ldap_session_send_modify(session, dn, changes, count, assertion, true, number_r);

	return sent(session, "modify", dn, code);
}

enum ldap_result ldap_async_delete(
	struct ldap_session *session, const char *dn, const char *assertion, int *number_r)
{
	int code = ldap_session_send_delete(session, dn, assertion, number_r);

	return sent(session, "delete", dn, code);
}

enum ldap_result ldap_async_search(struct ldap_session *session, const char *base,
	enum ldap_scope scope, const char *filter, const char *const *attributes, int *number_r)
{
	static const int scopes[] = { LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE };
	/* libldap does not change the list, its prototype only lacks the const */
	int code = ldap_search_ext(session->handle, base, scopes[scope], filter,
		(char **)(uintptr_t)attributes, 0, NULL, NULL, NULL, LDAP_NO_LIMIT, number_r);

	return sent(session, "search", base, code);
}

/* --- results -------------------------------------------------------------------------------- */

static void hand_over(struct ldap_session *session, LDAPMessage *message,
	ldap_entry_callback callback, void *context)
{
	struct ldap_entry *entry = NULL;

	if (callback != NULL)
		entry = ldap_session_entry(session->handle, message);
	if (entry != NULL)
		callback(context, entry);
	ldap_entry_free(&entry);
}

static enum ldap_result judge(
	struct ldap_session *session, LDAPMessage *message, const char **text_r)
{
	static const char what[] = "result";
	size_t before = strlen(session->uri) + strlen(what) + 4, len;
	enum ldap_result result;
	char *words = NULL;
	int code;

	if (ldap_parse_result(session->handle, message, &code, NULL, &words, NULL, NULL, 0) !=
		LDAP_SUCCESS)
		code = LDAP_DECODING_ERROR;
	result = ldap_session_judge(session, what, NULL, code, words);
	ldap_memfree(words);
	/* which server and what operation: the caller knows */
	len = strlen(session->reason);
	*text_r = session->reason + (before < len ? before : len);
	if (result == LDAP_DONE && ldap_msgtype(message) == LDAP_RES_MODIFY)
		ldap_session_post_read(
			session->handle, message, session->csn, sizeof(session->csn));
	return ldap_session_tell_unique(session, result);
}

static bool is_result(int type)
{
	return type == LDAP_RES_ADD || type == LDAP_RES_MODIFY || type == LDAP_RES_DELETE ||
	       type == LDAP_RES_SEARCH_RESULT;
}

static int lost(struct ldap_session *session, const char **text_r)
{
	int code = LDAP_SERVER_DOWN;

	ldap_get_option(session->handle, LDAP_OPT_RESULT_CODE, &code);
	ldap_session_broken(
		session, "result", NULL, code == LDAP_SUCCESS ? LDAP_SERVER_DOWN : code);
	*text_r = session->reason;
	return -1;
}

int ldap_async_result(struct ldap_session *session, int64_t timeout_us, int *number_r,
	enum ldap_result *result_r, const char **text_r, ldap_entry_callback entry, void *context)
{
	struct timeval timeout = { .tv_sec = timeout_us / 1000000,
		.tv_usec = timeout_us % 1000000 };
	LDAPMessage *message;
	int type;

	session->csn[0] = '\0';
	*text_r = "";
	for (;;) {
		message = NULL;
		type = ldap_result(session->handle, LDAP_RES_ANY, LDAP_MSG_ONE, &timeout, &message);
		if (type <= 0)
			return type == 0 ? 0 : lost(session, text_r);
		*number_r = ldap_msgid(message);
		if (is_result(type))
			break;
		if (type == LDAP_RES_SEARCH_ENTRY)
			hand_over(session, message, entry, context);
		ldap_msgfree(message);
	}
	*result_r = judge(session, message, text_r);
	ldap_msgfree(message);
	return 1;
}

const char *ldap_async_csn(const struct ldap_session *session)
{
	return session->csn;
}
