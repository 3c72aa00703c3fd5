/*
 * How a directory's matching rules compare (RFC 4517, RFC 4518), as slapd carries them out: simple
 * lower case, NFKC, insignificant spaces.
 */
#include "lib/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "lib/utf8.h"

static int fault(const char **error_r, const char *text)
{
	*error_r = text;
	return -1;
}

/* What servers leave alone, take out or take for a space, each in its own way. */
static bool is_doubtful(ucs4_t c)
{
	if (c < 0x80)
		return c < ' ' || c == 0x7f;
	return c < 0xa0 || uc_is_property_white_space(c) ||
	       uc_is_property_default_ignorable_code_point(c);
}

static int lower_text(const char *text, bool fold, struct str *out, const char **error_r)
{
	uint32_t c;

	while (*text != '\0') {
		size_t n = utf8_read(text, &c);
		if (n == 0)
			return fault(error_r, "not UTF-8");
		if (is_doubtful(c))
			return fault(error_r, "a control or invisible character");
		utf8_append(out, fold ? uc_tolower(c) : c);
		text += n;
	}
	return 0;
}

static void append_squeezed(const char *text, size_t len, struct str *out)
{
	while (len > 0 && text[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' || (i > 0 && text[i - 1] != ' '))
			str_append_c(out, text[i]);
}

int address_rule_form(const char *text, bool fold, struct str *out, const char **error_r)
{
	struct str lower = STR_INIT;
	uint8_t *composed;
	size_t len;

	if (lower_text(text, fold, &lower, error_r) < 0) {
		str_free(&lower);
		return -1;
	}
	if (utf8_ascii(str_cstr(&lower), lower.len)) {
		append_squeezed(str_cstr(&lower), lower.len, out);
		str_free(&lower);
		return 0;
	}
	composed = u8_normalize(UNINORM_NFKC, (uint8_t *)lower.data, lower.len, NULL, &len);
	str_free(&lower);
	if (composed == NULL)
		return fault(error_r, "cannot be normalised");
	append_squeezed((char *)composed, len, out);
	free(composed);
	return 0;
}

/* Whether local is compared as `wanted`; in quotes, so that spaces at its ends count. */
static int same_form(const char *local, const char *wanted, const char **error_r)
{
	struct str text = STR_INIT, form = STR_INIT, key = STR_INIT;
	int result;

	str_printf(&text, "\"%s\"", local);
	str_printf(&key, "\"%s\"", wanted);
	result = address_rule_form(str_cstr(&text), true, &form, error_r);
	if (result == 0 && strcmp(str_cstr(&form), str_cstr(&key)) != 0)
		result = fault(error_r, "the directory compares a character of it otherwise (sharp "
					"s, final sigma, full-width letters, superscripts)");
	str_free(&text);
	str_free(&form);
	str_free(&key);
	return result;
}

int address_check_rule(const struct address *address, const char **error_r)
{
	char local[ADDRESS_MAX + 1];
	/* a domain has no spaces */
	const char *spaces = strstr(address->key, "  ");

	if (spaces != NULL && (size_t)(spaces - address->key) + 2 <= address->local_len)
		return fault(error_r, "two spaces in a row, which the directory takes for one");
	if (utf8_ascii(address->local, strlen(address->local)))
		return 0;
	memcpy(local, address->key, address->local_len);
	local[address->local_len] = '\0';
	if (same_form(address->local, local, error_r) < 0)
		return -1;
	return same_form(local, local, error_r);
}
