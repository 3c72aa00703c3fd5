#include "lib/ldif.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "lib/base64.h"
#include "lib/endmark.h"
#include "lib/mem.h"
#include "lib/utf8.h"

/* Offsets into `text`, which moves while it grows. */
struct place {
	size_t name, data, len;
};

struct ldif_reader {
	ldif_take take;
	void *context;
	struct str part;        /* a line whose end was not read yet */
	struct str line;        /* unfolded; whether it is complete shows the line behind it */
	bool pending;           /* there is such a line ... */
	uint64_t pending_begin; /* ... and it began there */
	uint64_t lines;         /* ends of lines read */
	struct str text;        /* names and values of the record; begins with the DN */
	struct place *places;
	size_t count, room;
	struct ldif_value *values;
	size_t values_room;
	uint64_t begin; /* line of its dn:, 0 = no record is open */
	uint64_t records;
	bool marked, failed, stopped;
	uint64_t fault; /* line of the error */
	struct str error;
};

struct ldif_reader *ldif_reader_new(ldif_take take, void *context)
{
	struct ldif_reader *reader = mem_zalloc(sizeof(*reader));

	reader->take = take;
	reader->context = context;
	return reader;
}

void ldif_reader_free(struct ldif_reader **reader)
{
	struct ldif_reader *r = *reader;

	if (r == NULL)
		return;
	str_free(&r->part);
	str_free(&r->line);
	str_free(&r->text);
	str_free(&r->error);
	mem_free(&r->places);
	mem_free(&r->values);
	mem_free(reader);
}

/* text: NULL where r->error says it already. */
static int fail(struct ldif_reader *r, uint64_t line, const char *text)
{
	r->failed = true;
	r->fault = line;
	if (text != NULL)
		str_append_z(&r->error, text);
	return -1;
}

/* With the beginning of the line that is wrong. */
static int fail_at(struct ldif_reader *r, const char *what)
{
	char shown[41];
	size_t n = 0;

	for (const char *p = r->line.data; n < sizeof(shown) - 1 && n < r->line.len; p++)
		shown[n++] = *p >= ' ' && *p < 0x7f ? *p : '?';
	shown[n] = '\0';
	str_printf(&r->error, "%s: \"%s%s\"", what, shown, n < r->line.len ? "..." : "");
	return fail(r, r->pending_begin, NULL);
}

static int end_record(struct ldif_reader *r)
{
	if (r->begin == 0)
		return 0;
	if (r->values_room < r->room) {
		r->values_room = r->room;
		r->values = mem_grow(r->values, r->room, sizeof(*r->values));
	}
	for (size_t i = 0; i < r->count; i++)
		r->values[i] = (struct ldif_value){ r->text.data + r->places[i].name,
			r->text.data + r->places[i].data, r->places[i].len };
	struct ldif_record record = { r->begin, r->text.data, r->values, r->count };
	r->begin = 0;
	r->records++;
	if (r->take(r->context, &record) == 0)
		return 0;
	r->stopped = true;
	return fail(r, record.line, NULL);
}

/* A comment: none of our business, or the end. */
static int read_comment(struct ldif_reader *r)
{
	uint64_t count;

	if (strlen(r->line.data) != r->line.len || !endmark_read(r->line.data, &count))
		return 0;
	if (r->marked)
		return fail(r, r->pending_begin, "there is something behind \"# end COUNT\"");
	if (end_record(r) != 0)
		return -1;
	r->marked = true;
	if (count == r->records)
		return 0;
	str_printf(&r->error,
		"\"# end %" PRIu64 "\" does not agree with the %" PRIu64
		" records before it: something is missing",
		count, r->records);
	return fail(r, r->pending_begin, NULL);
}

