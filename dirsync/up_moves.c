/* The moves that a mailbox of this system has to do with; old mailboxes that are gone. */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <ctype.h>
#include <stdint.h>
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
	bool seen;   /* OLD_ID: the pull shows it */
	size_t next; /* of those that share a chain */
};

#define WAY_NONE SIZE_MAX

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

/* Thousands of records are read for each run of a wave: sorting them took longer than the run. */
static size_t chain_of(const struct up *up, int kind, const char *key)
{
	uint64_t hash = 14695981039346656037U ^ (uint64_t)kind;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)tolower((unsigned char)*key)) * 1099511628211U;
	return (size_t)(hash ^ hash >> 32) & (up->way_chains - 1);
}

static bool is_way(const struct up_way *way, int kind, const char *key)
{
	if (way->kind != kind)
		return false;
	return (kind == SECOND_PHYSICAL ? strcasecmp(way->key, key) : strcmp(way->key, key)) == 0;
}

/* In the order in which they were added. */
static void chain_all(struct up *up)
{
	up->way_chains = 16;
	while (up->way_chains < up->way_count)
		up->way_chains *= 2;
	mem_free(&up->way_heads);
	up->way_heads = mem_grow(NULL, up->way_chains, sizeof *up->way_heads);
	for (size_t i = 0; i < up->way_chains; i++)
		up->way_heads[i] = WAY_NONE;
	for (size_t i = up->way_count; i-- > 0;) {
		size_t *head = &up->way_heads[chain_of(up, up->ways[i].kind, up->ways[i].key)];

		up->ways[i].next = *head;
		*head = i;
	}
}

/* Of that kind and key, behind `way` (NULL: the first); NULL: there is no further. */
static struct up_way *next_way(
	const struct up *up, const struct up_way *way, int kind, const char *key)
{
	size_t at = WAY_NONE;

	if (way != NULL)
		at = way->next;
	else if (up->way_count > 0)
		at = up->way_heads[chain_of(up, kind, key)];
	while (at != WAY_NONE && !is_way(&up->ways[at], kind, key))
		at = up->ways[at].next;
	return at != WAY_NONE ? &up->ways[at] : NULL;
}

static void add(struct up *up, int kind, const struct str *key, const struct move *move)
{
	if (key->len > 0)
		up->ways[up->way_count++] =
			(struct up_way){ kind, key->data, move, false, WAY_NONE };
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
	chain_all(up);
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
	if (moves_join(&up->moves, &now))
		find_ways(up);
	return 0;
}

static const struct move *find(const struct up *up, int kind, const char *key)
{
	const struct move *found = NULL;

	for (const struct up_way *w = NULL; (w = next_way(up, w, kind, key)) != NULL;)
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
	for (struct up_way *way = NULL; (way = next_way(up, way, OLD_ID, id)) != NULL;)
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
	mem_free(&up->way_heads);
}
