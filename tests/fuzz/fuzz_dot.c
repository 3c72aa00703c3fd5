/*
 * Content on its way out: dot stuffing (queue/dot), of which a receiver makes the content again;
 * quoted-printable (queue/quoted), likewise; what is found in it (queue/scan).
 */
#include "queue/dot.h"
#include "queue/quoted.h"
#include "queue/scan.h"
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

static int hex(char c)
{
	FUZZ_CHECK((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

static void unquote(const struct str *in, struct str *out)
{
	for (size_t i = 0; i < in->len; i++) {
		if (in->data[i] != '=') {
			str_append_c(out, in->data[i]);
			continue;
		}
		FUZZ_CHECK(i + 2 < in->len);
		if (in->data[i + 1] != '\r')
			str_append_c(out, (char)(hex(in->data[i + 1]) << 4 | hex(in->data[i + 2])));
		i += 2;
	}
}

/* Decoded it is the same; its lines are short, printable, and end in no blank. */
static void check_quoted(const uint8_t *data, size_t size)
{
	struct str quoted = STR_INIT, plain = STR_INIT;
	size_t column = 0;

	quoted_write((const char *)data, size, &quoted);
	for (size_t i = 0; i < quoted.len; i++) {
		char c = quoted.data[i];
		column = c == '\n' ? 0 : column + 1;
		FUZZ_CHECK(column <= QUOTED_LINE + 1); /* CR */
		FUZZ_CHECK((c >= ' ' && c < 0x7f) || c == '\t' || c == '\r' || c == '\n');
		FUZZ_CHECK((c == '\n') == (i > 0 && quoted.data[i - 1] == '\r'));
		FUZZ_CHECK(c != '\r' || i == 0 || !strchr(" \t", quoted.data[i - 1]));
	}
	unquote(&quoted, &plain);
	FUZZ_CHECK(plain.len == size && (size == 0 || memcmp(plain.data, data, size) == 0));
	str_free(&quoted);
	str_free(&plain);
}

/* The same however it is cut. */
static void check_scan(const uint8_t *data, size_t size, size_t step)
{
	struct scan whole = SCAN_INIT, pieces = SCAN_INIT;
	bool eightbit = false;

	scan_feed(&whole, (const char *)data, size);
	for (size_t at = 0; at < size; at += step)
		scan_feed(&pieces, (const char *)data + at, size - at < step ? size - at : step);
	FUZZ_CHECK(whole.received == pieces.received && whole.in_body == pieces.in_body);
	FUZZ_CHECK(whole.header_8bit == pieces.header_8bit && whole.body_8bit == pieces.body_8bit);
	FUZZ_CHECK(whole.received <= size / strlen("received:"));
	for (size_t i = 0; i < size; i++)
		eightbit |= data[i] >= 0x80;
	FUZZ_CHECK(eightbit == (whole.header_8bit || whole.body_8bit));
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
	check_quoted(data, size);
	check_scan(data, size, step);
	str_free(&whole);
	str_free(&pieces);
	str_free(&content);
	return 0;
}
