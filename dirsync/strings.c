#include "dirsync/strings.h"

#include <string.h>

void strings_free(struct strings *set)
{
	str_free(&set->bytes);
	set->count = 0;
}

void strings_reset(struct strings *set)
{
	str_reset(&set->bytes);
	set->count = 0;
}

const char *strings_first(const struct strings *set)
{
	return set->count > 0 ? set->bytes.data : NULL;
}

const char *strings_next(const struct strings *set, const char *text)
{
	const char *next = text + strlen(text) + 1;

	return next < set->bytes.data + set->bytes.len ? next : NULL;
}

/* Where the text is (true), or would have to be: an offset. */
static bool find(const struct strings *set, const char *text, size_t *offset_r)
{
	for (const char *t = strings_first(set); t != NULL; t = strings_next(set, t)) {
		int order = strcmp(t, text);

		*offset_r = (size_t)(t - set->bytes.data);
		if (order >= 0)
			return order == 0;
	}
	*offset_r = set->bytes.len;
	return false;
}

bool strings_has(const struct strings *set, const char *text)
{
	size_t offset;

	return find(set, text, &offset);
}

bool strings_add(struct strings *set, const char *text)
{
	size_t size = strlen(text) + 1, offset, behind;

	if (find(set, text, &offset))
		return false;
	behind = set->bytes.len - offset;
	str_append(&set->bytes, text, size); /* makes room; what it says there does not count */
	memmove(set->bytes.data + offset + size, set->bytes.data + offset, behind);
	memcpy(set->bytes.data + offset, text, size);
	set->count++;
	return true;
}

bool strings_remove(struct strings *set, const char *text)
{
	size_t size = strlen(text) + 1, offset;

	if (!find(set, text, &offset))
		return false;
	memmove(set->bytes.data + offset, set->bytes.data + offset + size,
		set->bytes.len - offset - size);
	set->bytes.len -= size;
	set->count--;
	return true;
}

bool strings_equal(const struct strings *a, const struct strings *b)
{
	return a->bytes.len == b->bytes.len &&
	       memcmp(str_cstr(&a->bytes), str_cstr(&b->bytes), a->bytes.len) == 0;
}
