#include "queue/params.h"

#include <string.h>
#include <strings.h>

bool params_get(const char *params, const char *name, const char **value_r, size_t *len_r)
{
	size_t want = strlen(name);

	for (const char *p = params; *p != '\0';) {
		size_t len = strcspn(p, " ");
		size_t key = strcspn(p, "= ");
		if (key == want && strncasecmp(p, name, want) == 0) {
			*value_r = p + (key < len ? key + 1 : len);
			*len_r = key < len ? len - key - 1 : 0;
			return true;
		}
		p += len;
		p += strspn(p, " ");
	}
	return false;
}

bool params_has(const char *params, const char *name)
{
	const char *value;
	size_t len;

	return params_get(params, name, &value, &len);
}

bool params_lists(const char *params, const char *name, const char *word)
{
	const char *value;
	size_t len, want = strlen(word);

	if (!params_get(params, name, &value, &len))
		return false;
	while (len > 0) {
		const char *comma = memchr(value, ',', len);
		size_t item = comma ? (size_t)(comma - value) : len;
		if (item == want && strncasecmp(value, word, want) == 0)
			return true;
		item += comma ? 1 : 0;
		value += item;
		len -= item;
	}
	return false;
}

static bool is_clean(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return false;
	return true;
}

void params_copy(const char *params, const char *name, struct str *out)
{
	const char *value;
	size_t len;

	if (!params_get(params, name, &value, &len) || !is_clean(value, len))
		return;
	str_append_c(out, ' ');
	str_append_z(out, name);
	if (len > 0) {
		str_append_c(out, '=');
		str_append(out, value, len);
	}
}

/* --- two that become one --------------------------------------------------------------------- */

static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };

#define WORDS   3
#define DEFAULT (1u << 1 | 1u << 2)

static unsigned asked(const char *params)
{
	unsigned set = 0;

	if (!params_has(params, "NOTIFY"))
		return DEFAULT;
	for (unsigned i = 0; i < WORDS; i++)
		if (params_lists(params, "NOTIFY", words[i]))
			set |= 1u << i;
	return set;
}

const char *params_join(const char *a, const char *b, struct str *joined)
{
	unsigned all = asked(a) | asked(b);

	if (asked(a) == all)
		return NULL;
	str_append_z(joined, "NOTIFY=");
	for (unsigned i = 0, n = 0; i < WORDS; i++)
		if (all & 1u << i)
			str_printf(joined, "%s%s", n++ ? "," : "", words[i]);
	/* The original recipient of one who is told something. */
	params_copy(asked(a) ? a : b, "ORCPT", joined);
	return str_cstr(joined);
}
