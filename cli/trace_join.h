/*
 * Which lines of the logs belong to one message: `restante trace` without files and printing. The
 * lines are shown to it again and again, for what ties a line to a message may come after it; once
 * a pass has found nothing new, the lines of that pass are all there are. Not thread-safe.
 */
#ifndef RESTANTE_CLI_TRACE_JOIN_H
#define RESTANTE_CLI_TRACE_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/logline.h"
#include "lib/str.h"

/* More than this are not followed: a search that broad is no trace. */
#define TRACE_MESSAGES_MAX 200

enum trace_kind {
	TRACE_ID,     /* id= of our lines */
	TRACE_QUEUE,  /* the MTA's queue id under which it came in */
	TRACE_ONWARD, /* one under which it went on: released, or relayed */
};

struct trace_name {
	enum trace_kind kind;
	char *text;
};

struct trace_line {
	int64_t time_us, order_us; /* order_us: where whole seconds are put among finer stamps */
	bool coarse;
	int pid;
	char *program, *level, *text;
};

struct trace_message {
	struct trace_name *names;
	size_t name_count;
	uint64_t number; /* in the hold queue; 0 = never held, as far as the lines say */
	struct trace_line *lines;
	size_t line_count;
};

struct trace;

/*
 * key: an id=, a queue id of the MTA, a number of the hold queue, a Message-ID or an address. Only
 * lines of since_us to until_us are searched for it; what belongs to a message that was found may
 * be of any time.
 */
struct trace *trace_new(const char *key, int64_t since_us, int64_t until_us);
void trace_free(struct trace **trace);

/* A pass begins; false: the last one found nothing new, so there is no need for another. */
bool trace_pass(struct trace *trace);
void trace_take(struct trace *trace, const struct logline *line);
/* Sorts; call it after the last pass. The number of messages, the oldest first. */
size_t trace_end(struct trace *trace);
const struct trace_message *trace_message(const struct trace *trace, size_t index);
/* More than TRACE_MESSAGES_MAX were there. */
bool trace_cut(const struct trace *trace);

/* Appends text without what looks like a password in it. */
void trace_hide(const char *text, struct str *out);

#endif
