#include "lib/endmark.h"

#include <string.h>

#define DIGITS_MAX 18

bool endmark_read(const char *line, uint64_t *count_r)
{
	static const char begin[] = "# end ";
	const char *p = line + strlen(begin);
	size_t digits;

	if (strncmp(line, begin, strlen(begin)) != 0)
		return false;
	digits = strspn(p, "0123456789");
	if (digits == 0 || digits > DIGITS_MAX || p[digits + strspn(p + digits, " \t")] != '\0')
		return false;
	*count_r = 0;
	for (; digits > 0; digits--)
		*count_r = *count_r * 10 + (uint64_t)(*p++ - '0');
	return true;
}
