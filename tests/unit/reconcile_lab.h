/*
 * Persons, entries, traces and moves from one line of text, and what reconcile() says of them as
 * text, so that a rule and its test stand in one row of a table.
 *
 * A line is words "key=value", "," between several values, "_" for a space. Instants are days ago.
 */
#ifndef RESTANTE_TESTS_UNIT_RECONCILE_LAB_H
#define RESTANTE_TESTS_UNIT_RECONCILE_LAB_H

#include "dirsync/reconcile.h"
#include "lib/clock.h"

#define LAB_NOW INT64_C(1795046400000000) /* 2026-11-19 00:00:00 */
#define LAB_DAY (86400 * CLOCK_SECOND)

/* "id= phys= prim= addr= foreign= cn= sn= phone= room=" */
void lab_person(const char *text, struct person *person_r);
/* the same and "sys= state= mark=KEY/DAYS gone=DAYS dn=" */
void lab_entry(const char *text, struct entry *entry_r);
/* "addr= foreign= lacking=KEY/COUNT missing=" */
void lab_trace(const char *text, struct trace *trace_r);
/* "kind=open|finished|over from= to= old= id= phys= claims=" */
void lab_move(const char *text, struct move *move_r);
void lab_move_free(struct move *move);

/* Settings with cn, sn, telephoneNumber decided by the source, roomNumber written once. */
struct reconcile_policy *lab_policy(void);
/* Complete, of S1, federated: example.org and example.net. */
struct reconcile_run lab_run(const struct reconcile_policy *policy);

/*
 * Appends a line for each change and finding: "modify +mailLocalAddress:b@example.org -...:...
 * =cn:Anna !cn" (put, take, set, set to none; the names without restante and mail's prefixes as
 * they are), and "report conflict b@example.org". Provenance is looked at here and left out;
 * assertion and owner of the last change are kept.
 */
struct lab_sink {
	struct str text, assertion, owner, reason, dn;
	struct strings gains, gives;
	unsigned counts, count_addresses;
	struct reconcile_sink sink;
};
void lab_sink_init(struct lab_sink *lab);
void lab_sink_free(struct lab_sink *lab);

#endif
