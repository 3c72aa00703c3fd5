#include "queue/received.h"

#include <string.h>

#include "lib/clock.h"
#include "queue/params.h"

#define WORD_MAX 255

/* Given by the client, so no parenthesis, space or control character may get through. */
static void put_word(struct str *out, const char *text)
{
	for (size_t i = 0; text[i] != '\0' && i < WORD_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c > ' ' && c < 0x7f && strchr("()<>\\\";", c) == NULL;
		str_append_c(out, plain ? (char)c : '?');
	}
}

static void put_client(struct str *out, const struct holdq_envelope *envelope)
{
	const char *name = envelope->client_name[0] ? envelope->client_name : "unknown";
	const char *address = envelope->client_address;
	bool v6 = strchr(address, ':') != NULL && strncmp(address, "IPv6:", 5) != 0;

	if (envelope->helo[0] == '\0' && address[0] == '\0')
		return;
	str_append_z(out, "from ");
	put_word(out, envelope->helo[0] ? envelope->helo : name);
	str_append_z(out, " (");
	put_word(out, name);
	if (address[0] != '\0') {
		str_append_z(out, v6 ? " [IPv6:" : " [");
		put_word(out, address);
		str_append_c(out, ']');
	}
	str_append_z(out, ")\r\n\t");
}

/* RFC 3848, RFC 6531 section 4.3. */
static const char *protocol(const struct holdq_envelope *envelope)
{
	bool auth = envelope->auth_user[0] != '\0';

	if (params_has(envelope->mail_params, "SMTPUTF8"))
		return auth ? "UTF8SMTPA" : "UTF8SMTP";
	return auth ? "ESMTPA" : "ESMTP";
}

static bool fits_header(const char *address)
{
	for (const char *p = address; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > 0x7e)
			return false;
	return strlen(address) < 512;
}

void received_write(const struct holdq_envelope *envelope, const char *hostname,
	const char *recipient, struct str *out)
{
	char date[64];

	str_append_z(out, "Received: ");
	put_client(out, envelope);
	str_append_z(out, "by ");
	put_word(out, hostname);
	str_append_z(out, " (Restante) with ");
	str_append_z(out, protocol(envelope));
	str_append_z(out, " id ");
	put_word(out, envelope->id);
	str_append_z(out, "\r\n\t");
	if (recipient != NULL && fits_header(recipient))
		str_printf(out, "for <%s>", recipient);
	str_printf(out, "; %s\r\n", clock_rfc5322(date, sizeof date, envelope->arrived_us));
}
