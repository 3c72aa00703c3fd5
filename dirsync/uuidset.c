#include "dirsync/uuidset.h"

#include <string.h>

#include "lib/mem.h"

#define FIRST_ROOM 64 /* a power of two */

static const uint8_t zero[UUID_BYTES];

void uuidset_free(struct uuidset *set)
{
	mem_free(&set->slots);
	*set = (struct uuidset)UUIDSET_INIT;
}

/* UUIDs are random only in parts: version 1 differs in its first bytes, version 4 everywhere. */
static size_t hash(const uint8_t *uuid)
{
	uint64_t a, b;

	memcpy(&a, uuid, 8);
	memcpy(&b, uuid + 8, 8);
	a = (a ^ (b << 17) ^ (b >> 11)) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(a ^ (a >> 32));
}

/* Where it is, or belongs: there is always a free slot. */
static uint8_t *place(const struct uuidset *set, const uint8_t *uuid)
{
	size_t at = hash(uuid) & (set->room - 1);

	while (memcmp(set->slots[at], uuid, UUID_BYTES) != 0 &&
		memcmp(set->slots[at], zero, UUID_BYTES) != 0)
		at = (at + 1) & (set->room - 1);
	return set->slots[at];
}

static void grow(struct uuidset *set)
{
	struct uuidset old = *set;

	set->room = old.room > 0 ? 2 * old.room : FIRST_ROOM;
	set->slots = mem_grow(NULL, set->room, UUID_BYTES);
	memset(set->slots, 0, set->room * UUID_BYTES);
	for (size_t i = 0; i < old.room; i++)
		if (memcmp(old.slots[i], zero, UUID_BYTES) != 0)
			memcpy(place(set, old.slots[i]), old.slots[i], UUID_BYTES);
	mem_free(&old.slots);
}

bool uuidset_has(const struct uuidset *set, const uint8_t *uuid)
{
	if (memcmp(uuid, zero, UUID_BYTES) == 0)
		return set->has_zero;
	return set->room > 0 && memcmp(place(set, uuid), uuid, UUID_BYTES) == 0;
}

bool uuidset_add(struct uuidset *set, const uint8_t *uuid)
{
	if (uuidset_has(set, uuid))
		return false;
	if (memcmp(uuid, zero, UUID_BYTES) == 0) {
		set->has_zero = true;
		return true;
	}
	if (set->count * 7 >= set->room * 4)
		grow(set);
	memcpy(place(set, uuid), uuid, UUID_BYTES);
	set->count++;
	return true;
}

const uint8_t *uuidset_next(const struct uuidset *set, size_t *at)
{
	while (*at < set->room) {
		const uint8_t *slot = set->slots[(*at)++];

		if (memcmp(slot, zero, UUID_BYTES) != 0)
			return slot;
	}
	return (*at)++ == set->room && set->has_zero ? zero : NULL;
}

const char *uuid_text(const uint8_t *uuid, char text_r[UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *out = text_r;

	for (size_t i = 0; i < UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[uuid[i] >> 4];
		*out++ = digits[uuid[i] & 0xf];
	}
	*out = '\0';
	return text_r;
}
