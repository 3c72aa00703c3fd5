/*
 * Persons (dirsync/person), and traces of them in the snapshot: stored and read again they are the
 * same; what a source says, in any order, makes one person; an address is found again under what
 * the directory has of it.
 */
#include "dirsync/reconcile.h"
#include "lib/digest.h"
#include "tests/fuzz/fuzz.h"

/* Compared without being read, it is what it is. */
static void check_bytes(const struct person *person, const struct str *encoded)
{
	struct trace trace = TRACE_INIT;
	struct str bytes = STR_INIT;
	struct digest *digest = digest_begin();
	uint8_t whole[DIGEST_BYTES];
	struct person_bytes where;
	const char *version;

	FUZZ_CHECK(person_bytes(encoded->data, encoded->len, &where) == 0);
	digest_add(digest, encoded->data, where.compared);
	digest_take(digest, whole);
	digest_end(&digest, NULL);
	person_digest(person, trace.digest);
	FUZZ_CHECK(memcmp(whole, trace.digest, sizeof trace.digest) == 0);
	str_append(&trace.addresses.bytes, str_cstr(&person->addresses.bytes),
		person->addresses.bytes.len);
	str_append(
		&trace.foreign.bytes, str_cstr(&person->foreign.bytes), person->foreign.bytes.len);
	trace_encode(&trace, &bytes);
	FUZZ_CHECK(trace_is_of(bytes.data, bytes.len, &where, whole, &version));
	bytes.data[bytes.len - 1] ^= 1;
	FUZZ_CHECK(!trace_is_of(bytes.data, bytes.len, &where, whole, &version));
	trace_free(&trace);
	str_free(&bytes);
}

static void check_stored(const void *data, size_t size)
{
	struct person person = PERSON_INIT, again = PERSON_INIT;
	struct str bytes = STR_INIT;

	if (person_decode(data, size, &person) == 0) {
		person_encode(&person, &bytes);
		FUZZ_CHECK(bytes.len == size && memcmp(bytes.data, data, size) == 0);
		FUZZ_CHECK(person_decode(bytes.data, bytes.len, &again) == 0);
		FUZZ_CHECK(person_same(&person, &again));
		check_bytes(&person, &bytes);
	}
	person_free(&person);
	person_free(&again);
	str_free(&bytes);
}

static void check_trace(const void *data, size_t size)
{
	struct trace trace = TRACE_INIT;
	struct str bytes = STR_INIT;

	if (trace_decode(data, size, &trace) == 0) {
		trace_encode(&trace, &bytes);
		FUZZ_CHECK(bytes.len == size && memcmp(bytes.data, data, size) == 0);
	}
	trace_free(&trace);
	str_free(&bytes);
}

static void add(struct person *person, const char *line)
{
	const char *error = NULL;
	int result = 0;

	switch (*line) {
	case 'i': result = person_set_id(person, line + 1, &error); break;
	case 'h': result = person_set_physical(person, line + 1, &error); break;
	case 'f': result = person_add_foreign(person, line + 1, &error); break;
	case 'p': result = person_add_proxy(person, line + 1, &error); break;
	case 'a': result = person_add_attribute(person, "cn", line + 1, &error); break;
	case 't': result = person_add_attribute(person, "mobile", line + 1, &error); break;
	default: result = person_add_address(person, line, false, &error);
	}
	FUZZ_CHECK(result == 0 || error != NULL);
}

static void check_addresses(const struct person *person)
{
	struct str value = STR_INIT;
	struct address address;
	const char *error;

	for (const char *key = strings_first(&person->addresses); key != NULL;
		key = strings_next(&person->addresses, key)) {
		str_reset(&value);
		person_address_value(key, &value);
		FUZZ_CHECK(address_parse(str_cstr(&value), &address, &error) == 0);
		FUZZ_CHECK(strcmp(address.key, key) == 0);
		FUZZ_CHECK(address_check_rule(&address, &error) == 0);
	}
	str_free(&value);
}

static void check_said(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct person forth = PERSON_INIT, back = PERSON_INIT;
	char *lines[64];
	size_t count = 0;
	struct str bytes = STR_INIT;

	while (in.left > 0 && count < 64)
		lines[count++] = fuzz_line(&in);
	for (size_t i = 0; i < count; i++)
		add(&forth, lines[i]);
	for (size_t i = count; i-- > 0;)
		add(&back, lines[i]);
	FUZZ_CHECK(strings_equal(&forth.addresses, &back.addresses));
	FUZZ_CHECK(strings_equal(&forth.foreign, &back.foreign));
	FUZZ_CHECK(strings_equal(&forth.attributes, &back.attributes));
	check_addresses(&forth);
	person_encode(&forth, &bytes);
	check_stored(bytes.data, bytes.len);
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
	person_free(&forth);
	person_free(&back);
	str_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_stored(data, size);
	check_trace(data, size);
	check_said(data, size);
	return 0;
}
