/*
 * One mailbox: what its system says now, what it said at the last complete run, what the directory
 * has, and the moves that stand open -> changes. Pure.
 *
 * Rules: the state and the system of an entry are never written. What the source is the authority
 * for (addresses it lists, mapped attributes) is made so; what an administrator added by hand
 * stays: an address goes only when the snapshot says that this system listed it before. A new
 * physical address comes only from the present owner, asserted on system, and while no move is
 * open.
 */
#ifndef RESTANTE_DIRSYNC_RECONCILE_H
#define RESTANTE_DIRSYNC_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/entry.h"
#include "dirsync/person.h"
#include "dirsync/plan.h"

/* What the last complete run of this system knew of a mailbox: in the snapshot. */
struct trace {
	uint8_t digest[PERSON_DIGEST_SIZE];
	struct strings addresses;
	int64_t missing_us; /* since when complete pulls lack it, 0 = it is there */
	unsigned missing;   /* that many complete pulls lacked it */
};

/* A move of this mailbox that is not purged (ou=moves). */
struct move_facts {
	bool open;
	char assignor[64], assignee[64];
	bool is_assignee;   /* this system is where it goes: its claims go to the move */
	bool finished_here; /* this system is where it was: its claims and absence are explained */
	const char *dn;
	const char *physical, *source_id; /* restanteMovePhysical, restanteMoveSourceId */
	struct strings claims;
};

struct reconcile_facts {
	const char *system;
	const struct person *fresh; /* NULL: not in the pull */
	bool complete;              /* of the pull: absence means something */
	const struct trace *before; /* NULL: no snapshot, or not in it */
	const struct entry *entry;  /* NULL: the directory has none of this system and id */
	/* An entry of this system without source id, with the physical address of `fresh`, or
	 * (same primary address) one whose id the complete pull lacks. NULL: none. */
	const struct entry *orphan;
	const struct move_facts *move; /* NULL: none */
	/* Addresses of `fresh` that belong to somebody else in the directory, and to whom; one line
	 * each, "KEY OWNER-SYSTEM OWNER-DN". */
	const struct strings *taken;
	/* Keys of addresses of `entry` that another mailbox of this system lists now: they are given
	 * up at once, without a grace, and the other one gains them in the same run (apply.h). */
	const struct strings *passing;
	int64_t now_us;        /* wall clock */
	int64_t grace_us;      /* of vanished mailboxes and removed addresses */
	const char *container; /* DN below which new entries go */
	bool (*federated)(const void *context, const char *domain);
	const void *federated_context;
	const struct config_up *settings;
};

enum reconcile_report {
	REPORT_CONFLICT = 1, /* an address is claimed by two systems, and no move explains it */
	REPORT_DOMAIN,       /* an address outside of the federated domains */
	REPORT_REKEY,
	REPORT_NO_ADDRESS,
	REPORT_UNREADABLE,
};

struct reconcile_sink {
	void *context;
	int (*change)(void *context, const struct plan_change *change); /* -1 stops */
	int (*report)(void *context, enum reconcile_report report, const char *id,
		const char *address, const char *text);
};

/* 0, or -1 where the sink stopped it. trace_r: what the snapshot says of it from now on. */
int reconcile(const struct reconcile_facts *facts, const struct reconcile_sink *sink,
	struct trace *trace_r);

/* The DN of a new entry: its RDN is the federation's own (restanteId-like), never a name. */
void reconcile_new_dn(const char *container, const char *system, const char *id, struct str *out);

void trace_free(struct trace *trace);
void trace_encode(const struct trace *trace, struct str *out);
int trace_decode(const void *data, size_t len, struct trace *trace_r);

#endif
