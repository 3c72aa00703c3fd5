/*
 * What the fuzz targets share. A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput: it
 * gives bytes to one parser and checks what must be true of any outcome. It is linked twice: with
 * libFuzzer (`make fuzz`), and with replay.c, which runs the files of its corpus once (`make
 * check`).
 */
#ifndef RESTANTE_TESTS_FUZZ_FUZZ_H
#define RESTANTE_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true; else the input is a reproducer. */
#define FUZZ_CHECK(true_)                                                                          \
	do {                                                                                       \
		if (!(true_)) {                                                                    \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #true_);      \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is left of the input. */
struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* The next byte, 0 at the end. */
static inline unsigned fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

/* Bytes as a C string in memory of exactly that size, so that a sanitizer sees who reads on; a NUL
 * inside ends it. The caller frees. */
static inline char *fuzz_string(const void *data, size_t len)
{
	char *text = malloc(len + 1);

	FUZZ_CHECK(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

/* The next line, without its end; the caller frees. What follows the last line end is one. */
static inline char *fuzz_line(struct fuzz_input *in)
{
	const uint8_t *end = in->left ? memchr(in->data, '\n', in->left) : NULL;
	size_t len = end ? (size_t)(end - in->data) : in->left;
	char *line = fuzz_string(in->data, len);
	size_t used = end ? len + 1 : len;

	if (used > 0) {
		in->data += used;
		in->left -= used;
	}
	return line;
}

static inline bool fuzz_same(const struct str *one, const struct str *other)
{
	return one->len == other->len && memcmp(str_cstr(one), str_cstr(other), one->len) == 0;
}

#endif
