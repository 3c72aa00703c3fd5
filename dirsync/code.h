/*
 * Texts, sets and numbers as bytes, for what dirsync keeps in files and databases: each text ended
 * by a NUL, each set by an empty text, numbers in decimal. One form only: what is read, written
 * again, is the same bytes. Pure.
 */
#ifndef RESTANTE_DIRSYNC_CODE_H
#define RESTANTE_DIRSYNC_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/strings.h"

void code_put(struct str *out, const struct str *text);
void code_put_text(struct str *out, const char *text);
void code_put_set(struct str *out, const struct strings *set);
void code_put_number(struct str *out, int64_t number);

struct code_input {
	const char *next, *end;
};

/* Each false where there is no such thing, or a longer one than `most` bytes. */
bool code_take_text(struct code_input *in, size_t most, const char **text_r);
bool code_take(struct code_input *in, size_t most, struct str *out); /* appends */
/* out must be empty; most_count: of its members. */
bool code_take_set(struct code_input *in, size_t most, size_t most_count, struct strings *out);
bool code_take_number(struct code_input *in, int64_t least, int64_t most, int64_t *number_r);
bool code_take_magic(struct code_input *in, const char *magic);

#endif
