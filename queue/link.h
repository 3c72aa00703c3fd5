/*
 * One connection to a release listener: bytes with deadlines, over TCP or a unix socket, with or
 * without TLS. Belongs to one thread, but for link_abort.
 */
#ifndef RESTANTE_QUEUE_LINK_H
#define RESTANTE_QUEUE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tls.h"
#include "queue/endpoint.h"
#include "queue/reply.h"

struct link;

struct link *link_new(void);
void link_free(struct link **link);

/* timeout_us holds for the connection and for each write. 0, or -1 with *error_r (valid until the
 * next call of this link). */
int link_open(struct link *link, const struct endpoint *endpoint, int64_t timeout_us,
	const char **error_r);
void link_close(struct link *link);
bool link_is_open(const struct link *link);
/* The peer has said something unasked or closed: of no use for another transaction. */
bool link_is_stale(struct link *link);

int link_start_tls(
	struct link *link, struct tls_context *context, const char *name, const char **error_r);

/* All, or -1 with *error_r. */
int link_write(struct link *link, const char *data, size_t len, const char **error_r);

/*
 * One reply. each (may be NULL) sees every line. 0; -1 with *error_r: closed, silent until
 * deadline_us (monotonic) or not SMTP.
 */
typedef void (*link_line)(void *context, unsigned number, const char *line, size_t len);
int link_reply(struct link *link, int64_t deadline_us, struct reply *reply_r, link_line each,
	void *context, const char **error_r);

/* From any thread: every wait of this connection ends at once, with an error. */
void link_abort(struct link *link);

#endif
