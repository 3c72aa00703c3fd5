#include "dirsync/person.h"

#include <string.h>
#include <strings.h>

#include "lib/utf8.h"

static int fault(const char **error_r, const char *text)
{
	*error_r = text;
	return -1;
}

static void set(struct str *s, const char *text)
{
	str_reset(s);
	str_append_z(s, text);
}

void person_free(struct person *person)
{
	str_free(&person->id);
	str_free(&person->place);
	str_free(&person->physical);
	str_free(&person->physical_key);
	str_free(&person->primary);
	strings_free(&person->addresses);
	strings_free(&person->foreign);
	strings_free(&person->attributes);
}

void person_reset(struct person *person)
{
	str_reset(&person->id);
	str_reset(&person->place);
	str_reset(&person->physical);
	str_reset(&person->physical_key);
	str_reset(&person->primary);
	strings_reset(&person->addresses);
	strings_reset(&person->foreign);
	strings_reset(&person->attributes);
}

/* --- id and physical address ---------------------------------------------------------------- */

/* Printable ASCII without a space: the same in every form. */
static bool is_plain(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

/* Two ids that differ must differ in the directory as well. */
static int check_id(const char *id, const char **error_r)
{
	struct str form = STR_INIT;
	int result = 0;

	if (*id == '\0')
		return fault(error_r, "empty id");
	if (strlen(id) > PERSON_ID_MAX)
		return fault(error_r, "id is longer than 255 bytes");
	if (is_plain(id))
		return 0;
	if (address_rule_form(id, false, &form, error_r) < 0)
		result = fault(error_r, "id is not plain UTF-8 text");
	else if (strcmp(str_cstr(&form), id) != 0)
		result = fault(error_r, "the directory would take the id for another one "
					"(spaces, compatibility characters)");
	str_free(&form);
	return result;
}

int person_set_id(struct person *person, const char *id, const char **error_r)
{
	if (check_id(id, error_r) < 0)
		return -1;
	set(&person->id, id);
	return 0;
}

int person_set_id_bytes(struct person *person, const void *id, size_t len, const char **error_r)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = id;

	if (len == 0)
		return fault(error_r, "empty id");
	if (len > PERSON_ID_MAX / 2)
		return fault(error_r, "binary id is longer than 127 bytes");
	str_reset(&person->id);
	for (size_t i = 0; i < len; i++) {
		str_append_c(&person->id, digits[bytes[i] >> 4]);
		str_append_c(&person->id, digits[bytes[i] & 15]);
	}
	return 0;
}

int person_set_physical(struct person *person, const char *text, const char **error_r)
{
	struct address address;

	if (address_parse_physical(text, &address, error_r) < 0 ||
		address_check_rule(&address, error_r) < 0)
		return -1;
	set(&person->physical, text);
	set(&person->physical_key, address.key);
	return 0;
}

/* --- addresses ------------------------------------------------------------------------------ */

static int parse(const char *text, struct address *address, const char **error_r)
{
	if (strlen(text) > ADDRESS_MAX)
		return fault(error_r, "address too long");
	if (address_parse(text, address, error_r) < 0)
		return -1;
	if (!address->has_domain)
		return fault(error_r, "address has no domain");
	if (address->local_len == 0)
		return fault(error_r, "a catch-all is written in the directory by hand");
	return address_check_rule(address, error_r);
}

/* In its own spelling; U-labels could not be stored in mail. */
static void set_primary(struct person *person, const char *text, const struct address *address)
{
	const char *at = strrchr(text, '@');

	if (utf8_ascii(at, strlen(at))) {
		set(&person->primary, text);
		return;
	}
	str_reset(&person->primary);
	str_append(&person->primary, text, (size_t)(at + 1 - text));
	str_append_z(&person->primary, address_domain(address));
}

int person_add_address(struct person *person, const char *text, bool primary, const char **error_r)
{
	struct address address;

	if (parse(text, &address, error_r) < 0)
		return -1;
	if (person->addresses.count >= PERSON_VALUES_MAX &&
		!strings_has(&person->addresses, address.key))
		return fault(error_r, "more than 1000 addresses");
	strings_add(&person->addresses, address.key);
	if (primary && person->primary.len == 0)
		set_primary(person, text, &address);
	return 0;
}

static bool has_prefix(const char *value, const char *prefix)
{
	return strncasecmp(value, prefix, strlen(prefix)) == 0;
}

int person_add_proxy(struct person *person, const char *value, const char **error_r)
{
	if (has_prefix(value, "smtp:"))
		return person_add_address(
			person, value + 5, strncmp(value, "SMTP:", 5) == 0, error_r);
	if (has_prefix(value, "x500:") || has_prefix(value, "x400:"))
		return person_add_foreign(person, value, error_r);
	return 0;
}

/* --- how the directory has them ------------------------------------------------------------- */

const char *person_address_attribute(const char *key)
{
	return utf8_ascii(key, strlen(key)) ? "mailLocalAddress" : "restanteAddressUTF8";
}

const char *person_primary_attribute(const char *primary)
{
	return utf8_ascii(primary, strlen(primary)) ? "mail" : "restantePrimaryUTF8";
}

void person_address_value(const char *key, struct str *out)
{
	const char *at = strrchr(key, '@');
	size_t len = at != NULL ? (size_t)(at - key) : strlen(key);

	if (strcspn(key, " ()<>[]:;@\\,\"") >= len) {
		str_append_z(out, key);
		return;
	}
	str_append_c(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (key[i] == '"' || key[i] == '\\')
			str_append_c(out, '\\');
		str_append_c(out, key[i]);
	}
	str_append_c(out, '"');
	str_append_z(out, key + len);
}
