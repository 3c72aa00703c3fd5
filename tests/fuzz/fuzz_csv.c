/* Comma-separated values (lib/csv): what is read, written with quotes and read again, is the same.
 */
#include "lib/csv.h"
#include "tests/fuzz/fuzz.h"

static void write_quoted(const char *field, struct str *out)
{
	str_append_c(out, '"');
	for (; *field != '\0'; field++) {
		if (*field == '"')
			str_append_c(out, '"');
		str_append_c(out, *field);
	}
	str_append_c(out, '"');
}

static void write_record(const struct csv *csv, struct str *out)
{
	for (size_t i = 0; i < csv->count; i++) {
		if (i > 0)
			str_append_c(out, ',');
		write_quoted(csv_field(csv, i), out);
	}
	str_append_c(out, '\n');
}

/* Everything up to the first fault. */
static bool read_all(const char *data, size_t len, struct str *out)
{
	const char *error = NULL;
	unsigned line = 0;
	struct csv csv;
	int count;

	csv_begin(&csv, data, len);
	while ((count = csv_next(&csv, &error)) > 0) {
		FUZZ_CHECK(csv.line > line);
		line = csv.line;
		write_record(&csv, out);
	}
	FUZZ_CHECK(count == 0 || error != NULL);
	csv_end(&csv);
	return count == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_string(data, size);
	struct str once = STR_INIT, twice = STR_INIT;

	read_all(copy, size, &once);
	FUZZ_CHECK(read_all(str_cstr(&once), once.len, &twice));
	FUZZ_CHECK(fuzz_same(&once, &twice));
	str_free(&once);
	str_free(&twice);
	free(copy);
	return 0;
}
