#include "directory/cookie.h"

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

/* "CSN;CSN;..." */
static int take_list(struct csn_vector *vector, const char *text, size_t len)
{
	while (len > 0) {
		const char *semicolon = memchr(text, ';', len);
		size_t one = semicolon != NULL ? (size_t)(semicolon - text) : len;

		if (take_text(vector, text, one) < 0)
			return -1;
		text += one;
		len -= one;
		if (len > 0) {
			text++;
			len--;
		}
	}
	return 0;
}

int cookie_parse(const char *text, size_t len, struct csn_vector *vector_r)
{
	vector_r->count = 0;
	while (len > 0) {
		const char *comma = memchr(text, ',', len);
		size_t field = comma != NULL ? (size_t)(comma - text) : len;

		if (field >= 4 && memcmp(text, "csn=", 4) == 0 &&
			take_list(vector_r, text + 4, field - 4) < 0)
			return -1;
		text += field;
		len -= field;
		if (len > 0) {
			text++;
			len--;
		}
	}
	return (int)vector_r->count;
}

void cookie_compose(const struct csn_vector *vector, struct str *out)
{
	for (size_t i = 0; i < vector->count; i++) {
		str_append_z(out, i == 0 ? "rid=000,csn=" : ";");
		str_append(out, vector->csn[i], CSN_LEN);
	}
}
