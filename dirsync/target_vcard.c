/*
 * An address book as one file of vCards (RFC 6350, version 4.0). Attributes have their places by
 * the names that LDAP gives them; mail is the preferred address, otherMailbox has further ones.
 */
#include <string.h>
#include <strings.h>

#include "dirsync/target_internal.h"

#define LINE_BYTES 75 /* of a folded line, without its line end */

static const struct {
	const char *attribute, *property;
} lines[] = {
	{ "mail", "EMAIL;PREF=1" },
	{ "otherMailbox", "EMAIL" },
	{ "telephoneNumber", "TEL;TYPE=work" },
	{ "homePhone", "TEL;TYPE=home" },
	{ "mobile", "TEL;TYPE=cell" },
	{ "facsimileTelephoneNumber", "TEL;TYPE=fax" },
	{ "title", "TITLE" },
	{ "departmentNumber", "ROLE" },
	{ "labeledURI", "URL" },
	{ "description", "NOTE" },
};

/* What is part of N, FN, ORG or ADR. */
static const char *const parts[] = { "cn", "displayName", "sn", "givenName", "initials", "o", "ou",
	"street", "l", "st", "postalCode", "c", NULL };

/* --- lines ---------------------------------------------------------------------------------- */

static void escape(struct str *out, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\n')
			str_append_z(out, "\\n");
		else if (strchr("\\,;", *text) != NULL) {
			str_append_c(out, '\\');
			str_append_c(out, *text);
		} else if (*text != '\r')
			str_append_c(out, *text);
}

/* Octets that fit into a line, without parting a character. */
static size_t fitting(const char *text, size_t len, size_t room)
{
	size_t fit = len < room ? len : room;

	while (fit < len && fit > 0 && ((unsigned char)text[fit] & 0xc0) == 0x80)
		fit--;
	return fit > 0 ? fit : len < room ? len : room;
}

/* The logical line in two or more, each but the first beginning with a blank. */
static void put_line(struct str *out, const struct str *line)
{
	const char *at = line->data;
	size_t left = line->len;

	for (size_t room = LINE_BYTES; left > 0; room = LINE_BYTES - 1) {
		size_t fit = fitting(at, left, room);

		if (room < LINE_BYTES)
			str_append_c(out, ' ');
		str_append(out, at, fit);
		str_append_z(out, "\r\n");
		at += fit;
		left -= fit;
	}
}

static void put_text(struct str *out, const char *property, const char *value)
{
	struct str line = STR_INIT;

	str_printf(&line, "%s:", property);
	escape(&line, value);
	put_line(out, &line);
	str_free(&line);
}

/* "N:sn;givenName;;;" where at least one of the names has a value. names: NULL-terminated, ""
 * stands for a part that is always empty. */
static void put_parts(struct str *out, const char *property, const struct person *contact,
	const char *const *names)
{
	struct str line = STR_INIT;
	bool any = false;

	str_printf(&line, "%s:", property);
	for (size_t i = 0; names[i] != NULL; i++) {
		const char *value = contact_first(contact, names[i]);

		if (i > 0)
			str_append_c(&line, ';');
		if (value != NULL)
			escape(&line, value);
		any |= value != NULL;
	}
	if (any)
		put_line(out, &line);
	str_free(&line);
}

/* --- a card --------------------------------------------------------------------------------- */

static const char *full_name(const struct person *contact)
{
	static const char *const names[] = { "displayName", "cn", "sn", "mail" };
	const char *value = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && value == NULL; i++)
		value = contact_first(contact, names[i]);
	return value != NULL ? value : str_cstr(&contact->id);
}

static void record(
	const struct target_options *options, const struct person *contact, struct str *out)
{
	static const char *const name[] = { "sn", "givenName", "initials", "", "", NULL };
	static const char *const organisation[] = { "o", "ou", NULL };
	static const char *const address[] = { "", "", "street", "l", "st", "postalCode", "c",
		NULL };

	(void)options;
	str_append_z(out, "BEGIN:VCARD\r\nVERSION:4.0\r\n");
	str_printf(out, "UID:urn:uuid:%s\r\n", str_cstr(&contact->id));
	put_text(out, "FN", full_name(contact));
	put_parts(out, "N", contact, name);
	put_parts(out, "ORG", contact, organisation);
	put_parts(out, "ADR", contact, address);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (const char *v = contact_first(contact, lines[i].attribute); v != NULL;
			v = contact_next(contact, lines[i].attribute, v))
			put_text(out, lines[i].property, v);
	str_append_z(out, "END:VCARD\r\n");
}

/* --- settings ------------------------------------------------------------------------------- */

static bool has_place(const char *name)
{
	for (const char *const *p = parts; *p != NULL; p++)
		if (strcasecmp(*p, name) == 0)
			return true;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strcasecmp(lines[i].attribute, name) == 0)
			return true;
	return false;
}

static int check(const struct config_down *settings, const char **error_r)
{
	struct contact_form *form;
	int result = target_file_check(settings, error_r);

	if (result < 0 || (form = contact_form_new(settings, error_r)) == NULL)
		return -1;
	for (const char *const *n = contact_form_names(form); *n != NULL && result == 0; n++)
		if (!has_place(*n))
			result = target_fail(error_r,
				"down %s.attributes: %s has no place in a vCard; "
				"restante.conf(5) says which have",
				settings->name, *n);
	contact_form_free(&form);
	return result;
}

static struct target *open_vcard(const struct target_options *options)
{
	static const struct target_format format = { NULL, record, NULL };

	return target_file_open(options, &format);
}

const struct target_kind target_vcard_kind = TARGET_FILE_KIND("vcard", check, open_vcard);
