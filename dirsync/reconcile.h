/*
 * One mailbox: what its system says now, what it said before, what the directory has, and the
 * moves that stand -> changes. Pure; the directory is the truth that all is compared with.
 *
 * Rules. The state and the system of an entry are never written. What the source is the authority
 * for (addresses it lists, mapped attributes) is made so; what an administrator added by hand
 * stays: an address goes only when the snapshot, or a mark in the entry, says that this system
 * listed it before. What goes is marked first and routed for the grace; it expires when two
 * complete pulls at least have lacked it. A new physical address comes only from the present owner,
 * while it is active and no move is open. An address that somebody else has stays where it is. Each
 * change is one modify of one entry, which asserts what it rests on. A second run writes nothing.
 */
#ifndef RESTANTE_DIRSYNC_RECONCILE_H
#define RESTANTE_DIRSYNC_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/entry.h"
#include "dirsync/guard.h"
#include "dirsync/moves.h"
#include "dirsync/person.h"
#include "dirsync/plan.h"
#include "lib/config.h"

#define TRACE_RAW_SIZE 16

/* What this system said of a mailbox until now: in the snapshot. */
struct trace {
	uint8_t digest[PERSON_DIGEST_SIZE]; /* of the last person shown; zeros while missing */
	uint8_t raw[TRACE_RAW_SIZE];        /* of what that came from; zeros = not known */
	struct guard_had had;               /* of the same person; gaps are zeros */
	struct strings addresses; /* keys that it lists, or listed and the entry still has */
	struct strings foreign;   /* the same of foreign addresses */
	struct strings lacking;   /* "KEY COUNT": complete pulls that lacked this address */
	unsigned missing;         /* complete pulls that lacked the mailbox, 0 = it is there */
	int64_t missing_us;       /* since when */
	/* entryCSN of its entry when that was read and was level with the last person shown; ""
	 * where it was not, or was about to be written. The directory renews it with whatever is
	 * edited. */
	struct str version;
};

#define TRACE_INIT                                                                                 \
	{                                                                                          \
		.addresses = STRINGS_INIT, .foreign = STRINGS_INIT, .lacking = STRINGS_INIT,       \
		.version = STR_INIT                                                                \
	}

void trace_free(struct trace *trace);
void trace_reset(struct trace *trace);
void trace_encode(const struct trace *trace, struct str *out);
int trace_decode(const void *data, size_t len, struct trace *trace_r);
/* Whether the bytes are those of the trace of a mailbox that is there, lists just this (struct
 * person_bytes), and has this digest; version_r points into them then. */
bool trace_is_of(const void *data, size_t len, const struct person_bytes *person,
	const uint8_t digest[PERSON_DIGEST_SIZE], const char **version_r);

/* What is seen of a trace without reading all of it. */
struct trace_look {
	const uint8_t *raw;  /* NULL: it has none, or misses something */
	const char *version; /* "" = none */
	struct guard_had had;
	size_t addresses; /* how many it lists */
};
void trace_look(const void *data, size_t len, struct trace_look *look_r);

/* The attributes that the settings map, parsed once. NULL with *error_r: "up NAME.attributes: ...".
 */
struct reconcile_policy *reconcile_policy_new(
	const struct config_up *settings, const char **error_r);
void reconcile_policy_free(struct reconcile_policy **policy);
/* Names and zeros for guard.h: one for each of `attributes`, and the last for foreign addresses.
 * Points into the policy. Mailboxes and addresses that the directory has are for the caller to set.
 */
void reconcile_tally_init(const struct reconcile_policy *policy, struct guard_tally *tally_r);

/* What holds for all mailboxes of a run. */
struct reconcile_run {
	const char *system;    /* as restanteSystem is to be spelled */
	const char *run;       /* its id, for restanteProvenance */
	const char *container; /* DN below which new entries go */
	const struct reconcile_policy *policy;
	bool complete; /* a full pull: absence means something */
	bool again;    /* of the very data that was pulled last: it lacks nothing once more */
	int64_t now_us, grace_us;
	/* Our clock agrees with the directory's (its own times, not the marks). If not, nothing is
	 * marked and nothing expires. */
	bool clock_agrees;
	bool (*federated)(const void *context, const char *domain); /* domain of a key */
	const void *federated_context;
};

/* Who else has, or claims, an address. */
struct reconcile_owner {
	const char *address; /* key */
	const char *system;  /* of the entry that has it */
	const char *dn;      /* "" = no entry yet: a mailbox of the same pull lists it, too */
	const char *id;      /* source id, "" = none */
	bool moving;         /* the entry is the mailbox of facts.move */
};

