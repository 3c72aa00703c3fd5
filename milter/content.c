#include "milter/content.h"

#include <string.h>
#include <strings.h>

#define KEPT_BETWEEN 131072 /* bytes that stay allocated between messages */
#define KEPT_FIRST   4000   /* bytes at once: most messages have more, in small pieces */
#define FIELD_MAX    4096   /* bytes of Message-ID and Date that tell messages apart */

static void lose(struct content *c, enum holdq_result fault)
{
	c->state = CONTENT_LOST;
	c->fault = fault;
	holdq_draft_free(&c->draft);
	if (c->digest != NULL)
		digest_end(&c->digest, NULL);
	str_free(&c->kept);
}

static struct digest *begin_digest(const struct content *c, const char *sender)
{
	struct digest *digest = digest_begin();

	digest_add(digest, sender, strlen(sender) + 1);
	digest_add(digest, str_cstr(&c->message_id), c->message_id.len + 1);
	digest_add(digest, str_cstr(&c->date), c->date.len + 1);
	return digest;
}

static void append_draft(struct content *c, const void *data, size_t len)
{
	enum holdq_result result = holdq_draft_append(c->draft, data, len);

	if (result != HOLDQ_OK)
		lose(c, result);
	else if (c->in_body)
		digest_add(c->digest, data, len);
}

/* What is in memory goes ahead. */
static void begin_draft(struct content *c, const struct content_capture *capture)
{
	struct str kept = c->kept;
	bool in_body = c->in_body;

	c->kept = (struct str)STR_INIT;
	c->state = CONTENT_DRAFT;
	c->draft = holdq_draft_new(capture->queue);
	c->in_body = false;
	append_draft(c, kept.data, in_body ? c->body_at : kept.len);
	c->in_body = in_body;
	if (c->state == CONTENT_DRAFT && in_body) {
		c->digest = begin_digest(c, capture->sender);
		append_draft(c, kept.data + c->body_at, kept.len - c->body_at);
	}
	str_free(&kept);
}

/* `whole`: as far as one can tell nothing comes after it. */
static void add(struct content *c, const void *data, size_t len, bool whole,
	const struct content_capture *capture)
{
	if (c->state == CONTENT_KEPT && (!whole || c->kept.len + len > CONTENT_KEPT_MAX)) {
		if (capture->wanted(capture->context))
			begin_draft(c, capture);
		else
			lose(c, HOLDQ_OK);
	}
	if (c->state == CONTENT_KEPT)
		str_append(&c->kept, data, len);
	else if (c->state == CONTENT_DRAFT)
		append_draft(c, data, len);
}

/* The milter protocol has a bare LF between the lines of a folded header. */
static void append_value(struct str *line, const char *value)
{
	const char *end;

	for (; (end = strchr(value, '\n')) != NULL; value = end + 1) {
		bool bare = end == value || end[-1] != '\r';
		str_append(line, value, (size_t)(end - value));
		str_append_z(line, bare ? "\r\n" : "\n");
	}
	str_append_z(line, value);
}

static void remember(struct str *field, const char *value)
{
	size_t len = strlen(value);

	if (field->len == 0)
		str_append(field, value, len < FIELD_MAX ? len : FIELD_MAX);
}

/* What goes into the digest is the same whether the MTA shows the leading space or not. */
static void remember_field(struct content *c, const char *name, const char *value)
{
	value += strspn(value, " \t");
	if (strcasecmp(name, "Message-ID") == 0)
		remember(&c->message_id, value);
	else if (strcasecmp(name, "Date") == 0)
		remember(&c->date, value);
}

bool content_in_memory(const struct content *c, size_t body_bytes)
{
	return c->state == CONTENT_LOST ||
	       (c->state == CONTENT_KEPT && c->kept.len < CONTENT_KEPT_MAX / 2 &&
		       body_bytes < CONTENT_CHUNK);
}

void content_header(struct content *c, const char *name, const char *value, bool leading_space,
	const struct content_capture *capture)
{
	struct str line = STR_INIT;

	if (c->state == CONTENT_LOST)
		return;
	remember_field(c, name, value);
	struct str *out = content_in_memory(c, 0) ? &c->kept : &line;
	if (out->cap == 0)
		str_reserve(out, KEPT_FIRST);
	str_append_z(out, name);
	str_append_z(out, leading_space ? ":" : ": ");
	append_value(out, value);
	str_append(out, "\r\n", 2);
	if (out == &line)
		add(c, line.data, line.len, true, capture);
	str_free(&line);
}

static void end_headers(struct content *c, const struct content_capture *capture)
{
	if (c->in_body)
		return;
	add(c, "\r\n", 2, true, capture);
	c->in_body = true;
	c->body_at = c->kept.len;
	if (c->state == CONTENT_DRAFT)
		c->digest = begin_digest(c, capture->sender);
}

bool content_body(
	struct content *c, const void *data, size_t len, const struct content_capture *capture)
{
	end_headers(c, capture);
	add(c, data, len, len < CONTENT_CHUNK, capture);
	return c->state != CONTENT_LOST;
}

struct holdq_draft *content_draft(
	struct content *c, struct holdq *queue, enum holdq_result *fault_r)
{
	struct holdq_draft *draft = c->draft;

	*fault_r = c->fault;
	if (c->state == CONTENT_LOST)
		return NULL;
	if (c->state == CONTENT_KEPT) {
		draft = holdq_draft_new(queue);
		*fault_r = holdq_draft_append(draft, c->kept.data, c->kept.len);
	}
	c->draft = NULL;
	if (*fault_r == HOLDQ_OK && !c->in_body)
		*fault_r = holdq_draft_append(draft, "\r\n", 2);
	if (*fault_r != HOLDQ_OK)
		holdq_draft_free(&draft);
	return draft;
}

bool content_repeat(struct content *c, const char *sender, uint8_t digest_r[DIGEST_BYTES])
{
	if (c->message_id.len == 0)
		return false;
	if (c->digest == NULL) {
		c->digest = begin_digest(c, sender);
		if (c->in_body)
			digest_add(c->digest, c->kept.data + c->body_at, c->kept.len - c->body_at);
	}
	digest_end(&c->digest, digest_r);
	return true;
}

void content_reset(struct content *c)
{
	struct str kept = c->kept;

	c->kept = (struct str)STR_INIT;
	lose(c, HOLDQ_OK);
	if (kept.cap > KEPT_BETWEEN)
		str_free(&kept);
	str_reset(&kept);
	str_reset(&c->message_id);
	str_reset(&c->date);
	c->kept = kept;
	c->state = CONTENT_KEPT;
	c->in_body = false;
	c->body_at = 0;
}

void content_free(struct content *c)
{
	lose(c, HOLDQ_OK);
	str_free(&c->message_id);
	str_free(&c->date);
}
