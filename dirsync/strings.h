/*
 * A set of texts: sorted by their bytes, each once, NUL-terminated one behind the other. What is
 * compared, encoded and digested has one form only. Pure.
 */
#ifndef RESTANTE_DIRSYNC_STRINGS_H
#define RESTANTE_DIRSYNC_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

struct strings {
	struct str bytes;
	size_t count;
};

#define STRINGS_INIT                                                                               \
	{                                                                                          \
		STR_INIT, 0                                                                        \
	}

void strings_free(struct strings *set);
void strings_reset(struct strings *set);
bool strings_add(struct strings *set, const char *text); /* false: it was there */
bool strings_remove(struct strings *set, const char *text);
bool strings_has(const struct strings *set, const char *text);
bool strings_equal(const struct strings *a, const struct strings *b);
/* NULL behind the last: for (t = strings_first(s); t != NULL; t = strings_next(s, t)) */
const char *strings_first(const struct strings *set);
const char *strings_next(const struct strings *set, const char *text);

#endif
