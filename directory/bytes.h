/* Numbers and short texts in stored values: big-endian, bounds-checked. Pure. */
#ifndef RESTANTE_DIRECTORY_BYTES_H
#define RESTANTE_DIRECTORY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

struct bytes {
	const uint8_t *data;
	size_t len;
	bool bad; /* something was missing: everything read since is empty */
};

void bytes_put(struct str *out, uint64_t number, unsigned octets);

const uint8_t *bytes_take(struct bytes *in, size_t len); /* NULL where it is not there */
uint64_t bytes_number(struct bytes *in, unsigned octets);
/* A text of that many octets, none of them NUL, into a buffer. */
void bytes_text(struct bytes *in, size_t len, char *text_r, size_t size);

#endif
