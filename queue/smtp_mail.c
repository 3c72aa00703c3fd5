/* One transaction of an SMTP or LMTP session. */
#include <string.h>

#include "lib/clock.h"
#include "lib/utf8.h"
#include "queue/dot.h"
#include "queue/offer.h"
#include "queue/smtp.h"
#include "queue/smtp_session.h"

#define STAGE_PENDING STAGE_COUNT /* no answer yet */

/* --- answers ----------------------------------------------------------------------------- */

static void answer_pending(struct smtp_mail *mail, enum stage stage, const struct reply *reply)
{
	for (size_t i = 0; i < mail->count; i++)
		if (mail->recipients[i].answer.stage == STAGE_PENDING)
			mail->recipients[i].answer = (struct answer){ stage, *reply };
}

/* The session is over; whoever has no answer gets this one. */
static void give_up(
	struct smtp *smtp, struct smtp_mail *mail, enum stage stage, const struct reply *reply)
{
	answer_pending(mail, stage, reply);
	link_close(smtp->link);
}

static void give_up_why(
	struct smtp *smtp, struct smtp_mail *mail, enum stage stage, const char *why)
{
	struct reply reply;

	reply_set(&reply, why);
	reply.code = 0;
	give_up(smtp, mail, stage, &reply);
}

/* --- what need not be asked -------------------------------------------------------------- */

static int read_chunk(struct smtp *smtp, struct smtp_mail *mail, uint64_t offset, size_t *len_r)
{
	*len_r = 0;
	if (offset >= mail->bytes)
		return 0;
	if (mail->read(mail->context, offset, smtp->chunk, SMTP_CHUNK, len_r) == 0 && *len_r > 0)
		return 0;
	mail->content_failed = true; /* or shorter than it was: never end that with a dot */
	return -1;
}

/*
 * As much as must be known of the content; mostly its header is in the first chunk, which is in
 * smtp->chunk afterwards.
 */
static int examine(
	struct smtp *smtp, struct smtp_mail *mail, bool whole, struct scan *scan, size_t *first_r)
{
	uint64_t offset = 0;
	size_t len;

	if (read_chunk(smtp, mail, 0, first_r) < 0)
		return -1;
	scan_feed(scan, smtp->chunk, *first_r);
	for (len = *first_r; len > 0 && (whole || !scan->in_body);) {
		offset += len;
		if (read_chunk(smtp, mail, offset, &len) < 0)
			return -1;
		scan_feed(scan, smtp->chunk, len);
	}
	return offset > 0 ? read_chunk(smtp, mail, 0, first_r) : 0;
}

static struct offer_mail offered(const struct smtp_mail *mail)
{
	return (struct offer_mail){
		.sender = mail->sender,
		.params = mail->params,
		.bytes = mail->bytes + strlen(mail->prefix),
		.hop_limit = mail->hop_limit,
	};
}

/* What the listener is known to refuse, or must not be sent at all, is answered here. -1: it is,
 * or the content cannot be read. */
static int look_first(struct smtp *smtp, struct smtp_mail *mail, size_t *first_r)
{
	const struct offer_mail offer = offered(mail);
	struct scan scan = SCAN_INIT;
	struct reply reply;

	if (examine(smtp, mail, offer_needs_body(&smtp->ehlo, &offer), &scan, first_r) < 0) {
		give_up_why(smtp, mail, STAGE_LOST, "content cannot be read");
		return -1;
	}
	const char *text = offer_refusal(&smtp->ehlo, &offer, &scan);
	if (text == NULL)
		return 0;
	reply_set(&reply, text);
	answer_pending(mail, STAGE_DATA, &reply);
	return -1;
}

static bool may_send(const struct smtp *smtp, const struct smtp_recipient *recipient)
{
	return offer_refuses_recipient(&smtp->ehlo, recipient->address) == NULL;
}

static void refuse_recipients(const struct smtp *smtp, struct smtp_mail *mail)
{
	for (size_t i = 0; i < mail->count; i++) {
		struct answer *answer = &mail->recipients[i].answer;
		const char *text =
			offer_refuses_recipient(&smtp->ehlo, mail->recipients[i].address);
		if (text == NULL)
			continue;
		answer->stage = STAGE_RCPT;
		reply_set(&answer->reply, text);
	}
}

/* --- envelope ---------------------------------------------------------------------------- */

enum verb { VERB_RSET, VERB_MAIL, VERB_RCPT, VERB_DATA };

