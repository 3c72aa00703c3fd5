#define _GNU_SOURCE
#include "cli/logline.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"

#define QUEUE_ID_MIN 5
#define QUEUE_ID_MAX 20
#define DAY_US       (86400 * CLOCK_SECOND)

static const char *copy(char *buffer, size_t size, const char *text, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(buffer, text, len);
	buffer[len] = '\0';
	return buffer;
}

/* --- time stamps ----------------------------------------------------------------------------- */

/* ".123456" as microseconds; *p behind it. */
static int64_t parse_fraction(const char **p)
{
	int64_t us = 0, unit = 100000;

	if (**p != '.')
		return 0;
	for (++*p; isdigit((unsigned char)**p); ++*p, unit /= 10)
		us += (**p - '0') * unit;
	return us;
}

/* "Z", "+01:00", "+0100": seconds east of Greenwich; -1 where it is none. */
static int parse_zone(const char **p, int *seconds_r)
{
	int hours, minutes, used = 0;
	char sign;

	*seconds_r = 0;
	if (**p == 'Z') {
		++*p;
		return 0;
	}
	if ((sscanf(*p, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) < 3 || used != 6) &&
		(sscanf(*p, "%c%2d%2d%n", &sign, &hours, &minutes, &used) < 3 || used != 5))
		return -1;
	if ((sign != '+' && sign != '-') || hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
		return -1;
	*seconds_r = (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
	*p += used;
	return 0;
}

/* RFC 3339; what follows it, or NULL. */
static const char *parse_exact(const char *line, struct logline *l)
{
	struct tm tm = { 0 };
	int zone;
	const char *p = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);

	if (p == NULL)
		return NULL;
	l->coarse = *p != '.';
	int64_t fraction = parse_fraction(&p);
	if (parse_zone(&p, &zone) < 0 || *p != ' ')
		return NULL;
	l->time_us = ((int64_t)timegm(&tm) - zone) * CLOCK_SECOND + fraction;
	return p + 1;
}

/* "Nov 22 05:30:00", as RFC 3164 has it. */
static const char *parse_vague(const char *line, int64_t now_us, struct logline *l)
{
	time_t now = (time_t)(now_us / CLOCK_SECOND);
	struct tm tm, today;

	localtime_r(&now, &today);
	tm = (struct tm){ .tm_year = today.tm_year, .tm_isdst = -1 };
	const char *p = strptime(line, "%b %e %H:%M:%S", &tm);
	if (p == NULL || *p != ' ')
		return NULL;
	struct tm again = tm;
	l->time_us = (int64_t)mktime(&tm) * CLOCK_SECOND;
	l->coarse = true;
	if (l->time_us > now_us + DAY_US) {
		again.tm_year--;
		l->time_us = (int64_t)mktime(&again) * CLOCK_SECOND;
	}
	return p + 1;
}

/* --- who wrote it ---------------------------------------------------------------------------- */

/* "NAME[123]"; what follows it. */
static const char *parse_program(const char *p, struct logline *l)
{
	size_t len = strcspn(p, "[ :");

	copy(l->program, sizeof l->program, p, len);
	p += len;
	l->pid = 0;
	if (*p != '[')
		return p;
	l->pid = (int)strtol(p + 1, NULL, 10);
	p += strcspn(p, "] ");
	return *p == ']' ? p + 1 : p;
}

bool logline_is_ours(const struct logline *line)
{
	return strncmp(line->program, "restante-", strlen("restante-")) == 0;
}

static void take_text(const char *text, struct logline *l)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };

	l->text = text;
	l->level = "";
	for (size_t i = 0; i < sizeof levels / sizeof *levels && logline_is_ours(l); i++) {
		size_t len = strlen(levels[i]);
		if (strncmp(text, levels[i], len) != 0 || strncmp(text + len, ": ", 2) != 0)
			continue;
		l->level = levels[i];
		l->text = text + len + 2;
		return;
	}
}

/* Our own file has no host and no colon behind the program. */
static bool parse_rest(const char *p, struct logline *l)
{
	const char *after = parse_program(p, l);

	if (logline_is_ours(l) && l->pid > 0 && *after == ' ') {
		take_text(after + 1, l);
		return l->level[0] != '\0';
	}
	p += strcspn(p, " "); /* the host */
	if (*p == '\0')
		return false;
	after = parse_program(p + 1, l);
	if (l->program[0] == '\0' || strncmp(after, ": ", 2) != 0)
		return false;
	take_text(after + 2, l);
	return true;
}

bool logline_parse(const char *line, int64_t now_us, struct logline *line_r)
{
	const char *rest = parse_exact(line, line_r);

	if (rest == NULL)
		rest = parse_vague(line, now_us, line_r);
	return rest != NULL && parse_rest(rest, line_r);
}

