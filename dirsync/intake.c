#include "dirsync/intake.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "lib/csv_stream.h"
#include "lib/ldif.h"
#include "lib/mem.h"

struct intake {
	struct intake_options options;
	struct ldif_reader *ldif; /* one of both */
	struct csv_stream *csv;
	char **columns; /* the name of the mapping that each column has, NULL: none */
	size_t column_count;
	size_t marker_column;          /* column_count or more: there is none */
	struct template_value *values; /* of the person that is being read */
	size_t count, room;
	struct str text; /* fields of CSV, taken apart */
	struct str place;
	struct person person;
	uint64_t persons, refused;
	bool stopped;
	struct str reason;
};

static void add_value(struct intake *in, const char *name, const char *data, size_t len)
{
	if (in->count == in->room) {
		in->room = in->room ? in->room * 2 : 64;
		in->values = mem_grow(in->values, in->room, sizeof(*in->values));
	}
	in->values[in->count++] = (struct template_value){ name, data, len };
}

static int refuse(void *context, const char *place, const char *reason)
{
	struct intake *in = context;
	const struct source_sink *sink = in->options.sink;

	in->refused++;
	if (sink->refused(sink->context, str_cstr(&in->person.id), place, reason) == 0)
		return 0;
	in->stopped = true;
	return -1;
}

/* What the values make of a person goes to the sink. */
static int take_person(struct intake *in, uint64_t line)
{
	const struct source_sink *sink = in->options.sink;
	int usable;

	str_reset(&in->place);
	str_printf(&in->place, "%s:%" PRIu64, in->options.name, line);
	usable = mapping_apply(in->options.mapping, in->place.data, in->values, in->count,
		&in->person, refuse, in);
	if (usable <= 0)
		return usable;
	in->persons++;
	if (sink->person(sink->context, &in->person) == 0)
		return 0;
	in->stopped = true;
	return -1;
}

/* --- what a down sync wrote ------------------------------------------------------------------- */

static const char *marker_value(const struct intake *in)
{
	const char *equals = strchr(in->options.marker, '=');

	return equals != NULL && equals > in->options.marker ? equals + 1 : NULL;
}

static bool is_marker_name(const struct intake *in, const char *name)
{
	size_t len = strlen(name);

	return marker_value(in) != NULL && strncasecmp(in->options.marker, name, len) == 0 &&
	       in->options.marker[len] == '=';
}

static bool is_marker_value(const struct intake *in, const char *data, size_t len)
{
	const char *value = marker_value(in);

	return strlen(value) == len && strncasecmp(value, data, len) == 0;
}

/* --- LDIF ----------------------------------------------------------------------------------- */

static int take_record(void *context, const struct ldif_record *record)
{
	struct intake *in = context;

	for (size_t i = 0; i < record->count; i++)
		if (is_marker_name(in, record->values[i].name) &&
			is_marker_value(in, record->values[i].data, record->values[i].len))
			return 0;
	in->count = 0;
	add_value(in, "dn", record->dn, strlen(record->dn));
	for (size_t i = 0; i < record->count; i++)
		add_value(
			in, record->values[i].name, record->values[i].data, record->values[i].len);
	return take_person(in, record->line);
}

/* --- CSV ------------------------------------------------------------------------------------ */

static bool has_column(const struct intake *in, const char *name)
{
	for (size_t i = 0; i < in->column_count; i++)
		if (in->columns[i] != NULL && strcmp(in->columns[i], name) == 0)
			return true;
	return false;
}

static int miss_column(
	struct intake *in, const char *name, const char *const *names, size_t count, const char **e)
{
	struct str *text = &in->text;

	str_reset(text);
	str_printf(text, "there is no column \"%s\", but the settings of up %s name it; there are",
		name, in->options.settings->name);
	for (size_t i = 0; i < count && text->len < 400; i++)
		str_printf(text, "%s \"%.60s\"", i > 0 ? "," : "", names[i]);
	*e = text->data;
	return -1;
}

static int take_columns(void *context, const char *const *names, size_t count, const char **error_r)
{
	struct intake *in = context;
	const char *const *wanted = mapping_names(in->options.mapping);

	in->columns = mem_grow(NULL, count, sizeof(*in->columns));
	in->column_count = in->marker_column = count;
	for (size_t i = 0; i < count; i++) {
		if (is_marker_name(in, names[i]))
			in->marker_column = i;
		in->columns[i] = NULL;
		for (size_t k = 0; wanted[k] != NULL && in->columns[i] == NULL; k++)
			if (template_same_name(names[i], wanted[k]))
				in->columns[i] = mem_strdup(wanted[k]);
	}
	for (size_t k = 0; wanted[k] != NULL; k++)
		if (!has_column(in, wanted[k]))
			return miss_column(in, wanted[k], names, count, error_r);
	return 0;
}

