#include "lib/template.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

#define ERROR_MAX 400

static _Thread_local char error_text[ERROR_MAX];

static int fault(const char **error_r, const char *format, const char *text)
{
	snprintf(error_text, sizeof error_text, format, text);
	*error_r = error_text;
	return -1;
}

/* --- names ---------------------------------------------------------------------------------- */

#define SECOND(name) name, sizeof(name) - 1

/* RFC 4519 and RFC 4524 give these attributes two names each; servers answer with the first. */
static const struct {
	const char *first, *second;
	size_t len; /* of the second: it is looked for with each attribute of each entry */
} aliases[] = {
	{ "cn", SECOND("commonName") },
	{ "sn", SECOND("surname") },
	{ "givenName", SECOND("gn") },
	{ "mail", SECOND("rfc822Mailbox") },
	{ "uid", SECOND("userid") },
	{ "o", SECOND("organizationName") },
	{ "ou", SECOND("organizationalUnitName") },
	{ "l", SECOND("localityName") },
	{ "st", SECOND("stateOrProvinceName") },
	{ "c", SECOND("countryName") },
	{ "street", SECOND("streetAddress") },
	{ "facsimileTelephoneNumber", SECOND("fax") },
	{ "mobile", SECOND("mobileTelephoneNumber") },
	{ "pager", SECOND("pagerTelephoneNumber") },
	{ "homePhone", SECOND("homeTelephoneNumber") },
};

static bool same(const char *a, const char *b)
{
	return ((a[0] ^ b[0]) & 0xdf) == 0 && strcasecmp(a, b) == 0;
}

const char *template_canonical_name(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
		if (aliases[i].len == len && same(name, aliases[i].second))
			return aliases[i].first;
	return name;
}

bool template_same_name(const char *a, const char *b)
{
	return same(a, b) || same(template_canonical_name(a), template_canonical_name(b));
}

/* --- one expression ------------------------------------------------------------------------- */

struct expression {
	const char *names; /* "mail|uid", not NUL-terminated */
	size_t len;
	bool local, domain, lower, safe;
};

static bool take_modifier(struct expression *e, const char *name, size_t len)
{
	static const char *const names[] = { "local", "domain", "lower", "safe" };
	bool *const flags[] = { &e->local, &e->domain, &e->lower, &e->safe };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
			*flags[i] = true;
			return true;
		}
	}
	return false;
}

/* The next of the names into `name`; false at their end. */
static bool next_name(const char **names, size_t *len, char name[TEMPLATE_NAME_MAX + 1])
{
	const char *bar = memchr(*names, '|', *len);
	size_t n = bar != NULL ? (size_t)(bar - *names) : *len;

	if (*len == 0 || n > TEMPLATE_NAME_MAX)
		return false;
	memcpy(name, *names, n);
	name[n] = '\0';
	n += bar != NULL;
	*names += n;
	*len -= n;
	return true;
}

static bool are_names(const char *names, size_t len)
{
	char name[TEMPLATE_NAME_MAX + 1];

	if (len == 0 || names[len - 1] == '|')
		return false;
	while (next_name(&names, &len, name))
		if (name[0] == '\0' || strpbrk(name, "%{}=\"") != NULL)
			return false;
	return len == 0;
}

/* From "{" to behind "}". NULL where it is wrong. */
static const char *parse(const char *p, struct expression *e, const char **error_r)
{
	size_t len = *p == '{' ? strcspn(p, "}") : 0;

	if (len == 0 || p[len] != '}') {
		fault(error_r, "behind a percent sign must be {NAME} or another one: %%%s", p);
		return NULL;
	}
	*e = (struct expression){ .names = p + 1, .len = strcspn(p + 1, ":}") };
	if (!are_names(e->names, e->len)) {
		fault(error_r, "%%%s: no names of attributes", p);
		return NULL;
	}
	for (const char *m = e->names + e->len; *m == ':'; m += 1 + strcspn(m + 1, ":}")) {
		if (!take_modifier(e, m + 1, strcspn(m + 1, ":}"))) {
			fault(error_r, "%%%s: only :local, :domain, :lower and :safe are known", p);
			return NULL;
		}
	}
	return p + len + 1;
}

