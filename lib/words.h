/*
 * A command as people write it, in words: as a shell splits it, without a shell. Blanks separate;
 * '...' is taken as it stands; in "..." a backslash makes of \" and \\ a quote and a backslash;
 * elsewhere it takes the next character as it stands. What only a shell could do is an error:
 * pipes, redirections, variables, several commands; a script is the place for these. * ? [ mean
 * themselves. Pure.
 */
#ifndef RESTANTE_LIB_WORDS_H
#define RESTANTE_LIB_WORDS_H

#include <stddef.h>

struct words {
	char **list; /* NULL behind the last */
	size_t count;
};

/* 0: at least one word; -1 with *error_r (static text): what is wrong and what to do. */
int words_split(const char *command, struct words *words_r, const char **error_r);
void words_free(struct words *words);

#endif
