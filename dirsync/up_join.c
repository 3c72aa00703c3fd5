/*
 * Entries that may be for a mailbox without one: those without source id, by the physical address;
 * those whose id a complete pull lacks, by the primary address.
 */
#define _GNU_SOURCE
#include "dirsync/handover.h"
#include "dirsync/up_meeting.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* All of one kind and address; of several mailboxes, or several entries, the first counts. */
struct pair {
	struct str key, newcomer, orphan;
};

void up_orphan_encode(const struct entry *entry, const struct trace *before, struct str *out)
{
	struct str encoded = STR_INIT;
	uint32_t len;

	entry_encode(entry, &encoded);
	len = (uint32_t)encoded.len;
	str_append(out, &len, sizeof len);
	str_append(out, encoded.data, encoded.len);
	if (before != NULL)
		trace_encode(before, out);
	str_free(&encoded);
}

int up_orphan_decode(const void *data, size_t size, struct entry *entry_r, struct trace *before_r)
{
	const char *at = data;
	uint32_t len;

	trace_reset(before_r);
	if (size < sizeof len)
		return -1;
	memcpy(&len, at, sizeof len);
	at += sizeof len;
	size -= sizeof len;
	if (len > size || entry_decode(at, len, entry_r) < 0)
		return -1;
	if (len == size)
		return 0;
	return trace_decode(at + len, size - len, before_r) == 0 ? 1 : -1;
}

/* --- heirs ------------------------------------------------------------------------------------ */

static void note_heir(struct up *up, const char *old_id, const char *id)
{
	up->heirs = mem_grow(up->heirs, up->heir_count + 1, sizeof *up->heirs);
	up->heirs[up->heir_count++] = (struct up_heir){ mem_strdup(old_id), mem_strdup(id) };
}

static int compare_heirs(const void *left, const void *right)
{
	const struct up_heir *a = left, *b = right;

	return strcmp(a->old_id, b->old_id);
}

const char *up_heir(const struct up *up, const char *id)
{
	struct up_heir wanted = { mem_strdup(id), NULL }, *found = NULL;

	if (up->heir_count > 0)
		found = bsearch(&wanted, up->heirs, up->heir_count, sizeof wanted, compare_heirs);
	mem_free(&wanted.old_id);
	return found != NULL ? found->id : id;
}

void up_heirs_free(struct up *up)
{
	for (size_t i = 0; i < up->heir_count; i++) {
		mem_free(&up->heirs[i].old_id);
		mem_free(&up->heirs[i].id);
	}
	mem_free(&up->heirs);
	up->heir_count = 0;
	mem_free(&up->adopted.list);
	mem_free(&up->rekeyed.list);
}

/* --- who gets an entry that was there --------------------------------------------------------- */

static void note(struct up_numbers *numbers, const char *id)
{
	if (numbers->count == numbers->room) {
		numbers->room = numbers->room * 2 + 64;
		numbers->list = mem_grow(numbers->list, numbers->room, sizeof *numbers->list);
	}
	numbers->list[numbers->count++] = handover_key(id);
	numbers->sorted = false;
}

