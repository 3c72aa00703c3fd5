/* The report for programs: message/delivery-status, message/global-delivery-status. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/orcpt.h"
#include "lib/utf8.h"
#include "queue/notice_parts.h"
#include "queue/params.h"

static const char *const actions[] = {
	/* RFC 3464 section 2.3.3 */
	[NOTICE_FAILED] = "failed",
	[NOTICE_DELAYED] = "delayed",
	[NOTICE_RELAYED] = "relayed",
	[NOTICE_DELIVERED] = "delivered",
};

static void put_date(struct str *out, const char *field, int64_t wall_us)
{
	char date[64];

	if (wall_us > 0)
		str_printf(out, "%s: %s\r\n", field, clock_rfc5322(date, sizeof date, wall_us));
}

/* --- about the message (RFC 3464 section 2.2) ------------------------------------------------ */

static void put_decoded(struct str *out, const char *xtext, size_t len)
{
	struct str coded = STR_INIT, plain = STR_INIT;

	str_append(&coded, xtext, len);
	if (address_xtext_decode(str_cstr(&coded), &plain) < 0) {
		str_reset(&plain);
		str_append(&plain, coded.data, coded.len);
	}
	notice_ascii(out, str_cstr(&plain), plain.len);
	str_free(&plain);
	str_free(&coded);
}

/* RFC 3461 section 6.3 (a): where ENVID was given, and only there; decoded. */
static void put_envelope_id(struct str *out, const struct notice *notice)
{
	const char *value;
	size_t len;

	if (!params_get(notice->envelope->mail_params, "ENVID", &value, &len))
		return;
	str_append_z(out, "Original-Envelope-Id: ");
	put_decoded(out, value, len);
	str_append_z(out, "\r\n");
}

/* Type and name; section 9.3: a domain, or an address in brackets. */
static void put_mta(struct str *out, const char *field, const char *name)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, name, &address) == 1)
		str_printf(out, "%s: dns; [%s]", field, name);
	else if (inet_pton(AF_INET6, name, &address) == 1)
		str_printf(out, "%s: dns; [IPv6:%s]", field, name);
	else
		str_printf(out, "%s: dns; %s", field, name);
}

/* Section 6.3 (b): a name that is none of the DNS is not called one. */
static void put_reporter(struct str *out, const struct notice *notice)
{
	if (strchr(notice->hostname, '.') != NULL)
		put_mta(out, "Reporting-MTA", notice->hostname);
	else
		str_printf(out, "Reporting-MTA: x-local-hostname; %s", notice->hostname);
	str_append_z(out, "\r\n");
}

/* A word of the client's, inside of which no comment begins. */
static void put_word(struct str *out, const char *text)
{
	for (; *text != '\0'; text++)
		notice_ascii(out, strchr("()\\ ", *text) ? "?" : text, 1);
}

static void put_received_from(struct str *out, const struct notice *notice)
{
	const struct holdq_envelope *envelope = notice->envelope;

	if (envelope->helo[0] == '\0')
		return;
	str_append_z(out, "Received-From-MTA: dns; ");
	put_word(out, envelope->helo);
	if (envelope->client_address[0] != '\0') {
		str_append_z(out, " ([");
		put_word(out, envelope->client_address);
		str_append_z(out, "])");
	}
	str_append_z(out, "\r\n");
}

static void put_message(struct str *out, const struct notice *notice)
{
	put_envelope_id(out, notice);
	put_reporter(out, notice);
	put_received_from(out, notice);
	put_date(out, "Arrival-Date", notice->envelope->arrived_us);
	if (notice->envelope->id[0] == '\0')
		return;
	str_append_z(out, "X-Restante-Id: "); /* the id= of our log */
	put_word(out, notice->envelope->id);
	str_append_z(out, "\r\n");
}

/* --- about a recipient (section 2.3) --------------------------------------------------------- */

