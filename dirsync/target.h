/*
 * Connectors, down: where everyone else's addresses are written for a system's address book. One
 * file each: target_ldap.c, target_ldif.c, target_csv.c, target_vcard.c, target_command.c.
 *
 * A contact is a person whose id is the federation's: the entryUUID of the mailbox in the
 * directory. Only what carries our marker is ever changed or deleted.
 */
#ifndef RESTANTE_DIRSYNC_TARGET_H
#define RESTANTE_DIRSYNC_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirsync/person.h"
#include "lib/config.h"

enum target_verb { TARGET_ADD, TARGET_CHANGE, TARGET_DELETE };

enum target_result {
	TARGET_DONE,
	TARGET_FOREIGN, /* an object that is not ours has one of its addresses: reported */
	TARGET_REFUSED, /* the server's words */
	TARGET_DOWN,    /* nothing more can be written now */
};

struct target_sink {
	void *context;
	/* What is there of ours, in any order; digest: of the contact as it would be written. */
	int (*contact)(void *context, const char *id, const uint8_t digest[PERSON_DIGEST_SIZE]);
	/* The result of each put. text: the server's words, or the foreign object's DN. */
	void (*result)(void *context, enum target_verb verb, const char *id,
		enum target_result result, const char *text);
};

struct target;

struct target_kind {
	const char *name;
	/* The target itself says what it has; else the snapshot of the last run does. */
	bool lists;
	/* Is made anew as a whole in each run that changes something: ldif, csv, vcard files. */
	bool whole;
	int (*check)(const struct config_down *settings, const char **error_r);
	struct target *(*open)(const struct config_down *settings);
	void (*close)(struct target **target);
	/* Each 0, or -1 with *error_r: the run has failed. put may answer later, but before end. */
	int (*begin)(struct target *target, const struct target_sink *sink, const char *run,
		const atomic_bool *stop, const char **error_r);
	int (*list)(struct target *target, const char **error_r);
	/* TARGET_DELETE: id alone counts. adopt: take over a foreign object. */
	int (*put)(struct target *target, enum target_verb verb, const struct person *contact,
		bool adopt, const char **error_r);
	int (*end)(struct target *target, const char **error_r); /* all results were told */
	void (*abort)(struct target *target);
};

const struct target_kind *target_kind_find(const char *name);

#endif
