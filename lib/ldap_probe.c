#include "lib/ldap_probe.h"

#include "lib/ldap_internal.h"

#define NEVER_TRUE "(!(objectClass=*))"

enum ldap_answer ldap_probe_write(struct ldap_session *session, const char *dn,
	const char *attribute, const char *absent, const char *add)
{
	const char *const gone[] = { absent, NULL }, *const more[] = { add, NULL };
	const struct ldap_change changes[] = {
		{ LDAP_CHANGE_DELETE, attribute, gone },
		{ LDAP_CHANGE_ADD, attribute, more },
	};

	ldap_session_modify(session, dn, changes, add != NULL ? 2 : 1, NULL, NULL, 0);
	switch (ldap_session_code(session)) {
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_TYPE_OR_VALUE_EXISTS: return LDAP_ANSWER_YES;
	/* an entry that may not even be seen may not be written either */
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INSUFFICIENT_ACCESS: return LDAP_ANSWER_NO;
	default: return LDAP_ANSWER_UNCLEAR;
	}
}

enum ldap_answer ldap_probe_unique(struct ldap_session *session, const char *dn,
	const char *attribute, const char *value, const char *absent)
{
	const char *const gone[] = { absent, NULL }, *const taken[] = { value, NULL };
	const struct ldap_change changes[] = {
		{ LDAP_CHANGE_DELETE, attribute, gone },
		{ LDAP_CHANGE_ADD, attribute, taken },
	};

	ldap_session_modify(session, dn, changes, 2, NULL, NULL, 0);
	switch (ldap_session_code(session)) {
	case LDAP_CONSTRAINT_VIOLATION: return LDAP_ANSWER_YES;
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_INSUFFICIENT_ACCESS: return LDAP_ANSWER_NO;
	default: return LDAP_ANSWER_UNCLEAR;
	}
}

/* syncRequestValue: mode refreshOnly, no cookie. */
static int search_sync(struct ldap_session *session, const char *base, int *msgid_r)
{
	static const unsigned char refresh_only[] = { 0x30, 0x03, 0x0a, 0x01, 0x01 };
	static char no_attributes[] = LDAP_NO_ATTRS;
	char *attributes[] = { no_attributes, NULL };
	LDAPControl control = { .ldctl_oid = (char *)(uintptr_t)LDAP_CONTROL_SYNC,
		.ldctl_value = { sizeof(refresh_only), (char *)(uintptr_t)refresh_only },
		.ldctl_iscritical = 1 };
	LDAPControl *controls[] = { &control, NULL };

	return ldap_search_ext(session->handle, base, LDAP_SCOPE_BASE, NEVER_TRUE, attributes, 0,
		controls, NULL, NULL, LDAP_NO_LIMIT, msgid_r);
}

enum ldap_answer ldap_probe_sync(struct ldap_session *session, const char *base)
{
	int msgid, code = search_sync(session, base, &msgid);

	if (code != LDAP_SUCCESS)
		ldap_session_broken(session, "search", base, code);
	else
		ldap_session_wait(session, "search", base, msgid, NULL);
	switch (ldap_session_code(session)) {
	case LDAP_SUCCESS: return LDAP_ANSWER_YES;
	case LDAP_UNAVAILABLE_CRITICAL_EXTENSION: return LDAP_ANSWER_NO;
	default: return LDAP_ANSWER_UNCLEAR;
	}
}
