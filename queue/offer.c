#include "queue/offer.h"

#include <string.h>

#include "lib/orcpt.h"
#include "lib/utf8.h"
#include "queue/params.h"

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static bool is_ascii(const char *text)
{
	return utf8_ascii(text, strlen(text));
}

/* --- what cannot go there ------------------------------------------------------------------ */

/* A sender who said nothing of 8-bit content sent it at his own risk, and so do we. */
bool offer_needs_body(const struct ehlo *ehlo, const struct offer_mail *mail)
{
	return !ehlo->eightbit && params_has(mail->params, "BODY") &&
	       !params_lists(mail->params, "BODY", "7BIT");
}

static bool needs_utf8(
	const struct ehlo *ehlo, const struct offer_mail *mail, const struct scan *scan)
{
	if (ehlo->utf8 || !params_has(mail->params, "SMTPUTF8"))
		return false;
	return !is_ascii(mail->sender) || scan->header_8bit;
}

const char *offer_refusal(
	const struct ehlo *ehlo, const struct offer_mail *mail, const struct scan *scan)
{
	if (has_control(mail->sender))
		return "553 5.1.7 control character in the sender's address";
	if (mail->hop_limit > 0 && scan->received > mail->hop_limit)
		return "554 5.4.6 too many hops: the message goes round in circles";
	if (needs_utf8(ehlo, mail, scan))
		return "554 5.6.7 the next system does not take internationalized mail";
	if (params_lists(mail->params, "BODY", "BINARYMIME"))
		return "554 5.6.3 the next system does not take binary content";
	if (offer_needs_body(ehlo, mail) && (scan->header_8bit || scan->body_8bit))
		return "554 5.6.3 the next system does not take 8-bit content";
	if (ehlo->limit > 0 && mail->bytes > ehlo->limit)
		return "552 5.3.4 message is larger than the next system takes";
	return NULL;
}

const char *offer_refuses_recipient(const struct ehlo *ehlo, const char *address)
{
	if (has_control(address))
		return "553 5.1.3 control character in the recipient's address";
	if (!ehlo->utf8 && !is_ascii(address))
		return "553 5.6.7 the next system does not take internationalized addresses";
	return NULL;
}

/* --- what goes on --------------------------------------------------------------------------- */

void offer_mail_params(
	const struct ehlo *ehlo, const struct offer_mail *mail, bool utf8, struct str *out)
{
	if (ehlo->size)
		str_printf(out, " SIZE=%llu", (unsigned long long)mail->bytes);
	if (ehlo->eightbit)
		params_copy(mail->params, "BODY", out);
	if (ehlo->utf8 && params_has(mail->params, "SMTPUTF8"))
		params_copy(mail->params, "SMTPUTF8", out);
	else if (ehlo->utf8 && utf8)
		str_append_z(out, " SMTPUTF8");
	if (ehlo->dsn) {
		params_copy(mail->params, "RET", out);
		params_copy(mail->params, "ENVID", out);
	}
}

/* Without SMTPUTF8 it must be ASCII. */
static void put_orcpt(const struct ehlo *ehlo, const char *params, struct str *out)
{
	const char *value;
	struct str orcpt = STR_INIT;
	size_t len;

	params_get(params, "ORCPT", &value, &len);
	if (ehlo->utf8 || utf8_ascii(value, len) || len == 0) {
		params_copy(params, "ORCPT", out);
		return;
	}
	orcpt_given(value - strlen("ORCPT="), len + strlen("ORCPT="), ORCPT_WIRE, &orcpt);
	if (orcpt.len > 0)
		str_printf(out, " %s", orcpt.data);
	str_free(&orcpt);
}

void offer_rcpt_params(
	const struct ehlo *ehlo, const char *params, const char *original, struct str *out)
{
	size_t before;

	if (!ehlo->dsn)
		return;
	params_copy(params, "NOTIFY", out);
	if (params_has(params, "ORCPT")) {
		put_orcpt(ehlo, params, out);
	} else if (original != NULL) {
		str_append_c(out, ' ');
		before = out->len;
		orcpt_made(original, ORCPT_WIRE, out);
		if (out->len == before)
			out->data[--out->len] = '\0';
	}
}
