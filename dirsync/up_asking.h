/* What the files share that ask who has an address (dirsync/up.h). */
#ifndef RESTANTE_DIRSYNC_UP_ASKING_H
#define RESTANTE_DIRSYNC_UP_ASKING_H

#include "dirsync/up.h"

/* An address, and the ids of this system that gain and lose it; gains: each behind its letter. */
struct wanted {
	struct str key;
	struct strings gains, loses;
	struct strings keeps; /* ids that keep it, whatever is said of them else */
};

/*
 * An address that passes to a mailbox without an entry: whether one is made for it is known at the
 * end. It is not where its primary address is taken.
 */
struct passing {
	char *texts; /* address, system, DN, id of who loses it, address of the move, id that gains
		      */
	size_t len;
};

/*
 * An address whose owner, of this system, a delta does not show: whether it was marked in that
 * entry, and so passes, is known once the entry is read (up_late.c).
 */
struct late {
	char *texts; /* as of passing; the id that gains behind its letter */
	size_t len;
	bool passes;
};

struct asking {
	struct up *up;
	struct wanted wanted[UP_BATCH];
	size_t count;
	uint64_t asked;
	/* Of the directory: all addresses, and who has them, sorted; NULL: it is asked. */
	struct bulk *known;
	struct bulk_pair pair; /* the next one of these */
	bool has_known;
	struct passing *passing;
	size_t passing_count, passing_cap;
	struct late *late;
	size_t late_count, late_cap;
	char **without; /* ids for which no entry is made */
	size_t without_count, without_cap;
	/* Delta: addresses of which the reports say that further mailboxes of this system list
	 * them. */
	struct strings claimed;
	struct str text;
	int failed;
};

struct owner {
	const char *dn, *system, *id;
	const char *move; /* address of the move of this mailbox, "" = none */
	struct strings keys;
};

/* --- up_owners.c: each 0, or -1 with up->error; gain: an id behind its letter. */

int asking_taken(struct asking *a, const char *gain, const char *texts, size_t len);
/* It passes from that id to the one that gains it, where that one can have it. */
int asking_passes(struct asking *a, const char *texts, size_t len);
/* A field of texts. */
const char *asking_field(const char *texts, unsigned number);
/* Somebody has the address. */
int asking_owned(struct asking *a, const struct wanted *wanted, const struct owner *owner);
/* Into a->text, its system, DN, id and the address of its move. */
void asking_describe(struct asking *a, const struct owner *owner);
/* The address of the move of a mailbox with these addresses, "" = none. */
const char *asking_move(const struct moves *moves, const struct strings *keys);
extern const char *const asking_attributes[];

/* --- up_known.c. read: 0, a->known is NULL where it is better to ask. take: in the order of the
 * addresses. */

int known_read(struct asking *a);
int known_take(struct asking *a, const struct wanted *wanted);
void known_free(struct asking *a);

/* --- up_late.c */

void late_put(struct asking *a, const char *texts, size_t len);
/* Reads those entries; what is marked there passes, what is not is taken. */
int late_settle(struct asking *a);
void late_free(struct asking *a);

#endif
