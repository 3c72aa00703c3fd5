/* What the files that gather share. */
#ifndef RESTANTE_DOCTOR_GATHER_H
#define RESTANTE_DOCTOR_GATHER_H

#include "doctor/facts.h"

/* The two identities at write_uri; administrator is NULL where it has none of its own. */
struct sessions {
	struct ldap_session *milter, *administrator;
};

/* Who sees most. */
static inline struct ldap_session *sessions_best(const struct sessions *sessions)
{
	return sessions->administrator != NULL ? sessions->administrator : sessions->milter;
}

/* Whether base is suffix or below it, spelled alike but for case. */
bool gather_holds(const char *suffix, const char *base);
/* Connects to "smtp:host:port", "lmtp:unix:/path" and their like, each step for so many seconds.
 * Why it does not greet, the caller's; NULL: it does. */
#define GATHER_PATIENCE 10
char *gather_greeting(const char *listener, int seconds);
/* "lmtp:host:port", the caller's; NULL where the entry does not say what is needed. Pure. */
char *gather_listener_of(const struct backend_facts *backend);
void gather_settings(const struct sessions *sessions, const char *base, struct settings *settings);
void gather_rights(
	const struct sessions *sessions, const char *base, struct directory_facts *directory);

#endif
