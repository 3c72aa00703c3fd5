#include "directory/recall.h"

#include <stdatomic.h>
#include <string.h>

#include "lib/mem.h"

#define SLOTS      256 /* recipients in flight, about */
#define SLOT_BYTES 400 /* key and value; most are half of that */

struct slot {
	atomic_flag busy;
	uint16_t key_len, len;
	uint64_t version; /* odd: empty */
	char bytes[SLOT_BYTES];
};

struct recall {
	struct slot slots[SLOTS];
};

struct recall *recall_new(void)
{
	struct recall *recall = mem_zalloc(sizeof(*recall));

	for (size_t i = 0; i < SLOTS; i++) {
		atomic_flag_clear(&recall->slots[i].busy);
		recall->slots[i].version = 1;
	}
	return recall;
}

void recall_free(struct recall **recall)
{
	mem_free(recall);
}

/* FNV-1a */
static struct slot *slot_of(struct recall *recall, const char *key, size_t key_len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < key_len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 16777619u;
	return &recall->slots[(hash ^ hash >> 16) % SLOTS];
}

static bool take(struct slot *slot)
{
	return !atomic_flag_test_and_set_explicit(&slot->busy, memory_order_acquire);
}

static void give_back(struct slot *slot)
{
	atomic_flag_clear_explicit(&slot->busy, memory_order_release);
}

bool recall_get(struct recall *recall, uint64_t version, const char *key, size_t key_len,
	void *value_r, size_t size, size_t *len_r)
{
	struct slot *slot = slot_of(recall, key, key_len);

	if (version % 2 != 0 || !take(slot))
		return false;
	bool found = slot->version == version && slot->key_len == key_len && slot->len <= size &&
		     memcmp(slot->bytes, key, key_len) == 0;
	if (found) {
		memcpy(value_r, slot->bytes + key_len, slot->len);
		*len_r = slot->len;
	}
	give_back(slot);
	return found;
}

void recall_put(struct recall *recall, uint64_t version, const char *key, size_t key_len,
	const void *value, size_t len)
{
	struct slot *slot = slot_of(recall, key, key_len);

	if (version % 2 != 0 || key_len > SLOT_BYTES || len > SLOT_BYTES - key_len || !take(slot))
		return;
	slot->version = version;
	slot->key_len = (uint16_t)key_len;
	slot->len = (uint16_t)len;
	memcpy(slot->bytes, key, key_len);
	memcpy(slot->bytes + key_len, value, len);
	give_back(slot);
}
