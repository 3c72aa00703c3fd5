/*
 * AUTH (RFC 4954) by PLAIN (RFC 4616) or LOGIN: which of them, what is sent, and what of an answer
 * may be shown. Pure. What it writes holds the password: clear it with auth_forget.
 */
#ifndef RESTANTE_QUEUE_AUTH_H
#define RESTANTE_QUEUE_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"
#include "queue/ehlo.h"
#include "queue/reply.h"

enum auth_way { AUTH_NONE, AUTH_PLAIN, AUTH_LOGIN };

/* The better of those that are offered. */
enum auth_way auth_choose(const struct ehlo *ehlo);

/*
 * The line to send as step 0, 1, ... of the conversation, CRLF included; false: there is none any
 * more. Each but the last is to be answered by 334.
 */
bool auth_line(
	enum auth_way way, unsigned step, const char *user, const char *password, struct str *line);
void auth_forget(struct str *line);

/* A refusal that repeats what was sent keeps its code and status alone. */
void auth_censor(struct reply *reply, const char *user, const char *password);

#endif
