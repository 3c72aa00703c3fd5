/*
 * Delivery notices (queue/notice) about a hostile message: lines are the sender, MAIL parameters,
 * a recipient, its parameters, the next hop's reply; the rest is the original message.
 */
#define _GNU_SOURCE
#include "lib/utf8.h"
#include "queue/notice.h"
#include "queue/reply.h"
#include "tests/fuzz/fuzz.h"

#define BOUNDARY "--restante-"

static const char *find(const struct str *out, const char *text)
{
	return memmem(out->data, out->len, text, strlen(text));
}

/* Up to the returned message every line is of our making: CRLF, printable, and ASCII where the
 * sender is, or where the report is the traditional one. */
static void check_parts(const struct str *out, const char *returned, bool way_utf8)
{
	const char *status = find(out, "\r\nContent-Type: message/delivery-status");
	const char *global = find(out, "\r\nContent-Type: message/global-delivery-status");
	bool ascii = !way_utf8;

	FUZZ_CHECK((status != NULL && status < returned) || (global != NULL && global < returned));
	for (const char *p = out->data; p < returned; p++) {
		unsigned char c = (unsigned char)*p;
		ascii |= p == status;
		FUZZ_CHECK(c != '\n' || p[-1] == '\r');
		FUZZ_CHECK(c != '\r' || p[1] == '\n');
		FUZZ_CHECK(c >= ' ' || c == '\r' || c == '\n' || c == '\t');
		FUZZ_CHECK(c != 0x7f && (!ascii || c < 0x80));
	}
}

/* What is said with MAIL is enough for what is in it. */
static void check_mail_params(const struct notice *notice, const struct str *out, bool way_utf8)
{
	const char *params = notice_mail_params(notice);
	bool eightbit = !utf8_ascii(out->data, out->len);

	FUZZ_CHECK(!eightbit || strstr(params, "BODY=8BITMIME") != NULL);
	FUZZ_CHECK(way_utf8 == (strstr(params, "SMTPUTF8") != NULL));
}

/* One of each field: nobody could write a field of their own into the report. */
static void check_fields(const struct str *out, const char *returned)
{
	static const char *const fields[] = { "\r\nFinal-Recipient: ", "\r\nAction: ",
		"\r\nStatus: ", "\r\nReporting-MTA: ", "\r\nTo: ", "\r\nSubject: " };

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		const char *field = find(out, fields[i]);
		FUZZ_CHECK(field != NULL && field < returned);
		field = memmem(
			field + 2, (size_t)(returned - field - 2), fields[i], strlen(fields[i]));
		FUZZ_CHECK(field == NULL);
	}
}

/* The last line is the only closing boundary. */
static void check_end(const struct str *out)
{
	const char *first = find(out, "\r\n" BOUNDARY);

	FUZZ_CHECK(first != NULL);
	const char *line_end = memmem(first + 2, 100, "\r\n", 2);
	FUZZ_CHECK(line_end != NULL);
	struct str close = STR_INIT;
	str_append(&close, first, (size_t)(line_end - first));
	str_append_z(&close, "--\r\n");
	FUZZ_CHECK(out->len > close.len);
	FUZZ_CHECK(memmem(out->data, out->len, close.data, close.len) ==
		   out->data + out->len - close.len);
	str_free(&close);
}

static void check_notice(struct notice *notice)
{
	struct str out = STR_INIT;

	notice_write(notice, &out);
	/* the first of the two: the other may stand in the message */
	const char *returned = find(&out, "\r\nContent-Description: Message header");
	const char *whole = find(&out, "\r\nContent-Description: Undelivered message");
	if (returned == NULL || (whole != NULL && whole < returned))
		returned = whole;
	FUZZ_CHECK(returned != NULL);
	bool way_utf8 = !utf8_ascii(notice->envelope->sender, strlen(notice->envelope->sender));
	check_parts(&out, returned, way_utf8);
	check_fields(&out, returned);
	check_end(&out);
	check_mail_params(notice, &out, way_utf8);
	str_free(&out);
}

static struct notice make(const struct holdq_envelope *envelope,
	const struct notice_recipient *recipient, struct fuzz_input in)
{
	return (struct notice){ .hostname = "front.example.org",
		.remote = "s1.example.org",
		.envelope = envelope,
		.recipients = recipient,
		.count = 1,
		.now_us = 1764000000000000,
		.original = (const char *)in.data,
		.original_len = in.left };
}

static void run(struct fuzz_input in, char *lines[5], const struct reply *reply)
{
	struct holdq_envelope envelope = { .sender = lines[0],
		.mail_params = lines[1],
		.client_address = lines[3],
		.helo = lines[4],
		.id = lines[2],
		.arrived_us = 1763990000000000 };
	char status[12];
	struct notice_recipient recipient = { .address = lines[2],
		.params = lines[3],
		.status = reply_status(reply, status, sizeof status),
		.diagnostic = reply->text,
		.attempt_us = 1763995000000000,
		.until_us = 1764400000000000 };
	struct notice notice = make(&envelope, &recipient, in);

	for (int kind = NOTICE_FAILED; kind <= NOTICE_DELIVERED; kind++) {
		notice.kind = (enum notice_kind)kind;
		notice.complete = kind % 2 == 0;
		notice_wanted(notice.kind, envelope.sender, recipient.params);
		check_notice(&notice);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct reply reply;
	char *lines[5];

	/* found in none of the lines: it holds the microsecond, nobody knows it before */
	if (memmem(data, size, "restante-", 9) != NULL ||
		memmem(data, size, "message/d", 9) != NULL ||
		memmem(data, size, "message/g", 9) != NULL)
		return 0;
	for (size_t i = 0; i < 5; i++)
		lines[i] = fuzz_line(&in);
	reply_set(&reply, lines[4]);
	run(in, lines, &reply);
	for (size_t i = 0; i < 5; i++)
		free(lines[i]);
	return 0;
}
