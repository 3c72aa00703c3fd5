/* What becomes of the entry of a mailbox that expires. Pure. */
#ifndef RESTANTE_DIRSYNC_EXPIRY_H
#define RESTANTE_DIRSYNC_EXPIRY_H

#include "dirsync/plan.h"
#include "dirsync/reconcile.h"
#include "lib/ldap_session.h"

struct expiry {
	/* Empty: the entry is the sync's own and is deleted. Else what is taken from one that has
	 * more than that: the classes and attributes that make it a mailbox. Points into the entry.
	 */
	struct plan_value *values;
	size_t count;
	struct str
		foreign; /* what it has that the sync has not written, for people; "" = nothing */
};

/*
 * raw: the entry with all attributes that can be read. It is the sync's own where it has the name
 * that reconcile_new_dn() gives, no other classes than those of a new entry, and no attribute that
 * the sync does not write.
 */
void expiry_judge(const struct reconcile_policy *policy, const struct ldap_entry *raw,
	struct expiry *expiry_r);
void expiry_free(struct expiry *expiry);

#endif
