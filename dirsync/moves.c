#include "dirsync/moves.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"

void move_free_fields(struct move *move)
{
	str_free(&move->dn);
	str_free(&move->key);
	str_free(&move->assignor);
	str_free(&move->assignee);
	str_free(&move->old_source_id);
	str_free(&move->source_id);
	str_free(&move->physical);
	strings_free(&move->claims);
}

void moves_free(struct moves *moves)
{
	for (size_t i = 0; i < moves->count; i++)
		move_free_fields(&moves->list[i]);
	mem_free(&moves->list);
	moves->count = 0;
}

/* --- asking --------------------------------------------------------------------------------- */

const struct move *moves_find(const struct moves *moves, const char *key)
{
	size_t low = 0, high = moves->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(str_cstr(&moves->list[middle].key), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == moves->count || strcmp(str_cstr(&moves->list[low].key), key) != 0)
		return NULL;
	return moves->list[low].kind != MOVE_OVER ? &moves->list[low] : NULL;
}

static bool is_assignor(const struct move *move, const char *system, const char *owner)
{
	if (move->assignor.len > 0)
		return strcasecmp(str_cstr(&move->assignor), system) == 0;
	return strcasecmp(owner, str_cstr(&move->assignee)) == 0 || strcasecmp(owner, system) == 0;
}

bool move_keeps_out(const struct move *move, const char *system, const char *owner)
{
	switch (move->kind) {
	case MOVE_OPEN:
		return strcasecmp(str_cstr(&move->assignee), system) == 0 ||
		       is_assignor(move, system, owner);
	case MOVE_FINISHED: return is_assignor(move, system, owner);
	case MOVE_OVER: break;
	}
	return false;
}

enum ldap_result moves_note_gone(
	struct ldap_session *session, const struct move *move, int64_t wall_us)
{
	char instant[32];
	const char *values[] = { clock_generalized(instant, sizeof(instant), wall_us), NULL };
	const struct ldap_change change = { LDAP_CHANGE_ADD, "restanteMoveOldGone", values };

	return ldap_session_modify(
		session, str_cstr(&move->dn), &change, 1, "(!(restanteMoveOldGone=*))", NULL, 0);
}
