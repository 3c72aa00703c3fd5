#include "queue/ehlo.h"

#include <string.h>
#include <strings.h>

static void take_size(struct ehlo *ehlo, const char *value, size_t len)
{
	uint64_t limit = 0;

	ehlo->size = true;
	for (size_t i = 0; i < len && i < 18; i++) {
		if (value[i] < '0' || value[i] > '9')
			return;
		limit = limit * 10 + (uint64_t)(value[i] - '0');
	}
	ehlo->limit = len < 19 ? limit : 0;
}

static bool *flag_of(struct ehlo *ehlo, const char *word, size_t len)
{
	const struct {
		const char *name;
		bool *flag;
	} known[] = {
		{ "PIPELINING", &ehlo->pipelining },
		{ "8BITMIME", &ehlo->eightbit },
		{ "SMTPUTF8", &ehlo->utf8 },
		{ "DSN", &ehlo->dsn },
		{ "STARTTLS", &ehlo->starttls },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, word, len) == 0)
			return known[i].flag;
	return NULL;
}

static size_t word_length(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] != ' ' && text[n] != '\r' && text[n] != '\n')
		n++;
	return n;
}

/* "AUTH PLAIN LOGIN"; "AUTH=..." is what some said before there was a standard. */
static void take_auth(struct ehlo *ehlo, const char *value, size_t len)
{
	while (len > 0) {
		size_t word = word_length(value, len), used = word < len ? word + 1 : word;
		ehlo->auth_plain |= word == 5 && strncasecmp(value, "PLAIN", 5) == 0;
		ehlo->auth_login |= word == 5 && strncasecmp(value, "LOGIN", 5) == 0;
		value += used;
		len -= used;
	}
}

void ehlo_line(struct ehlo *ehlo, const char *line, size_t len)
{
	if (len >= 4 && memcmp(line, "250", 3) == 0 && (line[3] == '-' || line[3] == ' ')) {
		line += 4;
		len -= 4;
	}
	size_t word = word_length(line, len);
	bool *flag = flag_of(ehlo, line, word);
	if (flag != NULL)
		*flag = true;
	size_t at = word < len && line[word] == ' ' ? word + 1 : word;
	if (word == 4 && strncasecmp(line, "SIZE", 4) == 0)
		take_size(ehlo, line + at, word_length(line + at, len - at));
	if (len >= 5 && (line[4] == ' ' || line[4] == '=') && strncasecmp(line, "AUTH", 4) == 0)
		take_auth(ehlo, line + 5, len - 5);
}
