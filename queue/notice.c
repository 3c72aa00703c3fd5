#define _GNU_SOURCE
#include "queue/notice.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/utf8.h"
#include "queue/notice_parts.h"
#include "queue/params.h"
#include "queue/quoted.h"

static const struct {
	const char *word; /* of NOTIFY */
	const char *subject;
	const char *text;
} kinds[] = {
	[NOTICE_FAILED] = { "FAILURE", "Undelivered mail returned to sender",
		"Your message could not be delivered to the recipients below.\r\n" },
	[NOTICE_DELAYED] = { "DELAY", "Delayed mail (still being tried)",
		"Your message has not been delivered yet to the recipients below.\r\n"
		"You do not need to send it again: it is kept and will be delivered.\r\n" },
	[NOTICE_RELAYED] = { "SUCCESS", "Mail relayed",
		"Your message was handed on for the recipients below. The next system\r\n"
		"does not report deliveries, so there may be no further word of it.\r\n" },
	[NOTICE_DELIVERED] = { "SUCCESS", "Mail delivered",
		"Your message was delivered to the recipients below.\r\n" },
};

bool notice_wanted(enum notice_kind kind, const char *sender, const char *params)
{
	if (sender[0] == '\0')
		return false;
	if (!params_has(params, "NOTIFY"))
		return kind == NOTICE_FAILED || kind == NOTICE_DELAYED;
	return params_lists(params, "NOTIFY", kinds[kind].word);
}

bool notice_utf8(const struct notice *notice)
{
	return params_has(notice->envelope->mail_params, "SMTPUTF8");
}

bool notice_way_utf8(const struct notice *notice)
{
	const char *sender = notice->envelope->sender;

	return !utf8_ascii(sender, strlen(sender));
}

/* --- header ---------------------------------------------------------------------------------- */

static void put_header(struct str *out, const struct notice *notice, const char *boundary)
{
	struct str about = STR_INIT;
	char date[64];

	str_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", notice->hostname);
	str_append_z(out, "To: <");
	notice_clean(out, notice->envelope->sender, strlen(notice->envelope->sender));
	str_printf(out, ">\r\nSubject: %s\r\n", kinds[notice->kind].subject);
	str_printf(out, "Date: %s\r\n", clock_rfc5322(date, sizeof date, notice->now_us));
	str_printf(out, "Message-ID: <%s@%s>\r\n", boundary, notice->hostname);
	notice_message_id(notice, &about);
	if (about.len > 0)
		str_printf(out, "In-Reply-To:%s\r\nReferences:%s\r\n", about.data, about.data);
	str_free(&about);
	str_append_z(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	str_append_z(out, "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	str_printf(out, "\tboundary=\"%s\"\r\n\r\n", boundary);
	str_append_z(out, "This is a MIME-encapsulated message.\r\n\r\n");
}

/* --- parts ----------------------------------------------------------------------------------- */

struct part {
	const char *description, *type;
	const char *body;
	size_t len;
	bool eightbit, encode; /* there is 8-bit in it; it must not stay so */
};

static void put_part(struct str *out, const char *boundary, const struct part *part)
{
	str_printf(out, "--%s\r\nContent-Description: %s\r\nContent-Type: %s\r\n", boundary,
		part->description, part->type);
	if (part->eightbit)
		str_printf(out, "Content-Transfer-Encoding: %s\r\n",
			part->encode ? "quoted-printable" : "8bit");
	str_append_z(out, "\r\n");
	if (part->eightbit && part->encode)
		quoted_write(part->body, part->len, out);
	else
		str_append(out, part->body, part->len);
	if (part->len < 2 || memcmp(part->body + part->len - 2, "\r\n", 2) != 0)
		str_append_z(out, "\r\n");
	str_append_z(out, "\r\n");
}

static void put_shown(struct str *out, const char *address)
{
	struct str coded = STR_INIT;

	if (utf8_valid(address)) {
		str_append_c(out, '<');
		notice_clean(out, address, strlen(address));
		str_append_c(out, '>');
	} else {
		notice_address(&coded, address, false);
		str_append(out, coded.data, coded.len);
	}
	str_free(&coded);
}

static void put_told(
	struct str *out, const struct notice *notice, const struct notice_recipient *recipient)
{
	char date[64];

	str_append_z(out, "\r\n  ");
	put_shown(out, recipient->address);
	if (recipient->diagnostic[0] != '\0') {
		str_append_z(out, "\r\n    ");
		notice_diagnostic(out, recipient->diagnostic);
	}
	if (notice->kind == NOTICE_DELAYED && recipient->until_us > 0)
		str_printf(out, "\r\n    It will be tried until %s.",
			clock_rfc5322(date, sizeof date, recipient->until_us));
	str_append_z(out, "\r\n");
}

static void put_text(struct str *out, const struct notice *notice, const char *boundary)
{
	struct str body = STR_INIT;

	str_printf(&body, "This is the mail system at %s.\r\n\r\n", notice->hostname);
	str_append_z(&body, kinds[notice->kind].text);
	for (size_t i = 0; i < notice->count; i++)
		put_told(&body, notice, &notice->recipients[i]);
	bool eightbit = !utf8_ascii(body.data, body.len);
	const struct part part = { .description = "Notification",
		.type = eightbit ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
		.body = body.data,
		.len = body.len,
		.eightbit = eightbit,
		.encode = !notice_way_utf8(notice) };
	put_part(out, boundary, &part);
	str_free(&body);
}

static void put_status(struct str *out, const struct notice *notice, const char *boundary)
{
	struct str body = STR_INIT;
	bool utf8 = notice_status_utf8(notice);

	notice_status(&body, notice, utf8);
	const struct part part = { .description = "Delivery report",
		.type = utf8 ? "message/global-delivery-status" : "message/delivery-status",
		.body = body.data,
		.len = body.len,
		.eightbit = !utf8_ascii(body.data, body.len),
		.encode = !notice_way_utf8(notice) };
	put_part(out, boundary, &part);
	str_free(&body);
}

static void put_original(struct str *out, const struct notice *notice, const char *boundary)
{
	const struct notice_returned returned = notice_returned(notice);
	const struct part part = { .description = returned.description,
		.type = returned.type,
		.body = notice->original,
		.len = returned.len,
		.eightbit = returned.eightbit,
		.encode = returned.may_encode && !notice_way_utf8(notice) };

	put_part(out, boundary, &part);
	str_printf(out, "--%s--\r\n", boundary);
}

/* --- the whole ------------------------------------------------------------------------------- */

/* A boundary that does not occur in what it bounds. */
static void make_boundary(const struct notice *notice, char *boundary, size_t size)
{
	unsigned n = 0;

	do {
		snprintf(boundary, size, "restante-%llx.%llx.%u.%x",
			(unsigned long long)notice->now_us,
			(unsigned long long)notice->envelope->arrived_us, (unsigned)notice->kind,
			n++);
	} while (memmem(notice->original, notice->original_len, boundary, strlen(boundary)));
}

void notice_write(const struct notice *notice, struct str *out)
{
	char boundary[80];

	make_boundary(notice, boundary, sizeof boundary);
	put_header(out, notice, boundary);
	put_text(out, notice, boundary);
	put_status(out, notice, boundary);
	put_original(out, notice, boundary);
}

const char *notice_mail_params(const struct notice *notice)
{
	const struct notice_returned returned = notice_returned(notice);

	if (notice_way_utf8(notice))
		return "BODY=8BITMIME SMTPUTF8";
	return returned.eightbit && !returned.may_encode ? "BODY=8BITMIME" : "";
}