/* A field whose bytes are no UTF-8 is an array of numbers there. */
static char *journal_field(const struct json *record, const char *name)
{
	const char *text = json_get_string(record, name);
	const struct json *bytes = json_get(record, name);
	struct str out = STR_INIT;

	if (text != NULL)
		return mem_strdup(text);
	for (size_t i = 0; i < json_count(bytes); i++) {
		int64_t byte = json_int(json_at(bytes, i), 0);
		if (byte <= 0 || byte > 255)
			break;
		str_append_c(&out, (char)byte);
	}
	return str_steal(&out);
}

static int64_t journal_number(const struct json *record, const char *name)
{
	const char *text = json_get_string(record, name);

	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

bool logline_parse_journal(const char *text, size_t len, struct logline *line_r, char **memory_r)
{
	const char *error;
	struct json *record = json_parse(text, len, &error);

	*memory_r = NULL;
	if (record == NULL)
		return false;
	const char *program = json_get_string(record, "SYSLOG_IDENTIFIER");
	line_r->time_us = journal_number(record, "__REALTIME_TIMESTAMP");
	line_r->coarse = false;
	line_r->pid = (int)journal_number(record, "SYSLOG_PID");
	if (line_r->pid == 0)
		line_r->pid = (int)journal_number(record, "_PID");
	copy(line_r->program, sizeof line_r->program, program ? program : "",
		strlen(program ? program : ""));
	*memory_r = journal_field(record, "MESSAGE");
	json_free(&record);
	take_text(*memory_r, line_r);
	return line_r->time_us > 0;
}

/* --- what it says ---------------------------------------------------------------------------- */

/* The end of a value of ours: a space, or the quote that closes it. */
static size_t value_length(const char *value)
{
	if (*value != '"')
		return strcspn(value, " ");
	size_t len = 1 + strcspn(value + 1, "\"");
	return len + (value[len] == '"');
}

static const char *unquoted(const char *value, size_t len, char buffer[LOGLINE_VALUE])
{
	if (len > 0 && *value == '"') {
		value++;
		len--;
	}
	if (len > 0 && value[len - 1] == '"')
		len--;
	return copy(buffer, LOGLINE_VALUE, value, len);
}

const char *logline_value(const struct logline *line, const char *key, char buffer[LOGLINE_VALUE])
{
	size_t wanted = strlen(key);

	for (const char *p = line->text; *p != '\0'; p += *p == ' ') {
		size_t word = strcspn(p, " =\"");
		if (p[word] != '=') {
			p += p[word] == '"' ? word + value_length(p + word) : word;
			continue;
		}
		const char *value = p + word + 1;
		size_t len = value_length(value);
		if (word == wanted && memcmp(p, key, wanted) == 0)
			return unquoted(value, len, buffer);
		p = value + len;
	}
	return NULL;
}

const char *logline_mta_value(const struct logline *line, const char *key, const char **cursor,
	char buffer[LOGLINE_VALUE])
{
	size_t len = strlen(key);
	const char *p = *cursor != NULL ? *cursor : line->text;

	if (*cursor != NULL && strncmp(p, ">,<", 3) == 0) { /* Sendmail: to=<a>,<b> */
		len = strcspn(p + 3, ">");
		*cursor = p + 3 + len;
		return copy(buffer, LOGLINE_VALUE, p + 3, len);
	}
	while ((p = strstr(p, key)) != NULL) {
		const char *value = p + len + 1;
		bool begins = p == line->text || p[-1] == ' ';
		p += len;
		if (!begins || *p != '=')
			continue;
		bool pointed = *value == '<';
		value += pointed;
		len = strcspn(value, pointed ? ">" : ", ");
		*cursor = value + len;
		return copy(buffer, LOGLINE_VALUE, value, len);
	}
	return NULL;
}

static size_t id_length(const char *text)
{
	size_t len = 0;

	while (isalnum((unsigned char)text[len]))
		len++;
	return len >= QUEUE_ID_MIN && len <= QUEUE_ID_MAX ? len : 0;
}

const char *logline_queue_id(const struct logline *line, char buffer[LOGLINE_VALUE])
{
	size_t len = id_length(line->text);

	if (len == 0 || strncmp(line->text + len, ": ", 2) != 0)
		return NULL;
	return copy(buffer, LOGLINE_VALUE, line->text, len);
}

const char *logline_queued_as(const struct logline *line, char buffer[LOGLINE_VALUE])
{
	static const char postfix[] = " queued as ", sendmail[] = " Message accepted for delivery";
	const char *p = strstr(line->text, postfix);

	if (p != NULL) {
		p += strlen(postfix);
		size_t len = id_length(p);
		return len > 0 ? copy(buffer, LOGLINE_VALUE, p, len) : NULL;
	}
	if ((p = strstr(line->text, sendmail)) == NULL)
		return NULL;
	const char *start = p;
	while (start > line->text && isalnum((unsigned char)start[-1]))
		start--;
	size_t len = id_length(start);
	return len > 0 && start + len == p ? copy(buffer, LOGLINE_VALUE, start, len) : NULL;
}
