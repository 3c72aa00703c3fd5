/* AUTH of an SMTP or LMTP session. */
#include "queue/auth.h"
#include "queue/smtp_session.h"

#include "lib/clock.h"

/* The answer to one line; -1: there is none. */
static int say(struct smtp *smtp, const struct str *line, struct answer *failure)
{
	const char *error;

	failure->stage = STAGE_AUTH;
	if (link_write(smtp->link, line->data, line->len, &error) == 0 &&
		link_reply(smtp->link, clock_mono_us() + smtp->timeout_us, &failure->reply, NULL,
			NULL, &error) == 0)
		return 0;
	return smtp_fail(failure, STAGE_AUTH, error);
}

static int converse(struct smtp *smtp, const struct smtp_settings *settings, enum auth_way way,
	struct answer *failure)
{
	struct str line = STR_INIT;
	int done = 0;

	failure->reply.code = 334;
	for (unsigned step = 0; done == 0 && failure->reply.code == 334; step++) {
		if (!auth_line(way, step, settings->auth_user, settings->password, &line))
			break;
		done = say(smtp, &line, failure);
		auth_forget(&line);
	}
	if (done < 0 || reply_is(&failure->reply, 2))
		return done;
	auth_censor(&failure->reply, settings->auth_user, settings->password);
	return -1;
}

int smtp_authenticate(
	struct smtp *smtp, const struct smtp_settings *settings, struct answer *failure)
{
	enum auth_way way = auth_choose(&smtp->ehlo);

	if (!smtp->secure && !settings->auth_in_clear)
		return smtp_fail(failure, STAGE_AUTH,
			"the connection has no TLS, so the password is not sent; set "
			"restanteReleaseTLS to encrypt or verify, or auth_in_clear");
	if (way == AUTH_NONE)
		return smtp_fail(failure, STAGE_AUTH,
			"neither AUTH PLAIN nor AUTH LOGIN is offered; unset auth_user, or allow "
			"one of them there");
	return converse(smtp, settings, way, failure);
}
