/* Domains and address literals: to lower-case A-labels (RFC 5891, UTS #46). */
#include "lib/address_internal.h"

#include <idn2.h>
#include <stdint.h>
#include <string.h>

#define LABEL_MAX 63

static int fault(const char **error_r, const char *text)
{
	*error_r = text;
	return -1;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int literal_key(const char *domain, size_t len, char *key_r, const char **error_r)
{
	if (len < 3 || domain[len - 1] != ']')
		return fault(error_r, "address literal is not closed");
	for (size_t i = 0; i < len; i++) {
		bool edge = i == 0 || i == len - 1;
		if (!edge && (domain[i] <= ' ' || strchr("[]\\\"\x7f", domain[i]) != NULL))
			return fault(error_r, "invalid address literal");
		key_r[i] = lower(domain[i]);
	}
	key_r[len] = '\0';
	return 0;
}

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static int ascii_domain_key(const char *domain, size_t len, char *key_r, const char **error_r)
{
	size_t label = 0;

	if (len > 0 && domain[0] == '[')
		return literal_key(domain, len, key_r, error_r);
	if (len > 0 && domain[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++) {
		char c = lower(domain[i]);
		key_r[i] = c;
		if (c == '.' && label == 0)
			return fault(error_r, "empty label in domain");
		if (c != '.' && !is_label_char(c))
			return fault(error_r, "invalid character in domain");
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return fault(error_r, "label of domain too long");
	}
	if (label == 0)
		return fault(error_r, len ? "empty label in domain" : "empty domain");
	key_r[len] = '\0';
	return 0;
}

static int idna_domain_key(const char *domain, size_t len, char *key_r, const char **error_r)
{
	uint8_t text[4 * ADDRESS_DOMAIN_MAX + 1];
	uint8_t *ascii = NULL;
	int result = -1;

	if (len >= sizeof text)
		return fault(error_r, "domain too long");
	memcpy(text, domain, len);
	text[len] = '\0';
	*error_r = "domain is no valid internationalized name";
	if (idn2_lookup_u8(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK) {
		size_t ascii_len = strlen((char *)ascii);
		/* Mapping can turn one character into several: what comes out is judged like any
		 * other. */
		if (ascii_len <= ADDRESS_DOMAIN_MAX)
			result = ascii_domain_key((char *)ascii, ascii_len, key_r, error_r);
	}
	idn2_free(ascii);
	return result;
}

int address_domain_key_of(const char *domain, size_t len, char *key_r, const char **error_r)
{
	unsigned char bits = 0;

	for (size_t i = 0; i < len; i++)
		bits |= (unsigned char)domain[i];
	if (bits >= 0x80)
		return idna_domain_key(domain, len, key_r, error_r);
	if (len > ADDRESS_DOMAIN_MAX)
		return fault(error_r, "domain too long");
	return ascii_domain_key(domain, len, key_r, error_r);
}

int address_domain_key(const char *domain, char *key_r, size_t size, const char **error_r)
{
	if (size <= ADDRESS_DOMAIN_MAX)
		return fault(error_r, "buffer too small");
	return address_domain_key_of(domain, strlen(domain), key_r, error_r);
}

bool address_domain_unicode(const char *key, struct str *out)
{
	uint8_t *unicode = NULL;
	bool differs = false;

	if (strstr(key, "xn--") == NULL)
		return false;
	if (idn2_to_unicode_8z8z(key, (char **)&unicode, 0) == IDN2_OK) {
		differs = strcmp((char *)unicode, key) != 0;
		str_append_z(out, (char *)unicode);
	}
	idn2_free(unicode);
	return differs;
}
