/*
 * A directory in memory: entries, RFC 4528 assertions, the uniqueness of addresses; what a plan
 * changes is changed as a server would, or refused as it would be.
 */
#ifndef RESTANTE_TESTS_UNIT_MEMORY_DIR_H
#define RESTANTE_TESTS_UNIT_MEMORY_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/entry.h"
#include "dirsync/plan.h"

struct memory_value {
	char *name, *value;
};

struct memory_entry {
	char *dn;
	struct memory_value *values;
	size_t count;
};

struct memory_dir {
	struct memory_entry **entries;
	size_t count;
	uint64_t writes;  /* for entryCSN and entryUUID */
	char fault[1024]; /* of the last change that was refused */
};

void memory_free(struct memory_dir *dir);
void memory_copy(struct memory_dir *to, const struct memory_dir *from); /* frees what `to` had */

struct memory_entry *memory_add(struct memory_dir *dir, const char *dn);
void memory_delete(struct memory_dir *dir, struct memory_entry *entry);
struct memory_entry *memory_find(const struct memory_dir *dir, const char *dn);
/* Who has the access address (a key that is its own value), NULL: nobody. */
struct memory_entry *memory_owner(const struct memory_dir *dir, const char *key);

const char *memory_get(const struct memory_entry *entry, const char *name); /* NULL: none */
bool memory_has(const struct memory_entry *entry, const char *name, const char *value);
/* An administrator's: always done, with a new entryCSN. set: NULL takes all. */
void memory_put(
	struct memory_dir *dir, struct memory_entry *entry, const char *name, const char *value);
void memory_take(
	struct memory_dir *dir, struct memory_entry *entry, const char *name, const char *value);
void memory_set(
	struct memory_dir *dir, struct memory_entry *entry, const char *name, const char *value);

bool memory_match(const struct memory_entry *entry, const char *filter);
void memory_read(const struct memory_entry *entry, struct entry *entry_r);

/*
 * A change in two parts, as apply.h does it: all but the addresses it gains, and those. The first
 * looks at the assertion, the second at the owner. false: refused, and nothing of the part is done.
 */
bool memory_apply_first(struct memory_dir *dir, const struct plan_change *change);
bool memory_apply_gains(struct memory_dir *dir, const struct plan_change *change);

#endif
