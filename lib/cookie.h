/*
 * Change sequence numbers and the cookies of RFC 4533 as OpenLDAP writes them:
 *
 *   rid=000,sid=001,csn=20261122055519.411540Z#000000#001#000000;20261122...#002#000000
 *
 * The vector holds the newest CSN per server id. Everything here is pure.
 */
#ifndef RESTANTE_LIB_COOKIE_H
#define RESTANTE_LIB_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

#define CSN_LEN    40  /* the one form that slapd normalises to */
#define VECTOR_MAX 128 /* server ids; a cookie with more is malformed */

struct csn_vector {
	size_t count;
	char csn[VECTOR_MAX][CSN_LEN + 1]; /* sorted by server id */
};

bool csn_valid(const char *text, size_t len);
unsigned csn_sid(const char *csn);

/* Takes csn (valid) unless the vector has it or a newer one. 1 taken, 0 not, -1 no room. */
int vector_take(struct csn_vector *vector, const char *csn);
/* 1 where anything was newer, 0 where nothing was, -1 no room. */
int vector_merge(struct csn_vector *vector, const struct csn_vector *from);
/* Whether the change that carries csn is included. */
bool vector_covers(const struct csn_vector *vector, const char *csn);
/* Whether `vector` lacks anything that `ours` includes. */
bool vector_behind(const struct csn_vector *vector, const struct csn_vector *ours);
/* Whether some CSN of it is newer than csn, whatever the server ids. */
bool vector_newer(const struct csn_vector *vector, const char *csn);

/* The number of CSNs (0: a cookie that says nothing), -1 where it is malformed. */
int cookie_parse(const char *text, size_t len, struct csn_vector *vector_r);
/* Appends the cookie to send; nothing where the vector is empty. */
void cookie_compose(const struct csn_vector *vector, struct str *out);

#endif
