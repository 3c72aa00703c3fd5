#include "lib/csv_stream.h"

#include <inttypes.h>
#include <string.h>

#include "lib/endmark.h"
#include "lib/mem.h"
#include "lib/str.h"
#include "lib/utf8.h"

enum state {
	ROW,    /* before a row */
	FIELD,  /* behind a separator, and behind blanks there */
	PLAIN,  /* in a field without quotes */
	QUOTED, /* in one with quotes */
	QUOTE,  /* behind a quote there: its end, or the first of two */
	BEHIND, /* behind its end */
	CR,     /* an LF must follow */
};

struct csv_stream {
	struct csv_sink sink;
	char separator;
	enum state state;
	unsigned order;  /* bytes of the byte order mark that were seen; NO_ORDER: behind it */
	uint64_t lines;  /* line ends that were read */
	uint64_t begin;  /* line of the row */
	struct str text; /* fields, each with its NUL */
	size_t *starts;
	size_t start; /* of the field that is being read */
	size_t count, room;
	const char **fields;
	struct str header; /* names of the columns, each with its NUL */
	size_t columns;    /* 0 = not read yet */
	uint64_t rows;
	bool marked, failed, stopped;
	uint64_t fault;
	struct str error;
};

#define NO_ORDER 4

struct csv_stream *csv_stream_new(char separator, const struct csv_sink *sink)
{
	struct csv_stream *s = mem_zalloc(sizeof(*s));

	s->sink = *sink;
	s->separator = separator;
	return s;
}

void csv_stream_free(struct csv_stream **stream)
{
	struct csv_stream *s = *stream;

	if (s == NULL)
		return;
	str_free(&s->text);
	str_free(&s->header);
	str_free(&s->error);
	mem_free(&s->starts);
	mem_free(&s->fields);
	mem_free(stream);
}

/* text: NULL where s->error says it already. */
static int fail(struct csv_stream *s, uint64_t line, const char *text)
{
	s->failed = true;
	s->fault = line;
	if (text != NULL)
		str_append_z(&s->error, text);
	return -1;
}

static const char *column_name(const struct csv_stream *s, size_t index)
{
	const char *name = str_cstr(&s->header);

	for (; index > 0; index--)
		name += strlen(name) + 1;
	return name;
}

static int end_field(struct csv_stream *s)
{
	const char *field;

	str_append_c(&s->text, '\0');
	field = s->text.data + s->start;
	if (s->count == CSV_COLUMNS_MAX)
		return fail(s, s->lines + 1, "there are more than 1024 columns");
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 32;
		s->starts = mem_grow(s->starts, s->room, sizeof(*s->starts));
		s->fields = mem_grow(s->fields, s->room, sizeof(*s->fields));
	}
	if (strlen(field) + 1 != s->text.len - s->start)
		return fail(s, s->lines + 1, "there is a NUL in it; write UTF-8");
	if (!utf8_ascii(field, strlen(field)) && !utf8_valid(field)) {
		str_printf(&s->error, "column %zu%s%s is not UTF-8; write the file in UTF-8",
			s->count + 1, s->count < s->columns ? ", " : "",
			s->count < s->columns ? column_name(s, s->count) : "");
		return fail(s, s->lines + 1, NULL);
	}
	s->starts[s->count++] = s->start;
	s->start = s->text.len;
	return 0;
}

static void drop_blanks(struct csv_stream *s)
{
	while (s->text.len > s->start &&
		(s->text.data[s->text.len - 1] == ' ' || s->text.data[s->text.len - 1] == '\t'))
		s->text.len--;
}

static int take_header(struct csv_stream *s)
{
	const char *error = NULL;

	str_append(&s->header, s->text.data, s->text.len);
	s->columns = s->count;
	if (s->sink.header(s->sink.context, s->fields, s->count, &error) == 0)
		return 0;
	return fail(s, s->begin, error);
}

static int take_mark(struct csv_stream *s, uint64_t count)
{
	s->marked = true;
	if (count == s->rows)
		return 0;
	str_printf(&s->error,
		"\"# end %" PRIu64 "\" does not agree with the %" PRIu64
		" rows before it: something is missing",
		count, s->rows);
	return fail(s, s->begin, NULL);
}

static int take_row(struct csv_stream *s)
{
	s->rows++;
	if (s->sink.row(s->sink.context, s->begin, s->fields, s->count) == 0)
		return 0;
	s->stopped = true;
	return fail(s, s->begin, NULL);
}

/* Spreadsheets put separators behind the mark, too. */
static bool is_mark(const struct csv_stream *s, uint64_t *count_r)
{
	for (size_t i = 1; i < s->count; i++)
		if (s->fields[i][0] != '\0')
			return false;
	return s->columns > 0 && endmark_read(s->fields[0], count_r);
}

static int judge_row(struct csv_stream *s)
{
	uint64_t count;

	if (s->marked)
		return fail(s, s->begin, "there is something behind \"# end COUNT\"");
	if (is_mark(s, &count))
		return take_mark(s, count);
	if (s->columns == 0)
		return take_header(s);
	if (s->count == s->columns)
		return take_row(s);
	str_printf(&s->error,
		"this row has %zu fields, but there are %zu columns: cut off, or a separator in "
		"it is not in quotes",
		s->count, s->columns);
	return fail(s, s->begin, NULL);
}

