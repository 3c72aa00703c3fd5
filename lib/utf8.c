#include "lib/utf8.h"

#include <string.h>

size_t utf8_read(const char *text, uint32_t *code_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	size_t n = *p < 0x80   ? 1
		   : *p < 0xc2 ? 0
		   : *p < 0xe0 ? 2
		   : *p < 0xf0 ? 3
		   : *p < 0xf5 ? 4
			       : 0;
	uint32_t c = n == 1 ? *p : *p & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (n == 0 || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*code_r = c;
	return n;
}

void utf8_append(struct str *out, uint32_t c)
{
	static const unsigned char lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	char bytes[4];

	for (size_t i = n; i-- > 1; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(lead[n] | c);
	str_append(out, bytes, n);
}

bool utf8_valid(const char *text)
{
	uint32_t code;
	size_t n;

	if (utf8_ascii(text, strlen(text)))
		return true;
	for (; *text != '\0'; text += n)
		if ((n = utf8_read(text, &code)) == 0)
			return false;
	return true;
}

bool utf8_ascii(const char *data, size_t len)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	unsigned char bits = 0;
	uint64_t eight;

	for (; len >= sizeof eight; data += sizeof eight, len -= sizeof eight) {
		memcpy(&eight, data, sizeof eight);
		if ((eight & high) != 0)
			return false;
	}
	for (size_t i = 0; i < len; i++)
		bits |= (unsigned char)data[i];
	return bits < 0x80;
}
