#include "lib/cookie.h"

#include <ctype.h>
#include <string.h>

/* d: decimal digit, x: hexadecimal digit, anything else: itself */
static const char pattern[] = "dddddddddddddd.ddddddZ#xxxxxx#xxx#xxxxxx";

#define SID_AT 30

static bool fits(char wanted, char c)
{
	switch (wanted) {
	case 'd': return isdigit((unsigned char)c);
	case 'x': return isxdigit((unsigned char)c) && !isupper((unsigned char)c);
	default: return c == wanted;
	}
}

bool csn_valid(const char *text, size_t len)
{
	if (len != CSN_LEN)
		return false;
	for (size_t i = 0; i < CSN_LEN; i++)
		if (!fits(pattern[i], text[i]))
			return false;
	return true;
}

static unsigned hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

unsigned csn_sid(const char *csn)
{
	return hex(csn[SID_AT]) << 8 | hex(csn[SID_AT + 1]) << 4 | hex(csn[SID_AT + 2]);
}

/* The place of the server id, or where it belongs. */
static size_t place_of(const struct csn_vector *vector, unsigned sid, bool *there_r)
{
	size_t i;

	for (i = 0; i < vector->count && csn_sid(vector->csn[i]) < sid; i++)
		;
	*there_r = i < vector->count && csn_sid(vector->csn[i]) == sid;
	return i;
}

int vector_take(struct csn_vector *vector, const char *csn)
{
	bool there;
	size_t i = place_of(vector, csn_sid(csn), &there);

	if (there && strcmp(csn, vector->csn[i]) <= 0)
		return 0;
	if (!there) {
		if (vector->count == VECTOR_MAX)
			return -1;
		memmove(vector->csn[i + 1], vector->csn[i],
			(vector->count - i) * sizeof(vector->csn[0]));
		vector->count++;
	}
	memcpy(vector->csn[i], csn, CSN_LEN + 1);
	return 1;
}

int vector_merge(struct csn_vector *vector, const struct csn_vector *from)
{
	int changed = 0;

	for (size_t i = 0; i < from->count; i++) {
		int taken = vector_take(vector, from->csn[i]);

		if (taken < 0)
			return -1;
		changed |= taken;
	}
	return changed;
}

bool vector_covers(const struct csn_vector *vector, const char *csn)
{
	bool there;
	size_t i = place_of(vector, csn_sid(csn), &there);

	return there && strcmp(csn, vector->csn[i]) <= 0;
}

bool vector_behind(const struct csn_vector *vector, const struct csn_vector *ours)
{
	for (size_t i = 0; i < ours->count; i++)
		if (!vector_covers(vector, ours->csn[i]))
			return true;
	return false;
}

bool vector_newer(const struct csn_vector *vector, const char *csn)
{
	for (size_t i = 0; i < vector->count; i++)
		if (strcmp(vector->csn[i], csn) > 0)
			return true;
	return false;
}

static int take_text(struct csn_vector *vector, const char *text, size_t len)
{
	char csn[CSN_LEN + 1];

	if (!csn_valid(text, len))
		return -1;
	memcpy(csn, text, CSN_LEN);
	csn[CSN_LEN] = '\0';
	return vector_take(vector, csn);
}

/* The part before the separator, which is left out of what remains; false at the end. */
static bool cut_part(
	const char **text, size_t *len, char separator, const char **part_r, size_t *part_len_r)
{
	if (*len == 0)
		return false;
	const char *end = memchr(*text, separator, *len);
	*part_r = *text;
	*part_len_r = end != NULL ? (size_t)(end - *text) : *len;
	size_t passed = *part_len_r + (end != NULL ? 1 : 0);
	*text += passed;
	*len -= passed;
	return true;
}

/* "CSN;CSN;..." */
static int take_list(struct csn_vector *vector, const char *text, size_t len)
{
	const char *csn;
	size_t csn_len;

	while (cut_part(&text, &len, ';', &csn, &csn_len))
		if (take_text(vector, csn, csn_len) < 0)
			return -1;
	return 0;
}

int cookie_parse(const char *text, size_t len, struct csn_vector *vector_r)
{
	const char *field;
	size_t field_len;

	vector_r->count = 0;
	while (cut_part(&text, &len, ',', &field, &field_len))
		if (field_len >= 4 && memcmp(field, "csn=", 4) == 0 &&
			take_list(vector_r, field + 4, field_len - 4) < 0)
			return -1;
	return (int)vector_r->count;
}

void cookie_compose(const struct csn_vector *vector, struct str *out)
{
	for (size_t i = 0; i < vector->count; i++) {
		str_append_z(out, i == 0 ? "rid=000,csn=" : ";");
		str_append(out, vector->csn[i], CSN_LEN);
	}
}
