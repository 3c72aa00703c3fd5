#include "lib/words.h"

#include <stdbool.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/str.h"

static const char for_a_shell[] =
	"there is no shell for | & ; < > ( ) $ ` in it; quote them with '...', or write a script";

void words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		mem_free(&words->list[i]);
	mem_free(&words->list);
	words->count = 0;
}

static void add(struct words *words, struct str *word)
{
	words->list = mem_grow(words->list, words->count + 2, sizeof(*words->list));
	words->list[words->count++] = str_steal(word);
	words->list[words->count] = NULL;
}

/* Behind the opening quote; moves behind the closing one. */
static int read_quoted(const char **p, struct str *word, const char **error_r)
{
	char quote = (*p)[-1];

	for (; **p != quote; (*p)++) {
		if (**p == '\0') {
			*error_r = "a quote is not closed";
			return -1;
		}
		if (quote == '"' && (**p == '$' || **p == '`')) {
			*error_r = for_a_shell;
			return -1;
		}
		if (quote == '"' && **p == '\\' && ((*p)[1] == '"' || (*p)[1] == '\\'))
			(*p)++;
		str_append_c(word, **p);
	}
	(*p)++;
	return 0;
}

/* The rest of a word, which begins at *p. */
static int read_word(const char **p, struct str *word, const char **error_r)
{
	while (**p != '\0' && strchr(" \t\n", **p) == NULL) {
		char c = *(*p)++;

		if (c == '\'' || c == '"') {
			if (read_quoted(p, word, error_r) != 0)
				return -1;
			continue;
		}
		if (strchr("|&;<>()$`", c) != NULL) {
			*error_r = for_a_shell;
			return -1;
		}
		if (c == '\\' && (c = *(*p)++) == '\0') {
			*error_r = "there is nothing behind the backslash at its end";
			return -1;
		}
		str_append_c(word, c);
	}
	return 0;
}

int words_split(const char *command, struct words *words_r, const char **error_r)
{
	struct str word = STR_INIT;
	const char *p = command;

	*words_r = (struct words){ NULL, 0 };
	for (p += strspn(p, " \t\n"); *p != '\0'; p += strspn(p, " \t\n")) {
		if (read_word(&p, &word, error_r) != 0) {
			str_free(&word);
			words_free(words_r);
			return -1;
		}
		add(words_r, &word);
	}
	if (words_r->count > 0 && words_r->list[0][0] != '\0')
		return 0;
	words_free(words_r);
	*error_r = "there is no command";
	return -1;
}
