#include "dirsync/code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 20 /* digits of an int64_t, with its sign */

void code_put(struct str *out, const struct str *text)
{
	str_append(out, str_cstr(text), text->len + 1);
}

void code_put_text(struct str *out, const char *text)
{
	str_append(out, text, strlen(text) + 1);
}

void code_put_set(struct str *out, const struct strings *set)
{
	str_append(out, str_cstr(&set->bytes), set->bytes.len);
	str_append_c(out, '\0');
}

void code_put_number(struct str *out, int64_t number)
{
	char text[NUMBER_MAX + 1] = { (char)('0' + number) };

	if (number < 0 || number > 9) /* most are not */
		snprintf(text, sizeof text, "%lld", (long long)number);
	code_put_text(out, text);
}

/* The next text and its length; false where it does not end. */
static bool take(struct code_input *in, const char **text_r, size_t *len_r)
{
	const char *nul =
		in->next < in->end ? memchr(in->next, '\0', (size_t)(in->end - in->next)) : NULL;

	if (nul == NULL)
		return false;
	*text_r = in->next;
	*len_r = (size_t)(nul - in->next);
	in->next = nul + 1;
	return true;
}

bool code_take_text(struct code_input *in, size_t most, const char **text_r)
{
	size_t len;

	return take(in, text_r, &len) && len <= most;
}

bool code_take(struct code_input *in, size_t most, struct str *out)
{
	const char *text;
	size_t len;

	if (!take(in, &text, &len) || len > most)
		return false;
	str_append(out, text, len);
	return true;
}

bool code_take_set(struct code_input *in, size_t most, size_t most_count, struct strings *out)
{
	const char *text, *before = NULL, *begin = in->next;
	size_t len;

	while (take(in, &text, &len)) {
		if (len == 0) {
			str_append(&out->bytes, begin, (size_t)(text - begin));
			return out->count <= most_count;
		}
		if (len > most || (before != NULL && strcmp(before, text) >= 0))
			return false;
		before = text;
		out->count++;
	}
	return false;
}

bool code_take_number(struct code_input *in, int64_t least, int64_t most, int64_t *number_r)
{
	char same[NUMBER_MAX + 1];
	const char *text;
	size_t len;

	if (!take(in, &text, &len) || len == 0 || len > NUMBER_MAX)
		return false;
	if (len == 1 && *text >= '0' && *text <= '9') { /* most are */
		*number_r = *text - '0';
		return *number_r >= least && *number_r <= most;
	}
	*number_r = strtoll(text, NULL, 10);
	snprintf(same, sizeof same, "%lld", (long long)*number_r);
	return strcmp(same, text) == 0 && *number_r >= least && *number_r <= most;
}

bool code_take_magic(struct code_input *in, const char *magic)
{
	const char *text;

	return code_take_text(in, strlen(magic), &text) && strcmp(text, magic) == 0;
}
