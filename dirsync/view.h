/*
 * What the directory has of one system: all of its mailbox entries, read in a thread of their own
 * and sorted by source id, or (for a delta) only those with given ids. On write_uri: what is
 * compared is what will be changed. One thread at a time.
 */
#ifndef RESTANTE_DIRSYNC_VIEW_H
#define RESTANTE_DIRSYNC_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirsync/entry.h"
#include "dirsync/guard.h"
#include "lib/ldap_session.h"

struct view_options {
	const struct ldap_options *ldap; /* of write_uri */
	const char *system;
	const char *const *mapped;       /* mapping_directory_names() */
	const char *dir;                 /* for what does not fit into memory */
	size_t memory;                   /* bytes */
	const struct guard_tally *tally; /* which of its attributes an entry has is noted */
	const atomic_bool *stop;
	/* An entry that is none, or that has the id of another one. */
	void (*unusable)(void *context, const char *dn, const char *reason);
	void *context;
};

struct view_counts {
	uint64_t entries;   /* of this system, usable ones */
	uint64_t addresses; /* theirs */
	uint64_t orphans;   /* entries without source id */
};

/* An entry as it was sorted, so that most can be compared without being read: valid until the next
 * one. */
struct view_item {
	const char *id;      /* NUL-terminated */
	const char *version; /* entryCSN, "" = it cannot be read */
	/* the rest: of whole entries alone */
	bool plain; /* nothing of it is marked, or spelled in a way of its own */
	struct guard_had had;
	const char *person; /* its bytes (person_encode) */
	size_t person_len;
};

struct view;

struct view *view_new(const struct view_options *options);
void view_free(struct view **view);

/*
 * Everything; then view_next and view_orphan. 0, or -1 with *error_r. whole: all that is compared;
 * else of each entry with an id the version alone, which is much less work for the server. Orphans
 * are whole always; where they are not found again (a right is missing) everything is.
 */
int view_read(struct view *view, bool whole, const char **error_r);
bool view_is_whole(const struct view *view);
/* What was read so far; from any thread. */
uint64_t view_progress(const struct view *view);
struct view_counts view_counts(const struct view *view);
/* In the order of the ids: 1, 0 at the end, -1. */
int view_next(struct view *view, struct view_item *item_r, const char **error_r);
/* What view_item.had is of an entry with this person. Gaps are zeros. */
struct guard_had view_had(const struct guard_tally *tally, const struct person *person);
/* All of the entry that view_next gave last, where they are whole: 0, or -1. */
int view_entry(const struct view *view, struct entry *entry_r, const char **error_r);
/* Those without source id, in no order. */
int view_orphan(struct view *view, struct entry *entry_r, const char **error_r);

typedef int (*view_callback)(void *context, const struct entry *entry);
/* For a delta, at once: entries with these ids, or those without an id that have these physical
 * addresses. */
int view_find_ids(struct view *view, struct ldap_session *session, const char *const *ids,
	size_t count, view_callback callback, void *context, const char **error_r);
int view_find_orphans(struct view *view, struct ldap_session *session, const char *const *physicals,
	size_t count, view_callback callback, void *context, const char **error_r);

#endif
