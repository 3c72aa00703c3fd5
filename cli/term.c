#include "cli/term.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80

static unsigned find_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");

	if (columns != NULL && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return DEFAULT_WIDTH;
}

void term_init(struct term *term)
{
	const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");

	term->out_tty = isatty(STDOUT_FILENO) == 1;
	term->error_tty = isatty(STDERR_FILENO) == 1;
	term->colour = term->out_tty && (no_colour == NULL || *no_colour == '\0') &&
		       (kind == NULL || strcmp(kind, "dumb") != 0);
	term->width = term->out_tty ? find_width() : 0;
}

void term_paint(const struct term *term, enum paint paint, const char *text, struct str *out)
{
	static const char *const codes[] = { [PAINT_NONE] = "",
		[PAINT_GOOD] = "\033[32m",
		[PAINT_WARN] = "\033[33m",
		[PAINT_BAD] = "\033[31m",
		[PAINT_BOLD] = "\033[1m",
		[PAINT_DIM] = "\033[2m" };

	if (!term->colour || paint == PAINT_NONE) {
		str_append_z(out, text);
		return;
	}
	str_printf(out, "%s%s\033[0m", codes[paint], text);
}

/* --- text ---------------------------------------------------------------------------------- */

/* Bytes of the character at text and its code point; a broken one counts as one byte, U+FFFD. */
static size_t decode(const char *text, uint32_t *point_r)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	uint32_t point = p[0] & lead[len];
	bool broken = p[0] >= 0x80 && (p[0] < 0xc2 || p[0] > 0xf4);
	for (size_t i = 1; i < len && !broken; i++) {
		broken = (p[i] & 0xc0) != 0x80;
		point = point << 6 | (p[i] & 0x3f);
	}
	broken = broken || point < least[len] || point > 0x10ffff ||
		 (point >= 0xd800 && point < 0xe000);
	*point_r = broken ? 0xfffd : point;
	return broken ? 1 : len;
}

static bool between(uint32_t point, uint32_t low, uint32_t high)
{
	return point >= low && point <= high;
}

/* Near enough for addresses and names; the C library's wcwidth depends on the locale. */
static unsigned columns_of(uint32_t point)
{
	if (between(point, 0x300, 0x36f) || between(point, 0x200b, 0x200f) ||
		between(point, 0xfe00, 0xfe0f))
		return 0;
	bool wide = between(point, 0x1100, 0x115f) || between(point, 0x2e80, 0xa4cf) ||
		    between(point, 0xac00, 0xd7a3) || between(point, 0xf900, 0xfaff) ||
		    between(point, 0xff00, 0xff60) || between(point, 0x1f300, 0x1faff) ||
		    between(point, 0x20000, 0x3fffd);
	return wide ? 2 : 1;
}

unsigned term_columns(const char *text)
{
	unsigned columns = 0;
	uint32_t point;

	while (*text != '\0') {
		text += decode(text, &point);
		columns += columns_of(point);
	}
	return columns;
}

void term_cut(const char *text, unsigned columns, struct str *out)
{
	unsigned used = 0;
	uint32_t point;

	if (term_columns(text) <= columns) {
		str_append_z(out, text);
		return;
	}
	while (*text != '\0') {
		size_t len = decode(text, &point);
		if (used + columns_of(point) + 1 > columns)
			break;
		used += columns_of(point);
		str_append(out, text, len);
		text += len;
	}
	if (columns > 0)
		str_append_c(out, '~');
}

void term_safe(const char *text, struct str *out)
{
	uint32_t point;

	while (*text != '\0') {
		size_t len = decode(text, &point);
		bool broken = point == 0xfffd && len == 1;

		/* Bidirectional overrides could make one address look like another. */
		if (broken || point < ' ' || between(point, 0x7f, 0x9f) ||
			between(point, 0x202a, 0x202e) || between(point, 0x2066, 0x2069))
			str_append_c(out, '?');
		else
			str_append(out, text, len);
		text += len;
	}
}

const char *term_bytes(char *buffer, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	double amount = (double)bytes;
	size_t unit = 0;

	while (amount >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		amount /= 1024;
		unit++;
	}
	snprintf(buffer, size, unit == 0 || amount >= 9.95 ? "%.0f %s" : "%.1f %s", amount,
		units[unit]);
	return buffer;
}

const char *term_count(char buffer[TERM_COUNT], int64_t count, const char *one, const char *many)
{
	snprintf(buffer, TERM_COUNT, "%" PRId64 " %s", count, count == 1 ? one : many);
	return buffer;
}

void term_bar(unsigned done, unsigned all, unsigned columns, struct str *out)
{
	unsigned filled = all > 0 ? (unsigned)((uint64_t)done * columns / all) : 0;

	str_append_c(out, '[');
	for (unsigned i = 0; i < columns; i++)
		str_append_c(out, i < filled ? '#' : '.');
	str_printf(out, "] %u/%u", done, all);
}
