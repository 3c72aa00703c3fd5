/*
 * What a sync did, as restanteUpSyncOutcome and restanteDownSyncOutcome have it: a word, counts,
 * and after ";" a reason for people.
 *
 *   complete persons=1200 added=3 changed=1 deleted=0 conflicts=2 refused=0
 *   stopped persons=700 ... pending=500 stops=deletions:500; 500 of 1200 mailboxes vanished; ...
 *
 * Pure.
 */
#ifndef RESTANTE_LIB_SYNCOUTCOME_H
#define RESTANTE_LIB_SYNCOUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"
#include "lib/str.h"

enum sync_word {
	SYNC_COMPLETE,
	SYNC_NOTHING,    /* no new data */
	SYNC_STOPPED,    /* by a guard: waits for restante sync approve */
	SYNC_INCOMPLETE, /* the source failed, nothing was applied */
	SYNC_FAILED,     /* the directory, the disk, the settings */
	SYNC_BUSY,       /* another host has the lease; never in the directory */
};

struct sync_outcome {
	enum sync_word word;
	uint64_t persons, added, changed, deleted, conflicts, refused;
	uint64_t pending; /* of SYNC_STOPPED: size of the list, all kinds together */
	/*
	 * lib/synclist.h; NULL is none. What restante sync approve approves; and what was approved
	 * and is not done yet: what is marked counts on until it expires, and is not to be approved
	 * twice. Of parse: they point into what was parsed, and `approved` may be no list (earlier
	 * versions wrote a number).
	 */
	const char *stops, *approved;
	const char *text; /* the reason, "" = none; of parse: points into what was parsed */
};

#define SYNC_OUTCOME_MAX 1024 /* bytes of the value: the reason is cut; more with long lists */

const char *sync_word_name(enum sync_word word);
void sync_outcome_format(const struct sync_outcome *outcome, struct str *out);
/* False where the first word is none of ours; unknown counts are passed over. */
bool sync_outcome_parse(const char *value, struct sync_outcome *outcome_r);
/* The counts, by their names: persons, added, ..., pending; and `stops`, an array, where it is
 * stopped. */
void sync_outcome_set(struct json *object, const struct sync_outcome *outcome);

#endif
