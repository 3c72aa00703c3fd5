#include "lib/address_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

static const char too_long[] = "address too long";

static int fault(const char **error_r, const char *text)
{
	*error_r = text;
	return -1;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* --- cutting an addr-spec in two ---------------------------------------------------------- */

struct spec {
	const char *local; /* as written, quotes included */
	size_t local_len;
	const char *domain; /* NULL where there is no "@" */
	size_t domain_len;
	bool quoted; /* a quote stands in it */
	bool ascii;
};

/* From the opening quote at *i to the closing one. */
static int skip_quoted(const char *text, size_t len, size_t *i, const char **error_r)
{
	size_t p = *i;

	if (p > 0 && text[p - 1] != '.' && text[p - 1] != '@')
		return fault(error_r, "quote inside of a word");
	for (p++; p < len && text[p] != '"'; p++) {
		if (text[p] == '\\')
			p++;
		if (p < len && is_control(text[p]))
			return fault(error_r, "control character in address");
	}
	if (p >= len)
		return fault(error_r, "quote is not closed");
	if (p + 1 < len && text[p + 1] != '.' && text[p + 1] != '@')
		return fault(error_r, "text after a closing quote");
	*i = p;
	return 0;
}

static const char *fault_of_char(char c)
{
	if (is_control(c))
		return "control character in address";
	if (c == ' ')
		return "space outside of quotes";
	return "special character outside of quotes";
}

/* What may not stand outside of quotes; '@' and '"' have a meaning of their own. */
static bool is_special(char c)
{
	static const bool special[256] = { ['<'] = true,
		['>'] = true,
		['('] = true,
		[')'] = true,
		['['] = true,
		[']'] = true,
		[':'] = true,
		[';'] = true,
		[','] = true,
		['\\'] = true,
		[' '] = true,
		[0x7f] = true };

	return (unsigned char)c < ' ' || special[(unsigned char)c];
}

/* The domain starts after the last "@" that is not quoted; misplaced dots are tolerated, as MTAs
 * do. */
static int cut(const char *text, size_t len, struct spec *spec, const char **error_r)
{
	size_t at = len, special = len;
	unsigned char bits = 0;

	spec->quoted = false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bits |= (unsigned char)c;
		if (c == '@') {
			at = i;
		} else if (c == '"') {
			size_t start = i;
			if (skip_quoted(text, len, &i, error_r) < 0)
				return -1;
			while (start < i)
				bits |= (unsigned char)text[start++];
			spec->quoted = true;
		} else if (is_special(c) && special == len) {
			special = i;
		}
	}
	/* A domain literal may hold some of them: the domain has rules of its own. */
	if (special < at)
		return fault(error_r, fault_of_char(text[special]));
	spec->local = text;
	spec->local_len = at;
	spec->domain = at < len ? text + at + 1 : NULL;
	spec->domain_len = at < len ? len - at - 1 : 0;
	spec->ascii = bits < 0x80;
	return 0;
}

/* --- the local part ----------------------------------------------------------------------- */

static int take_local(const struct spec *spec, struct address *address, const char **error_r)
{
	const char *p = spec->local, *end = p + spec->local_len;
	size_t n = 0;

	while (p < end) {
		if (spec->quoted && *p == '"') {
			p++;
			continue;
		}
		if (spec->quoted && *p == '\\')
			p++;
		if (n == ADDRESS_MAX)
			return fault(error_r, too_long);
		address->local[n++] = *p++;
	}
	address->local[n] = '\0';
	address->local_len = n;
	return 0;
}

/* Canonical caseless form (Unicode 3.13, D145); -1 where it does not fit. */
static int fold_utf8(struct address *address, size_t len)
{
	uint8_t *key = (uint8_t *)address->key;
	size_t size = ADDRESS_MAX;
	uint8_t *folded =
		u8_casefold((const uint8_t *)address->local, len, NULL, UNINORM_NFC, key, &size);

	if (folded != key) {
		free(folded);
		return -1;
	}
	address->local_len = size;
	return 0;
}

/* The key's first part from address->local, whose length is address->local_len so far. */
static int fold_local(struct address *address, const char **error_r)
{
	size_t len = address->local_len;

	if (address->utf8 && u8_check((const uint8_t *)address->local, len) == NULL) {
		if (fold_utf8(address, len) < 0)
			return fault(error_r, too_long);
	} else {
		for (size_t i = 0; i < len; i++)
			address->key[i] = lower(address->local[i]);
	}
	address->key[address->local_len] = '\0';
	return 0;
}

/* --- whole addresses ---------------------------------------------------------------------- */

static int append_domain(struct address *address, const char *key, const char **error_r)
{
	size_t len = strlen(key);

	if (address->local_len + 1 + len > ADDRESS_MAX)
		return fault(error_r, too_long);
	address->key[address->local_len] = '@';
	memcpy(address->key + address->local_len + 1, key, len + 1);
	return 0;
}

static int build(const struct spec *spec, struct address *address_r, const char **error_r)
{
	char key[ADDRESS_DOMAIN_MAX + 1];

	address_r->has_domain = spec->domain != NULL;
	address_r->utf8 = !spec->ascii;
	if (take_local(spec, address_r, error_r) < 0 || fold_local(address_r, error_r) < 0)
		return -1;
	if (!address_r->has_domain)
		return address_r->local_len ? 0 : fault(error_r, "empty address");
	if (address_domain_key_of(spec->domain, spec->domain_len, key, error_r) < 0)
		return -1;
	return append_domain(address_r, key, error_r);
}

