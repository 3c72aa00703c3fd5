/* What the records of moves explain, and what goes to them (DESIGN section 6). */
#include <string.h>
#include <strings.h>

#include "dirsync/reconcile_internal.h"

bool move_open(const struct move *move)
{
	return move != NULL && move->kind == MOVE_OPEN;
}

static bool is_moving(const struct reconcile_facts *facts, const char *key)
{
	const struct reconcile_owner *owner = address_owner(facts, key);

	return strcmp(key, str_cstr(&facts->move->key)) == 0 || (owner != NULL && owner->moving);
}

/* An alias says nothing: anybody's mailbox may list one by mistake. */
static bool is_by_name(const struct reconcile_facts *facts)
{
	const struct strings *lists = &facts->fresh->addresses;
	struct str primary = STR_INIT;
	bool same = lists->count > 0;

	add_primary_key(facts->fresh, &primary);
	if (primary.len > 0)
		same = is_moving(facts, primary.data);
	else
		for (const char *k = strings_first(lists); k != NULL; k = strings_next(lists, k))
			same = same && is_moving(facts, k);
	str_free(&primary);
	return same;
}

/* The controller may have written either, both or none of them yet. */
bool move_is_second(const struct reconcile_run *run, const struct reconcile_facts *facts)
{
	const struct move *move = facts->move;
	struct address address;
	const char *error;

	if (!move_open(move) || strcasecmp(str_cstr(&move->assignee), run->system) != 0)
		return false;
	if (move->source_id.len == 0 && move->physical.len == 0)
		return facts->fresh != NULL && is_by_name(facts);
	if (strcmp(str_cstr(&move->source_id), facts->id) == 0)
		return true;
	return facts->fresh != NULL && move->physical.len > 0 &&
	       address_parse(str_cstr(&move->physical), &address, &error) == 0 &&
	       strcmp(address.key, str_cstr(&facts->fresh->physical_key)) == 0;
}

static bool lists_moved(const struct reconcile_facts *facts)
{
	for (size_t i = 0; i < facts->taken_count; i++)
		if (facts->taken[i].moving)
			return true;
	return false;
}

/* A record that does not name the old mailbox speaks of one that lists the moved one's addresses.
 */
bool move_is_old(const struct reconcile_run *run, const struct reconcile_facts *facts)
{
	const struct move *move = facts->move;

	if (move == NULL || move->kind == MOVE_OVER)
		return false;
	if (strcasecmp(str_cstr(&move->assignee), run->system) == 0)
		return false;
	if (move->assignor.len > 0 && strcasecmp(str_cstr(&move->assignor), run->system) != 0)
		return false;
	if (move->old_source_id.len > 0)
		return strcmp(str_cstr(&move->old_source_id), facts->id) == 0;
	return lists_moved(facts);
}

/* --- claims ---------------------------------------------------------------------------------- */

static bool claimable(struct reconciling *r, const char *key)
{
	const struct reconcile_owner *owner = address_owner(r->facts, key);

	if (!address_federated(r->run, key))
		return false;
	if (owner == NULL || owner->moving)
		return true;
	address_report_owner(r, owner);
	return false;
}

static void set_once(
	struct reconciling *r, const char *attribute, const struct str *has, const char *value)
{
	if (has->len > 0 || *value == '\0')
		return;
	build_assert(&r->build, attribute, "");
	build_put(&r->build, attribute, value);
}

void move_claim(struct reconciling *r)
{
	const struct move *move = r->facts->move;
	const struct strings *lists = &r->facts->fresh->addresses;
	struct strings claims = STRINGS_INIT;

	for (const char *k = strings_first(lists); k != NULL; k = strings_next(lists, k))
		if (claimable(r, k))
			strings_add(&claims, k);
	for (const char *k = strings_first(&claims); k != NULL; k = strings_next(&claims, k)) {
		if (!strings_has(&move->claims, k))
			build_put(&r->build, "restanteMoveClaim", k);
	}
	for (const char *k = strings_first(&move->claims); k != NULL;
		k = strings_next(&move->claims, k))
		if (!strings_has(&claims, k))
			build_take(&r->build, "restanteMoveClaim", k);
	set_once(r, "restanteMoveSourceId", &move->source_id, r->facts->id);
	set_once(r, "restanteMovePhysical", &move->physical, str_cstr(&r->facts->fresh->physical));
	build_because(&r->build, "claimed by %s for the second mailbox", r->run->system);
	build_emit_claim(r, move);
	strings_free(&claims);
}

void move_unclaim(struct reconciling *r)
{
	const struct move *move = r->facts->move;

	for (const char *k = strings_first(&move->claims); k != NULL;
		k = strings_next(&move->claims, k))
		build_take(&r->build, "restanteMoveClaim", k);
	build_because(&r->build, "%s does not have the second mailbox any more", r->run->system);
	build_emit_claim(r, move);
}
