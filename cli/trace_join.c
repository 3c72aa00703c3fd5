#define _GNU_SOURCE
#include "cli/trace_join.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/str.h"

#define PASSES_MAX 8

struct trace {
	char *key; /* as a log line has it, without <> */
	bool at;   /* it may be an address or a Message-ID */
	int64_t since_us, until_us;
	unsigned passes;
	bool news, cut;
	struct trace_message *messages;
	size_t count;
};

/* What a line says of itself. */
struct said {
	struct trace_name names[4];
	char text[4][LOGLINE_VALUE];
	size_t count;
	uint64_t number;
};

struct trace *trace_new(const char *key, int64_t since_us, int64_t until_us)
{
	struct trace *trace = mem_zalloc(sizeof *trace);
	char value[LOGLINE_VALUE];
	size_t len = strlen(key);
	bool pointed = len > 2 && key[0] == '<' && key[len - 1] == '>';
	char *bare = mem_strndup(key + pointed, len - 2 * pointed);

	trace->key = mem_strdup(log_value(value, sizeof value, bare));
	trace->at = strchr(bare, '@') != NULL || pointed;
	trace->since_us = since_us;
	trace->until_us = until_us;
	trace->news = true;
	mem_free(&bare);
	return trace;
}

static void free_line(struct trace_line *line)
{
	mem_free(&line->program);
	mem_free(&line->level);
	mem_free(&line->text);
}

static void drop_lines(struct trace_message *message)
{
	for (size_t i = 0; i < message->line_count; i++)
		free_line(&message->lines[i]);
	mem_free(&message->lines);
	message->line_count = 0;
}

static void free_message(struct trace_message *message)
{
	drop_lines(message);
	for (size_t i = 0; i < message->name_count; i++)
		mem_free(&message->names[i].text);
	mem_free(&message->names);
}

void trace_free(struct trace **trace)
{
	struct trace *t = *trace;

	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		free_message(&t->messages[i]);
	mem_free(&t->messages);
	mem_free(&t->key);
	mem_free(trace);
}

/* --- what a line says ------------------------------------------------------------------------ */

static void say(struct said *said, enum trace_kind kind, const char *text)
{
	if (text == NULL || *text == '\0' || said->count == sizeof said->text / sizeof *said->text)
		return;
	char *kept = said->text[said->count];
	snprintf(kept, sizeof said->text[0], "%s", text);
	said->names[said->count++] = (struct trace_name){ kind, kept };
}

static void read_line(const struct logline *line, struct said *said)
{
	char value[LOGLINE_VALUE];

	said->count = 0;
	said->number = 0;
	if (!logline_is_ours(line)) {
		say(said, TRACE_QUEUE, logline_queue_id(line, value));
		if (said->count > 0)
			say(said, TRACE_ONWARD, logline_queued_as(line, value));
		return;
	}
	say(said, TRACE_ID, logline_value(line, "id", value));
	if (said->count == 0)
		return;
	say(said, TRACE_QUEUE, logline_value(line, "queue_id", value));
	say(said, TRACE_ONWARD, logline_queued_as(line, value));
	const char *number = logline_value(line, "number", value);
	said->number = number ? strtoull(number, NULL, 10) : 0;
}

/* --- what is searched for -------------------------------------------------------------------- */

static bool is_key(const struct trace *trace, const char *value)
{
	if (value == NULL)
		return false;
	size_t len = strlen(value);
	if (len > 2 && value[0] == '<' && value[len - 1] == '>')
		return strlen(trace->key) == len - 2 &&
		       strncasecmp(value + 1, trace->key, len - 2) == 0;
	return strcasecmp(value, trace->key) == 0;
}

static bool ours_has_key(const struct trace *trace, const struct logline *line)
{
	static const char *const names[] = { "id", "queue_id", "number" };
	static const char *const addresses[] = { "message_id", "to", "rcpt", "from", "mailbox" };
	char value[LOGLINE_VALUE];

	for (size_t i = 0; i < sizeof names / sizeof *names && !trace->at; i++)
		if (is_key(trace, logline_value(line, names[i], value)))
			return true;
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses && trace->at; i++)
		if (is_key(trace, logline_value(line, addresses[i], value)))
			return true;
	return false;
}

