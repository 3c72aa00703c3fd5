/*
 * The envelope of the transaction at hand: what MAIL and RCPT said, byte for byte but for source
 * routes, which RFC 5321 appendix C wants ignored. With one, Postfix does not find the recipient
 * again to delete it, without it does (TRAPS 1, 3); Sendmail compares what it makes of both, and
 * must be told what it was given. Its memory is used again for the next one on the connection.
 * Not thread-safe.
 */
#ifndef RESTANTE_MILTER_ENVELOPE_H
#define RESTANTE_MILTER_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/orcpt.h"
#include "lib/str.h"

/* More recipients, or more bytes of them, are refused: memory is bounded whatever the MTA allows.
 */
#define ENVELOPE_ID_BYTES       32
#define ENVELOPE_RECIPIENTS_MAX 50000
#define ENVELOPE_BYTES_MAX      (16u << 20)

struct envelope_recipient {
	uint32_t argument, params; /* where they begin in text */
	uint32_t given;            /* the argument with the source route that it may have */
};

struct envelope {
	bool open;                  /* between MAIL and the end of message, abort or close */
	char id[ENVELOPE_ID_BYTES]; /* the id= of the log, made at MAIL */
	struct str text;
	uint32_t sender, mail_params, auth_user;
	struct envelope_recipient *recipients;
	size_t count, cap;
};

void envelope_free(struct envelope *envelope);
/* arguments as libmilter gives them: NULL-terminated, the path first. auth_user may be NULL. */
void envelope_begin(struct envelope *envelope, char *const *arguments, const char *auth_user);
/* -1: too many. */
int envelope_add(struct envelope *envelope, char *const *arguments);
void envelope_end(struct envelope *envelope);

const char *envelope_text(const struct envelope *envelope, uint32_t where);
const char *envelope_argument(const struct envelope *envelope, size_t recipient);
/* With its source route. */
const char *envelope_given(const struct envelope *envelope, size_t recipient);
const char *envelope_params(const struct envelope *envelope, size_t recipient);
/* Whether the client used a parameter of RFC 3461: so the MTA offers them. */
bool envelope_has_dsn(const struct envelope *envelope, size_t recipient);

/* A path without its angle brackets, appended to out. */
void envelope_unbracket(const char *argument, struct str *out);
/*
 * The ESMTP parameters with which a recipient goes on to the MTA, appended to out: NOTIFY and
 * ORCPT, which is added where it is absent, in the form that the MTA wants of a milter.
 */
void envelope_dsn_params(
	const char *params, const char *argument, enum orcpt_form form, struct str *out);

#endif
