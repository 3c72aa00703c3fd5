/*
 * What an administrator, the CLI and the controller do to a mailbox entry: each is one LDAP modify
 * (DESIGN decision 1). All on write_uri.
 */
#ifndef RESTANTE_LIB_MAILBOX_H
#define RESTANTE_LIB_MAILBOX_H

#include "lib/address.h"
#include "lib/ldap_session.h"
#include "lib/route.h"

struct mailbox {
	char *dn;
	char *uuid; /* as text */
	char *csn;  /* entryCSN */
	char *system;
	char *physical;
	char *source_id;  /* NULL where there is none */
	char *host;       /* mailHost, NULL where there is none */
	char *state_text; /* as it stands in the entry, "" where absent */
	enum route_state state;
};

/*
 * The one mailbox that claims the address (full address, exact match in normal form; no
 * subaddress, no catch-all). LDAP_NO_ENTRY: nobody. LDAP_TAKEN: several claim it, *error_r names
 * two of them. LDAP_REFUSED for text that is no address. *error_r lives until the
 * thread's next call of this module.
 */
enum ldap_result mailbox_find(struct ldap_session *session, const char *base, const char *address,
	struct mailbox **mailbox_r, const char **error_r);
/* Reads it again by DN. */
enum ldap_result mailbox_reread(
	struct ldap_session *session, struct mailbox *mailbox, const char **error_r);
void mailbox_free(struct mailbox **mailbox);

/* The search filter of mailbox_find, every spelling of the address in it. Pure. */
void mailbox_filter(const struct address *address, struct str *out);

/*
 * Sets the state (asserted: that and the physical address are still those in mailbox), updates csn
 * and state. LDAP_REFUSED also where it was written in vain: see mailbox_csn_fault.
 */
enum ldap_result mailbox_set_state(struct ldap_session *session, struct mailbox *mailbox,
	enum route_state state, const char **error_r);

/* The same; LDAP_ASSERTION where anything of the entry was changed since it was read. */
enum ldap_result mailbox_set_state_seen(struct ldap_session *session, struct mailbox *mailbox,
	enum route_state state, const char **error_r);

/*
 * The swap: physical address, system and source id (NULL removes it) change and the hold goes, in
 * one modify that asserts `holding` and mailbox->csn. LDAP_ASSERTION: touched since, pass the fence
 * again. A mailHost is removed when the system changes: it would name the old one.
 */
enum ldap_result mailbox_swap(struct ldap_session *session, struct mailbox *mailbox,
	const char *system, const char *physical, const char *source_id, const char **error_r);

/*
 * Whether a version that was just written is not newer than the one before: no front door will
 * take it, and none would wait for it. Pure; *error_r says what to do.
 */
bool mailbox_csn_fault(const char *dn, const char *before, const char *after, const char **error_r);

/* Whether a system of that name is in ou=systems. */
enum ldap_result mailbox_system_exists(
	struct ldap_session *session, const char *base, const char *system, const char **error_r);

#endif
