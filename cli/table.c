#include "cli/term.h"

#include <stdarg.h>

#include "lib/mem.h"

#define GAP        2
#define LAST_LEAST 8 /* the last column keeps that many columns however narrow the terminal */

struct cell {
	char *text;
	enum paint paint;
};

struct table {
	struct cell *cells; /* row by row, the headers first */
	size_t count;
	size_t columns;
};

struct table *table_new(const char *const *headers)
{
	struct table *table = mem_zalloc(sizeof(*table));
	size_t columns = 0;

	for (size_t i = 0; headers[i] != NULL; i++, columns++)
		table_cell(table, PAINT_BOLD, "%s", headers[i]);
	table->columns = columns;
	return table;
}

void table_free(struct table **table)
{
	if (*table == NULL)
		return;
	for (size_t i = 0; i < (*table)->count; i++)
		mem_free(&(*table)->cells[i].text);
	mem_free(&(*table)->cells);
	mem_free(table);
}

void table_cell(struct table *table, enum paint paint, const char *format, ...)
{
	struct str safe = STR_INIT;
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	term_safe(text, &safe);
	table->cells = mem_grow(table->cells, table->count + 1, sizeof(*table->cells));
	table->cells[table->count].paint = paint;
	table->cells[table->count++].text = str_steal(&safe);
}

static bool right_aligned(const struct table *table, size_t column)
{
	return table->cells[column].text[0] == '>';
}

static const char *cell_text(const struct table *table, size_t index)
{
	const char *text = table->cells[index].text;

	return index < table->columns && text[0] == '>' ? text + 1 : text;
}

static unsigned column_width(const struct table *table, size_t column)
{
	unsigned widest = 0;

	for (size_t i = column; i < table->count; i += table->columns) {
		unsigned width = term_columns(cell_text(table, i));
		widest = width > widest ? width : widest;
	}
	return widest;
}

static void pad(struct str *line, unsigned columns)
{
	while (columns-- > 0)
		str_append_c(line, ' ');
}

static void put_cell(const struct table *table, const struct term *term, size_t index,
	unsigned width, bool last, struct str *line)
{
	struct str text = STR_INIT;

	term_cut(cell_text(table, index), width, &text);
	unsigned fill = width - term_columns(str_cstr(&text));
	bool right = right_aligned(table, index % table->columns);
	if (right)
		pad(line, fill);
	term_paint(term, table->cells[index].paint, str_cstr(&text), line);
	if (!right && !last)
		pad(line, fill);
	if (!last)
		pad(line, GAP);
	str_free(&text);
}

/* What the last column may take. */
static void fit(const struct table *table, const struct term *term, unsigned *widths)
{
	unsigned used = 0;

	for (size_t i = 0; i + 1 < table->columns; i++)
		used += widths[i] + GAP;
	unsigned *last = &widths[table->columns - 1];
	unsigned left = term->width > used + LAST_LEAST ? term->width - used : LAST_LEAST;
	if (term->width > 0 && *last > left)
		*last = left;
}

void table_print(const struct table *table, const struct term *term, FILE *out)
{
	struct str line = STR_INIT;
	unsigned *widths = mem_grow(NULL, table->columns, sizeof(*widths));

	for (size_t i = 0; i < table->columns; i++)
		widths[i] = column_width(table, i);
	fit(table, term, widths);
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->columns;
		bool last = column + 1 == table->columns;

		put_cell(table, term, i, widths[column], last, &line);
		if (!last)
			continue;
		fprintf(out, "%s\n", str_cstr(&line));
		str_reset(&line);
	}
	mem_free(&widths);
	str_free(&line);
}
