/* LDIF (lib/ldif): the same however the bytes are cut; what is read, composed and read again, is
 * the same. The first byte says how they are cut. */
#include "lib/ldif.h"
#include "tests/fuzz/fuzz.h"

static int compose(void *context, const struct ldif_record *record)
{
	struct str *out = context;

	FUZZ_CHECK(record->line > 0);
	ldif_put_text(out, "dn", record->dn);
	for (size_t i = 0; i < record->count; i++) {
		FUZZ_CHECK(record->values[i].data[record->values[i].len] == '\0');
		ldif_put(
			out, record->values[i].name, record->values[i].data, record->values[i].len);
	}
	str_append_c(out, '\n');
	return 0;
}

/* Everything up to the first fault, composed, with its end. True: it was complete. */
static bool read_all(const char *data, size_t len, size_t piece, struct str *out)
{
	struct ldif_reader *reader = ldif_reader_new(compose, out);
	const char *error = NULL;
	int done = 0;

	for (size_t at = 0; at < len && done == 0; at += piece)
		done = ldif_reader_feed(
			reader, data + at, len - at < piece ? len - at : piece, &error);
	if (done == 0)
		done = ldif_reader_end(reader, &error);
	FUZZ_CHECK(done == 0 || (error != NULL && *error != '\0'));
	FUZZ_CHECK(done != 0 || len == 0 || data[len - 1] == '\n');
	ldif_put_end(out, ldif_reader_records(reader));
	FUZZ_CHECK(done != 0 || ldif_reader_marked(reader) || ldif_reader_records(reader) > 0);
	ldif_reader_free(&reader);
	return done == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t piece = fuzz_byte(&in) + 1;
	char *copy = fuzz_string(in.data, in.left);
	struct str whole = STR_INIT, cut = STR_INIT, again = STR_INIT;

	FUZZ_CHECK(read_all(copy, in.left, in.left + 1, &whole) ==
		   read_all(copy, in.left, piece, &cut));
	FUZZ_CHECK(fuzz_same(&whole, &cut));
	FUZZ_CHECK(read_all(str_cstr(&whole), whole.len, piece, &again));
	FUZZ_CHECK(fuzz_same(&whole, &again));
	/* Without its last line end it is not complete. */
	str_reset(&again);
	FUZZ_CHECK(!read_all(str_cstr(&whole), whole.len - 1, piece, &again));
	str_free(&whole);
	str_free(&cut);
	str_free(&again);
	free(copy);
	return 0;
}
