/*
 * Entries of the directory (directory/record): one attribute and value per line, "N value", with N
 * a letter for the attribute; and the stored bytes. What can be used survives being stored.
 */
#include "directory/record.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t uuid[ROUTE_UUID_BYTES] = "0123456789abcde";

static void check_sound(const struct record *record)
{
	size_t count = 0;

	FUZZ_CHECK(record->kind > RECORD_NONE && record->kind <= RECORD_NODE);
	FUZZ_CHECK(record->state <= STATE_UNKNOWN && record->fault <= PHYSICAL_SEVERAL);
	FUZZ_CHECK(csn_valid(record->csn, strlen(record->csn)));
	for (const char *key = record_first(record); key != NULL; key = record_next(record, key)) {
		FUZZ_CHECK(record_has(record, key));
		count++;
	}
	FUZZ_CHECK(count == record_count(record));
}

/* Decoded and encoded again it is the same bytes. */
static void check_stored(const void *data, size_t len)
{
	struct record record = { 0 };
	struct str again = STR_INIT;

	if (record_decode(data, len, uuid, &record) == 0) {
		check_sound(&record);
		record_encode(&record, &again);
		FUZZ_CHECK(again.len == len && memcmp(again.data, data, len) == 0);
	}
	record_free(&record);
	str_free(&again);
}

static void check_same(const struct record *one, const struct record *other)
{
	FUZZ_CHECK(one->kind == other->kind && one->state == other->state);
	FUZZ_CHECK(one->fault == other->fault && strcmp(one->physical, other->physical) == 0);
	FUZZ_CHECK(strcmp(one->csn, other->csn) == 0 && strcmp(one->name, other->name) == 0);
	FUZZ_CHECK(fuzz_same(&one->dn, &other->dn) && fuzz_same(&one->keys, &other->keys));
	if (one->kind != RECORD_SYSTEM)
		return;
	FUZZ_CHECK(strcmp(one->release, other->release) == 0);
	FUZZ_CHECK(strcmp(one->protocol, other->protocol) == 0);
	FUZZ_CHECK(strcmp(one->tls, other->tls) == 0);
}

static void check_entry(const struct record *record)
{
	struct record stored = { 0 };
	struct str bytes = STR_INIT;

	check_sound(record);
	record_encode(record, &bytes);
	FUZZ_CHECK(record_decode(bytes.data, bytes.len, uuid, &stored) == 0);
	check_same(record, &stored);
	check_stored(bytes.data, bytes.len);
	record_free(&stored);
	str_free(&bytes);
}

static size_t attributes(void)
{
	size_t count = 0;

	while (record_attributes[count] != NULL)
		count++;
	return count;
}

/* The first line is the DN; values may hold any byte but a line end. */
static void take_entry(struct fuzz_input in, struct record *record)
{
	const uint8_t *end = in.left ? memchr(in.data, '\n', in.left) : NULL;
	size_t len = end ? (size_t)(end - in.data) : in.left;

	record_begin(record, uuid, (const char *)in.data, len);
	while (end != NULL) {
		in.left -= len + 1;
		in.data = end + 1;
		end = in.left ? memchr(in.data, '\n', in.left) : NULL;
		len = end ? (size_t)(end - in.data) : in.left;
		if (len < 2 || in.data[0] < 'A' || in.data[0] >= 'A' + attributes())
			continue;
		/* like a berval: of exact size */
		char *value = fuzz_string(in.data + 2, len - 2);
		record_value(record, in.data[0] - 'A', value, len - 2);
		free(value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = { 0 };
	const char *error;

	take_entry((struct fuzz_input){ data, size }, &record);
	if (record_finish(&record, &error) == 0)
		check_entry(&record);
	record_free(&record);
	check_stored(data, size);
	return 0;
}
