/*
 * Entries that a refresh did not show any more: deleted, or, where they are a mass, put aside
 * until an administrator approves. Called with the replica's write lock held.
 */
#ifndef RESTANTE_DIRECTORY_DOOMED_H
#define RESTANTE_DIRECTORY_DOOMED_H

#include "directory/replica_internal.h"

struct doomed {
	uint8_t uuid[ROUTE_UUID_BYTES];
	char csn[CSN_LEN + 1]; /* of the version that is stored now */
	enum record_kind kind;
};

struct doomed_list {
	struct doomed *items;
	size_t count;
	uint64_t mailboxes; /* among them */
	bool federation;    /* is among them */
	struct record scratch;
};

/* The entry with its stored bytes; the same one twice is harmless, damaged ones are left out. */
void doomed_add(struct doomed_list *list, const uint8_t *uuid, const void *data, size_t len);
void doomed_free(struct doomed_list *list);
/* Takes those out whose version the cookie does not cover; how many. */
size_t doomed_keep_covered(struct doomed_list *list, const struct csn_vector *cookie);

/* Deletes them; the vector takes the cookie with the last of them. Nothing is refused any more. */
int doomed_delete(struct replica *replica, const struct doomed_list *list,
	const struct csn_vector *cookie, const char **error_r);
/* Puts them aside; the vector stays, the cookie waits with them. A node's entry is deleted, and
 * taken out of the list. */
int doomed_refuse(struct replica *replica, struct doomed_list *list,
	const struct csn_vector *cookie, const char **error_r);

/* Whether one of them is refused already. */
bool doomed_refused(struct replica *replica, const struct doomed_list *list);

/*
 * Deletions pushed one by one can be a mass as well: those of the last minutes are counted.
 * Asked before each, within its transaction: BDB_OK with *aside_r: it is put aside with the refused
 * ones.
 */
enum bdb_result doomed_watch(struct replica *replica, struct bdb_txn *txn,
	const struct change *change, struct store_meta *next, bool *aside_r);

#endif
