/*
 * One up sync while it runs. For dirsync/up_*.c and run_up.c alone, each of which is one step:
 *
 *   pull    source -> sorted by id; at the same time the directory -> sorted by id
 *   meet    the two and the snapshot, merged by id: what is equal is passed over; what is not goes
 *           to `pending`, the addresses that it gains and loses to `addresses`
 *   join    entries that may be adopted or re-keyed -> `pending`
 *   owners  who has the addresses that are gained: other systems (conflict), or this one and loses
 *           them (they pass) -> `pending`
 *   judge   reconcile() for each id that is pending -> plan, reports, the next snapshot
 *   apply   guards, the snapshot, the plan
 */
#ifndef RESTANTE_DIRSYNC_UP_H
#define RESTANTE_DIRSYNC_UP_H

#include "dirsync/apply.h"
#include "dirsync/backend.h"
#include "dirsync/guard.h"
#include "dirsync/keeper.h"
#include "dirsync/rawset.h"
#include "dirsync/mapping.h"
#include "dirsync/moves.h"
#include "dirsync/reconcile.h"
#include "dirsync/reports.h"
#include "dirsync/run.h"
#include "dirsync/snapshot.h"
#include "dirsync/source.h"
#include "dirsync/source_mark.h"
#include "dirsync/view.h"
#include "lib/bulksort.h"
#include "lib/federation.h"

#define UP_SORT_MEMORY ((size_t)12 << 20) /* bytes, per sort */
#define UP_BATCH       100                /* values in one search */

/* How the parts of an id begin, in `pull` and in `pending`. */
enum up_part {
	UP_FRESH = 'F',    /* a struct up_fresh and a person */
	UP_GONE = 'G',     /* gone for certain */
	UP_UNUSABLE = 'U', /* text: why */
	UP_ENTRY = 'E',    /* an entry */
	UP_BEFORE = 'T',   /* a trace */
	UP_ADOPT = 'A',    /* an orphan: entry and trace (up_orphan) that may be adopted */
	UP_REKEY = 'R',    /* the same, that may be re-keyed */
	UP_TAKEN = 'K',    /* texts: address, system, DN, id, address of its move */
	UP_PASSING = 'P',  /* text: address */
	UP_SKIP = 'S',     /* its entry is re-keyed */
	UP_VERSION = 'V',  /* a struct up_fresh and a text: all is level, the trace learns the
			    * version  of the entry and what the person came from */
};

/* What stands before a person in `pull` and in `pending`. */
struct up_fresh {
	uint8_t digest[PERSON_DIGEST_SIZE];
	uint8_t raw[TRACE_RAW_SIZE]; /* zeros = not known */
	struct guard_had had;
};

/* How the values in `addresses` begin, each with an id behind it. */
enum up_traffic {
	UP_GAINS = 'G',       /* an entry gains it */
	UP_GAINS_FIRST = 'M', /* a mailbox without an entry, whose primary address it is */
	UP_GAINS_NEW = 'N',   /* one without an entry */
	/* One for which no entry can be made, whoever has its addresses: the last in order. */
	UP_GAINS_NOTHING = 'Z',
	UP_LOSES = 'L', /* an entry loses it */
	UP_KEEPS = 'K', /* and does not, for: it is shown (delta), or re-keyed */
};

struct up_heir {
	char *old_id, *id;
};

/* Ids as numbers: there may be as many as mailboxes. */
struct up_numbers {
	uint64_t *list;
	size_t count, room;
	bool sorted;
};

/* Ids whose physical address waits: of the run before, and of this one. */
struct up_waiting {
	struct str bytes;
	const char **ids; /* sorted; they point into it */
	bool *shown;
	size_t count;
	struct str next;
	size_t next_count;
};

struct up {
	const struct run_options *options;
	const struct config *config;
	const struct config_up *settings;
	const struct source_kind *kind;
	struct source *source;
	struct mapping *mapping;
	struct ldap_options ldap; /* write_uri */
	struct ldap_session *session;
	struct federation *federation;
	struct backend backend;
	struct lease_watch *watch, own_watch;
	struct keeper *keeper;
	bool leased; /* the lease was taken: there is something to record, and to give back */
	atomic_bool stop; /* by whoever started it, or the lease is lost */

	char *work; /* folder for what does not fit into memory */
	struct str container;
	struct str holder; /* of the lease */
	struct run_record *record;
	int64_t asked_us; /* when the request was seen first, 0 = there is none */

	struct snapshot *snapshot;
	struct snapshot_head head; /* as it was found; zeros where it does not count */
	bool has_before;           /* it is of the run that the system's entry names */
	bool full;                 /* everything is asked for */
	bool again;                /* what was read already, too */
	struct source_result result;
	bool nameless; /* it showed something without an id: whose it is nobody knows */
	char settings_digest[SOURCE_SETTINGS];

