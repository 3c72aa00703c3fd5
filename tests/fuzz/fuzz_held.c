/* What the hold queue stores (queue/holdq_record): the first byte chooses the table. */
#include "queue/holdq_record.h"
#include "tests/fuzz/fuzz.h"

/* Encoded, and decoded and encoded again, it is the same; and as long as what was read. */
#define ROUND(type_, decode_, encode_, clear_)                                                     \
	static void check_##decode_(const void *data, size_t len)                                  \
	{                                                                                          \
		struct str once = STR_INIT, twice = STR_INIT;                                      \
		type_ value = { 0 }, again = { 0 };                                                \
                                                                                                   \
		if (decode_(data, len, &value) < 0)                                                \
			return;                                                                    \
		encode_(&once, &value);                                                            \
		FUZZ_CHECK(once.len == len);                                                       \
		FUZZ_CHECK(decode_(once.data, once.len, &again) == 0);                             \
		encode_(&twice, &again);                                                           \
		FUZZ_CHECK(fuzz_same(&once, &twice));                                              \
		clear_(&value);                                                                    \
		clear_(&again);                                                                    \
		str_free(&once);                                                                   \
		str_free(&twice);                                                                  \
	}

static void clear_message(struct message_record *record)
{
	envelope_clear(&record->envelope);
}

static void clear_nothing(const void *record)
{
	(void)record;
}

ROUND(struct message_record, message_decode, message_encode, clear_message)
ROUND(struct holdq_held_recipient, recipient_decode, recipient_encode, recipient_clear)
ROUND(struct index_record, index_decode, index_encode, clear_nothing)
ROUND(struct holdq_mailbox, mailbox_decode, mailbox_encode, clear_nothing)
ROUND(struct holdq_totals, totals_decode, totals_encode, clear_nothing)

static void check_key(const void *key, size_t len)
{
	uint8_t made[ID_KEY];

	for (size_t offset = 0; offset <= INDEX_KEY; offset += 4)
		key_u32(key, len, offset);
	uint64_t id = key_u64(key, len, 0);
	key_id(made, id);
	FUZZ_CHECK(len < ID_KEY || memcmp(made, key, ID_KEY) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tables[])(const void *, size_t) = { check_message_decode,
		check_recipient_decode, check_index_decode, check_mailbox_decode,
		check_totals_decode, check_key };

	if (size == 0)
		return 0;
	tables[data[0] % (sizeof tables / sizeof tables[0])](data + 1, size - 1);
	return 0;
}