static int compare_numbers(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static bool is_noted(struct up_numbers *numbers, const char *id)
{
	uint64_t number = handover_key(id);

	if (numbers->count == 0)
		return false;
	if (!numbers->sorted)
		qsort(numbers->list, numbers->count, sizeof *numbers->list, compare_numbers);
	numbers->sorted = true;
	return bsearch(&number, numbers->list, numbers->count, sizeof number, compare_numbers) !=
	       NULL;
}

bool up_has_orphan(struct up *up, const char *id)
{
	return is_noted(&up->adopted, id) || is_noted(&up->rekeyed, id);
}

/* --- pairs ------------------------------------------------------------------------------------ */

/*
 * What the entry has beside that goes to the mailbox made anew, too, but for what that does not
 * list and is known as the system's: this may pass to somebody else (up_owners).
 */
static int keep_addresses(struct up *up, const struct person *fresh, const struct entry *orphan,
	const struct trace *before)
{
	const struct reconcile_facts facts = {
		.id = str_cstr(&fresh->id), .fresh = fresh, .entry = orphan, .before = before
	};
	const struct strings *has = &orphan->person.addresses;
	struct strings loses = STRINGS_INIT;
	int done = 0;

	note(&up->rekeyed, facts.id);
	reconcile_loses(&up->rules, &facts, &loses);
	if (loses.count > 0)
		note_heir(up, str_cstr(&orphan->person.id), str_cstr(&fresh->id));
	for (const char *k = strings_first(has); k != NULL && done == 0; k = strings_next(has, k))
		if (!strings_has(&loses, k))
			done = meeting_traffic(up, k, UP_KEEPS, str_cstr(&orphan->person.id));
	strings_free(&loses);
	return done;
}

/* 1: it is another mailbox. */
static int recreated(struct up *up, const struct pair *pair, const struct entry *orphan,
	const struct trace *before)
{
	size_t skip = strlen(pair->newcomer.data) + 1; /* its id */
	struct person fresh = PERSON_INIT;
	int done = person_decode(pair->newcomer.data + skip, pair->newcomer.len - skip, &fresh);

	if (done < 0)
		done = up_fail(up, "what was sorted of newcomers is not what was written");
	else if (is_noted(&up->adopted, pair->newcomer.data) || /* all of these come first */
		 !reconcile_recreated(&fresh, orphan, up_move_of(&up->moves, orphan)))
		done = 1;
	else
		done = keep_addresses(up, &fresh, orphan, before);
	person_free(&fresh);
	return done;
}

/* The mailbox gets the entry; what had it is not judged by itself. */
static int join(struct up *up, const struct pair *pair)
{
	enum up_part kind = (enum up_part) * str_cstr(&pair->key);
	struct entry entry = ENTRY_INIT;
	struct trace before = TRACE_INIT;
	int done = 0, got;

	if (pair->newcomer.len == 0 || pair->orphan.len == 0)
		return 0;
	got = up_orphan_decode(pair->orphan.data, pair->orphan.len, &entry, &before);
	if (got < 0)
		done = up_fail(up, "what was sorted of orphans is not what was written");
	else if (kind == UP_REKEY) /* if it is not, the old id is judged as any other */
		done = recreated(up, pair, &entry, got == 1 ? &before : NULL);
	else
		note(&up->adopted, pair->newcomer.data);
	if (done == 0)
		done = up_part(up, pair->newcomer.data, kind, pair->orphan.data, pair->orphan.len);
	if (done == 0 && kind == UP_REKEY)
		done = up_part(up, str_cstr(&entry.person.id), UP_SKIP, "", 0);
	entry_free(&entry);
	trace_free(&before);
	return done < 0 ? -1 : 0;
}

static void begin_pair(struct pair *pair, const struct bulk_pair *found)
{
	str_reset(&pair->key);
	str_reset(&pair->newcomer);
	str_reset(&pair->orphan);
	str_append(&pair->key, found->key, found->key_len);
}

static void take(struct pair *pair, const struct bulk_pair *found)
{
	struct str *side = found->value[0] == 'N' ? &pair->newcomer : &pair->orphan;

	if (side->len == 0)
		str_append(side, found->value + 1, found->value_len - 1);
}

static bool is_same(const struct pair *pair, const struct bulk_pair *found)
{
	return pair->key.len == found->key_len &&
	       memcmp(str_cstr(&pair->key), found->key, found->key_len) == 0;
}

int up_join(struct up *up)
{
	struct pair pair = { STR_INIT, STR_INIT, STR_INIT };
	struct bulk_pair found;
	const char *error;
	int got, done = bulk_sort(up->joins, &error);

	if (done < 0)
		return up_fail(up, "%s", error);
	while (done == 0 && (got = bulk_next(up->joins, &found, &error)) != 0) {
		if (got < 0) {
			done = up_fail(up, "%s", error);
			break;
		}
		if (!is_same(&pair, &found)) {
			done = join(up, &pair);
			begin_pair(&pair, &found);
		}
		take(&pair, &found);
	}
	if (done == 0)
		done = join(up, &pair);
	if (up->heir_count > 1)
		qsort(up->heirs, up->heir_count, sizeof *up->heirs, compare_heirs);
	str_free(&pair.key);
	str_free(&pair.newcomer);
	str_free(&pair.orphan);
	bulk_free(&up->joins);
	return done;
}