/* ORCPT is "type;xtext" (RFC 3461 section 4.2), but "utf-8;" has a coding of its own. */
static bool split_orcpt(
	const char *params, const char **type_r, size_t *type_len_r, size_t *address_len_r)
{
	size_t len;

	if (!params_get(params, "ORCPT", type_r, &len))
		return false;
	const char *semicolon = memchr(*type_r, ';', len);
	if (semicolon == NULL)
		return false;
	*type_len_r = (size_t)(semicolon - *type_r);
	*address_len_r = len - *type_len_r - 1;
	return true;
}

/* RFC 3461 section 6.3 (d): where ORCPT was given, and only there. */
static void put_original_recipient(struct str *out, const char *params, bool utf8)
{
	const char *type;
	size_t type_len, len;

	if (!split_orcpt(params, &type, &type_len, &len))
		return;
	const char *address = type + type_len + 1;
	str_append_z(out, "Original-Recipient: ");
	notice_ascii(out, type, type_len);
	str_append_z(out, "; ");
	if (type_len != 5 || strncasecmp(type, "utf-8", 5) != 0) {
		put_decoded(out, address, len);
	} else if (utf8) {
		struct str plain = STR_INIT;
		orcpt_to_utf8(address, len, &plain);
		notice_clean(out, str_cstr(&plain), plain.len);
		str_free(&plain);
	} else {
		orcpt_to_ascii(address, len, out);
	}
	str_append_z(out, "\r\n");
}

/* RFC 3461 section 9.2: smtp is for what begins with the code of a reply. */
static bool is_reply(const char *text)
{
	return strspn(text, "0123456789") == 3;
}

static void put_diagnosis(
	struct str *out, const struct notice *notice, const struct notice_recipient *recipient)
{
	const char *remote = recipient->remote ? recipient->remote : notice->remote;

	/* Sections 2.3.5, 2.3.6: without Remote-MTA the diagnosis is ours. */
	if (remote[0] != '\0' && !recipient->own) {
		put_mta(out, "Remote-MTA", remote);
		str_append_z(out, "\r\n");
	}
	if (recipient->diagnostic[0] == '\0')
		return;
	str_printf(out, "Diagnostic-Code: %s; ",
		is_reply(recipient->diagnostic) ? "smtp" : "x-restante");
	notice_diagnostic(out, recipient->diagnostic);
	str_append_z(out, "\r\n");
}

static void put_recipient(struct str *out, const struct notice *notice,
	const struct notice_recipient *recipient, bool utf8)
{
	str_append_z(out, "\r\n");
	put_original_recipient(out, recipient->params, utf8);
	str_append_z(out, "Final-Recipient: ");
	notice_address(out, recipient->address, utf8);
	str_printf(
		out, "\r\nAction: %s\r\nStatus: %s\r\n", actions[notice->kind], recipient->status);
	put_diagnosis(out, notice, recipient);
	put_date(out, "Last-Attempt-Date", recipient->attempt_us);
	if (notice->kind == NOTICE_DELAYED)
		put_date(out, "Will-Retry-Until", recipient->until_us);
}

static bool recipient_utf8(const struct notice_recipient *recipient)
{
	const char *type;
	size_t type_len, len;

	if (!utf8_ascii(recipient->address, strlen(recipient->address)))
		return true;
	return split_orcpt(recipient->params, &type, &type_len, &len) && type_len == 5 &&
	       strncasecmp(type, "utf-8", 5) == 0;
}

/* RFC 6533 section 4.4: without such an address the traditional type says the same. */
bool notice_status_utf8(const struct notice *notice)
{
	for (size_t i = 0; notice_utf8(notice) && i < notice->count; i++)
		if (recipient_utf8(&notice->recipients[i]))
			return true;
	return false;
}

void notice_status(struct str *out, const struct notice *notice, bool utf8)
{
	put_message(out, notice);
	for (size_t i = 0; i < notice->count; i++)
		put_recipient(out, notice, &notice->recipients[i], utf8);
}
