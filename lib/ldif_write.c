#include "lib/ldif.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base64.h"

/* SAFE-STRING of RFC 2849, and no blank at its end. */
static bool is_safe(const char *value, size_t len)
{
	if (len == 0)
		return true;
	if (value[0] == ' ' || value[0] == ':' || value[0] == '<' || value[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] >= 0x80 || value[i] == '\0' || value[i] == '\n' ||
			value[i] == '\r')
			return false;
	return true;
}

/* The line, in pieces; each but the first begins with a blank. */
static void put_folded(struct str *out, const struct str *line)
{
	size_t at = 0, room = LDIF_COLUMNS;

	do {
		size_t n = line->len - at < room ? line->len - at : room;

		if (at > 0)
			str_append_c(out, ' ');
		str_append(out, line->data + at, n);
		str_append_c(out, '\n');
		at += n;
		room = LDIF_COLUMNS - 1;
	} while (at < line->len);
}

void ldif_put(struct str *out, const char *name, const void *value, size_t len)
{
	struct str line = STR_INIT;

	str_append_z(&line, name);
	if (len == 0) {
		str_append_c(&line, ':');
	} else if (is_safe(value, len)) {
		str_append_z(&line, ": ");
		str_append(&line, value, len);
	} else {
		str_append_z(&line, ":: ");
		base64_encode(&line, value, len);
	}
	put_folded(out, &line);
	str_free(&line);
}

void ldif_put_text(struct str *out, const char *name, const char *value)
{
	ldif_put(out, name, value, strlen(value));
}

void ldif_put_comment(struct str *out, const char *text)
{
	for (;; text++) {
		size_t n = strcspn(text, "\r\n");

		str_append_z(out, n > 0 ? "# " : "#");
		str_append(out, text, n);
		str_append_c(out, '\n');
		text += n;
		if (text[0] == '\r' && text[1] == '\n')
			text++;
		if (*text == '\0')
			return;
	}
}

void ldif_put_end(struct str *out, uint64_t records)
{
	str_printf(out, "# end %" PRIu64 "\n", records);
}
