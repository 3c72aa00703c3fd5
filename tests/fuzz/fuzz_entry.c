/*
 * Mailbox entries (dirsync/entry): stored and read again they are the same; whatever values the
 * directory has, what is made of them can be stored, and every spelling is that of an address.
 */
#include "dirsync/entry.h"
#include "tests/fuzz/fuzz.h"

static const char *const mapped[] = { "cn", "telephonenumber", NULL };

static void check_stored(const void *data, size_t size)
{
	struct entry entry = ENTRY_INIT;
	struct str bytes = STR_INIT;

	if (entry_decode(data, size, &entry) == 0) {
		entry_encode(&entry, &bytes);
		FUZZ_CHECK(bytes.len == size && memcmp(bytes.data, data, size) == 0);
	}
	entry_free(&entry);
	str_free(&bytes);
}

static void check_spelled(const struct entry *entry)
{
	struct address address;
	const char *error;

	for (const char *s = strings_first(&entry->spelled); s != NULL;
		s = strings_next(&entry->spelled, s)) {
		const char *value = strchr(s, ' ');
		FUZZ_CHECK(value != NULL);
		FUZZ_CHECK(address_parse(value + 1, &address, &error) == 0);
		FUZZ_CHECK(strings_has(&entry->person.addresses, address.key));
	}
}

/* A line each: the first byte is the attribute, the rest its value. */
static size_t read_values(struct fuzz_input *in, char **lines, struct ldap_value *values, size_t n)
{
	static const char *const names[] = { "entryUUID", "entryCSN", "restanteSystem",
		"restanteState", "restanteSourceId", "mailLocalAddress", "restanteAddressUTF8",
		"mail", "restantePrimaryUTF8", "mailRoutingAddress", "restanteForeignAddress",
		"restanteVanishedSince", "restanteVanishingAddress", "restanteProvenance", "CN",
		"telephoneNumber", "other" };
	size_t count = 0;

	for (; in->left > 0 && count < n; count++) {
		unsigned name = fuzz_byte(in) % (sizeof names / sizeof names[0]);
		lines[count] = fuzz_line(in);
		values[count] =
			(struct ldap_value){ names[name], lines[count], strlen(lines[count]) };
	}
	return count;
}

static void check_values(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct ldap_value values[64];
	char *lines[64];
	size_t count = read_values(&in, lines, values, 64);
	struct ldap_stream_entry raw = { .dn = "cn=a", .values = values, .count = count };
	struct entry entry = ENTRY_INIT, again = ENTRY_INIT;
	struct str bytes = STR_INIT;
	const char *error = NULL;

	if (entry_read_stream(&raw, mapped, &entry, &error) == 0) {
		check_spelled(&entry);
		entry_encode(&entry, &bytes);
		FUZZ_CHECK(entry_decode(bytes.data, bytes.len, &again) == 0);
		FUZZ_CHECK(person_same(&entry.person, &again.person));
	} else {
		FUZZ_CHECK(error != NULL);
	}
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
	entry_free(&entry);
	entry_free(&again);
	str_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_stored(data, size);
	check_values(data, size);
	return 0;
}
