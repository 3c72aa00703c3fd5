#include "directory/bytes.h"

#include <string.h>

void bytes_put(struct str *out, uint64_t number, unsigned octets)
{
	char buffer[8];

	for (unsigned i = 0; i < octets; i++)
		buffer[i] = (char)(number >> 8 * (octets - 1 - i));
	str_append(out, buffer, octets);
}

const uint8_t *bytes_take(struct bytes *in, size_t len)
{
	const uint8_t *data = in->data;

	if (in->bad || len > in->len) {
		in->bad = true;
		return NULL;
	}
	in->data += len;
	in->len -= len;
	return data;
}

uint64_t bytes_number(struct bytes *in, unsigned octets)
{
	const uint8_t *data = bytes_take(in, octets);
	uint64_t number = 0;

	for (unsigned i = 0; data != NULL && i < octets; i++)
		number = number << 8 | data[i];
	return number;
}

void bytes_text(struct bytes *in, size_t len, char *text_r, size_t size)
{
	const uint8_t *data = len < size ? bytes_take(in, len) : NULL;

	text_r[0] = '\0';
	if (data == NULL || memchr(data, '\0', len) != NULL) {
		in->bad = true;
		return;
	}
	memcpy(text_r, data, len);
	text_r[len] = '\0';
}