/* The values between the separators, without the blanks around them. */
static void split_field(struct intake *in, const char *name, char *field)
{
	char separator = in->options.settings->value_separator[0];

	if (template_same_name(name, in->options.settings->id))
		separator = '\0';
	for (char *next; field != NULL; field = next) {
		size_t len;

		next = separator != '\0' ? strchr(field, separator) : NULL;
		if (next != NULL)
			*next++ = '\0';
		field += strspn(field, " \t");
		for (len = strlen(field); len > 0 && strchr(" \t", field[len - 1]) != NULL; len--)
			field[len - 1] = '\0';
		if (len > 0)
			add_value(in, name, field, len);
	}
}

static int take_row(void *context, uint64_t line, const char *const *fields, size_t count)
{
	struct intake *in = context;
	size_t at = 0;

	if (in->marker_column < count &&
		is_marker_value(in, fields[in->marker_column], strlen(fields[in->marker_column])))
		return 0;
	in->count = 0;
	str_reset(&in->text);
	for (size_t i = 0; i < count; i++)
		if (in->columns[i] != NULL)
			str_append(&in->text, fields[i], strlen(fields[i]) + 1);
	for (size_t i = 0; i < count; i++) {
		if (in->columns[i] == NULL)
			continue;
		split_field(in, in->columns[i], in->text.data + at);
		at += strlen(fields[i]) + 1;
	}
	return take_person(in, line);
}

/* --- the stream ----------------------------------------------------------------------------- */

static char separator_of(const struct config_up *settings)
{
	return strcmp(settings->separator, "tab") == 0 ? '\t' : settings->separator[0];
}

struct intake *intake_new(const struct intake_options *options)
{
	struct intake *in = mem_zalloc(sizeof(*in));
	struct csv_sink sink = { in, take_columns, take_row };

	in->options = *options;
	if (options->csv)
		in->csv = csv_stream_new(separator_of(options->settings), &sink);
	else
		in->ldif = ldif_reader_new(take_record, in);
	return in;
}

void intake_free(struct intake **intake)
{
	struct intake *in = *intake;

	if (in == NULL)
		return;
	ldif_reader_free(&in->ldif);
	csv_stream_free(&in->csv);
	for (size_t i = 0; i < in->column_count; i++)
		mem_free(&in->columns[i]);
	mem_free(&in->columns);
	mem_free(&in->values);
	str_free(&in->text);
	str_free(&in->place);
	str_free(&in->reason);
	person_free(&in->person);
	mem_free(intake);
}

static int fail(struct intake *in, const char *error)
{
	uint64_t line = in->csv ? csv_stream_line(in->csv) : ldif_reader_line(in->ldif);

	if (in->reason.len == 0 && error != NULL)
		str_printf(&in->reason, "%s:%" PRIu64 ": %s", in->options.name, line, error);
	return -1;
}

int intake_feed(struct intake *in, const char *data, size_t len)
{
	const char *error = NULL;
	int done = in->csv ? csv_stream_feed(in->csv, data, len, &error)
			   : ldif_reader_feed(in->ldif, data, len, &error);

	return done == 0 ? 0 : fail(in, error);
}

int intake_end(struct intake *in)
{
	const char *error = NULL;
	int done = in->csv ? csv_stream_end(in->csv, &error) : ldif_reader_end(in->ldif, &error);
	bool marked = in->csv ? csv_stream_marked(in->csv) : ldif_reader_marked(in->ldif);

	if (done == 0 && in->options.settings->end_mark && !marked) {
		error = "the last line is not \"# end COUNT\", which end_mark wants: truncated, or "
			"write it";
		done = -1;
	}
	return done == 0 ? 0 : fail(in, error);
}

const char *intake_reason(const struct intake *in)
{
	return in->stopped ? "the pull was stopped" : str_cstr(&in->reason);
}

bool intake_stopped(const struct intake *in)
{
	return in->stopped;
}

uint64_t intake_persons(const struct intake *in)
{
	return in->persons;
}

uint64_t intake_refused(const struct intake *in)
{
	return in->refused;
}
