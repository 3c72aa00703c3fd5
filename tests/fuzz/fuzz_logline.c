/* Lines of logs (cli/logline, cli/trace_join): whatever senders and other servers put there. */
#define _GNU_SOURCE
#include "cli/logline.h"
#include "cli/trace_join.h"
#include "lib/mem.h"
#include "tests/fuzz/fuzz.h"

#define NOW INT64_C(1795327200000000)

/* What is found in a line is part of it, and does not have what would end it. */
static void check_values(const struct logline *line)
{
	static const char *const keys[] = { "id", "queue_id", "to", "reply" };
	char buffer[LOGLINE_VALUE];

	for (size_t i = 0; i < 4; i++) {
		const char *cursor = NULL, *found = logline_value(line, keys[i], buffer);
		FUZZ_CHECK(found == NULL || strstr(line->text, found) != NULL);
		while ((found = logline_mta_value(line, keys[i], &cursor, buffer)) != NULL)
			FUZZ_CHECK(strstr(line->text, found) != NULL);
	}
	const char *id = logline_queue_id(line, buffer);
	FUZZ_CHECK(id == NULL || strncmp(line->text, id, strlen(id)) == 0);
	id = logline_queued_as(line, buffer);
	FUZZ_CHECK(id == NULL || strstr(line->text, id) != NULL);
}

static void check_hidden(const char *text)
{
	struct str out = STR_INIT;
	bool secret = strcasestr(text, "password=") != NULL;

	trace_hide(text, &out);
	FUZZ_CHECK(!secret || strcmp(str_cstr(&out), text) != 0 || strstr(text, "(hidden)"));
	str_free(&out);
}

static void take(struct trace *trace, const char *text)
{
	struct logline line;
	char *memory;

	if (logline_parse(text, NOW, &line)) {
		check_values(&line);
		check_hidden(line.text);
		trace_take(trace, &line);
	}
	if (logline_parse_journal(text, strlen(text), &line, &memory)) {
		check_values(&line);
		trace_take(trace, &line);
	}
	mem_free(&memory);
}

/* The first line is what is searched for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input all = { data, size };
	char *key = fuzz_line(&all);
	struct trace *trace = trace_new(key, 0, INT64_MAX);

	while (trace_pass(trace))
		for (struct fuzz_input in = all; in.left > 0;) {
			char *text = fuzz_line(&in);
			take(trace, text);
			free(text);
		}
	size_t count = trace_end(trace);
	FUZZ_CHECK(count <= TRACE_MESSAGES_MAX);
	for (size_t i = 0; i < count; i++)
		FUZZ_CHECK(trace_message(trace, i)->line_count > 0);
	trace_free(&trace);
	free(key);
	return 0;
}
