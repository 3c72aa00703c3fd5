#define _GNU_SOURCE
#include "queue/notice.h"

#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "queue/params.h"

static const struct {
	const char *word;   /* of NOTIFY */
	const char *action; /* RFC 3464 section 2.3.3 */
	const char *subject;
	const char *text;
} kinds[] = {
	[NOTICE_FAILED] = { "FAILURE", "failed", "Undelivered mail returned to sender",
		"Your message could not be delivered to the recipients below.\r\n" },
	[NOTICE_DELAYED] = { "DELAY", "delayed", "Delayed mail (still being tried)",
		"Your message has not been delivered yet to the recipients below.\r\n"
		"You do not need to send it again: it is kept and will be delivered.\r\n" },
	[NOTICE_RELAYED] = { "SUCCESS", "relayed", "Mail relayed",
		"Your message was handed on for the recipients below. The next system\r\n"
		"does not report deliveries, so there may be no further word of it.\r\n" },
	[NOTICE_DELIVERED] = { "SUCCESS", "delivered", "Mail delivered",
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

static bool has_8bit(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] >= 0x80)
			return true;
	return false;
}

/* --- words -------------------------------------------------------------------------------- */

/* One UTF-8 character; its length, 1 with the byte itself where it is none. */
static size_t take_utf8(const char *text, unsigned long *code_r)
{
	unsigned char c = (unsigned char)text[0];
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
	unsigned long code = len == 1 ? c : c & (0x7fu >> len);

	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80) {
			*code_r = c;
			return 1;
		}
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	*code_r = code;
	return len;
}

/* Of the envelope, which is as the client gave it: no line may begin in it. */
static void put_clean(struct str *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		str_append_c(out, (unsigned char)text[i] >= ' ' && text[i] != 0x7f ? text[i] : '?');
}

/* "rfc822; a@b", or "utf-8; \x{E9}@b" (RFC 6533 section 3, the form that is safe in ASCII). */
static void put_address(struct str *out, const char *address)
{
	bool utf8 = has_8bit(address, strlen(address));
	unsigned long code;

	str_append_z(out, utf8 ? "utf-8; " : "rfc822; ");
	for (const char *p = address; *p != '\0';) {
		size_t len = take_utf8(p, &code);
		if (code >= 0x80 || (utf8 && (code == '\\' || code == '+' || code == '=')))
			str_printf(out, "\\x{%lX}", code);
		else
			str_append_c(out, code >= ' ' && code != 0x7f ? (char)code : '?');
		p += len;
	}
}

/* For a report, which is ASCII (RFC 3464). */
static void put_ascii(struct str *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		str_append_c(out, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
}

static void put_decoded(struct str *out, const char *xtext, size_t len)
{
	struct str coded = STR_INIT, plain = STR_INIT;

	str_append(&coded, xtext, len);
	if (address_xtext_decode(str_cstr(&coded), &plain) < 0) {
		str_reset(&plain);
		str_append(&plain, coded.data, coded.len);
	}
	put_ascii(out, str_cstr(&plain), plain.len);
	str_free(&plain);
	str_free(&coded);
}

/* ORCPT is "type;xtext" (RFC 3461 section 4.2). */
static void put_original_recipient(struct str *out, const char *params)
{
	const char *value;
	size_t len;

	if (!params_get(params, "ORCPT", &value, &len))
		return;
	const char *semicolon = memchr(value, ';', len);
	if (semicolon == NULL)
		return;
	size_t type = (size_t)(semicolon - value);
	str_append_z(out, "Original-Recipient: ");
	put_ascii(out, value, type);
	str_append_z(out, "; ");
	put_decoded(out, semicolon + 1, len - type - 1);
	str_append_z(out, "\r\n");
}

/* Text of the other side, never longer than a line of mail may be. */
static void put_diagnostic(struct str *out, const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++) {
		if (*text == ' ' && width > 60) {
			str_append_z(out, "\r\n    ");
			width = 0;
			continue;
		}
		str_append_c(out, *text);
		width++;
	}
}

/* --- parts -------------------------------------------------------------------------------- */

