/* xtext (lib/address) and ORCPT (lib/orcpt). */
#include "lib/address.h"
#include "lib/orcpt.h"
#include "tests/fuzz/fuzz.h"

static void check_xtext(const char *text)
{
	struct str coded = STR_INIT, plain = STR_INIT;

	address_xtext_encode(text, &coded);
	FUZZ_CHECK(address_xtext_decode(str_cstr(&coded), &plain) == 0);
	FUZZ_CHECK(strcmp(str_cstr(&plain), text) == 0);
	for (size_t i = 0; i < coded.len; i++)
		FUZZ_CHECK(coded.data[i] > ' ' && coded.data[i] < 0x7f && coded.data[i] != '=');
	str_reset(&plain);
	str_append_z(&plain, "before");
	if (address_xtext_decode(text, &plain) < 0)
		FUZZ_CHECK(strcmp(plain.data, "before") == 0);
	else
		FUZZ_CHECK(strlen(plain.data) == plain.len);
	str_free(&coded);
	str_free(&plain);
}

/* Made for the wire it is ASCII without blanks; decoded, it is what is made for a milter. */
static void check_made(const char *text)
{
	struct str wire = STR_INIT, milter = STR_INIT, decoded = STR_INIT;

	orcpt_made(text, ORCPT_WIRE, &wire);
	orcpt_made(text, ORCPT_MILTER, &milter);
	for (size_t i = 0; i < wire.len; i++)
		FUZZ_CHECK(wire.data[i] > ' ' && wire.data[i] < 0x7f);
	orcpt_given(str_cstr(&wire), wire.len, ORCPT_MILTER, &decoded);
	bool control = false;
	for (const char *p = text; *p != '\0'; p++)
		control |= (unsigned char)*p < ' ' || *p == 0x7f;
	if (milter.len > 0 && !control)
		FUZZ_CHECK(fuzz_same(&decoded, &milter));
	str_free(&wire);
	str_free(&milter);
	str_free(&decoded);
}

static void check_given(const char *text)
{
	struct str wire = STR_INIT, milter = STR_INIT;
	size_t len = strcspn(text, " ");

	orcpt_given(text, len, ORCPT_WIRE, &wire);
	bool plain = true;
	for (size_t i = 0; i < len; i++)
		plain &= text[i] > ' ' && text[i] < 0x7f;
	FUZZ_CHECK(!plain || (wire.len == len && memcmp(str_cstr(&wire), text, len) == 0));
	for (size_t i = 0; i < wire.len; i++)
		FUZZ_CHECK((unsigned char)wire.data[i] < 0x80);
	orcpt_given(text, len, ORCPT_MILTER, &milter);
	FUZZ_CHECK(milter.len <= len && memchr(str_cstr(&milter), ' ', milter.len) == NULL);
	str_free(&wire);
	str_free(&milter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct str given = STR_INIT;

	check_xtext(text);
	check_made(text);
	check_given(text);
	str_printf(&given, "ORCPT=utf-8;%s", text);
	check_given(str_cstr(&given));
	str_free(&given);
	free(text);
	return 0;
}
