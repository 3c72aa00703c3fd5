/* xtext (RFC 3461 section 4) of lib/address.h. */
#include "lib/address.h"

static const char hex_digits[] = "0123456789ABCDEF";

static bool is_xchar(char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* Senders write small letters, too. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void address_xtext_encode(const char *text, struct str *out)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (is_xchar(*p)) {
			str_append_c(out, *p);
			continue;
		}
		str_append_c(out, '+');
		str_append_c(out, hex_digits[(unsigned char)*p >> 4]);
		str_append_c(out, hex_digits[(unsigned char)*p & 15]);
	}
}

/* The character at *p, which moves behind it; -1 where it is malformed. NUL ends a C string:
 * malformed. */
static int decode_char(const char **p)
{
	const char *text = *p;

	if (is_xchar(*text)) {
		(*p)++;
		return (unsigned char)*text;
	}
	if (*text != '+' || hex_value(text[1]) < 0 || hex_value(text[2]) < 0)
		return -1;
	*p += 3;
	int c = hex_value(text[1]) << 4 | hex_value(text[2]);
	return c ? c : -1;
}

int address_xtext_decode(const char *text, struct str *out)
{
	size_t before = out->len;

	while (*text != '\0') {
		int c = decode_char(&text);
		if (c < 0) {
			out->len = before;
			if (out->data != NULL)
				out->data[before] = '\0';
			return -1;
		}
		str_append_c(out, (char)c);
	}
	return 0;
}
