#include "dirsync/handover.h"

#include <stdlib.h>
#include <string.h>

#include "dirsync/handover_internal.h"
#include "lib/mem.h"

/* Bits of a filter: 32 for each change, within these bounds. At the upper one, 4 MB, three million
 * keys make one change in a hundred wait aside for nothing. */
#define FILTER_LEAST  (UINT64_C(1) << 16)
#define FILTER_MOST   (UINT64_C(1) << 25)
#define FILTER_PROBES 4

/* FNV-1a, its bits mixed once more (MurmurHash3's finalizer) for the filters. */
uint64_t handover_key(const char *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ (hash >> 33);
}

struct handover *handover_new(uint64_t changes)
{
	struct handover *handover = mem_zalloc(sizeof(*handover));

	handover->bits = FILTER_LEAST;
	while (handover->bits < FILTER_MOST && handover->bits / 32 < changes)
		handover->bits *= 2;
	handover->gained = mem_zalloc(handover->bits / 8);
	handover->given = mem_zalloc(handover->bits / 8);
	return handover;
}

void handover_free(struct handover **handover)
{
	if (*handover == NULL)
		return;
	mem_free(&(*handover)->gained);
	mem_free(&(*handover)->given);
	mem_free(&(*handover)->ends);
	mem_free(&(*handover)->nodes);
	mem_free(&(*handover)->out);
	mem_free(&(*handover)->in);
	mem_free(&(*handover)->ready);
	mem_free(&(*handover)->returns);
	mem_free(&(*handover)->groups);
	mem_free(&(*handover)->members);
	mem_free(handover);
}

/* --- the filters ---------------------------------------------------------------------------- */

static uint64_t probe(const struct handover *handover, uint64_t key, unsigned n)
{
	return (key + n * ((key >> 32) | 1)) & (handover->bits - 1);
}

static void filter_put(const struct handover *handover, uint8_t *filter, const struct strings *keys)
{
	for (const char *k = strings_first(keys); k != NULL; k = strings_next(keys, k)) {
		uint64_t key = handover_key(k);

		for (unsigned n = 0; n < FILTER_PROBES; n++) {
			uint64_t bit = probe(handover, key, n);

			filter[bit / 8] |= (uint8_t)(1u << (bit % 8));
		}
	}
}

static bool filter_has(const struct handover *handover, const uint8_t *filter, const char *text)
{
	uint64_t key = handover_key(text);

	for (unsigned n = 0; n < FILTER_PROBES; n++) {
		uint64_t bit = probe(handover, key, n);

		if ((filter[bit / 8] & (1u << (bit % 8))) == 0)
			return false;
	}
	return true;
}

static bool filter_has_any(
	const struct handover *handover, const uint8_t *filter, const struct strings *keys)
{
	for (const char *k = strings_first(keys); k != NULL; k = strings_next(keys, k))
		if (filter_has(handover, filter, k))
			return true;
	return false;
}

void handover_see(
	struct handover *handover, const struct strings *gains, const struct strings *gives)
{
	filter_put(handover, handover->gained, gains);
	filter_put(handover, handover->given, gives);
}

bool handover_concerns(
	const struct handover *handover, const struct strings *gains, const struct strings *gives)
{
	return filter_has_any(handover, handover->given, gains) ||
	       filter_has_any(handover, handover->gained, gives);
}

/* --- kept aside ----------------------------------------------------------------------------- */

static void *room(void *list, size_t count, size_t *size, size_t element)
{
	if (count < *size)
		return list;
	*size = *size > 0 ? *size * 2 : 64;
	return mem_grow(list, *size, element);
}

static void put_ends(
	struct handover *handover, uint32_t change, const struct strings *keys, bool gives)
{
	const uint8_t *other = gives ? handover->gained : handover->given;

	for (const char *k = strings_first(keys); k != NULL; k = strings_next(keys, k)) {
		if (!filter_has(handover, other, k))
			continue;
		handover->ends = room(handover->ends, handover->end_count, &handover->end_room,
			sizeof(*handover->ends));
		handover->ends[handover->end_count++] =
			(struct end){ handover_key(k), change, gives };
	}
}

void handover_put(struct handover *handover, uint64_t place, const struct strings *gains,
	const struct strings *gives)
{
	uint32_t change = (uint32_t)handover->node_count++;

	handover->nodes =
		room(handover->nodes, change, &handover->node_room, sizeof(*handover->nodes));
	handover->nodes[change] = (struct node){
		.place = place, .group = HANDOVER_NO_GROUP, .gives = gives->count > 0
	};
	put_ends(handover, change, gives, true);
	put_ends(handover, change, gains, false);
}

size_t handover_count(const struct handover *handover)
{
	return handover->node_count;
}

/* --- who waits for whom --------------------------------------------------------------------- */

static int by_key(const void *left, const void *right)
{
	const struct end *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->gives != b->gives)
		return a->gives ? -1 : 1;
	return a->change < b->change ? -1 : a->change > b->change;
}

static int by_giver(const void *left, const void *right)
{
	const struct link *a = left, *b = right;

	return a->giver < b->giver ? -1 : a->giver > b->giver;
}

static int by_gainer(const void *left, const void *right)
{
	const struct link *a = left, *b = right;

	return a->gainer < b->gainer ? -1 : a->gainer > b->gainer;
}

static void link_up(struct handover *handover, const struct end *giver, const struct end *gainer)
{
	if (giver->change == gainer->change)
		return;
	handover->out = room(
		handover->out, handover->link_count, &handover->link_room, sizeof(*handover->out));
	handover->out[handover->link_count++] =
		(struct link){ giver->change, gainer->change, giver->key };
	handover->nodes[gainer->change].waits++;
}

/* The ends of one key: first those that give it, then those that gain it. */
static size_t link_key(struct handover *handover, size_t from)
{
	const struct end *ends = handover->ends;
	size_t gainers = from, end;

	while (gainers < handover->end_count && ends[gainers].key == ends[from].key &&
		ends[gainers].gives)
		gainers++;
	for (end = gainers; end < handover->end_count && ends[end].key == ends[from].key; end++)
		for (size_t giver = from; giver < gainers; giver++)
			link_up(handover, &ends[giver], &ends[end]);
	return end;
}

static void find_ranges(struct handover *handover)
{
	for (size_t i = handover->link_count; i-- > 0;) {
		handover->nodes[handover->out[i].giver].first_out = (uint32_t)i;
		handover->nodes[handover->in[i].gainer].first_in = (uint32_t)i;
	}
}

void handover_settle(struct handover *handover)
{
	mem_free(&handover->gained);
	mem_free(&handover->given);
	if (handover->end_count > 0)
		qsort(handover->ends, handover->end_count, sizeof(*handover->ends), by_key);
	for (size_t at = 0; at < handover->end_count;)
		at = link_key(handover, at);
	mem_free(&handover->ends);
	if (handover->link_count > 0) {
		handover->in = mem_grow(NULL, handover->link_count, sizeof(*handover->in));
		memcpy(handover->in, handover->out, handover->link_count * sizeof(*handover->in));
		qsort(handover->out, handover->link_count, sizeof(*handover->out), by_giver);
		qsort(handover->in, handover->link_count, sizeof(*handover->in), by_gainer);
		find_ranges(handover);
	}
	handover_begin(handover);
}
