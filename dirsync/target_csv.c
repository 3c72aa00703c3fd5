/*
 * An address book as one CSV file (RFC 4180): UTF-8, a line of names, then a line for each contact;
 * the first column is the federation's id.
 */
#include <string.h>

#include "dirsync/target_internal.h"

void target_csv_field(struct str *out, bool first, const char *text)
{
	size_t len = strlen(text);
	/* readers take blanks at the edges for nothing, and a # for a comment */
	bool quoted = strpbrk(text, ",\"\r\n") != NULL ||
		      (len > 0 && (strchr(" \t#", text[0]) != NULL ||
					  strchr(" \t", text[len - 1]) != NULL));

	if (!first)
		str_append_c(out, ',');
	if (!quoted) {
		str_append(out, text, len);
		return;
	}
	str_append_c(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			str_append_c(out, '"');
		str_append_c(out, *text);
	}
	str_append_c(out, '"');
}

void target_csv_values(struct str *out, const struct person *contact, const char *name)
{
	struct str all = STR_INIT;

	for (const char *v = contact_first(contact, name); v != NULL;
		v = contact_next(contact, name, v)) {
		if (all.len > 0)
			str_append_c(&all, ';');
		str_append_z(&all, v);
	}
	target_csv_field(out, false, str_cstr(&all));
	str_free(&all);
}

void target_csv_end(struct str *out)
{
	str_append_z(out, "\r\n");
}

static void begin(const struct target_options *options, struct str *out)
{
	target_csv_field(out, true, "id");
	for (const char *const *n = contact_form_names(options->form); *n != NULL; n++)
		target_csv_field(out, false, *n);
	target_csv_end(out);
}

static void record(
	const struct target_options *options, const struct person *contact, struct str *out)
{
	target_csv_field(out, true, str_cstr(&contact->id));
	for (const char *const *n = contact_form_names(options->form); *n != NULL; n++)
		target_csv_values(out, contact, *n);
	target_csv_end(out);
}

static struct target *open_csv(const struct target_options *options)
{
	static const struct target_format format = { begin, record, NULL };

	return target_file_open(options, &format);
}

const struct target_kind target_csv_kind = TARGET_FILE_KIND("csv", target_file_check, open_csv);
