/*
 * The records of moves below ou=moves, as syncs need them (DESIGN section 6). Few beside the
 * mailboxes: all of them are in memory in a run.
 *
 * A move is open until state 10. From then on its record explains the old mailbox on the assignor:
 * its claims and its absence, and it keeps the mailbox out of the assignor's down sync. This ends
 * when a complete pull of the assignor does not have the old mailbox any more: the up sync that
 * sees it writes restanteMoveOldGone (moves_note_gone), which also is what the purge of old records
 * waits for. The old mailbox is known by restanteMoveOldSourceId.
 */
#ifndef RESTANTE_DIRSYNC_MOVES_H
#define RESTANTE_DIRSYNC_MOVES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/strings.h"
#include "lib/ldap_session.h"

enum move_kind {
	MOVE_OPEN,     /* before state 10 */
	MOVE_FINISHED, /* 10 or later, the old mailbox was not seen gone */
	MOVE_OVER, /* ended, cancelled, rolled back, or the old mailbox is gone: explains nothing */
};

struct move {
	enum move_kind kind;
	int state;
	struct str dn, key;            /* key: restanteMoveAddress in normal form (lib/address.h) */
	struct str assignor, assignee; /* assignor "" = the record does not say */
	struct str old_source_id, source_id, physical; /* "" = not there */
	struct strings claims;                         /* keys */
	atomic_uint *owners; /* of these texts, that are shared by copies; NULL: one alone */
};

struct moves {
	struct move *list; /* by key; of one key the open one first */
	size_t count;
};

/*
 * Records without a usable address or target are left out, with a warning. The process keeps what
 * it has read and asks for what was changed since (RFC 4533, refreshOnly): a wave has thousands of
 * records, and syncs run all the time in it. Thread-safe.
 */
enum ldap_result moves_read(struct ldap_session *session, const char *base, struct moves *moves_r);
void moves_free(struct moves *moves);
void move_free_fields(struct move *move);
/* Has the same texts, which go with the last of all. Not for several threads at once. */
struct move move_share(struct move *move);
/* The order of a list. */
int moves_compare(const void *left, const void *right);
/* Takes over those of `more` that are not in `moves` (by DN), and frees it. False: there was none.
 */
bool moves_join(struct moves *moves, struct moves *more);
/* What stands first for the address key and is not over; NULL: nothing. Others of the key follow.
 */
const struct move *moves_find(const struct moves *moves, const char *key);

/*
 * Whether a down sync of `system` leaves the mailbox of that move as it is: an open move of which
 * it is assignor or assignee, a finished one of which it is assignor. owner: the system that the
 * mailbox has now. Where the record does not name the assignor it is the owner until the swap, and
 * may be any system after. Pure.
 */
bool move_keeps_out(const struct move *move, const char *system, const char *owner);

/* Asserts that nobody wrote it before. */
enum ldap_result moves_note_gone(
	struct ldap_session *session, const struct move *move, int64_t wall_us);

#endif
