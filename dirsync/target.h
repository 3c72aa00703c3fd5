/*
 * Connectors, down: where everyone else's addresses are written for a system's address book. One
 * file each: target_ldap.c, target_ldif.c, target_csv.c, target_vcard.c, target_command.c.
 *
 * What is written is a contact (dirsync/contact.h): its id is the federation's, the entryUUID of
 * the mailbox in the directory. Only what carries our marker is ever changed or deleted.
 */
#ifndef RESTANTE_DIRSYNC_TARGET_H
#define RESTANTE_DIRSYNC_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirsync/contact.h"

enum target_verb {
	TARGET_DELETE,
	TARGET_CHANGE,
	TARGET_ADD,
	TARGET_KEEP, /* `whole` targets only: as it was, to be written again */
};

enum target_result {
	TARGET_DONE,
	TARGET_FOREIGN, /* an object that is not ours has one of its addresses: reported */
	TARGET_REFUSED, /* the server's words */
};

/* What else there is to say of a result; "" where it is not known. */
struct target_note {
	const char *text;    /* the server's words, or what is wrong */
	const char *place;   /* FOREIGN: that object's DN; DONE: that of the one taken over */
	const char *address; /* FOREIGN: the address that it has */
};

struct target_sink {
	void *context;
	/* What is there of ours, in any order; digest: of the contact as it would be written; has:
	 * contact_has() of it. -1 stops. */
	int (*contact)(void *context, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE],
		uint64_t has);
	/* The result of each put; what has none when end or abort is over was not done, as far as
	 * is known. Where the target does not list, none of them counts unless end succeeds. */
	void (*result)(void *context, enum target_verb verb, const char *id,
		enum target_result result, const struct target_note *note);
};

struct target_options {
	const struct config_down *settings;
	const struct contact_form *form;
	const char *dir;         /* for what must outlive a run, and for temporary files */
	unsigned window;         /* writes in flight */
	const atomic_bool *stop; /* may be NULL */
};

struct target;

struct target_kind {
	const char *name;
	/* The target itself says what it has; else the snapshot of the last run does. */
	bool lists;
	/* Is made anew as a whole in each run that changes something: ldif, csv, vcard files. */
	bool whole;
	/* What is kept between runs is settings alone. 0, or -1 with *error_r: "down NAME.key:
	 * ...". */
	int (*check)(const struct config_down *settings, const char **error_r);
	struct target *(*open)(const struct target_options *options);
	void (*close)(struct target **target);
	/* Each 0, or -1 with *error_r: the run has failed, abort follows. put may answer later, but
	 * before end. The verbs come in their order in enum target_verb; to a `whole` target (there
	 * is no DELETE then) in the order of the ids. */
	/* sink: until end or abort is over. */
	int (*begin)(struct target *target, const struct target_sink *sink, const char **error_r);
	int (*list)(struct target *target, const char **error_r); /* NULL without `lists` */
	/* TARGET_DELETE: id alone counts. adopt: take over a foreign object. */
	int (*put)(struct target *target, enum target_verb verb, const struct person *contact,
		bool adopt, const char **error_r);
	int (*end)(struct target *target, const char **error_r); /* all results were told */
	void (*abort)(struct target *target);
	/* Of a `whole` target: a text that changes when somebody else changes what was written; ""
	 * where it is gone. */
	void (*seal)(struct target *target, struct str *seal_r);
};

const struct target_kind *target_kind_find(const char *name);

/* As LDIF: the record of a contact (verb KEEP), or the change record that makes it so; for files,
 * programs and --dry-run. DELETE: id alone counts. */
void target_ldif_record(const struct target_options *options, enum target_verb verb,
	const struct person *contact, struct str *out);
/* The DN of a contact. */
void target_dn(const struct config_down *settings, const char *id, struct str *out);

#endif
