/*
 * One operation in flight: a copy of its change, and what of it is sent. Pure; the files of
 * dirsync/apply*.c alone use it.
 */
#ifndef RESTANTE_DIRSYNC_APPLY_OP_H
#define RESTANTE_DIRSYNC_APPLY_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/handover.h"
#include "dirsync/plan.h"
#include "lib/ldap_session.h"
#include "lib/str.h"

struct apply_op {
	int number;  /* of lib/ldap_async.h, 0 = none */
	bool aside;  /* the hand-over waits for its result */
	bool asking; /* refused; what is in flight asks to whom its addresses belong */
	struct handover_todo todo;
	uint64_t entry;            /* number that stands for the DN */
	struct plan_change change; /* points into the memory below */
	struct str bytes, assertion, text;
	struct plan_value *values;
	size_t *belongs; /* for each value: to which of `changes`, SIZE_MAX = not sent now */
	size_t values_room;
	/* what is sent */
	struct ldap_change *changes;
	size_t count;
	const char **pointers;
	struct str returned; /* RETURN: the address, as the entry had it */
};

void apply_op_free(struct apply_op *op);
/* Takes over a change; todo NULL: it is written as a whole and waits for nobody. */
void apply_op_take(
	struct apply_op *op, const struct plan_change *change, const struct handover_todo *todo);
/*
 * What its step sends: op->changes, and op->assertion. csn: of the entry after the removals of the
 * step before, "" = not known. count 0: there is nothing to send (a deletion aside).
 */
void apply_op_compose(struct apply_op *op, const char *csn);
bool apply_op_deletes(const struct apply_op *op);

/* DNs of the same entry have the same number; they compare without case. */
uint64_t apply_entry(const char *dn);

#endif
