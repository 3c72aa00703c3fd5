/* Contacts whose addresses were not free yet. */
#include "dirsync/target_ldap.h"
#include "lib/mem.h"

#define AGAIN_MAX 1000 /* more than that many pass between contacts in one run only by accident */

struct again {
	enum target_verb verb;
	bool adopt;
	struct str contact; /* encoded */
};

bool target_ldap_keep_again(struct target *target, const struct slot *slot)
{
	struct again *again;

	if (target->again_count == AGAIN_MAX)
		return false;
	target->again = mem_grow(target->again, target->again_count + 1, sizeof(*target->again));
	again = &target->again[target->again_count++];
	*again = (struct again){ .verb = slot->verb, .adopt = slot->adopt };
	person_encode(&slot->contact, &again->contact);
	return true;
}

void target_ldap_forget_again(struct target *target)
{
	for (size_t i = 0; i < target->again_count; i++)
		str_free(&target->again[i].contact);
	mem_free(&target->again);
	target->again_count = 0;
}

static int write_all(struct target *target, enum slot_try attempt, const char **error_r)
{
	struct person contact = PERSON_INIT;
	int done = 0;

	for (size_t i = 0; i < target->again_count && done == 0; i++) {
		const struct again *again = &target->again[i];

		if (attempt == SLOT_GIVE && again->verb != TARGET_CHANGE)
			continue;
		person_reset(&contact);
		person_decode(again->contact.data, again->contact.len, &contact);
		done = target_ldap_try(
			target, again->verb, &contact, again->adopt, attempt, error_r);
	}
	person_free(&contact);
	return done < 0 ? -1 : target_ldap_drain(target, error_r);
}

int target_ldap_write_again(struct target *target, const char **error_r)
{
	int done;

	if (target->again_count == 0)
		return 0;
	done = write_all(target, SLOT_GIVE, error_r);
	if (done == 0)
		done = write_all(target, SLOT_LAST, error_r);
	target_ldap_forget_again(target);
	return done;
}
