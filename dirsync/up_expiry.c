/* An entry that expires is looked at as a whole: it may be more than a mailbox. */
#include "dirsync/up.h"

#include "dirsync/expiry.h"

static const char *const everything[] = { "*", NULL };

static int put(struct up *up, const struct plan_change *change)
{
	const char *error;

	return plan_put(up->plan, change, &error) < 0 ? up_fail(up, "%s", error) : 0;
}

/* The assertion names the version that was read before: what is edited since is looked at anew. */
static int put_stripped(
	struct up *up, const struct plan_change *change, const struct expiry *expiry)
{
	struct plan_change less = *change;
	struct str reason = STR_INIT;

	str_printf(&reason, "%s; the entry stays, it is not the sync's own alone: %s",
		change->reason, str_cstr(&expiry->foreign));
	less.reason = str_cstr(&reason);
	less.values = expiry->values;
	less.value_count = expiry->count;
	int done = put(up, &less);
	str_free(&reason);
	return done;
}

int up_expire(struct up *up, const struct plan_change *change)
{
	struct ldap_entry *raw = NULL;
	struct expiry expiry;
	int done;

	switch (ldap_session_read(up->session, change->dn, everything, &raw)) {
	case LDAP_DONE: break;
	case LDAP_NO_ENTRY: return put(up, change);
	default:
		return up_fail(
			up, "%s, which expires: %s", change->dn, ldap_session_reason(up->session));
	}
	expiry_judge(up->policy, raw, &expiry);
	done = expiry.count > 0 ? put_stripped(up, change, &expiry) : put(up, change);
	expiry_free(&expiry);
	ldap_entry_free(&raw);
	return done;
}
