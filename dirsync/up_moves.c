/* The moves that a mailbox of this system has to do with; old mailboxes that are gone. */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* What a move is found by. */
enum { SECOND_ID = 'i', SECOND_PHYSICAL = 'p', OLD_ID = 'o' };

struct up_way {
	int kind;
	const char *key;
	const struct move *move;
	bool seen; /* OLD_ID: the pull shows it */
};

/* Open ones first. */
const struct move *up_better_move(const struct move *a, const struct move *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	return b->kind == MOVE_OPEN && a->kind != MOVE_OPEN ? b : a;
}

const struct move *up_move_of(const struct moves *moves, const struct entry *entry)
{
	const struct strings *keys = &entry->person.addresses;
	const struct move *move = NULL;

	for (const char *k = strings_first(keys); k != NULL; k = strings_next(keys, k))
		move = up_better_move(move, moves_find(moves, k));
	return move;
}

/* --- by id --------------------------------------------------------------------------------------
 */

static int compare(const void *left, const void *right)
{
	const struct up_way *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind - b->kind;
	return a->kind == SECOND_PHYSICAL ? strcasecmp(a->key, b->key) : strcmp(a->key, b->key);
}

static void add(struct up *up, int kind, const struct str *key, const struct move *move)
{
	if (key->len > 0)
		up->ways[up->way_count++] = (struct up_way){ kind, key->data, move, false };
}

static void find_ways(struct up *up)
{
	const char *system = up->options->system;

	mem_free(&up->ways);
	up->way_count = 0;
	up->ways = mem_grow(NULL, 3 * up->moves.count + 1, sizeof *up->ways);
	for (size_t i = 0; i < up->moves.count; i++) {
		const struct move *move = &up->moves.list[i];
		if (move->kind == MOVE_OVER)
			continue;
		if (strcasecmp(str_cstr(&move->assignee), system) == 0) {
			add(up, SECOND_ID, &move->source_id, move);
			add(up, SECOND_PHYSICAL, &move->physical, move);
		}
		if (strcasecmp(str_cstr(&move->assignor), system) == 0)
			add(up, OLD_ID, &move->old_source_id, move);
	}
	if (up->way_count > 1)
		qsort(up->ways, up->way_count, sizeof *up->ways, compare);
}

int up_moves_read(struct up *up)
{
	if (moves_read(up->session, up->ldap.base, &up->moves) != LDAP_DONE)
		return up_fail(up, "the moves: %s", ldap_session_reason(up->session));
	find_ways(up);
	return 0;
}

int up_moves_read_again(struct up *up)
{
	struct moves now;

	if (moves_read(up->session, up->ldap.base, &now) != LDAP_DONE)
		return up_fail(up, "the moves: %s", ldap_session_reason(up->session));
	moves_join(&up->moves, &now);
	find_ways(up);
	return 0;
}

/* The first of that kind and key, NULL = none; others follow it. */
static struct up_way *first(const struct up *up, int kind, const char *key)
{
	const struct up_way wanted = { kind, key, NULL, false };
	size_t low = 0, high = up->way_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&up->ways[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < up->way_count && compare(&up->ways[low], &wanted) == 0 ? &up->ways[low] : NULL;
}

static const struct move *find(const struct up *up, int kind, const char *key)
{
	const struct up_way *way = first(up, kind, key), *end = up->ways + up->way_count;
	const struct move *found = NULL;

	for (const struct up_way *w = way; w != NULL && w < end && compare(w, way) == 0; w++)
		found = up_better_move(found, w->move);
	return found;
}

const struct move *up_move_of_id(const struct up *up, const char *id, const struct person *fresh)
{
	const struct move *found = up_better_move(find(up, SECOND_ID, id), find(up, OLD_ID, id));

	if (fresh != NULL && fresh->physical.len > 0)
		found = up_better_move(found, find(up, SECOND_PHYSICAL, fresh->physical.data));
	return found;
}

/* --- old mailboxes ------------------------------------------------------------------------------
 */

void up_moves_seen(struct up *up, const char *id)
{
	struct up_way *way = up->way_count > 0 ? first(up, OLD_ID, id) : NULL;

	for (; way != NULL && way < up->ways + up->way_count && way->kind == OLD_ID &&
		strcmp(way->key, id) == 0;
		way++)
		way->seen = true;
}

/* It is noted once, and final: a filter that was changed, or an id that cannot be read, is no
 * deletion. */
static bool tells_gone(const struct up *up)
{
	return !up->nameless && strcmp(up->settings_digest, str_cstr(&up->head.settings)) == 0;
}

void up_moves_gone(struct up *up)
{
	if (!tells_gone(up))
		return;
	for (size_t i = 0; i < up->way_count; i++) {
		const struct up_way *way = &up->ways[i];
		char dn[600];
		if (way->kind != OLD_ID || way->seen || way->move->kind != MOVE_FINISHED)
			continue;
		log_value(dn, sizeof dn, str_cstr(&way->move->dn));
		enum ldap_result result =
			moves_note_gone(up->session, way->move, up->record->start_us);
		if (result == LDAP_DONE)
			log_info("sync", "the old mailbox of a move is gone system=%s dn=%s",
				up->options->system, dn);
		else if (result != LDAP_ASSERTION)
			log_warning("sync",
				"that the old mailbox of a move is gone cannot be noted system=%s "
				"dn=%s: %s",
				up->options->system, dn, ldap_session_reason(up->session));
	}
}

void up_moves_free(struct up *up)
{
	moves_free(&up->moves);
	mem_free(&up->ways);
}
