/* Comma-separated values in pieces (lib/csv_stream): the same however the bytes are cut; what is
 * read, written with quotes and read again, is the same. The first byte says how they are cut. */
#include <inttypes.h>

#include "lib/csv_stream.h"
#include "lib/utf8.h"
#include "tests/fuzz/fuzz.h"

struct table {
	struct str text;
	size_t columns;
	uint64_t line;
};

static void write_row(struct str *out, const char *const *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		FUZZ_CHECK(utf8_valid(fields[i]));
		str_append_z(out, i > 0 ? ",\"" : "\"");
		for (const char *p = fields[i]; *p != '\0'; p++)
			str_append(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
		str_append_c(out, '"');
	}
	str_append_c(out, '\n');
}

static int header(void *context, const char *const *names, size_t count, const char **error_r)
{
	struct table *table = context;

	(void)error_r;
	FUZZ_CHECK(table->columns == 0 && count > 0);
	table->columns = count;
	write_row(&table->text, names, count);
	return 0;
}

static int row(void *context, uint64_t line, const char *const *fields, size_t count)
{
	struct table *table = context;

	FUZZ_CHECK(count == table->columns && line > table->line);
	table->line = line;
	write_row(&table->text, fields, count);
	return 0;
}

/* Everything up to the first fault, with its end. True: it was complete. */
static bool read_all(const char *data, size_t len, size_t piece, struct table *table)
{
	struct csv_sink sink = { table, header, row };
	struct csv_stream *stream = csv_stream_new(',', &sink);
	const char *error = NULL;
	int done = 0;

	*table = (struct table){ .text = STR_INIT };
	for (size_t at = 0; at < len && done == 0; at += piece)
		done = csv_stream_feed(
			stream, data + at, len - at < piece ? len - at : piece, &error);
	if (done == 0)
		done = csv_stream_end(stream, &error);
	FUZZ_CHECK(done == 0 || (error != NULL && *error != '\0'));
	FUZZ_CHECK(done != 0 || table->columns > 0);
	if (table->columns > 0)
		str_printf(&table->text, "# end %" PRIu64 "\n", csv_stream_rows(stream));
	csv_stream_free(&stream);
	return done == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t piece = fuzz_byte(&in) + 1;
	char *copy = fuzz_string(in.data, in.left);
	struct table whole, cut, again;

	FUZZ_CHECK(read_all(copy, in.left, in.left + 1, &whole) ==
		   read_all(copy, in.left, piece, &cut));
	FUZZ_CHECK(fuzz_same(&whole.text, &cut.text));
	if (whole.columns > 0) {
		FUZZ_CHECK(read_all(whole.text.data, whole.text.len, piece, &again));
		FUZZ_CHECK(fuzz_same(&whole.text, &again.text));
		str_free(&again.text);
		/* Without its last line end it is not complete. */
		FUZZ_CHECK(!read_all(whole.text.data, whole.text.len - 1, piece, &again));
		str_free(&again.text);
	}
	str_free(&whole.text);
	str_free(&cut.text);
	free(copy);
	return 0;
}
