/* Text of strangers on an administrator's terminal and in the log (cli/term, lib/log). */
#include "cli/term.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"

/* No C0, DEL or C1, alone or as UTF-8; what was safe stays as it is. */
static void check_safe(const char *text)
{
	struct str safe = STR_INIT, again = STR_INIT;

	term_safe(text, &safe);
	const char *end = str_cstr(&safe) + safe.len;
	for (const char *p = str_cstr(&safe); p < end; p++) {
		FUZZ_CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
		FUZZ_CHECK((unsigned char)p[0] != 0xc2 || (unsigned char)p[1] >= 0xa0);
	}
	term_safe(str_cstr(&safe), &again);
	FUZZ_CHECK(fuzz_same(&safe, &again));
	str_free(&safe);
	str_free(&again);
}

static void check_cut(const char *text)
{
	struct str safe = STR_INIT, cut = STR_INIT;

	term_safe(text, &safe);
	for (unsigned columns = 1; columns < 20; columns += 6) {
		str_reset(&cut);
		term_cut(str_cstr(&safe), columns, &cut);
		FUZZ_CHECK(term_columns(str_cstr(&cut)) <= columns);
		if (term_columns(str_cstr(&safe)) <= columns)
			FUZZ_CHECK(fuzz_same(&cut, &safe));
	}
	str_free(&safe);
	str_free(&cut);
}

/* A value is one word of a log line, cut or whole. */
static void check_log(const char *text)
{
	char value[128];

	log_value(value, sizeof value, text);
	FUZZ_CHECK(strlen(value) < sizeof value);
	for (const char *p = value; *p != '\0'; p++)
		FUZZ_CHECK((unsigned char)*p > ' ' && *p != 0x7f && *p != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);

	check_safe(text);
	check_cut(text);
	check_log(text);
	free(text);
	return 0;
}