static int end_row(struct csv_stream *s)
{
	int done = 0;

	s->lines++;
	for (size_t i = 0; i < s->count; i++)
		s->fields[i] = s->text.data + s->starts[i];
	if (s->count > 0)
		done = judge_row(s);
	str_reset(&s->text);
	s->start = s->count = 0;
	s->state = ROW;
	return done;
}

/* A separator or a line end: behind a field, or in the place of one. */
static int end_of(struct csv_stream *s, char c)
{
	if (s->state == PLAIN)
		drop_blanks(s);
	if (s->state == ROW)
		s->begin = s->lines + 1;
	/* An empty line is none. */
	if ((s->state != ROW || c == s->separator) && end_field(s) != 0)
		return -1;
	if (c == s->separator) {
		s->state = FIELD;
		return 0;
	}
	s->state = CR;
	return c == '\n' ? end_row(s) : 0;
}

static int take_quoted(struct csv_stream *s, char c)
{
	if (c == '"') {
		s->state = QUOTE;
		return 0;
	}
	s->lines += c == '\n';
	str_append_c(&s->text, c);
	return 0;
}

/* The first byte of a field that is not empty. */
static int begin_field(struct csv_stream *s, char c)
{
	if (s->state == ROW)
		s->begin = s->lines + 1;
	s->state = c == '"' ? QUOTED : PLAIN;
	if (c != '"')
		str_append_c(&s->text, c);
	return 0;
}

static int take_byte(struct csv_stream *s, char c)
{
	bool blank = c == ' ' || c == '\t';

	if (s->state == QUOTED)
		return take_quoted(s, c);
	if (s->state == CR)
		return c == '\n' ? end_row(s) : fail(s, s->lines + 1, "there is a CR without LF");
	if (s->state == QUOTE && c == '"') {
		s->state = QUOTED;
		str_append_c(&s->text, c);
		return 0;
	}
	if (c == s->separator || c == '\n' || c == '\r')
		return end_of(s, c);
	if (s->state == PLAIN) {
		str_append_c(&s->text, c);
		return 0;
	}
	if (s->state == QUOTE || s->state == BEHIND) {
		s->state = BEHIND;
		return blank ? 0
			     : fail(s, s->lines + 1,
				       "there is something behind a closing quote; a quote in "
				       "a field is written twice");
	}
	return blank ? 0 : begin_field(s, c);
}

/* What a file may begin with, and what it must not begin with. True: the byte is done with. */
static bool take_order(struct csv_stream *s, char c)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (s->order < 3 && c == mark[s->order]) {
		s->order++;
		return true;
	}
	if (s->order == 0 && (c == '\xff' || c == '\xfe'))
		fail(s, 1, "this is UTF-16; write it in UTF-8");
	else if (s->order == 1 || s->order == 2)
		fail(s, 1, "this is not UTF-8; write the file in UTF-8");
	s->order = NO_ORDER;
	return false;
}

/* Bytes that mean nothing where we are. */
static size_t run_of(const struct csv_stream *s, const char *data, size_t len)
{
	size_t n = 0;

	if (s->state == QUOTED)
		while (n < len && data[n] != '"' && data[n] != '\n')
			n++;
	else if (s->state == PLAIN)
		while (n < len && data[n] != s->separator && data[n] != '\n' && data[n] != '\r')
			n++;
	return n;
}

static void take_bytes(struct csv_stream *s, const char *data, size_t len)
{
	for (size_t at = 0; at < len && !s->failed;) {
		size_t n = run_of(s, data + at, len - at);

		if (s->text.len + n > CSV_ROW_MAX) {
			fail(s, s->begin,
				"a row is larger than 1 MB; is a quote not closed, or are the line "
				"ends no LF?");
		} else if (n > 0) {
			str_append(&s->text, data + at, n);
			at += n;
		} else {
			if (s->order == NO_ORDER || !take_order(s, data[at]))
				if (!s->failed)
					take_byte(s, data[at]);
			at++;
		}
	}
}

int csv_stream_feed(struct csv_stream *s, const char *data, size_t len, const char **error_r)
{
	take_bytes(s, data, len);
	if (!s->failed)
		return 0;
	*error_r = s->stopped ? NULL : str_cstr(&s->error);
	return -1;
}

int csv_stream_end(struct csv_stream *s, const char **error_r)
{
	if (s->failed) {
		*error_r = s->stopped ? NULL : str_cstr(&s->error);
		return -1;
	}
	if (s->state == QUOTED)
		fail(s, s->begin, "a quote is not closed: truncated");
	else if (s->state != ROW)
		fail(s, s->lines + 1, "the last line has no end: truncated");
	else if (s->columns == 0)
		fail(s, s->lines + 1, "it is empty; the first line must name the columns");
	*error_r = str_cstr(&s->error);
	return s->failed ? -1 : 0;
}

uint64_t csv_stream_line(const struct csv_stream *s)
{
	return s->failed ? s->fault : s->lines;
}

uint64_t csv_stream_rows(const struct csv_stream *s)
{
	return s->rows;
}

bool csv_stream_marked(const struct csv_stream *s)
{
	return s->marked;
}
