/* A list of texts, its own. */
#ifndef RESTANTE_DOCTOR_STRINGS_H
#define RESTANTE_DOCTOR_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

struct strings {
	char **items;
	size_t count;
};

void strings_add(struct strings *list, const char *text);
void strings_add_len(struct strings *list, const char *text, size_t len);
bool strings_has(const struct strings *list, const char *text); /* case-insensitive */
void strings_free(struct strings *list);

/* "a, b, c and 4 more": at most `most` of them. */
void strings_show(const struct strings *list, size_t most, struct str *out);

/*
 * The words of a list as Postfix writes them: commas and blanks between them, what stands in braces
 * is one word, braces included.
 */
void strings_split(const char *text, struct strings *list);
/* Lines without their ends; empty ones are left out. */
void strings_lines(const char *text, struct strings *list);

#endif