static bool mta_has_key(const struct trace *trace, const struct logline *line)
{
	static const char *const names[] = { "message-id", "msgid", "to", "orig_to", "from" };
	char value[LOGLINE_VALUE];
	const char *cursor, *found;

	if (!trace->at)
		return is_key(trace, logline_queue_id(line, value));
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (cursor = NULL;
			(found = logline_mta_value(line, names[i], &cursor, value)) != NULL;)
			if (is_key(trace, found))
				return true;
	return false;
}

static bool has_key(const struct trace *trace, const struct logline *line)
{
	if (line->time_us < trace->since_us || line->time_us > trace->until_us)
		return false;
	return logline_is_ours(line) ? ours_has_key(trace, line) : mta_has_key(trace, line);
}

/* --- messages -------------------------------------------------------------------------------- */

/* Queue ids of both kinds are one name space; ids of ours are another. */
static struct trace_name *find_name(
	const struct trace_message *message, const struct trace_name *name)
{
	for (size_t i = 0; i < message->name_count; i++)
		if ((message->names[i].kind == TRACE_ID) == (name->kind == TRACE_ID) &&
			strcmp(message->names[i].text, name->text) == 0)
			return &message->names[i];
	return NULL;
}

static struct trace_message *find(struct trace *trace, const struct said *said, size_t from)
{
	for (size_t i = from; i < trace->count; i++)
		for (size_t k = 0; k < said->count; k++)
			if (find_name(&trace->messages[i], &said->names[k]) != NULL)
				return &trace->messages[i];
	return NULL;
}

static void add_name(
	struct trace *trace, struct trace_message *message, const struct trace_name *name)
{
	struct trace_name *known = find_name(message, name);

	if (known != NULL) {
		/* that it is one of the way onward may be said later than itself */
		if (name->kind == TRACE_ONWARD)
			known->kind = TRACE_ONWARD;
		return;
	}
	message->names = mem_grow(message->names, message->name_count + 1, sizeof *message->names);
	message->names[message->name_count++] =
		(struct trace_name){ name->kind, mem_strdup(name->text) };
	trace->news = true;
}

static struct trace_message *add_message(struct trace *trace)
{
	if (trace->count == TRACE_MESSAGES_MAX) {
		trace->cut = true;
		return NULL;
	}
	trace->messages = mem_grow(trace->messages, trace->count + 1, sizeof *trace->messages);
	trace->messages[trace->count] = (struct trace_message){ .number = 0 };
	return &trace->messages[trace->count++];
}

static void take_over(struct trace *trace, struct trace_message *first, struct trace_message *other)
{
	size_t all = first->line_count + other->line_count;

	for (size_t i = 0; i < other->name_count; i++)
		add_name(trace, first, &other->names[i]);
	if (other->line_count > 0) {
		first->lines = mem_grow(first->lines, all, sizeof *first->lines);
		memcpy(first->lines + first->line_count, other->lines,
			other->line_count * sizeof *other->lines);
		first->line_count = all;
		other->line_count = 0; /* they are the first one's now */
	}
	if (first->number == 0)
		first->number = other->number;
	free_message(other);
}

/* What a line ties together was one message all the time. */
static void merge(struct trace *trace, const struct said *said)
{
	struct trace_message *first = find(trace, said, 0), *other;

	if (first == NULL)
		return;
	size_t next = (size_t)(first - trace->messages) + 1;
	while ((other = find(trace, said, next)) != NULL) {
		take_over(trace, first, other);
		memmove(other, other + 1,
			(size_t)(trace->messages + trace->count - other - 1) * sizeof *other);
		trace->count--;
		trace->news = true;
	}
}

static void add_line(struct trace_message *message, const struct logline *line)
{
	message->lines = mem_grow(message->lines, message->line_count + 1, sizeof *message->lines);
	message->lines[message->line_count++] = (struct trace_line){
		.time_us = line->time_us,
		.coarse = line->coarse,
		.pid = line->pid,
		.program = mem_strdup(line->program),
		.level = mem_strdup(line->level),
		.text = mem_strdup(line->text),
	};
}

