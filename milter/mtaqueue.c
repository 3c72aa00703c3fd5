#include "milter/mtaqueue.h"

#include <stdbool.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/str.h"
#include "milter/mailq.h"

/* Which program prints: its first line tells. */
enum format { UNKNOWN, POSTQUEUE, MAILQ };

struct mtaqueue {
	mtaqueue_recipient callback;
	void *context;
	struct str line;
	enum format format;
	long files;
	struct mailq_found found;
	bool ended;            /* of mailq: its last line was seen */
	long announced, shown; /* files, by its headings and by its lines */
};

struct mtaqueue *mtaqueue_new(mtaqueue_recipient callback, void *context)
{
	struct mtaqueue *q = mem_zalloc(sizeof *q);

	q->callback = callback;
	q->context = context;
	return q;
}

void mtaqueue_free(struct mtaqueue **queue)
{
	if (*queue == NULL)
		return;
	str_free(&(*queue)->line);
	str_free(&(*queue)->found.recipient);
	mem_free(queue);
}

static int take_object(struct mtaqueue *q, const struct json *file, const char **error_r)
{
	const struct json *recipients = json_get(file, "recipients");

	if (recipients == NULL) {
		*error_r = "a line without recipients";
		return -1;
	}
	for (size_t i = 0; i < json_count(recipients); i++) {
		const char *address = json_get_string(json_at(recipients, i), "address");
		if (address == NULL) {
			*error_r = "a recipient without address";
			return -1;
		}
		q->callback(q->context, address, false);
	}
	q->files++;
	return 0;
}

/* Physical addresses are ASCII, so what is not needs no exact comparison, only a parser that
 * does not refuse the line. */
static void make_ascii(char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] >= 0x80 || data[i] == '\0')
			data[i] = '?';
}

static int take_json(struct mtaqueue *q, const char **error_r)
{
	const char *reason;

	make_ascii(q->line.data, q->line.len);
	struct json *file = json_parse(q->line.data, q->line.len, &reason);
	if (file == NULL) {
		*error_r = "a line that is not JSON";
		return -1;
	}
	int done = take_object(q, file, error_r);
	json_free(&file);
	return done;
}

static int take_mailq(struct mtaqueue *q, const char **error_r)
{
	make_ascii(q->line.data, q->line.len);
	enum mailq_line kind = mailq_read(q->line.data, q->line.len, &q->found);
	if (kind == MAILQ_NO_LISTING) {
		*error_r = q->found.error;
		return -1;
	}
	if (kind == MAILQ_HEADING)
		q->announced += q->found.requests;
	if (kind == MAILQ_RECIPIENT)
		q->callback(q->context, q->found.recipient.data, q->found.cut);
	q->files += kind == MAILQ_FILE;
	q->shown += kind == MAILQ_FILE || kind == MAILQ_GONE;
	q->ended = kind == MAILQ_END;
	if (!q->ended)
		return 0;
	bool whole = q->shown >= q->announced;
	q->shown = q->announced = 0;
	if (!whole)
		*error_r = "mailq shows a part of the queue only (J= of a queue group)";
	return whole ? 0 : -1;
}

static int take_line(struct mtaqueue *q, const char **error_r)
{
	while (q->line.len && q->line.data[q->line.len - 1] == '\r')
		q->line.data[--q->line.len] = '\0';
	if (q->line.len == 0)
		return 0;
	if (q->format == UNKNOWN)
		q->format = q->line.data[0] == '{' || q->line.data[0] == '[' ? POSTQUEUE : MAILQ;
	int done = q->format == POSTQUEUE ? take_json(q, error_r) : take_mailq(q, error_r);
	str_reset(&q->line);
	return done;
}

int mtaqueue_feed(struct mtaqueue *q, const char *data, size_t len, const char **error_r)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t part = end ? (size_t)(end - data) : len;
		if (q->line.len + part > MTAQUEUE_LINE_MAX) {
			*error_r = "a line that is too long";
			return -1;
		}
		str_append(&q->line, data, part);
		if (end == NULL)
			return 0;
		if (take_line(q, error_r) < 0)
			return -1;
		data += part + 1;
		len -= part + 1;
	}
	return 0;
}

long mtaqueue_finish(struct mtaqueue *q, const char **error_r)
{
	if (q->line.len) {
		*error_r = "it ends in the middle of a line";
		return -1;
	}
	if (q->format == MAILQ && !q->ended) {
		*error_r = "it ends before the number of requests";
		return -1;
	}
	return q->files;
}
