/*
 * The terminal: colour, width, tables and one progress line. Colour only where standard output is
 * a terminal and NO_COLOR is unset (no-color.org). Text that came from outside goes through
 * term_safe first, so that no sender can write control sequences to an administrator's screen.
 */
#ifndef RESTANTE_CLI_TERM_H
#define RESTANTE_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/str.h"

struct term {
	bool out_tty, error_tty, colour;
	unsigned width; /* columns of standard output; 0 = not a terminal, nothing is cut */
};

void term_init(struct term *term);

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_WARN, PAINT_BAD, PAINT_BOLD, PAINT_DIM };

void term_paint(const struct term *term, enum paint paint, const char *text, struct str *out);

/* Columns that UTF-8 text takes; combining marks take none, wide characters two. */
unsigned term_columns(const char *text);
/* Appends at most `columns` columns of text, the last one "~" where something was cut. */
void term_cut(const char *text, unsigned columns, struct str *out);
/* Appends text with control characters (C0, DEL, C1) and broken UTF-8 as "?". */
void term_safe(const char *text, struct str *out);

/* "1.5 MB", "640 B": powers of 1024, three digits at most. size >= 16. */
const char *term_bytes(char *buffer, size_t size, uint64_t bytes);

/* "1 mailbox", "3 mailboxes". */
#define TERM_COUNT 48
const char *term_count(char buffer[TERM_COUNT], int64_t count, const char *one, const char *many);

/* A table: columns as wide as their widest cell, the last one cut at the terminal's width. */
struct table;
/* headers ends with NULL; one that starts with ">" is right-aligned. */
struct table *table_new(const char *const *headers);
void table_free(struct table **table);
/* One cell of the row that is being filled; the first cell after a full row starts a new one. */
void table_cell(struct table *table, enum paint paint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void table_print(const struct table *table, const struct term *term, FILE *out);

/* "[####......] 3/7" with a bar of `columns` cells. */
void term_bar(unsigned done, unsigned all, unsigned columns, struct str *out);

#endif