static void put_header(struct str *out, const struct notice *notice, const char *boundary)
{
	char date[64];

	str_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", notice->hostname);
	str_append_z(out, "To: <");
	put_clean(out, notice->envelope->sender, strlen(notice->envelope->sender));
	str_printf(out, ">\r\nSubject: %s\r\n", kinds[notice->kind].subject);
	str_printf(out, "Date: %s\r\n", clock_rfc5322(date, sizeof date, notice->now_us));
	str_printf(out, "Message-ID: <%s@%s>\r\n", boundary, notice->hostname);
	str_append_z(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	str_append_z(out, "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	str_printf(out, "\tboundary=\"%s\"\r\n\r\n", boundary);
	str_append_z(out, "This is a MIME-encapsulated message.\r\n\r\n");
}

static void put_text(struct str *out, const struct notice *notice, const char *boundary)
{
	char date[64];

	str_printf(out, "--%s\r\nContent-Description: Notification\r\n", boundary);
	str_append_z(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	str_printf(out, "This is the mail system at %s.\r\n\r\n", notice->hostname);
	str_append_z(out, kinds[notice->kind].text);
	if (notice->kind == NOTICE_DELAYED && notice->until_us > 0)
		str_printf(out, "It will be tried until %s.\r\n",
			clock_rfc5322(date, sizeof date, notice->until_us));
	for (size_t i = 0; i < notice->count; i++) {
		str_append_z(out, "\r\n  ");
		const char *address = notice->recipients[i].address;
		if (has_8bit(address, strlen(address))) {
			put_address(out, address);
		} else {
			str_append_c(out, '<');
			put_clean(out, address, strlen(address));
			str_append_c(out, '>');
		}
		str_append_z(out, "\r\n    ");
		put_diagnostic(out, notice->recipients[i].diagnostic);
		str_append_z(out, "\r\n");
	}
	str_append_z(out, "\r\n");
}

static void put_recipient(
	struct str *out, const struct notice *notice, const struct notice_recipient *recipient)
{
	char date[64];

	str_append_z(out, "\r\n");
	put_original_recipient(out, recipient->params);
	str_append_z(out, "Final-Recipient: ");
	put_address(out, recipient->address);
	str_printf(out, "\r\nAction: %s\r\nStatus: %s\r\n", kinds[notice->kind].action,
		recipient->status);
	if (notice->remote[0] != '\0')
		str_printf(out, "Remote-MTA: dns; %s\r\n", notice->remote);
	if (recipient->diagnostic[0] != '\0') {
		str_append_z(out, "Diagnostic-Code: smtp; ");
		put_diagnostic(out, recipient->diagnostic);
		str_append_z(out, "\r\n");
	}
	if (notice->kind == NOTICE_DELAYED && notice->until_us > 0)
		str_printf(out, "Will-Retry-Until: %s\r\n",
			clock_rfc5322(date, sizeof date, notice->until_us));
}

static void put_status(struct str *out, const struct notice *notice, const char *boundary)
{
	const char *value;
	char date[64];
	size_t len;

	str_printf(out, "--%s\r\nContent-Description: Delivery report\r\n", boundary);
	str_append_z(out, "Content-Type: message/delivery-status\r\n\r\n");
	if (params_get(notice->envelope->mail_params, "ENVID", &value, &len)) {
		str_append_z(out, "Original-Envelope-Id: ");
		put_decoded(out, value, len);
		str_append_z(out, "\r\n");
	}
	str_printf(out, "Reporting-MTA: dns; %s\r\n", notice->hostname);
	str_printf(out, "Arrival-Date: %s\r\n",
		clock_rfc5322(date, sizeof date, notice->envelope->arrived_us));
	for (size_t i = 0; i < notice->count; i++)
		put_recipient(out, notice, &notice->recipients[i]);
	str_append_z(out, "\r\n");
}

/* RET counts for failures; everything else returns the header alone (RFC 3461 section 4.3). */
static bool returns_all(const struct notice *notice)
{
	return notice->kind == NOTICE_FAILED && notice->complete &&
	       !params_lists(notice->envelope->mail_params, "RET", "HDRS");
}

static size_t header_length(const struct notice *notice)
{
	const char *data = notice->original;
	const char *end = memmem(data, notice->original_len, "\r\n\r\n", 4);

	if (end != NULL)
		return (size_t)(end - data) + 2;
	if (notice->complete || notice->original_len == 0)
		return notice->original_len;
	/* Cut somewhere in the header: at the end of a line. */
	const char *lf = memrchr(data, '\n', notice->original_len);
	return lf ? (size_t)(lf - data) + 1 : 0;
}

static size_t returned_length(const struct notice *notice)
{
	return returns_all(notice) ? notice->original_len : header_length(notice);
}

static void put_original(struct str *out, const struct notice *notice, const char *boundary)
{
	size_t len = returned_length(notice);

	str_printf(out, "--%s\r\n", boundary);
	str_append_z(out, returns_all(notice) ? "Content-Description: Undelivered "
						"message\r\nContent-Type: message/rfc822\r\n"
					      : "Content-Description: Message "
						"header\r\nContent-Type: text/rfc822-headers\r\n");
	if (has_8bit(notice->original, len))
		str_append_z(out, "Content-Transfer-Encoding: 8bit\r\n");
	str_append_z(out, "\r\n");
	str_append(out, notice->original, len);
	if (len < 2 || memcmp(notice->original + len - 2, "\r\n", 2) != 0)
		str_append_z(out, "\r\n");
	str_printf(out, "\r\n--%s--\r\n", boundary);
}

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
	const char *sender = notice->envelope->sender;

	if (has_8bit(sender, strlen(sender)))
		return "BODY=8BITMIME SMTPUTF8";
	return has_8bit(notice->original, returned_length(notice)) ? "BODY=8BITMIME" : "";
}
