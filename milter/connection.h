/*
 * One connection of the MTA, and the callbacks' steps on it. Its callbacks come one after the
 * other, though each may run in another thread.
 */
#ifndef RESTANTE_MILTER_CONNECTION_H
#define RESTANTE_MILTER_CONNECTION_H

#include <stdbool.h>

#include "lib/route.h"
#include "milter/content.h"
#include "milter/envelope.h"
#include "milter/front.h"
#include "milter/lateness.h"
#include "milter/reply.h"

struct connection {
	struct front *front;
	bool leading_space; /* what was negotiated */
	bool no_reply_connect, no_reply_helo, no_reply_mail, no_reply_header, skip;
	bool reentry;  /* it came through the re-entry listener */
	bool sendmail; /* the MTA; else it is like Postfix */
	char client_name[256], client_address[64], helo[256];
	struct lateness_slot late;
	struct envelope envelope;
	struct content content;
	struct str scratch;
};

/* What an end of message asks of the MTA; hides libmilter from milter/eom.c and its tests. */
struct mta {
	void *context;
	int (*delete_recipient)(void *context, const char *argument);
	int (*add_recipient)(void *context, const char *address, const char *params);
	const char *(*queue_id)(void *context);
};

struct connection *connection_new(struct front *front);
void connection_free(struct connection **connection);

void connection_mail(struct connection *connection, char *const *arguments, const char *auth_user);
/* REPLY_NONE: the recipient is taken. */
enum reply connection_rcpt(struct connection *connection, char *const *arguments);
void connection_header(struct connection *connection, const char *name, const char *value);
/* Whether more of the body is of use. */
bool connection_body(struct connection *connection, const void *data, size_t len);
enum reply connection_eom(struct connection *connection, const struct mta *mta);
/* The transaction is over without an end of message. */
void connection_abort(struct connection *connection);
/* Each event comes here first: the MTA has done with the message before. */
void connection_event(struct connection *connection);

#endif
