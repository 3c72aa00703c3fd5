/*
 * What is to be changed in the directory, in the order in which reconciling found it. A plan is a
 * file: it may be as long as the directory.
 */
#ifndef RESTANTE_DIRSYNC_PLAN_H
#define RESTANTE_DIRSYNC_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/entry.h"
#include "dirsync/person.h"

enum plan_kind {
	PLAN_ADD,      /* a new mailbox */
	PLAN_MODIFY,   /* attributes, addresses; also a rename on the system */
	PLAN_ADOPT,    /* an entry without source id gets this one */
	PLAN_REKEY,    /* re-created on its system: asserted on the old id */
	PLAN_VANISHED, /* marked, still routed */
	PLAN_RETURNED, /* the mark goes */
	/* Marked for longer than the grace: deleted, or, with values, these alone are taken from an
	 * entry that is more than a mailbox (expiry.h). */
	PLAN_EXPIRE,
	PLAN_CLAIM,  /* what the assignee of an open move claims goes to the move's entry */
	PLAN_REPORT, /* nothing is written: conflict, refusal */
};

/* One attribute of one entry; in the plan all of an entry stand in one modify. */
struct plan_value {
	enum { PLAN_PUT, PLAN_TAKE, PLAN_SET } what; /* add one value, delete one, replace all */
	const char *attribute;
	const char *value; /* NULL with PLAN_SET: the attribute goes */
};

/* Why a change counts for the guards (dirsync/guard.h). */
#define PLAN_COUNTS_VANISH  1 /* a mailbox is marked */
#define PLAN_COUNTS_EXPIRE  2
#define PLAN_COUNTS_ADDRESS 4 /* a mark on an address, or its removal */
#define PLAN_COUNTS_REKEY   8

struct plan_change {
	enum plan_kind kind;
	const char *dn;        /* of the entry; PLAN_ADD: the DN it will have */
	const char *assertion; /* RFC 4528 filter, "" = none: true before the change, not after */
	const char *owner;  /* one that is true before and after: it is still this system's; for the
			       second part of a change that is split, and for giving back */
	const char *reason; /* for the log and people: "address no longer listed by S1" */
	const char *id;     /* source id */
	unsigned counts;    /* PLAN_COUNTS_* */
	unsigned count_addresses;
	const struct plan_value *values;
	size_t value_count;
	/* Address keys that the entry gains and gives up: the order between entries (apply.h). */
	struct strings gains, gives;
};

struct plan;

/* A file below dir that has no name any more. NULL with *error_r (one line; valid until the
 * thread's next call, as all of them). Puts may follow reads. Texts that are NULL are read as "".
 */
struct plan *plan_new(const char *dir, const char **error_r);
void plan_free(struct plan **plan);
int plan_put(struct plan *plan, const struct plan_change *change, const char **error_r);
uint64_t plan_count(const struct plan *plan);
/* From the beginning: 1, 0 at the end, -1 with *error_r. change_r is valid until the next call. */
void plan_rewind(struct plan *plan);
int plan_next(struct plan *plan, struct plan_change *change_r, const char **error_r);
/* Where the change stands that plan_next gave last; after plan_seek plan_next gives it again. */
uint64_t plan_place(const struct plan *plan);
void plan_seek(struct plan *plan, uint64_t place);

const char *plan_kind_name(enum plan_kind kind); /* "add", "modify", ..., "report" */
/* As LDIF (RFC 2849 change records; reason and assertion as comments): what --dry-run prints.
 * Appends one record and an empty line; of a report the comment alone. */
void plan_ldif(const struct plan_change *change, struct str *out);

#endif
