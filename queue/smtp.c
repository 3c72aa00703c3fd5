#include "queue/smtp.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "queue/smtp_session.h"

struct smtp *smtp_new(void)
{
	struct smtp *smtp = mem_zalloc(sizeof *smtp);

	smtp->link = link_new();
	return smtp;
}

void smtp_free(struct smtp **smtp)
{
	if (*smtp == NULL)
		return;
	link_free(&(*smtp)->link);
	str_free(&(*smtp)->out);
	mem_free(smtp);
}

bool smtp_is_open(const struct smtp *smtp)
{
	return link_is_open(smtp->link);
}

bool smtp_is_ready(struct smtp *smtp)
{
	return smtp_is_open(smtp) && !link_is_stale(smtp->link);
}

unsigned smtp_used(const struct smtp *smtp)
{
	return smtp->used;
}

bool smtp_reports(const struct smtp *smtp)
{
	return smtp->ehlo.dsn;
}

bool smtp_takes_8bit(const struct smtp *smtp)
{
	return smtp->ehlo.eightbit;
}

void smtp_abort(struct smtp *smtp)
{
	link_abort(smtp->link);
}

int smtp_fail(struct answer *failure, enum stage stage, const char *why)
{
	failure->stage = stage;
	reply_set(&failure->reply, why);
	failure->reply.code = 0;
	return -1;
}

static int expect(
	struct smtp *smtp, enum stage stage, link_line each, void *context, struct answer *failure)
{
	const char *error;

	if (link_reply(smtp->link, clock_mono_us() + smtp->timeout_us, &failure->reply, each,
		    context, &error) < 0)
		return smtp_fail(failure, stage, error);
	failure->stage = stage;
	return reply_is(&failure->reply, 2) ? 0 : -1;
}

static int command(struct smtp *smtp, enum stage stage, const char *verb, const char *argument,
	struct answer *failure)
{
	const char *error;

	str_reset(&smtp->out);
	str_printf(&smtp->out, argument ? "%s %s\r\n" : "%s\r\n", verb, argument);
	if (link_write(smtp->link, smtp->out.data, smtp->out.len, &error) < 0)
		return smtp_fail(failure, stage, error);
	return 0;
}

static void hello_line(void *context, unsigned number, const char *line, size_t len)
{
	if (number > 0)
		ehlo_line(context, line, len);
}

static int hello(struct smtp *smtp, const char *hostname, struct answer *failure)
{
	memset(&smtp->ehlo, 0, sizeof smtp->ehlo);
	if (command(smtp, STAGE_EHLO, smtp->lmtp ? "LHLO" : "EHLO", hostname, failure) < 0)
		return -1;
	return expect(smtp, STAGE_EHLO, hello_line, &smtp->ehlo, failure);
}

static int secure(struct smtp *smtp, const struct smtp_settings *settings, struct answer *failure)
{
	const char *host = settings->certificate_name;
	const char *error;

	if (host == NULL)
		host = settings->endpoint.host ? settings->endpoint.host : "localhost";

	if (!smtp->ehlo.starttls)
		return settings->tls_required ? smtp_fail(failure, STAGE_TLS,
							"the listener does not offer STARTTLS")
					      : 0;
	if (command(smtp, STAGE_TLS, "STARTTLS", NULL, failure) < 0 ||
		expect(smtp, STAGE_TLS, NULL, NULL, failure) < 0)
		return -1;
	if (link_start_tls(smtp->link, settings->tls, host, &error) < 0)
		return smtp_fail(failure, STAGE_TLS, error);
	smtp->secure = true;
	return hello(smtp, settings->hostname, failure);
}

static int establish(
	struct smtp *smtp, const struct smtp_settings *settings, bool tls, struct answer *failure)
{
	const char *error;

	smtp->secure = false;
	if (link_open(smtp->link, &settings->endpoint, settings->timeout_us, &error) < 0)
		return smtp_fail(failure, STAGE_CONNECT, error);
	if (expect(smtp, STAGE_GREETING, NULL, NULL, failure) < 0 ||
		hello(smtp, settings->hostname, failure) < 0)
		return -1;
	if (tls && secure(smtp, settings, failure) < 0)
		return -1;
	return settings->auth_user ? smtp_authenticate(smtp, settings, failure) : 0;
}

int smtp_open(struct smtp *smtp, const struct smtp_settings *settings, struct answer *failure_r)
{
	bool tls = settings->tls != NULL;

	smtp->lmtp = settings->endpoint.lmtp;
	smtp->timeout_us = settings->timeout_us;
	smtp->used = 0;
	smtp->reset_due = false;
	int done = establish(smtp, settings, tls, failure_r);
	if (done < 0 && failure_r->stage == STAGE_TLS && !settings->tls_required)
		done = establish(smtp, settings, false, failure_r);
	if (done < 0)
		link_close(smtp->link);
	return done;
}

void smtp_quit(struct smtp *smtp)
{
	struct reply reply;
	const char *error;

	if (!smtp_is_open(smtp))
		return;
	if (link_write(smtp->link, "QUIT\r\n", 6, &error) == 0)
		link_reply(smtp->link, clock_mono_us() + CLOCK_SECOND, &reply, NULL, NULL, &error);
	link_close(smtp->link);
}
