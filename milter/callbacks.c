#define _GNU_SOURCE
#include "milter/callbacks.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libmilter/mfapi.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/connection.h"
#include "milter/socket.h"

#define ACTIONS       (SMFIF_ADDRCPT | SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT)
#define UNUSED_EVENTS (SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA)
#define WITHOUT_REPLY (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_HDR)
#define TELL_AGAIN_US (60 * CLOCK_SECOND)

static struct front *front; /* libmilter has no context of its own for a filter */

static struct connection *connection_of(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c != NULL)
		connection_event(c);
	return c;
}

static const char *symbol(SMFICTX *ctx, const char *name)
{
	const char *value = smfi_getsymval(ctx, (char *)name);

	return value ? value : "";
}

/* Nothing where nothing is of use: Sendmail writes a packet for each list that is not empty, set or
 * not. The last is there to be lost: Sendmail 8.17.1 takes none for that, but its default. */
static void ask_for_symbols(SMFICTX *ctx)
{
	static const struct {
		int where;
		const char *names;
	} wanted[] = {
		{ SMFIM_CONNECT, "{daemon_name} v" },
		{ SMFIM_HELO, "" },
		{ SMFIM_ENVFROM, "{auth_authen}" },
		{ SMFIM_ENVRCPT, "" },
		{ SMFIM_EOM, "i" },
		{ SMFIM_EOH, "" },
	};

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		smfi_setsymlist(ctx, wanted[i].where, (char *)wanted[i].names);
}

/* The MTA answers such a client 4xx. */
static bool too_many(void)
{
	static _Atomic int64_t told_us;
	unsigned most = descriptors_for_clients();
	int64_t now = clock_mono_us();

	if (atomic_load(&front->connections) < most)
		return false;
	if (now - atomic_load(&told_us) > TELL_AGAIN_US || atomic_load(&told_us) == 0) {
		atomic_store(&told_us, now);
		log_error("milter",
			"too many connections of the MTA, more are refused for now: raise the "
			"limit of open files connections=%u",
			most);
	}
	return true;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long protocol,
	unsigned long unused2, unsigned long unused3, unsigned long *actions_r,
	unsigned long *protocol_r, unsigned long *unused2_r, unsigned long *unused3_r)
{
	unsigned long wanted = UNUSED_EVENTS | WITHOUT_REPLY | SMFIP_SKIP | SMFIP_HDR_LEADSPC;

	(void)unused2;
	(void)unused3;
	if ((actions & ACTIONS) != ACTIONS) {
		log_error("milter", "the MTA does not let a milter change recipients with their "
				    "parameters; Postfix 2.6, Sendmail 8.14 or later is needed");
		return SMFIS_REJECT;
	}
	if (too_many())
		return SMFIS_REJECT;
	*actions_r = ACTIONS;
	*protocol_r = wanted & protocol;
	*unused2_r = *unused3_r = 0;
	struct connection *c = connection_new(front);
	c->leading_space = *protocol_r & SMFIP_HDR_LEADSPC;
	c->skip = *protocol_r & SMFIP_SKIP;
	c->no_reply_connect = *protocol_r & SMFIP_NR_CONN;
	c->no_reply_helo = *protocol_r & SMFIP_NR_HELO;
	c->no_reply_mail = *protocol_r & SMFIP_NR_MAIL;
	c->no_reply_header = *protocol_r & SMFIP_NR_HDR;
	smfi_setpriv(ctx, c);
	if (actions & SMFIF_SETSYMLIST)
		ask_for_symbols(ctx);
	return SMFIS_CONTINUE;
}

