#include "queue/scan.h"

#include "lib/utf8.h"

static const char field[] = "received:";

#define FIELD (sizeof field - 1)

static void take(struct scan *scan, char c)
{
	char small = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;

	if (scan->matched == scan->column && scan->matched < FIELD &&
		small == field[scan->matched] && ++scan->matched == FIELD)
		scan->received++;
	scan->only_cr = scan->column == 0 && c == '\r';
	scan->column++;
	if ((unsigned char)c >= 0x80)
		scan->header_8bit = true;
}

void scan_feed(struct scan *scan, const char *data, size_t len)
{
	size_t i = 0;

	for (; i < len && !scan->in_body; i++) {
		if (data[i] != '\n') {
			take(scan, data[i]);
			continue;
		}
		scan->in_body = scan->column == 0 || scan->only_cr;
		scan->only_cr = false;
		scan->column = scan->matched = 0;
	}
	if (!scan->body_8bit && i < len)
		scan->body_8bit = !utf8_ascii(data + i, len - i);
}
