#include "lib/orcpt.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/utf8.h"

#define UTF8_PREFIX "ORCPT=utf-8;"

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

void orcpt_to_utf8(const char *value, size_t len, struct str *out)
{
	uint32_t c;

	while (len > 0) {
		size_t used = read_escape(value, len, &c);
		/* A blank would end the parameter. */
		if (used > 0 && c != ' ') {
			utf8_append(out, c);
		} else {
			used = 1;
			str_append_c(out, *value);
		}
		value += used;
		len -= used;
	}
}

static void put_escape(struct str *out, uint32_t c)
{
	str_printf(out, "\\x{%02X}", (unsigned)c);
}

/* One character of text, or one byte where there is none; its length. */
static size_t take(const char *text, uint32_t *c_r)
{
	size_t n = utf8_read(text, c_r);

	if (n > 0)
		return n;
	*c_r = (unsigned char)*text;
	return 1;
}

void orcpt_to_ascii(const char *value, size_t len, struct str *out)
{
	uint32_t c;

	for (size_t i = 0; i < len;) {
		i += take(value + i, &c);
		if (c > ' ' && c < 0x7f)
			str_append_c(out, (char)c);
		else
			put_escape(out, c);
	}
}

void orcpt_encode(const char *address, struct str *out)
{
	uint32_t c;

	for (const char *p = address; *p != '\0';) {
		p += take(p, &c);
		if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\')
			str_append_c(out, (char)c);
		else
			put_escape(out, c);
	}
}

static bool is_utf8_type(const char *param, size_t len)
{
	size_t prefix = sizeof UTF8_PREFIX - 1;

	return len >= prefix && strncasecmp(param, UTF8_PREFIX, prefix) == 0;
}

static void give_utf8(const char *param, size_t len, enum orcpt_form form, struct str *out)
{
	size_t prefix = sizeof UTF8_PREFIX - 1;

	str_append(out, param, prefix);
	if (form == ORCPT_MILTER)
		orcpt_to_utf8(param + prefix, len - prefix, out);
	else
		orcpt_to_ascii(param + prefix, len - prefix, out);
}

void orcpt_given(const char *param, size_t len, enum orcpt_form form, struct str *out)
{
	if (is_utf8_type(param, len))
		give_utf8(param, len, form, out);
	else if (form == ORCPT_MILTER || utf8_ascii(param, len))
		str_append(out, param, len);
}

void orcpt_made(const char *address, enum orcpt_form form, struct str *out)
{
	if (utf8_ascii(address, strlen(address))) {
		str_append_z(out, "ORCPT=rfc822;");
		address_xtext_encode(address, out);
	} else if (utf8_valid(address) && (form == ORCPT_WIRE || strchr(address, ' ') == NULL)) {
		str_append_z(out, UTF8_PREFIX);
		if (form == ORCPT_WIRE)
			orcpt_encode(address, out);
		else
			str_append_z(out, address);
	}
}
