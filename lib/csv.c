#include "lib/csv.h"

#include <stdbool.h>
#include <string.h>

void csv_begin(struct csv *csv, const char *text, size_t len)
{
	static const char mark[] = "\xef\xbb\xbf";

	memset(csv, 0, sizeof(*csv));
	csv->at = text;
	csv->end = text + len;
	csv->next_line = 1;
	if (len >= 3 && memcmp(text, mark, 3) == 0)
		csv->at += 3;
}

void csv_end(struct csv *csv)
{
	str_free(&csv->text);
	csv->count = 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool at_line_end(const struct csv *csv)
{
	return csv->at == csv->end || *csv->at == '\n' ||
	       (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n');
}

static void pass_blanks(struct csv *csv)
{
	while (csv->at < csv->end && is_blank(*csv->at))
		csv->at++;
}

static void pass_line_end(struct csv *csv)
{
	if (csv->at < csv->end && *csv->at == '\r')
		csv->at++;
	if (csv->at < csv->end)
		csv->at++;
	csv->next_line++;
}

/* Lines that say nothing. */
static void pass_idle_lines(struct csv *csv)
{
	while (csv->at < csv->end) {
		const char *begin = csv->at;

		pass_blanks(csv);
		if (csv->at < csv->end && *csv->at == '#')
			while (!at_line_end(csv))
				csv->at++;
		else if (!at_line_end(csv)) {
			csv->at = begin;
			return;
		}
		if (csv->at < csv->end)
			pass_line_end(csv);
	}
}

/* Behind the opening quote; a quote inside is written twice. */
static int read_quoted(struct csv *csv, const char **error_r)
{
	for (;; csv->at++) {
		if (csv->at == csv->end) {
			*error_r = "a quote is not closed";
			return -1;
		}
		if (*csv->at == '"' && (++csv->at == csv->end || *csv->at != '"'))
			break;
		csv->next_line += *csv->at == '\n';
		str_append_c(&csv->text, *csv->at);
	}
	pass_blanks(csv);
	if (at_line_end(csv) || *csv->at == ',')
		return 0;
	*error_r = "there is something behind a closing quote";
	return -1;
}

static void read_plain(struct csv *csv)
{
	size_t start = csv->text.len;

	while (!at_line_end(csv) && *csv->at != ',')
		str_append_c(&csv->text, *csv->at++);
	while (csv->text.len > start && is_blank(csv->text.data[csv->text.len - 1]))
		csv->text.len--;
}

static int read_field(struct csv *csv, const char **error_r)
{
	size_t start = csv->text.len;

	if (csv->count == CSV_FIELDS_MAX) {
		*error_r = "there are too many fields";
		return -1;
	}
	csv->starts[csv->count++] = start;
	pass_blanks(csv);
	if (csv->at < csv->end && *csv->at == '"') {
		csv->at++;
		if (read_quoted(csv, error_r) != 0)
			return -1;
	} else {
		read_plain(csv);
	}
	if (csv->text.len > start && memchr(csv->text.data + start, '\0', csv->text.len - start)) {
		*error_r = "there is a NUL in it";
		return -1;
	}
	str_append_c(&csv->text, '\0');
	return 0;
}

int csv_next(struct csv *csv, const char **error_r)
{
	str_reset(&csv->text);
	csv->count = 0;
	pass_idle_lines(csv);
	csv->line = csv->next_line;
	if (csv->at == csv->end)
		return 0;
	for (;;) {
		if (read_field(csv, error_r) != 0) {
			csv->at = csv->end;
			csv->count = 0;
			return -1;
		}
		if (at_line_end(csv))
			break;
		csv->at++; /* the comma */
	}
	if (csv->at < csv->end)
		pass_line_end(csv);
	return (int)csv->count;
}

const char *csv_field(const struct csv *csv, size_t index)
{
	return index < csv->count ? csv->text.data + csv->starts[index] : "";
}
