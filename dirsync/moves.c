#include "dirsync/moves.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"

void move_free_fields(struct move *move)
{
	if (move->owners != NULL && atomic_fetch_sub(move->owners, 1) > 1) {
		*move = (struct move){ .state = 0 };
		return;
	}
	mem_free(&move->owners);
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

struct move move_share(struct move *move)
{
	if (move->owners == NULL) {
		move->owners = mem_zalloc(sizeof *move->owners);
		atomic_init(move->owners, 1);
	}
	atomic_fetch_add(move->owners, 1);
	return *move;
}

int moves_compare(const void *left, const void *right)
{
	const struct move *a = left, *b = right;
	int order = strcmp(str_cstr(&a->key), str_cstr(&b->key));

	if (order == 0)
		order = (int)a->kind - (int)b->kind;
	return order != 0 ? order : strcmp(str_cstr(&a->dn), str_cstr(&b->dn));
}

/* --- two lists ------------------------------------------------------------------------------ */

static int compare_key(const struct moves *moves, size_t at, const struct move *move)
{
	return strcmp(str_cstr(&moves->list[at].key), str_cstr(&move->key));
}

/* at: the first of its key; the address of a record does not change. */
static bool has_record(const struct moves *moves, size_t at, const struct move *move)
{
	for (; at < moves->count && compare_key(moves, at, move) == 0; at++)
		if (strcmp(str_cstr(&moves->list[at].dn), str_cstr(&move->dn)) == 0)
			return true;
	return false;
}

bool moves_join(struct moves *moves, struct moves *more)
{
	struct moves fresh = { mem_grow(NULL, more->count + 1, sizeof *fresh.list), 0 };
	size_t at = 0;

	for (size_t i = 0; i < more->count; i++) {
		while (at < moves->count && compare_key(moves, at, &more->list[i]) < 0)
			at++;
		if (has_record(moves, at, &more->list[i]))
			continue;
		fresh.list[fresh.count++] = more->list[i];
		more->list[i] = (struct move){ .state = 0 };
	}
	if (fresh.count > 0) {
		moves->list =
			mem_grow(moves->list, moves->count + fresh.count, sizeof *moves->list);
		memcpy(moves->list + moves->count, fresh.list, fresh.count * sizeof *fresh.list);
		moves->count += fresh.count;
		qsort(moves->list, moves->count, sizeof *moves->list, moves_compare);
	}
	mem_free(&fresh.list);
	moves_free(more);
	return fresh.count > 0;
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
