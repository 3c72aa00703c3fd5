/* Foreign addresses and attributes of a person: sets in which the directory's equality counts. */
#include <string.h>
#include <strings.h>

#include "dirsync/person.h"
#include "lib/ldap_dn.h"
#include "lib/utf8.h"

static int fault(const char **error_r, const char *text)
{
	*error_r = text;
	return -1;
}

/* telephoneNumberMatch (RFC 4517): spaces and hyphens do not count. */
static bool is_telephone(const char *name, size_t len)
{
	static const char *const names[] = { "telephonenumber", "mobile", "homephone", "pager",
		"facsimiletelephonenumber" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

/* distinguishedNameMatch: the directory gives a DN back in a spelling of its own. */
static bool is_dn(const char *name, size_t len)
{
	static const char *const names[] = { "manager", "secretary", "seealso", "owner", "member",
		"roleoccupant", "uniquemember", "documentauthor", "associatedname",
		"distinguishedname" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i][0] == name[0] && strlen(names[i]) == len &&
			memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

static void drop_hyphens(struct str *form)
{
	size_t kept = 0;

	for (size_t i = 0; i < form->len; i++)
		if (form->data[i] != ' ' && form->data[i] != '-')
			form->data[kept++] = form->data[i];
	form->len = kept;
	if (form->data != NULL)
		form->data[kept] = '\0';
}

/* In which the values of the set with this prefix ("name=", or "" for all) are compared. */
static void form_of(const char *text, size_t prefix, struct str *form)
{
	const char *error;

	str_reset(form);
	if (address_rule_form(text + prefix, true, form, &error) < 0)
		str_append_z(form, text + prefix);
	if (prefix > 0 && is_telephone(text, prefix - 1))
		drop_hyphens(form);
}

/* The member that the directory would take for text, NULL where there is none. */
static const char *find_twin(const struct strings *set, const char *text, size_t prefix)
{
	struct str wanted = STR_INIT, form = STR_INIT;
	const char *twin = NULL;

	for (const char *t = strings_first(set); t != NULL; t = strings_next(set, t)) {
		if (prefix > 0 && strncmp(t, text, prefix) != 0)
			continue;
		if (wanted.data == NULL)
			form_of(text, prefix, &wanted);
		form_of(t, prefix, &form);
		if (strcmp(str_cstr(&wanted), str_cstr(&form)) == 0) {
			twin = t;
			break;
		}
	}
	str_free(&wanted);
	str_free(&form);
	return twin;
}

/* Of two that are one in the directory the smaller stays, in whatever order they come. */
static int add(struct strings *set, const char *text, size_t prefix, const char **error_r)
{
	const char *twin = find_twin(set, text, prefix);

	if (twin != NULL && strcmp(twin, text) <= 0)
		return 0;
	if (twin != NULL)
		strings_remove(set, twin);
	if (set->count >= PERSON_VALUES_MAX)
		return fault(error_r, "more than 1000 values");
	strings_add(set, text);
	return 0;
}

int person_add_foreign(struct person *person, const char *address, const char **error_r)
{
	char text[PERSON_VALUE_MAX + 1];

	if (strncasecmp(address, "X500:", 5) != 0 && strncasecmp(address, "X400:", 5) != 0)
		return fault(error_r, "a foreign address begins with X500: or X400:");
	if (address[5] == '\0')
		return fault(error_r, "empty foreign address");
	if (strlen(address) > PERSON_VALUE_MAX)
		return fault(error_r, "foreign address is longer than 1024 bytes");
	if (!utf8_valid(address))
		return fault(error_r, "foreign address is not UTF-8");
	memcpy(text, address, strlen(address) + 1);
	text[0] = 'X';
	return add(&person->foreign, text, 0, error_r);
}

static bool is_letter(char c)
{
	char small = (char)(c | 0x20);

	return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == ';' || c == '_';
}

static bool is_name(const char *name)
{
	size_t len = 0;

	while (is_letter(name[len]))
		len++;
	return len > 0 && len <= PERSON_NAME_MAX && name[len] == '\0';
}

/* In one spelling, where there is room for it. */
static void spell_dn(char *value)
{
	struct str plain = STR_INIT;

	if (ldap_dn_plain(value, &plain) && plain.len > 0 && plain.len <= PERSON_VALUE_MAX)
		memcpy(value, plain.data, plain.len + 1);
	str_free(&plain);
}

int person_add_attribute(
	struct person *person, const char *name, const char *value, const char **error_r)
{
	char text[PERSON_NAME_MAX + 1 + PERSON_VALUE_MAX + 1];
	size_t prefix = strlen(name) + 1, len = strlen(value);

	if (!is_name(name))
		return fault(error_r, "no name of an attribute");
	if (len == 0)
		return 0;
	if (len > PERSON_VALUE_MAX)
		return fault(error_r, "value is longer than 1024 bytes");
	if (!utf8_valid(value))
		return fault(error_r, "value is not UTF-8");
	for (size_t i = 0; i < prefix; i++)
		text[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
	text[prefix - 1] = '=';
	memcpy(text + prefix, value, len + 1);
	if (is_dn(text, prefix - 1))
		spell_dn(text + prefix);
	return add(&person->attributes, text, prefix, error_r);
}

const char *person_attribute(const struct person *person, const char *name)
{
	size_t len = strlen(name);

	for (const char *t = strings_first(&person->attributes); t != NULL;
		t = strings_next(&person->attributes, t))
		if (strncmp(t, name, len) == 0 && t[len] == '=')
			return t + len + 1;
	return NULL;
}
