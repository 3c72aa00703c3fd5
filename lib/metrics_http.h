/*
 * The page of lib/metrics.h over HTTP: GET and HEAD of /metrics, nothing else (404 for other paths,
 * 405 for other methods). One thread, METRICS_CONNECTIONS at a time, each closed after
 * METRICS_SILENCE seconds of silence. Whoever is over that is served, and the oldest connection is
 * closed for it: so nobody keeps others out by saying a byte now and then. No TLS, no passwords: it
 * is meant for loopback or a network of one's own.
 */
#ifndef RESTANTE_LIB_METRICS_HTTP_H
#define RESTANTE_LIB_METRICS_HTTP_H

#include "lib/str.h"

#define METRICS_CONNECTIONS 16
#define METRICS_SILENCE     5 /* seconds */

/* Appends the page; called from the server's thread. */
typedef void (*metrics_writer)(void *context, struct str *page);

struct metrics_server;

/* listen: "ADDRESS:PORT" with a numeric address, IPv6 in brackets. NULL with *error_r, valid until
 * the thread's next call. */
struct metrics_server *metrics_serve(
	const char *listen, metrics_writer writer, void *context, const char **error_r);
/* Once it returns the writer is not called any more. NULL is fine. */
void metrics_stop(struct metrics_server **server);

#endif