static void put_mail(struct smtp *smtp, const struct smtp_mail *mail)
{
	const struct offer_mail offer = offered(mail);
	bool utf8 = false;

	for (size_t i = 0; i < mail->count; i++)
		utf8 |= !utf8_ascii(
			mail->recipients[i].address, strlen(mail->recipients[i].address));
	str_printf(&smtp->out, "MAIL FROM:<%s>", mail->sender);
	offer_mail_params(&smtp->ehlo, &offer, utf8, &smtp->out);
	str_append_z(&smtp->out, "\r\n");
}

static void put_rcpt(struct smtp *smtp, const struct smtp_recipient *recipient)
{
	str_printf(&smtp->out, "RCPT TO:<%s>", recipient->address);
	offer_rcpt_params(&smtp->ehlo, recipient->params, recipient->original, &smtp->out);
	str_append_z(&smtp->out, "\r\n");
}

static void put_verb(struct smtp *smtp, const struct smtp_mail *mail, enum verb verb, size_t i)
{
	switch (verb) {
	case VERB_RSET: str_append_z(&smtp->out, "RSET\r\n"); break;
	case VERB_MAIL: put_mail(smtp, mail); break;
	case VERB_RCPT: put_rcpt(smtp, &mail->recipients[i]); break;
	case VERB_DATA: str_append_z(&smtp->out, "DATA\r\n"); break;
	}
}

static int flush(struct smtp *smtp, struct smtp_mail *mail)
{
	const char *error;
	int done = link_write(smtp->link, str_cstr(&smtp->out), smtp->out.len, &error);

	str_reset(&smtp->out);
	if (done < 0)
		give_up_why(smtp, mail, STAGE_LOST, error);
	return done;
}

static int put_group(struct smtp *smtp, struct smtp_mail *mail)
{
	if (smtp->reset_due)
		put_verb(smtp, mail, VERB_RSET, 0);
	put_verb(smtp, mail, VERB_MAIL, 0);
	for (size_t i = 0; i < mail->count; i++)
		if (may_send(smtp, &mail->recipients[i]))
			put_verb(smtp, mail, VERB_RCPT, i);
	put_verb(smtp, mail, VERB_DATA, 0);
	return flush(smtp, mail);
}

/*
 * The reply to one command, sent just now unless it went with its group. -1: the session is over
 * (421 says so as well), and all that were pending have their answer.
 */
static int ask(
	struct smtp *smtp, struct smtp_mail *mail, enum verb verb, size_t i, struct reply *reply)
{
	const char *error;

	if (!smtp->ehlo.pipelining) {
		put_verb(smtp, mail, verb, i);
		if (flush(smtp, mail) < 0)
			return -1;
	}
	if (link_reply(smtp->link, clock_mono_us() + smtp->timeout_us, reply, NULL, NULL, &error) <
		0) {
		give_up_why(smtp, mail, STAGE_LOST, error);
		return -1;
	}
	bool sane = reply_is(reply, 4) || reply_is(reply, 5) ||
		    (verb == VERB_DATA ? reply->code == 354 : reply_is(reply, 2));
	if (reply->code != 421 && sane)
		return 0;
	give_up(smtp, mail, STAGE_LOST, reply);
	return -1;
}

static int ask_sender(struct smtp *smtp, struct smtp_mail *mail)
{
	struct reply reply;

	if (smtp->reset_due && ask(smtp, mail, VERB_RSET, 0, &reply) < 0)
		return -1;
	if (ask(smtp, mail, VERB_MAIL, 0, &reply) < 0)
		return -1;
	smtp->reset_due = true; /* until the final dot is answered */
	if (!reply_is(&reply, 2))
		answer_pending(mail, STAGE_MAIL, &reply);
	return 0;
}

static size_t pending(const struct smtp_mail *mail)
{
	size_t n = 0;

	for (size_t i = 0; i < mail->count; i++)
		n += mail->recipients[i].answer.stage == STAGE_PENDING;
	return n;
}

static int ask_recipients(struct smtp *smtp, struct smtp_mail *mail)
{
	struct reply reply;

	for (size_t i = 0; i < mail->count; i++) {
		struct answer *answer = &mail->recipients[i].answer;
		if (!may_send(smtp, &mail->recipients[i]) ||
			(!smtp->ehlo.pipelining && answer->stage != STAGE_PENDING))
			continue;
		if (ask(smtp, mail, VERB_RCPT, i, &reply) < 0)
			return -1;
		if (answer->stage == STAGE_PENDING && !reply_is(&reply, 2))
			*answer = (struct answer){ STAGE_RCPT, reply };
	}
	return 0;
}

/* A server may say 354 although nobody is left (RFC 2920 section 3.1): an empty message ends that.
 */