/* The first value, NULL where the attribute has none. */
static const struct template_value *find(
	const char *name, const struct template_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (values[i].len > 0 && template_same_name(values[i].name, name))
			return &values[i];
	return NULL;
}

static const struct template_value *find_any(
	const struct expression *e, const struct template_value *values, size_t count)
{
	char name[TEMPLATE_NAME_MAX + 1];
	const char *names = e->names;
	size_t len = e->len;
	const struct template_value *value = NULL;

	while (value == NULL && next_name(&names, &len, name))
		value = find(name, values, count);
	return value;
}

static int missing(const struct expression *e, const char **error_r)
{
	char names[TEMPLATE_NAME_MAX + 1];

	snprintf(names, sizeof names, "%.*s", (int)e->len, e->names);
	return fault(error_r, "no value of %s", names);
}

/* Where what is put in goes. */
struct sink {
	template_escape escape; /* NULL: as it is */
	void *context;
	struct str *out;
};

static void put(const struct sink *sink, const struct template_value *value, const char *text)
{
	if (sink->escape != NULL)
		sink->escape(sink->context, value, text, sink->out);
	else
		str_append_z(sink->out, text);
}

/* Two texts may become one: it is no key. */
static char *make_safe(const char *text)
{
	struct str out = STR_INIT;

	for (const char *c = text; *c != '\0'; c++) {
		bool letter = (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
		bool mark = strchr("-_+", *c) != NULL || (*c == '.' && c > text);

		if (letter || mark || (*c >= '0' && *c <= '9'))
			str_append_c(&out, *c);
		else
			str_printf(&out, "_%02x", (unsigned)(unsigned char)*c);
	}
	return str_steal(&out);
}

static int append(const struct expression *e, const struct template_value *value,
	const struct sink *sink, const char **error_r)
{
	const char *at = strrchr(value->data, '@'), *text = value->data;
	size_t len = value->len;

	if (strlen(text) != len)
		return fault(error_r, "%s has a value that is not text", value->name);
	if (e->domain) {
		if (at == NULL)
			return fault(error_r, "%s has no domain", value->name);
		text = at + 1;
		len = strlen(text);
	} else if (e->local && at != NULL) {
		len = (size_t)(at - text);
	}
	char *part = mem_strndup(text, len);
	for (char *c = part; e->lower && *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	if (e->safe) {
		char *safe = make_safe(part);
		mem_free(&part);
		part = safe;
	}
	put(sink, value, part);
	mem_free(&part);
	return 0;
}

/* --- whole templates ------------------------------------------------------------------------ */

int template_fill_escaped(const char *template, const struct template_value *values, size_t count,
	template_escape escape, void *context, struct str *out, const char **error_r)
{
	const struct sink sink = { escape, context, out };
	const char *p = template;
	struct expression e;

	while (*p != '\0') {
		size_t plain = strcspn(p, "%");
		str_append(out, p, plain);
		p += plain;
		if (*p == '%' && p[1] == '%') {
			str_append_c(out, '%');
			p += 2;
		} else if (*p == '%') {
			if ((p = parse(p + 1, &e, error_r)) == NULL)
				return -1;
			const struct template_value *value = find_any(&e, values, count);
			if (value == NULL)
				return missing(&e, error_r);
			if (append(&e, value, &sink, error_r) < 0)
				return -1;
		}
	}
	return 0;
}

int template_fill(const char *template, const struct template_value *values, size_t count,
	struct str *out, const char **error_r)
{
	return template_fill_escaped(template, values, count, NULL, NULL, out, error_r);
}

int template_names(const char *template, void (*name)(void *context, const char *name),
	void *context, const char **error_r)
{
	const char *p = template;
	struct expression e;

	while ((p = strchr(p, '%')) != NULL) {
		if (p[1] == '%') {
			p += 2;
			continue;
		}
		if ((p = parse(p + 1, &e, error_r)) == NULL)
			return -1;
		char one[TEMPLATE_NAME_MAX + 1];
		while (next_name(&e.names, &e.len, one))
			name(context, one);
	}
	return 0;
}
