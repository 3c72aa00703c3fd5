/* Addresses and domains (lib/address): the normal form is one, and stays one. */
#include "lib/address.h"
#include "tests/fuzz/fuzz.h"

static void quote(const char *local, size_t len, struct str *out)
{
	str_append_c(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (local[i] == '"' || local[i] == '\\')
			str_append_c(out, '\\');
		str_append_c(out, local[i]);
	}
	str_append_c(out, '"');
}

static void check_sound(const struct address *address)
{
	size_t len = strlen(address->key);

	FUZZ_CHECK(len <= ADDRESS_MAX && strlen(address->local) <= ADDRESS_MAX);
	FUZZ_CHECK(address->has_domain ? address->key[address->local_len] == '@'
				       : address->local_len == len);
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)address->key[i] >= ' ' && address->key[i] != 0x7f);
}

/* The key, written as an address again, has itself as its key. */
static void check_stable(const struct address *address)
{
	struct str text = STR_INIT;
	struct address again;
	const char *error;

	quote(address->key, address->local_len, &text);
	str_append_z(&text, address->key + address->local_len);
	FUZZ_CHECK(address_parse(str_cstr(&text), &again, &error) == 0);
	FUZZ_CHECK(strcmp(again.key, address->key) == 0);
	str_free(&text);
}

static void check_detail(const struct address *address)
{
	struct address bare;
	const char *detail;

	if (!address_split_detail(address, "+-", &bare, &detail))
		return;
	check_sound(&bare);
	check_stable(&bare);
	FUZZ_CHECK(strlen(bare.local) + strlen(detail) == strlen(address->local));
	FUZZ_CHECK(strchr("+-", detail[0]) != NULL && detail[1] != '\0');
	FUZZ_CHECK(strcmp(address_domain(&bare), address_domain(address)) == 0);
}

static void check_domain(const char *text)
{
	char key[256], again[256];
	const char *error;
	struct str unicode = STR_INIT;

	if (address_domain_key(text, key, sizeof key, &error) < 0)
		return;
	FUZZ_CHECK(address_domain_key(key, again, sizeof again, &error) == 0);
	FUZZ_CHECK(strcmp(key, again) == 0);
	address_domain_unicode(key, &unicode);
	str_free(&unicode);
}

/* A physical address with a detail has that detail, and is one. */
static void check_physical(const char *text)
{
	struct str with = STR_INIT;
	struct address plain, detailed;
	const char *error;

	if (address_check_physical(text, &error) < 0)
		return;
	FUZZ_CHECK(address_parse(text, &plain, &error) == 0 && plain.has_domain && !plain.utf8);
	if (address_with_detail(text, "+A b", &with, &error) == 0) {
		FUZZ_CHECK(address_parse(str_cstr(&with), &detailed, &error) == 0);
		size_t len = strlen(plain.local);
		FUZZ_CHECK(strncmp(detailed.local, plain.local, len) == 0);
		FUZZ_CHECK(strcmp(detailed.local + len, "+A b") == 0);
		FUZZ_CHECK(strcmp(address_domain(&detailed), address_domain(&plain)) == 0);
	}
	str_free(&with);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct address address;
	const char *error;

	if (address_parse(text, &address, &error) == 0) {
		check_sound(&address);
		check_stable(&address);
		check_detail(&address);
	}
	if (address_parse_path(text, &address, &error) == 0) {
		check_sound(&address);
		if (address.key[0] != '\0')
			check_stable(&address);
	}
	address_path_has_route(text);
	check_domain(text);
	check_physical(text);
	free(text);
	return 0;
}