static bool is_name(const char *name, size_t len)
{
	if (len == 0 || name[0] == '-' || name[0] == ';' || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (strchr("-;.", name[i]) == NULL && !(name[i] >= '0' && name[i] <= '9') &&
			!((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z'))
			return false;
	return true;
}

/* Appends name and value to the record's text; p is behind the colon. */
static int read_value(struct ldif_reader *r, size_t name_len, const char *p, struct place *place_r)
{
	bool encoded = *p == ':';
	size_t rest;

	if (*p == '<')
		return fail_at(r, "a value by URL is not read; write the value itself");
	p += encoded;
	p += strspn(p, " ");
	rest = r->line.len - (size_t)(p - r->line.data);
	place_r->name = r->text.len;
	str_append(&r->text, r->line.data, name_len);
	str_append_c(&r->text, '\0');
	place_r->data = r->text.len;
	if (!encoded)
		str_append(&r->text, p, rest);
	else if (base64_decode(&r->text, p, rest) != 0)
		return fail_at(r, "this is no base64");
	place_r->len = r->text.len - place_r->data;
	str_append_c(&r->text, '\0');
	return 0;
}

static bool named(const struct ldif_reader *r, size_t name_len, const char *name)
{
	return name_len == strlen(name) && strncasecmp(r->line.data, name, name_len) == 0;
}

static int open_record(struct ldif_reader *r, size_t name_len, const char *p)
{
	struct place dn;

	str_reset(&r->text);
	r->count = 0;
	if (read_value(r, name_len, p, &dn) != 0)
		return -1;
	if (memchr(r->text.data + dn.data, '\0', dn.len) != NULL ||
		!utf8_valid(r->text.data + dn.data))
		return fail_at(r, "this DN is no UTF-8");
	memmove(r->text.data, r->text.data + dn.data, dn.len + 1);
	r->text.len = dn.len + 1;
	r->begin = r->pending_begin;
	return 0;
}

/* Before and between records. */
static int read_outside(struct ldif_reader *r, size_t name_len, const char *p)
{
	if (named(r, name_len, "dn"))
		return open_record(r, name_len, p);
	if (named(r, name_len, "version") && r->records == 0)
		return strcmp(p + strspn(p, " "), "1") == 0
			       ? 0
			       : fail_at(r, "LDIF of this version is not read; write version 1");
	if (named(r, name_len, "search") || named(r, name_len, "result"))
		return fail_at(r, "this is no LDIF; give ldapsearch the option -LLL");
	return fail_at(r, "a record begins with \"dn:\"");
}

static int read_attribute(struct ldif_reader *r, size_t name_len, const char *p)
{
	if (named(r, name_len, "dn"))
		return fail_at(r, "there is no empty line before this record");
	if (named(r, name_len, "control"))
		return fail_at(r, "changes are not read, only whole entries");
	if (named(r, name_len, "changetype") && r->count == 0)
		return strcasecmp(p + strspn(p, " "), "add") == 0
			       ? 0
			       : fail_at(r, "changes are not read, only whole entries");
	if (r->count == r->room) {
		r->room = r->room ? r->room * 2 : 32;
		r->places = mem_grow(r->places, r->room, sizeof(*r->places));
	}
	return read_value(r, name_len, p, &r->places[r->count]) == 0 ? (r->count++, 0) : -1;
}

static int read_line(struct ldif_reader *r)
{
	const char *colon;

	if (!r->pending)
		return 0;
	r->pending = false;
	if (r->line.data[0] == '#')
		return read_comment(r);
	if (r->marked)
		return fail(r, r->pending_begin, "there is something behind \"# end COUNT\"");
	if (memchr(r->line.data, '\0', r->line.len) != NULL ||
		memchr(r->line.data, '\r', r->line.len) != NULL)
		return fail_at(r, "there is a NUL or a bare CR in the line");
	if (!utf8_ascii(r->line.data, r->line.len) && !utf8_valid(r->line.data))
		return fail_at(r, "this is not UTF-8; write the file in UTF-8 or the value in "
				  "base64");
	colon = strchr(r->line.data, ':');
	size_t name_len = colon ? (size_t)(colon - r->line.data) : 0;
	if (!is_name(r->line.data, name_len))
		return fail_at(r, "this is no line of LDIF");
	return r->begin == 0 ? read_outside(r, name_len, colon + 1)
			     : read_attribute(r, name_len, colon + 1);
}

/* What a stream may begin with, and what it must not begin with. */
static int read_byte_order(struct ldif_reader *r, const char **data, size_t *len)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (*len >= 3 && memcmp(*data, mark, 3) == 0) {
		*data += 3;
		*len -= 3;
	}
	if (*len >= 2 && (memcmp(*data, "\xff\xfe", 2) == 0 || memcmp(*data, "\xfe\xff", 2) == 0))
		return fail(r, 1, "this is UTF-16; write it in UTF-8");
	return 0;
}

/* A line as it stands there, without its LF. */
static int take_line(struct ldif_reader *r, const char *data, size_t len)
{
	if (r->lines++ == 0 && read_byte_order(r, &data, &len) != 0)
		return -1;
	if (len > 0 && data[len - 1] == '\r')
		len--;
	if (len > 0 && data[0] == ' ') {
		if (!r->pending)
			return fail(r, r->lines, "a line begins with a blank and continues none");
		str_append(&r->line, data + 1, len - 1);
		return 0;
	}
	if (read_line(r) != 0)
		return -1;
	if (len == 0)
		return end_record(r);
	str_reset(&r->line);
	str_append(&r->line, data, len);
	r->pending = true;
	r->pending_begin = r->lines;
	return 0;
}

static int refused(const struct ldif_reader *r, const char **error_r)
{
	*error_r = r->stopped ? NULL : str_cstr(&r->error);
	return -1;
}

/* A piece of a line, its last one: with `ended`. */
static void take_piece(struct ldif_reader *r, const char *data, size_t len, bool ended)
{
	if (r->part.len + r->line.len + r->text.len + len > LDIF_RECORD_MAX) {
		fail(r, r->lines + 1, "a record is larger than 16 MB");
	} else if (!ended) {
		str_append(&r->part, data, len);
	} else if (r->part.len == 0) {
		take_line(r, data, len);
	} else {
		str_append(&r->part, data, len);
		take_line(r, r->part.data, r->part.len);
		str_reset(&r->part);
	}
}

int ldif_reader_feed(struct ldif_reader *r, const char *data, size_t len, const char **error_r)
{
	while (!r->failed && len > 0) {
		const char *lf = memchr(data, '\n', len);
		size_t n = lf ? (size_t)(lf - data) : len;

		take_piece(r, data, n, lf != NULL);
		n += lf != NULL;
		data += n;
		len -= n;
	}
	return r->failed ? refused(r, error_r) : 0;
}

int ldif_reader_end(struct ldif_reader *r, const char **error_r)
{
	if (!r->failed && r->part.len > 0)
		fail(r, r->lines + 1, "the last line has no end: truncated");
	if (!r->failed && read_line(r) == 0) {
		if (r->begin != 0)
			fail(r, r->lines,
				"there is no empty line behind the last record: truncated, or end "
				"it with an empty line");
		else if (r->records == 0 && !r->marked)
			fail(r, r->lines,
				"there is no record; if that is true, say so with the line "
				"\"# end 0\"");
	}
	return r->failed ? refused(r, error_r) : 0;
}

uint64_t ldif_reader_line(const struct ldif_reader *r)
{
	return r->failed ? r->fault : r->lines;
}

uint64_t ldif_reader_records(const struct ldif_reader *r)
{
	return r->records;
}

bool ldif_reader_marked(const struct ldif_reader *r)
{
	return r->marked;
}