struct reconcile_facts {
	const char *id;             /* source id that all of this is about */
	const struct person *fresh; /* NULL: the pull does not show it */
	bool gone;                  /* a delta says that it is gone for certain */
	const char *unusable;       /* shown, but nothing can be made of it: why. NULL: it can */
	/* NULL: none; for a re-key that of the orphan's old id; where an orphan without id is
	 * adopted it does not count. */
	const struct trace *before;
	const struct entry *entry; /* NULL: the directory has none of this system and id */
	/*
	 * Where there is no entry. An entry of this system without source id and with the physical
	 * address of `fresh` (adopted), or one with its primary address whose id a complete pull
	 * lacks (re-keyed: for that old id reconcile() is not called in this run). NULL: none.
	 */
	const struct entry *orphan;
	/* Moves that stand, open ones first. own: of the entry, or of the orphan. move: the one
	 * whose second or old mailbox this is, by id or physical address, or that of the owner of
	 * an address of `fresh`. NULL: none. */
	const struct move *own, *move;
	const struct reconcile_owner
		*taken; /* of addresses that `fresh` lists and the entry lacks */
	size_t taken_count;
	/* Keys of addresses of `entry` that another mailbox of this system lists now, and gains in
	 * this run: they are given up at once. NULL: none. */
	const struct strings *passing;
};

enum reconcile_report {
	REPORT_CONFLICT = 1, /* another system's mailbox, or one by hand, has the address */
	REPORT_DUPLICATE,    /* two mailboxes of one system list the address */
	REPORT_DOMAIN,       /* an address outside of the federated domains */
	REPORT_REKEY,        /* re-created on its system */
	REPORT_NO_ADDRESS,   /* no entry is made: no address is left for it, or not its primary */
	REPORT_UNREADABLE,   /* shown, but unusable: left as it is */
	REPORT_PHYSICAL,     /* no usable physical address */
	REPORT_WAITS,        /* a change that waits for a move or a hold to end */
};

const char *reconcile_report_name(enum reconcile_report kind); /* "no_address" */

struct reconcile_finding {
	enum reconcile_report kind;
	const char *id, *address, *place;    /* "" where there is none */
	const char *owner_system, *owner_dn; /* CONFLICT, DUPLICATE; else "" */
	const char *text;                    /* one line for people, all of the above in it */
};

struct reconcile_sink {
	void *context;
	/* -1 stops. What they get is valid during the call. */
	int (*change)(void *context, const struct plan_change *change);
	int (*report)(void *context, const struct reconcile_finding *finding);
};

/*
 * What has to be looked up first, in any order of calls; both append keys.
 * gains: addresses that would be added to the entry (to a new one, where there is none): who else
 * has them? Empty: `taken` need not be filled, and reconcile() can be called at once.
 * loses: addresses that would be marked, or are: does another mailbox of this system gain them?
 * Then they are `passing` here, and not `taken` there. Empty: `passing` need not be filled.
 */
void reconcile_gains(const struct reconcile_run *run, const struct reconcile_facts *facts,
	struct strings *gains_r);
void reconcile_loses(const struct reconcile_run *run, const struct reconcile_facts *facts,
	struct strings *loses_r);

/*
 * 1: trace_r is what the snapshot says of it from now on; 0: the snapshot has nothing to say of it;
 * -1: the sink stopped it. tally: added to, whether or not anything is changed (guard.h). Call it
 * once per id and run. At most one change of an entry comes out, and at most one of a move.
 */
int reconcile(const struct reconcile_run *run, const struct reconcile_facts *facts,
	const struct reconcile_sink *sink, struct guard_tally *tally, struct trace *trace_r);

/*
 * For pairing. Whether the orphan, whose id a complete pull lacks, may be re-keyed to fresh: same
 * primary address, another id, no open move (of the orphan; NULL: none). If not, the old id is
 * reconciled as any other, and the orphan is the owner of its addresses.
 */
bool reconcile_recreated(
	const struct person *fresh, const struct entry *orphan, const struct move *move);
/*
 * Whether the mailbox takes what it gains, `taken` and all else given: false where no entry is made
 * for it. What it does not take is not `passing` elsewhere.
 */
bool reconcile_takes(const struct reconcile_run *run, const struct reconcile_facts *facts);
/*
 * Whether an entry could be made for `fresh`, whoever has its addresses: not for the second or old
 * mailbox of facts.move, nor without a usable physical address.
 */
bool reconcile_addable(const struct reconcile_run *run, const struct reconcile_facts *facts);
/* How much of the entry is pending, as guard_counts count it: 1 for a vanished mailbox, else its
 * marked addresses. */
uint64_t reconcile_pending(const struct entry *entry);

/*
 * The DN of a new entry. Its RDN is the federation's own, never a name: a digest of system, id,
 * address and five minutes. So what is added twice by accident collides; and an id that a system
 * uses again, while the entry of its first mailbox lives on elsewhere, is refused for no longer.
 */
void reconcile_new_dn(
	const struct reconcile_run *run, const char *id, const char *address, struct str *out);

#endif
