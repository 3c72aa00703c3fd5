/* Dot stuffing (queue/dot): what a receiver makes of it is the content. */
#include "queue/dot.h"
#include "tests/fuzz/fuzz.h"

static void stuff(const uint8_t *data, size_t size, size_t step, struct str *out)
{
	struct dot dot = DOT_INIT;

	for (size_t at = 0; at < size; at += step)
		dot_stuff(&dot, (const char *)data + at, size - at < step ? size - at : step, out);
	dot_end(&dot, out);
}

/* A receiver for whom a bare LF ends a line, too: the first line that is one dot ends the data. */
static size_t unstuff(const struct str *in, struct str *out)
{
	size_t at = 0;

	while (at < in->len) {
		const char *line = in->data + at, *lf = memchr(line, '\n', in->len - at);
		FUZZ_CHECK(lf != NULL);
		size_t len = (size_t)(lf + 1 - line);
		if (line[0] == '.' && (len == 2 || (len == 3 && line[1] == '\r')))
			return at + len;
		size_t dot = line[0] == '.';
		str_append(out, line + dot, len - dot);
		at += len;
	}
	FUZZ_CHECK(!"an end");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = STR_INIT, pieces = STR_INIT, content = STR_INIT;
	size_t step = size ? data[0] % 7 + 1u : 1;

	stuff(data, size, size ? size : 1, &whole);
	stuff(data, size, step, &pieces);
	FUZZ_CHECK(fuzz_same(&whole, &pieces));
	FUZZ_CHECK(unstuff(&whole, &content) == whole.len);
	FUZZ_CHECK(content.len >= size && memcmp(str_cstr(&content), data, size) == 0);
	/* with a line end where it had none */
	FUZZ_CHECK(content.len == size ||
		   (content.len == size + 2 && memcmp(content.data + size, "\r\n", 2) == 0));
	str_free(&whole);
	str_free(&pieces);
	str_free(&content);
	return 0;
}
