#include "dirsync/moves.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/federation.h"
#include "lib/log.h"
#include "lib/mem.h"

#define STATE_FINISHED 10

static const char *const attributes[] = { "restanteMoveAddress", "restanteMoveTarget",
	"restanteMoveState", "restanteMoveOutcome", "restanteMoveAssignor",
	"restanteMoveOldSourceId", "restanteMoveOldGone", "restanteMoveSourceId",
	"restanteMovePhysical", "restanteMoveClaim", NULL };

static void free_move(struct move *move)
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
		free_move(&moves->list[i]);
	mem_free(&moves->list);
	moves->count = 0;
}

/* --- reading -------------------------------------------------------------------------------- */

static void take(const struct ldap_entry *entry, const char *name, struct str *value_r)
{
	const char *value = ldap_entry_value(entry, name);

	str_append_z(value_r, value != NULL ? value : "");
}

static void take_claims(const struct ldap_entry *entry, struct strings *claims)
{
	const struct ldap_attribute *values = ldap_entry_attribute(entry, "restanteMoveClaim");
	struct address address;
	const char *error;

	for (size_t i = 0; values != NULL && i < values->count; i++)
		if (address_parse(values->values[i], &address, &error) == 0)
			strings_add(claims, address.key);
}

static enum move_kind kind_of(const struct ldap_entry *entry, int state)
{
	const char *outcome = ldap_entry_value(entry, "restanteMoveOutcome");

	if (outcome != NULL && *outcome != '\0')
		return MOVE_OVER;
	if (state < STATE_FINISHED)
		return MOVE_OPEN;
	return ldap_entry_value(entry, "restanteMoveOldGone") == NULL ? MOVE_FINISHED : MOVE_OVER;
}

static int take_move(void *context, const struct ldap_entry *entry)
{
	struct moves *moves = context;
	const char *text = ldap_entry_value(entry, "restanteMoveAddress");
	const char *target = ldap_entry_value(entry, "restanteMoveTarget");
	const char *state = ldap_entry_value(entry, "restanteMoveState");
	struct move move = { .state = state != NULL ? atoi(state) : 0 };
	struct address address;
	const char *error = "there is none";
	char shown[256];

	if (text == NULL || target == NULL || address_parse(text, &address, &error) < 0) {
		log_warning("dirsync", "move left out: no usable address and target: %s dn=%s",
			error, log_value(shown, sizeof(shown), entry->dn));
		return 0;
	}
	move.kind = kind_of(entry, move.state);
	str_append_z(&move.dn, entry->dn);
	str_append_z(&move.key, address.key);
	str_append_z(&move.assignee, target);
	take(entry, "restanteMoveAssignor", &move.assignor);
	take(entry, "restanteMoveOldSourceId", &move.old_source_id);
	take(entry, "restanteMoveSourceId", &move.source_id);
	take(entry, "restanteMovePhysical", &move.physical);
	take_claims(entry, &move.claims);
	moves->list = mem_grow(moves->list, moves->count + 1, sizeof(*moves->list));
	moves->list[moves->count++] = move;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct move *a = left, *b = right;
	int order = strcmp(str_cstr(&a->key), str_cstr(&b->key));

	if (order == 0)
		order = (int)a->kind - (int)b->kind;
	return order != 0 ? order : strcmp(str_cstr(&a->dn), str_cstr(&b->dn));
}

enum ldap_result moves_read(struct ldap_session *session, const char *base, struct moves *moves_r)
{
	struct str dn = STR_INIT;
	enum ldap_result result;

	*moves_r = (struct moves){ NULL, 0 };
	str_append_z(&dn, "ou=moves,");
	federation_dn(base, &dn);
	result = ldap_session_search(session, str_cstr(&dn), LDAP_ONE, "(objectClass=restanteMove)",
		attributes, take_move, moves_r);
	str_free(&dn);
	if (result == LDAP_NO_ENTRY) /* no ou=moves: no moves */
		result = LDAP_DONE;
	if (result != LDAP_DONE)
		moves_free(moves_r);
	else if (moves_r->count > 1)
		qsort(moves_r->list, moves_r->count, sizeof(*moves_r->list), compare);
	return result;
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
