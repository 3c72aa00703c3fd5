#include "queue/quoted.h"

#include <stdbool.h>

static bool ends_line(const char *data, size_t len, size_t at)
{
	return at >= len || (at + 1 < len && data[at] == '\r' && data[at + 1] == '\n');
}

/* A blank at the end of a line would be lost on the way. */
static bool is_plain(const char *data, size_t len, size_t at)
{
	char c = data[at];

	if (c == ' ' || c == '\t')
		return !ends_line(data, len, at + 1);
	return c > ' ' && c < 0x7f && c != '=';
}

void quoted_write(const char *data, size_t len, struct str *out)
{
	size_t column = 0;

	for (size_t i = 0; i < len; i++) {
		if (ends_line(data, len, i)) {
			str_append_z(out, "\r\n");
			column = 0;
			i++;
			continue;
		}
		bool plain = is_plain(data, len, i);
		/* The last column is for the "=" of a line that goes on. */
		if (column + (plain ? 1 : 3) > QUOTED_LINE - 1) {
			str_append_z(out, "=\r\n");
			column = 0;
		}
		if (plain)
			str_append_c(out, data[i]);
		else
			str_printf(out, "=%02X", (unsigned char)data[i]);
		column += plain ? 1 : 3;
	}
}
