#include "doctor/strings.h"

#include <string.h>
#include <strings.h>

#include "lib/mem.h"

void strings_add_len(struct strings *list, const char *text, size_t len)
{
	list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = mem_strndup(text, len);
}

void strings_add(struct strings *list, const char *text)
{
	strings_add_len(list, text, strlen(text));
}

bool strings_has(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i], text) == 0)
			return true;
	return false;
}

void strings_free(struct strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		mem_free(&list->items[i]);
	mem_free(&list->items);
	list->count = 0;
}

void strings_show(const struct strings *list, size_t most, struct str *out)
{
	for (size_t i = 0; i < list->count && i < most; i++)
		str_printf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
	if (list->count > most)
		str_printf(out, " and %zu more", list->count - most);
}

/* Bytes of the word at text. */
static size_t word_length(const char *text)
{
	size_t depth = 0, len;

	for (len = 0; text[len] != '\0'; len++) {
		if (text[len] == '{')
			depth++;
		else if (text[len] == '}' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(", \t\r\n", text[len]) != NULL)
			break;
	}
	return len;
}

void strings_split(const char *text, struct strings *list)
{
	while (*(text += strspn(text, ", \t\r\n")) != '\0') {
		size_t len = word_length(text);

		strings_add_len(list, text, len);
		text += len;
	}
}

void strings_lines(const char *text, struct strings *list)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		size_t kept = len > 0 && text[len - 1] == '\r' ? len - 1 : len;

		if (kept > 0)
			strings_add_len(list, text, kept);
		text += len + (text[len] == '\n');
	}
}
