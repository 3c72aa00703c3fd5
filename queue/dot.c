#include "queue/dot.h"

#include <stdbool.h>
#include <string.h>

/*
 * A dot after a bare LF is doubled as well: a receiver that takes bare LF for a line end must not
 * find an end of data there that we did not mean ("SMTP smuggling").
 */
void dot_stuff(struct dot *dot, const char *data, size_t len, struct str *out)
{
	const char *end = data + len;
	bool at_start = dot->last[1] == '\n';

	str_reserve(out, len);
	while (data < end) {
		const char *lf = memchr(data, '\n', (size_t)(end - data));
		const char *next = lf ? lf + 1 : end;
		if (at_start && *data == '.')
			str_append_c(out, '.');
		str_append(out, data, (size_t)(next - data));
		at_start = lf != NULL;
		data = next;
	}
	if (len >= 2) {
		memcpy(dot->last, end - 2, 2);
	} else if (len == 1) {
		dot->last[0] = dot->last[1];
		dot->last[1] = end[-1];
	}
}

void dot_end(const struct dot *dot, struct str *out)
{
	if (memcmp(dot->last, "\r\n", 2) != 0)
		str_append_z(out, "\r\n");
	str_append_z(out, ".\r\n");
}