	struct rawset *same; /* NULL: each entry is looked at closely */
	struct view *view;
	struct moves moves;
	struct up_way *ways; /* to them, by id */
	size_t way_count;
	size_t *way_heads; /* the first of each chain, or WAY_NONE */
	size_t way_chains; /* a power of two */
	struct bulk *pull, *joins, *addresses, *pending;
	struct up_heir *heirs; /* by old id; of re-keyed ones that give addresses up */
	size_t heir_count;
	struct up_numbers adopted, rekeyed;
	uint64_t met, pending_count, gain_count;
	uint64_t versions; /* traces that know their entry's */
	bool dirty;        /* the next snapshot has other traces */
	struct reconcile_run rules;
	struct reconcile_policy *policy;
	struct guard_tally tally;
	struct plan *plan;
	struct reports *reports;
	struct apply_counts applied;
	uint64_t edited; /* changes that were overtaken by somebody's edit */
	/* Something that the next delta would not show: an address goes that others of this system
	 * are known to list; or one that waits cannot be asked for. */
	bool unsettled;
	struct up_waiting waiting;

	char error[1024];   /* of the step that failed */
	struct str encoded; /* scratch */
};

/* Each 0, or -1 with up->error. */
int up_pull(struct up *up);
int up_meet(struct up *up);
int up_join(struct up *up);
int up_owners(struct up *up);
int up_judge(struct up *up);
/* 1: a guard stopped it, up->record says why. */
int up_apply(struct up *up);

bool up_is_settled(const struct up *up);

/* up_record.c: whatever came of it. */
void up_record(struct up *up, enum sync_word word);

int up_fail(struct up *up, const char *format, ...) __attribute__((format(printf, 2, 3)));
void up_progress(const struct up *up, const char *phase, uint64_t done, uint64_t total);
int up_part(struct up *up, const char *id, enum up_part part, const void *data, size_t len);
/* The same with the C string `text`, its NUL included. */
int up_text(struct up *up, const char *id, enum up_part part, const char *text);
void up_report(
	struct up *up, const char *kind, const char *id, const char *place, const char *text);
bool up_stopped(const struct up *up);

/* up_join.c. Who is judged with the entry of this id: another one where it is re-keyed. */
const char *up_heir(const struct up *up, const char *id);
/* A mailbox without an entry of its id that gets one all the same. */
bool up_has_orphan(struct up *up, const char *id);
void up_heirs_free(struct up *up);
/* An orphan and the trace of its old id (NULL: none). decode: before_r is reset where there is
 * none, 1 where there is one, 0 where not, -1. */
void up_orphan_encode(const struct entry *entry, const struct trace *before, struct str *out);
int up_orphan_decode(const void *data, size_t len, struct entry *entry_r, struct trace *before_r);

/* up_expiry.c. Plans the expiry: a deletion, or what is taken from an entry that is more than a
 * mailbox. */
int up_expire(struct up *up, const struct plan_change *change);

/* up_freed.c. Makes the run a full one where an address that this system claims has come free. */
int up_freed(struct up *up);

/* up_waiting.c. Makes the run a full one where it is not known who waits. */
int up_waiting_read(struct up *up);
/* The pull shows this id: whether it waits, and was shown before in this pull. */
bool up_waiting_show(struct up *up, const char *id);
/* The pull is over: what was not shown is left to a full run. */
void up_waiting_settle(struct up *up);
void up_waiting_add(struct up *up, const char *id);
/* Before up_is_settled() is asked. */
void up_waiting_keep(struct up *up);
void up_waiting_free(struct up *up);

/* up_delta.c. What of it counts in guard_counts until it is judged anew. */
void up_recount(struct up *up, const struct entry *entry);

/* up_moves.c. Of two moves the open one; NULL is none. */
const struct move *up_better_move(const struct move *a, const struct move *b);
int up_moves_read(struct up *up);
/* Those that were recorded during the pull, too; what was read of the others before that stays,
 * since they explain what it shows. Before up_moves_seen. */
int up_moves_read_again(struct up *up);
void up_moves_free(struct up *up);
/* That of its addresses; NULL: none. */
const struct move *up_move_of(const struct moves *moves, const struct entry *entry);
/* As second mailbox on the assignee, or as old one on the assignor. */
const struct move *up_move_of_id(const struct up *up, const char *id, const struct person *fresh);
/* A complete pull shows this id; and at its end: what it did not show of old mailboxes is gone. */
void up_moves_seen(struct up *up, const char *id);
void up_moves_gone(struct up *up);

#endif
