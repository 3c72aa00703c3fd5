#include "queue/reply.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void keep_text(struct reply *reply, const char *text, size_t len)
{
	size_t n = strlen(reply->text);

	if (n > 0 && n < REPLY_TEXT_MAX)
		reply->text[n++] = ' ';
	for (size_t i = 0; i < len && n < REPLY_TEXT_MAX; i++)
		reply->text[n++] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	reply->text[n] = '\0';
}

/* Up to three digits; how many bytes they took, 0 where there is no number. */
static size_t take_number(const char *text, size_t len, int *number_r)
{
	size_t n = 0;

	*number_r = 0;
	while (n < len && n < 3 && is_digit(text[n]))
		*number_r = *number_r * 10 + (text[n++] - '0');
	return n;
}

static void take_enhanced(struct reply *reply, const char *text, size_t len)
{
	int subject, detail;

	if (len < 5 || text[0] - '0' != reply->code / 100 || text[1] != '.')
		return;
	size_t at = 2, n = take_number(text + at, len - at, &subject);
	at += n;
	if (n == 0 || at >= len || text[at] != '.')
		return;
	at++;
	n = take_number(text + at, len - at, &detail);
	at += n;
	if (n == 0 || (at < len && text[at] != ' '))
		return;
	reply->class = text[0] - '0';
	reply->subject = subject;
	reply->detail = detail;
}

static int line_code(const char *line, size_t len)
{
	if (len < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
		return -1;
	if (len > 3 && line[3] != ' ' && line[3] != '-')
		return -1;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

static enum reply_result take_line(struct reply *reply, const char *line, size_t len)
{
	int code = line_code(line, len);

	if (code < 0 || (reply->lines > 0 && code != reply->code))
		return REPLY_BAD;
	if (++reply->lines > REPLY_LINES_MAX)
		return REPLY_BAD;
	reply->code = code;
	size_t skip = len > 3 ? 4 : 3;
	if (reply->lines == 1) {
		take_enhanced(reply, line + skip, len - skip);
		keep_text(reply, line, len);
		if (len > 3)
			reply->text[3] = ' ';
	} else {
		keep_text(reply, line + skip, len - skip);
	}
	return len > 3 && line[3] == '-' ? REPLY_LINE : REPLY_DONE;
}

enum reply_result reply_feed(struct reply *reply, const char *data, size_t len, size_t *used_r)
{
	size_t window = len < REPLY_LINE_MAX ? len : REPLY_LINE_MAX;
	const char *end = window ? memchr(data, '\n', window) : NULL;

	*used_r = 0;
	if (end == NULL)
		return len >= REPLY_LINE_MAX ? REPLY_BAD : REPLY_MORE;
	size_t line = (size_t)(end - data);
	*used_r = line + 1;
	if (line > 0 && data[line - 1] == '\r')
		line--;
	return take_line(reply, data, line);
}

void reply_set(struct reply *reply, const char *text)
{
	size_t len = strlen(text);

	memset(reply, 0, sizeof *reply);
	if (line_code(text, len) >= 0)
		take_line(reply, text, len);
	else
		keep_text(reply, text, len);
	reply->own = true;
}

const char *reply_status(const struct reply *reply, char *buffer, size_t size)
{
	int class = reply->class ? reply->class : reply->code / 100;

	if (class == 0)
		snprintf(buffer, size, "4.4.2");
	else
		snprintf(buffer, size, "%d.%d.%d", class, reply->subject, reply->detail);
	return buffer;
}

bool reply_is(const struct reply *reply, int class)
{
	return reply->code / 100 == class;
}
