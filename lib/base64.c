#include "lib/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str *out, const void *data, size_t len)
{
	const unsigned char *p = data;

	str_reserve(out, (len + 2) / 3 * 4);
	for (; len > 0; p += 3) {
		size_t n = len < 3 ? len : 3;
		uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) |
				(n > 2 ? p[2] : 0);
		char four[4];

		for (int i = 0; i < 4; i++)
			four[i] = alphabet[bits >> (18 - 6 * i) & 63];
		if (n < 3)
			memset(four + n + 1, '=', 3 - n);
		str_append(out, four, sizeof four);
		len -= n;
	}
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bits of n characters, -1 where one is none. */
static int32_t read_digits(const char *text, size_t n)
{
	int32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		int d = digit(text[i]);

		if (d < 0)
			return -1;
		bits = bits << 6 | d;
	}
	return bits;
}

int base64_decode(struct str *out, const char *text, size_t len)
{
	size_t start = out->len, padding = 0;

	if (len % 4 != 0)
		return -1;
	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	str_reserve(out, len / 4 * 3);
	for (size_t at = 0; at < len; at += 4) {
		size_t spare = at + 4 == len ? padding : 0;
		int32_t bits = read_digits(text + at, 4 - spare);

		if (bits < 0 || (spare > 0 && (bits & (spare == 1 ? 3 : 15)) != 0)) {
			out->len = start;
			out->data[start] = '\0';
			return -1;
		}
		bits <<= 6 * spare;
		char three[3] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
		str_append(out, three, 3 - spare);
	}
	return 0;
}