static void format_address(char *buffer, size_t size, const struct sockaddr *address)
{
	const void *bytes = NULL;

	if (address != NULL && address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	if (address != NULL && address->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (bytes == NULL || inet_ntop(address->sa_family, bytes, buffer, (socklen_t)size) == NULL)
		snprintf(buffer, size, "local");
}

static sfsistat on_connect(SMFICTX *ctx, char *name, struct sockaddr *address)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	str_copy(c->client_name, sizeof c->client_name, name);
	format_address(c->client_address, sizeof c->client_address, address);
	c->reentry = front_is_reentry(front, symbol(ctx, "{daemon_name}"));
	/* "8.17.1", or "Postfix 3.7.11" */
	c->sendmail = isdigit((unsigned char)*symbol(ctx, "v"));
	return c->no_reply_connect ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	str_copy(c->helo, sizeof c->helo, name);
	return c->no_reply_helo ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_mail(SMFICTX *ctx, char **arguments)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	connection_mail(c, arguments, smfi_getsymval(ctx, (char *)"{auth_authen}"));
	return c->no_reply_mail ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat answer(SMFICTX *ctx, enum reply reply)
{
	const struct reply_text *text = reply_text(reply);

	if (text == NULL)
		return SMFIS_CONTINUE;
	smfi_setreply(ctx, (char *)text->code, (char *)text->enhanced, (char *)text->text);
	return reply_is_permanent(reply) ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static sfsistat on_rcpt(SMFICTX *ctx, char **arguments)
{
	struct connection *c = connection_of(ctx);

	return c != NULL ? answer(ctx, connection_rcpt(c, arguments)) : SMFIS_TEMPFAIL;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	connection_header(c, name, value);
	return c->no_reply_header ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
	struct connection *c = connection_of(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	return connection_body(c, data, len) || !c->skip ? SMFIS_CONTINUE : SMFIS_SKIP;
}

static int delete_recipient(void *context, const char *argument)
{
	return smfi_delrcpt(context, (char *)argument) == MI_SUCCESS ? 0 : -1;
}

static int add_recipient(void *context, const char *address, const char *params)
{
	char path[ADDRESS_MAX + 3];

	size_t len = strnlen(address, ADDRESS_MAX);

	path[0] = '<';
	memcpy(path + 1, address, len);
	memcpy(path + 1 + len, ">", 2);
	return smfi_addrcpt_par(context, path, (char *)params) == MI_SUCCESS ? 0 : -1;
}

static const char *queue_id(void *context)
{
	return smfi_getsymval(context, (char *)"i");
}

static sfsistat on_eom(SMFICTX *ctx)
{
	struct connection *c = connection_of(ctx);
	struct mta mta = { ctx, delete_recipient, add_recipient, queue_id };

	return c != NULL ? answer(ctx, connection_eom(c, &mta)) : SMFIS_TEMPFAIL;
}

static sfsistat on_abort(SMFICTX *ctx)
{
	struct connection *c = connection_of(ctx);

	if (c != NULL)
		connection_abort(c);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	smfi_setpriv(ctx, NULL);
	connection_free(&c);
	return SMFIS_CONTINUE;
}

static const struct smfiDesc description = {
	.xxfi_name = (char *)"restante",
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = ACTIONS | SMFIF_SETSYMLIST,
	.xxfi_connect = on_connect,
	.xxfi_helo = on_helo,
	.xxfi_envfrom = on_mail,
	.xxfi_envrcpt = on_rcpt,
	.xxfi_header = on_header,
	.xxfi_body = on_body,
	.xxfi_eom = on_eom,
	.xxfi_abort = on_abort,
	.xxfi_close = on_close,
	.xxfi_negotiate = on_negotiate,
};

int callbacks_listen(struct front *the_front, const char *socket, mode_t mode, struct str *error_r)
{
	front = the_front;
	if (socket_prepare(socket, error_r) < 0)
		return -1;
	if (smfi_setconn((char *)socket) != MI_SUCCESS ||
		smfi_register(description) != MI_SUCCESS || smfi_setbacklog(1024) != MI_SUCCESS ||
		smfi_opensocket(false) != MI_SUCCESS) {
		str_printf(error_r,
			"%s: libmilter cannot listen there; is the notation "
			"\"unix:/path\" or \"inet:port@host\", and may user and group of "
			"restante.conf write to the folder?",
			socket);
		return -1;
	}
	return socket_adjust(socket, mode, error_r);
}

int callbacks_serve(void)
{
	return smfi_main() == MI_SUCCESS ? 0 : -1;
}