int address_parse(const char *text, struct address *address_r, const char **error_r)
{
	struct spec spec;

	if (cut(text, strlen(text), &spec, error_r) < 0)
		return -1;
	return build(&spec, address_r, error_r);
}

/* Length of "@h1,@h2:" at text, colon included; 0 where no source route starts there. */
static size_t route_len(const char *text, size_t len)
{
	bool literal = false;

	if (len == 0 || text[0] != '@')
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (text[i] == ':' && !literal)
			return i + 1;
		if (text[i] == '[' || text[i] == ']')
			literal = text[i] == '[';
		if (is_control(text[i]) || strchr(" \"<>()\\;", text[i]) != NULL)
			return 0;
	}
	return 0;
}

/* What stands between the angle brackets, where there are any. */
static int open_path(
	const char *argument, const char **inner_r, size_t *len_r, const char **error_r)
{
	size_t len = strlen(argument);

	if (argument[0] != '<') {
		*inner_r = argument;
		*len_r = len;
		return 0;
	}
	if (len < 2 || argument[len - 1] != '>')
		return fault(error_r, "angle bracket is not closed");
	*inner_r = argument + 1;
	*len_r = len - 2;
	return 0;
}

static void make_empty(struct address *address_r)
{
	address_r->key[0] = address_r->local[0] = '\0';
	address_r->local_len = 0;
	address_r->has_domain = address_r->utf8 = false;
}

int address_parse_path(const char *argument, struct address *address_r, const char **error_r)
{
	const char *inner;
	struct spec spec;
	size_t len;

	if (open_path(argument, &inner, &len, error_r) < 0)
		return -1;
	if (len == 0 && argument[0] == '<') {
		make_empty(address_r);
		return 0;
	}
	size_t route = route_len(inner, len);
	if (cut(inner + route, len - route, &spec, error_r) < 0)
		return -1;
	if (spec.local_len == 0)
		return fault(error_r, "empty local part");
	return build(&spec, address_r, error_r);
}

bool address_path_has_route(const char *argument)
{
	const char *inner = argument[0] == '<' ? argument + 1 : argument;

	return route_len(inner, strlen(inner)) > 0;
}

const char *address_domain(const struct address *address)
{
	return address->has_domain ? address->key + address->local_len + 1 : "";
}

/* --- subaddresses and physical addresses --------------------------------------------------- */

static const char *find_detail(const char *local, const char *delimiters)
{
	if (local[0] == '\0' || delimiters[0] == '\0')
		return NULL;
	const char *p = local + 1 + strcspn(local + 1, delimiters);
	return p[0] != '\0' && p[1] != '\0' ? p : NULL;
}

bool address_split_detail(const struct address *address, const char *delimiters,
	struct address *bare_r, const char **detail_r)
{
	const char *detail = find_detail(address->local, delimiters);
	const char *error;

	if (detail == NULL)
		return false;
	bare_r->local_len = (size_t)(detail - address->local);
	memcpy(bare_r->local, address->local, bare_r->local_len);
	bare_r->local[bare_r->local_len] = '\0';
	bare_r->has_domain = address->has_domain;
	bare_r->utf8 = address->utf8;
	if (fold_local(bare_r, &error) < 0)
		return false;
	if (address->has_domain && append_domain(bare_r, address_domain(address), &error) < 0)
		return false;
	*detail_r = detail;
	return true;
}

/* RFC 5321 Dot-string, RFC 6531 included. */
static bool is_dot_string(const char *local)
{
	bool dot = true;

	for (const char *p = local; *p != '\0'; p++) {
		if (*p == '.' ? dot : strchr(" ()<>[]:;@\\,\"", *p) != NULL)
			return false;
		dot = *p == '.';
	}
	return !dot;
}

static void append_local(struct str *out, const char *local)
{
	if (is_dot_string(local)) {
		str_append_z(out, local);
		return;
	}
	str_append_c(out, '"');
	for (const char *p = local; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			str_append_c(out, '\\');
		str_append_c(out, *p);
	}
	str_append_c(out, '"');
}

int address_with_detail(
	const char *physical, const char *detail, struct str *result_r, const char **error_r)
{
	struct address address;
	struct spec spec;
	struct str local = STR_INIT;
	size_t before = result_r->len;

	if (cut(physical, strlen(physical), &spec, error_r) < 0 ||
		take_local(&spec, &address, error_r) < 0)
		return -1;
	str_append_z(&local, address.local);
	str_append_z(&local, detail);
	if (*detail == '\0')
		str_append(result_r, spec.local, spec.local_len);
	else
		append_local(result_r, str_cstr(&local));
	str_free(&local);
	if (spec.domain != NULL)
		str_printf(result_r, "@%s", spec.domain);
	if (result_r->len - before <= ADDRESS_MAX)
		return 0;
	result_r->len = before;
	result_r->data[before] = '\0';
	return fault(error_r, too_long);
}

int address_parse_physical(const char *text, struct address *address_r, const char **error_r)
{
	size_t len = strlen(text);
	struct spec spec;

	if (cut(text, len, &spec, error_r) < 0 || build(&spec, address_r, error_r) < 0)
		return -1;
	if (!spec.ascii)
		return fault(error_r, "physical address is not ASCII");
	if (!address_r->has_domain)
		return fault(error_r, "physical address has no domain");
	if (address_r->local_len == 0)
		return fault(error_r, "physical address has no local part");
	return len <= ADDRESS_MAX ? 0 : fault(error_r, too_long);
}

int address_check_physical(const char *text, const char **error_r)
{
	struct address address;

	return address_parse_physical(text, &address, error_r);
}