bool trace_pass(struct trace *trace)
{
	if (!trace->news || trace->passes++ == PASSES_MAX)
		return false;
	trace->news = false;
	size_t kept = 0;
	for (size_t i = 0; i < trace->count; i++) {
		drop_lines(&trace->messages[i]);
		/* a line that names no message is found again by what is searched for */
		if (trace->messages[i].name_count > 0)
			trace->messages[kept++] = trace->messages[i];
	}
	trace->count = kept;
	return true;
}

void trace_take(struct trace *trace, const struct logline *line)
{
	struct said said;

	read_line(line, &said);
	merge(trace, &said);
	struct trace_message *message = find(trace, &said, 0);
	if (message == NULL) {
		if (!has_key(trace, line) || (message = add_message(trace)) == NULL)
			return;
	}
	for (size_t i = 0; i < said.count; i++)
		add_name(trace, message, &said.names[i]);
	if (message->number == 0)
		message->number = said.number;
	add_line(message, line);
}

/* --- the end --------------------------------------------------------------------------------- */

/*
 * Among the lines of one second those of the MTA that took the message come before ours, those of
 * its way onward after them.
 */
static void place_line(const struct trace_message *message, struct trace_line *line)
{
	struct logline parsed = { .text = line->text };
	char value[LOGLINE_VALUE];
	const char *id = logline_queue_id(&parsed, value);

	line->order_us = line->time_us;
	for (size_t i = 0; line->coarse && id != NULL && i < message->name_count; i++)
		if (message->names[i].kind == TRACE_ONWARD &&
			strcmp(message->names[i].text, id) == 0)
			line->order_us = line->time_us + CLOCK_SECOND - 1;
}

/* In the order in which they were read where that is equal. */
static void sort_lines(struct trace_message *message)
{
	for (size_t i = 0; i < message->line_count; i++)
		place_line(message, &message->lines[i]);
	for (size_t i = 1; i < message->line_count; i++) {
		struct trace_line line = message->lines[i];
		size_t k = i;
		for (; k > 0 && message->lines[k - 1].order_us > line.order_us; k--)
			message->lines[k] = message->lines[k - 1];
		message->lines[k] = line;
	}
}

static int64_t began(const struct trace_message *message)
{
	return message->line_count > 0 ? message->lines[0].order_us : INT64_MAX;
}

size_t trace_end(struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++)
		sort_lines(&trace->messages[i]);
	for (size_t i = 1; i < trace->count; i++) {
		struct trace_message message = trace->messages[i];
		size_t k = i;
		for (; k > 0 && began(&trace->messages[k - 1]) > began(&message); k--)
			trace->messages[k] = trace->messages[k - 1];
		trace->messages[k] = message;
	}
	return trace->count;
}

const struct trace_message *trace_message(const struct trace *trace, size_t index)
{
	return &trace->messages[index];
}

bool trace_cut(const struct trace *trace)
{
	return trace->cut;
}

/* --- what is never shown ------------------------------------------------------------------- */

/* The length of what introduces a secret at the beginning of text; 0 = nothing. */
static size_t introduces(const char *text)
{
	static const char *const words[] = { "password=", "passwd=", "pass=", "secret=",
		"AUTH PLAIN ", "AUTH LOGIN ", "AUTH XOAUTH2 ", "AUTH OAUTHBEARER " };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strncasecmp(text, words[i], strlen(words[i])) == 0)
			return strlen(words[i]);
	return 0;
}

static size_t secret_length(const char *text)
{
	if (*text != '"')
		return strcspn(text, " ,;\"");
	size_t len = 1 + strcspn(text + 1, "\"");
	return len + (text[len] == '"');
}

void trace_hide(const char *text, struct str *out)
{
	while (*text != '\0') {
		size_t len = introduces(text);
		if (len == 0) {
			str_append_c(out, *text++);
			continue;
		}
		str_append(out, text, len);
		str_append_z(out, "(hidden)");
		text += len;
		text += secret_length(text);
	}
}
