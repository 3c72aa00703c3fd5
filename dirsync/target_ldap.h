/*
 * The address book in a backend's directory: what the files dirsync/target_ldap*.c share; nobody
 * else includes it.
 *
 * Each put is a slot: what is there is looked up (a contact that is changed or deleted must carry
 * our marker still, and where the server offers it that is asserted in the write, too), new
 * addresses are searched below search_base, then comes one write. Many slots are in flight at once,
 * each with one operation; no two are of one entry.
 */
#ifndef RESTANTE_DIRSYNC_TARGET_LDAP_H
#define RESTANTE_DIRSYNC_TARGET_LDAP_H

#include "dirsync/target_internal.h"
#include "lib/ldap_async.h"

enum slot_phase { SLOT_FREE, SLOT_LOOK, SLOT_CLASH, SLOT_WRITE };

/* An address that a uniqueness rule of the server refused may be one that another contact is to
 * give up in this run: such contacts are written again at the end of their verb. */
enum slot_try {
	SLOT_FIRST,
	SLOT_GIVE, /* only the addresses that go are taken away; nobody is told */
	SLOT_LAST,
};

struct slot {
	enum slot_phase phase;
	enum slot_try attempt;
	enum target_verb verb;
	bool adopt;
	int number;             /* of the operation in flight */
	struct person contact;  /* as it shall be */
	struct person current;  /* as it is; LOOK found it */
	bool found, ours;       /* LOOK: it is there; it has our marker */
	unsigned foreign_count; /* CLASH: objects that are not ours and have an address */
	struct str dn;
	struct str foreign; /* DN of the first of them */
	struct str has;     /* the address that it has */
};

struct target {
	struct target_options options;
	const struct config_down *settings;
	const struct target_sink *sink;
	struct ldap_session *session; /* NULL between runs */
	char *marker_name, *marker_value;
	/* The filter that our contacts fit, which each change of one asserts (RFC 4528); "" where
	 * the server cannot: Active Directory. */
	struct str asserted;
	char **names; /* attributes to read of contacts, NULL-terminated */
	size_t name_count;
	char **searched; /* words of search_addresses and the marker's name, NULL-terminated */
	size_t searched_count;
	struct slot *slots;
	size_t used; /* slots that are not free */
	enum target_verb last;
	struct again *again; /* contacts to be written again */
	size_t again_count;
	int after; /* file of changed DNs, -1 = not open */
	char *after_path;
};

/* --- putting (target_ldap_put.c); as in struct target_kind --------------------------------------
 */

int target_ldap_put(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt, const char **error_r);
int target_ldap_end(struct target *target, const char **error_r);

/* Waits until nothing is in flight. */
int target_ldap_drain(struct target *target, const char **error_r);
int target_ldap_try(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt, enum slot_try attempt, const char **error_r);

/* --- writing again (target_ldap_again.c) --------------------------------------------------------
 */

/* Keeps the contact of a slot for later; false: there are too many. */
bool target_ldap_keep_again(struct target *target, const struct slot *slot);
/* First all that go, then all that come. */
int target_ldap_write_again(struct target *target, const char **error_r);
void target_ldap_forget_again(struct target *target);

/* --- what is written (target_ldap_change.c) --------------------------------------------------- */

/* Notes a value that an entry of ours has: what is not ours to say of the attributes is left out.
 */
void target_ldap_take(
	const struct target *target, const char *name, const char *value, struct person *current);
/* Whether the entry's attribute has these values and no others. */
bool target_ldap_same(const struct target *target, const struct slot *slot, const char *name);
/* Keys of the addresses of the contact that its entry does not have. */
void target_ldap_new_addresses(const struct slot *slot, struct strings *keys_r);
/* The filter that finds whoever has one of them. */
void target_ldap_clash_filter(
	const struct target *target, const struct strings *keys, struct str *out);

/* What our contacts fit. */
void target_ldap_marker_filter(const struct target *target, struct str *out);
/* The same for an assertion. slapo-unique searches with the controls of the write that it checks,
 * so that the base of its search must fit, too: that is not of the classes of contacts. */
void target_ldap_assertion(const struct target *target, struct str *out);
/* What a write asserts; NULL: nothing. */
const char *target_ldap_asserted(const struct target *target);

/* Each sends one operation. */
enum ldap_result target_ldap_send_add(struct target *target, struct slot *slot);
/* *nothing_r: the entry is as it shall be, nothing was sent. */
enum ldap_result target_ldap_send_change(struct target *target, struct slot *slot, bool *nothing_r);

/* --- taking over a foreign object (target_ldap_adopt.c) --------------------------------------- */

/* Slot->foreign becomes our contact, without waiting for others. TARGET_DONE, or
 * TARGET_REFUSED with text_r; -1: the connection is gone. */
int target_ldap_adopt(
	struct target *target, struct slot *slot, enum target_result *result_r, struct str *text_r);

/* --- the after command (target_ldap_after.c) ---------------------------------------------------
 */

/* Notes that the entry is about to be changed; DNs are kept until the command has taken them. */
int target_ldap_note(struct target *target, const char *dn, const char **error_r);
int target_ldap_run_after(struct target *target, const char **error_r);

#endif
