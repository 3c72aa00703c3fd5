/* SMTP replies (queue/reply) and what EHLO announces (queue/ehlo). */
#include "queue/ehlo.h"
#include "queue/reply.h"
#include "tests/fuzz/fuzz.h"

/* As the session does it: ever more bytes, `step` at a time, until the reply is over. */
static enum reply_result feed(
	struct reply *reply, const uint8_t *data, size_t size, size_t step, size_t *used_r)
{
	enum reply_result result = REPLY_MORE;
	size_t at = 0, there = 0, used;

	memset(reply, 0, sizeof *reply);
	while (result == REPLY_MORE || result == REPLY_LINE) {
		result = reply_feed(reply, (const char *)data + at, there - at, &used);
		FUZZ_CHECK(used <= there - at);
		FUZZ_CHECK(used > 0 || (result != REPLY_LINE && result != REPLY_DONE));
		at += used;
		if (result == REPLY_MORE) {
			if (there == size)
				break;
			there = size - there > step ? there + step : size;
		}
	}
	*used_r = at;
	return result;
}

static void check_sound(const struct reply *reply, enum reply_result result)
{
	char status[12];

	FUZZ_CHECK(strlen(reply->text) <= REPLY_TEXT_MAX);
	for (const char *p = reply->text; *p != '\0'; p++)
		FUZZ_CHECK(*p >= ' ' && *p < 0x7f);
	FUZZ_CHECK(reply->class == 0 || reply->class == reply->code / 100);
	if (result == REPLY_DONE)
		FUZZ_CHECK(reply->code >= 200 && reply->code <= 599);
	reply_status(reply, status, sizeof status);
	FUZZ_CHECK(status[0] >= '2' && status[0] <= '5' && status[1] == '.');
}

/* However the bytes are cut, it is the same reply. */
static void check_reply(const uint8_t *data, size_t size)
{
	struct reply whole, pieces;
	size_t whole_used, pieces_used;
	enum reply_result result = feed(&whole, data, size, size, &whole_used);

	check_sound(&whole, result);
	FUZZ_CHECK(feed(&pieces, data, size, 7, &pieces_used) == result);
	FUZZ_CHECK(whole_used == pieces_used && memcmp(&whole, &pieces, sizeof whole) == 0);
}

static void check_text(const char *text)
{
	struct reply reply;

	reply_set(&reply, text);
	check_sound(&reply, REPLY_MORE);
}

/* Lines add to what is known; the same line again changes nothing. */
static void check_ehlo(struct fuzz_input in)
{
	struct ehlo ehlo = { 0 };

	while (in.left > 0) {
		char *line = fuzz_line(&in);
		size_t len = strlen(line);
		char *exact = realloc(line, len ? len : 1);
		ehlo_line(&ehlo, exact, len);
		struct ehlo before = ehlo;
		ehlo_line(&ehlo, exact, len);
		FUZZ_CHECK(ehlo.size == before.size && ehlo.limit == before.limit);
		FUZZ_CHECK(ehlo.size || ehlo.limit == 0);
		free(exact);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);

	check_reply(data, size);
	check_text(text);
	check_ehlo((struct fuzz_input){ data, size });
	free(text);
	return 0;
}
