/*
 * Questions to a directory that change nothing: operations that cannot succeed, whose refusal tells
 * whether the access rules, an overlay or a missing one was the reason.
 */
#ifndef RESTANTE_LIB_LDAP_PROBE_H
#define RESTANTE_LIB_LDAP_PROBE_H

#include "lib/ldap_session.h"

enum ldap_answer {
	LDAP_ANSWER_YES,
	LDAP_ANSWER_NO,
	LDAP_ANSWER_UNCLEAR, /* refused for another reason: ldap_session_reason() */
};

/*
 * May the session change the attribute of that entry? Asks to delete a value that is not there,
 * which slapd refuses only after its access rules (insufficientAccess before noSuchAttribute).
 * absent: such a value, of the attribute's syntax. add: a value to be added in the same operation,
 * for rules that look at values; NULL = none.
 */
enum ldap_answer ldap_probe_write(struct ldap_session *session, const char *dn,
	const char *attribute, const char *absent, const char *add);

/*
 * Does the server refuse to give the entry a value that another one has? Asks to add it, and to
 * delete one that is not there: slapo-unique refuses before either is looked at.
 */
enum ldap_answer ldap_probe_unique(struct ldap_session *session, const char *dn,
	const char *attribute, const char *value, const char *absent);

/* Can the tree be followed (RFC 4533)? A refresh that asks for no entry. */
enum ldap_answer ldap_probe_sync(struct ldap_session *session, const char *base);

#endif