static void end_empty(struct smtp *smtp, struct smtp_mail *mail)
{
	struct reply reply;
	const char *error;

	str_append_z(&smtp->out, ".\r\n");
	if (flush(smtp, mail) == 0 && link_reply(smtp->link, clock_mono_us() + smtp->timeout_us,
					      &reply, NULL, NULL, &error) < 0)
		link_close(smtp->link);
}

/* 1 = content may come, 0 = everybody is answered, -1 = the session is over. */
static int envelope(struct smtp *smtp, struct smtp_mail *mail)
{
	struct reply reply;

	str_reset(&smtp->out);
	if (smtp->ehlo.pipelining && put_group(smtp, mail) < 0)
		return -1;
	if (ask_sender(smtp, mail) < 0 || ask_recipients(smtp, mail) < 0)
		return -1;
	if (pending(mail) == 0 && !smtp->ehlo.pipelining)
		return 0;
	if (ask(smtp, mail, VERB_DATA, 0, &reply) < 0)
		return -1;
	if (reply.code == 354 && pending(mail) > 0)
		return 1;
	if (reply.code == 354)
		end_empty(smtp, mail);
	answer_pending(mail, STAGE_DATA, &reply);
	return 0;
}

/* --- content ----------------------------------------------------------------------------- */

/* Broken off half-way; the reason may be waiting to be read. */
static void explain_loss(struct smtp *smtp, struct smtp_mail *mail, const char *error)
{
	struct reply reply;
	const char *ignored;

	if (link_reply(smtp->link, clock_mono_us() + 100 * CLOCK_MS, &reply, NULL, NULL,
		    &ignored) == 0)
		give_up(smtp, mail, STAGE_LOST, &reply);
	else
		give_up_why(smtp, mail, STAGE_LOST, error);
}

static int write_chunk(struct smtp *smtp, struct smtp_mail *mail)
{
	const char *error;

	if (link_write(smtp->link, smtp->out.data, smtp->out.len, &error) < 0) {
		explain_loss(smtp, mail, error);
		return -1;
	}
	str_reset(&smtp->out);
	return 0;
}

/* The first chunk is in smtp->chunk already. What fits goes out in one write with the dot. */
static int content(struct smtp *smtp, struct smtp_mail *mail, size_t len)
{
	struct dot dot = DOT_INIT;
	uint64_t offset = 0;

	str_reset(&smtp->out);
	dot_stuff(&dot, mail->prefix, strlen(mail->prefix), &smtp->out);
	while (len > 0) {
		dot_stuff(&dot, smtp->chunk, len, &smtp->out);
		offset += len;
		if (offset < mail->bytes && write_chunk(smtp, mail) < 0)
			return -1;
		if (read_chunk(smtp, mail, offset, &len) < 0) {
			give_up_why(smtp, mail, STAGE_LOST, "content cannot be read");
			return -1;
		}
	}
	dot_end(&dot, &smtp->out);
	return write_chunk(smtp, mail);
}

static int final_reply(struct smtp *smtp, struct smtp_mail *mail, struct reply *reply)
{
	const char *error;

	if (link_reply(smtp->link, clock_mono_us() + 2 * smtp->timeout_us, reply, NULL, NULL,
		    &error) < 0) {
		give_up_why(smtp, mail, STAGE_UNCLEAR, error);
		return -1;
	}
	if (reply_is(reply, 3)) {
		give_up(smtp, mail, STAGE_UNCLEAR, reply);
		return -1;
	}
	return 0;
}

/* SMTP: one answer for all; LMTP: one each, in the order of the recipients (RFC 2033 section 4.2).
 */
static void conclude(struct smtp *smtp, struct smtp_mail *mail)
{
	struct reply reply = { 0 };

	for (size_t i = 0; i < mail->count; i++) {
		struct answer *answer = &mail->recipients[i].answer;
		if (answer->stage != STAGE_PENDING)
			continue;
		if ((smtp->lmtp || reply.code == 0) && final_reply(smtp, mail, &reply) < 0)
			return;
		*answer = (struct answer){ STAGE_DOT, reply };
	}
	smtp->reset_due = false;
	smtp->used++;
	if (reply.code == 421)
		link_close(smtp->link);
}

void smtp_send(struct smtp *smtp, struct smtp_mail *mail)
{
	size_t first;

	for (size_t i = 0; i < mail->count; i++)
		mail->recipients[i].answer.stage = STAGE_PENDING;
	refuse_recipients(smtp, mail);
	if (pending(mail) == 0 || look_first(smtp, mail, &first) < 0)
		return;
	int go = envelope(smtp, mail);
	if (go == 0)
		smtp->used++;
	if (go > 0 && content(smtp, mail, first) == 0)
		conclude(smtp, mail);
}
