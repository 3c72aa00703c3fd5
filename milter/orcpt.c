#include "milter/orcpt.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"

#define UTF8_PREFIX "ORCPT=utf-8;"

static void append_utf8(struct str *out, uint32_t c)
{
	char bytes[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(lead[n] | c);
	str_append(out, bytes, n);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* "\x{HEX}" at p: its length, 0 where there is none that stands for a character. */
static size_t read_escape(const char *p, size_t len, uint32_t *c_r)
{
	uint32_t c = 0;
	size_t i = 3;

	if (len < 5 || memcmp(p, "\\x{", 3) != 0)
		return 0;
	for (; i < len && i < 9 && hex_digit(p[i]) >= 0; i++)
		c = c << 4 | (uint32_t)hex_digit(p[i]);
	if (i == 3 || i == len || p[i] != '}' || c < 0x20 || c == 0x7f || c > 0x10ffff ||
		(c >= 0xd800 && c < 0xe000))
		return 0;
	*c_r = c;
	return i + 1;
}

static void decode(const char *p, size_t len, struct str *out)
{
	uint32_t c;

	while (len) {
		size_t used = read_escape(p, len, &c);
		/* A blank would end the parameter. */
		if (used && c != ' ') {
			append_utf8(out, c);
		} else {
			used = 1;
			str_append_c(out, *p);
		}
		p += used;
		len -= used;
	}
}

void orcpt_given(const char *param, size_t len, enum orcpt_form form, struct str *out)
{
	size_t prefix = sizeof UTF8_PREFIX - 1;

	if (form == ORCPT_WIRE || len < prefix || strncasecmp(param, UTF8_PREFIX, prefix) != 0) {
		str_append(out, param, len);
		return;
	}
	str_append(out, param, prefix);
	decode(param + prefix, len - prefix, out);
}

/* One character of well-formed UTF-8: its length, 0 where it is none. */
static size_t read_utf8(const unsigned char *p, uint32_t *c_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
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
	*c_r = c;
	return n && c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c >= 0xe000) ? n : 0;
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static bool is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c;
	size_t n;

	for (; *p != '\0'; p += n)
		if ((n = read_utf8(p, &c)) == 0)
			return false;
	return true;
}

static void encode(const char *text, struct str *out)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c;

	for (; *p != '\0'; p += read_utf8(p, &c)) {
		read_utf8(p, &c);
		if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\')
			str_append_c(out, (char)c);
		else
			str_printf(out, "\\x{%X}", (unsigned)c);
	}
}

void orcpt_made(const char *address, enum orcpt_form form, struct str *out)
{
	if (is_ascii(address)) {
		str_append_z(out, "ORCPT=rfc822;");
		address_xtext_encode(address, out);
	} else if (is_utf8(address) && (form == ORCPT_WIRE || strchr(address, ' ') == NULL)) {
		str_append_z(out, UTF8_PREFIX);
		if (form == ORCPT_WIRE)
			encode(address, out);
		else
			str_append_z(out, address);
	}
}
