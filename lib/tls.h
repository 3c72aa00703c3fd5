/*
 * TLS for a client on a connected socket (RFC 8446 and TLS 1.2); hides OpenSSL. One session
 * belongs to one thread.
 */
#ifndef RESTANTE_LIB_TLS_H
#define RESTANTE_LIB_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_context; /* settings, shared by sessions, thread-safe */
struct tls_session;

enum tls_version { TLS_1_2, TLS_1_3 };

struct tls_options {
	const char *ca_file;   /* PEM; NULL = the system's */
	const char *cert_file; /* PEM, with key_file: client certificate; NULL = none */
	const char *key_file;
	bool verify;              /* check chain and name; false: encrypt only */
	enum tls_version minimum; /* nothing older is spoken */
};

struct tls_context *tls_context_new(const struct tls_options *options, const char **error_r);
void tls_context_free(struct tls_context **context);

/* Handshake within the socket's own timeouts (SO_RCVTIMEO). name: for SNI and verification. */
struct tls_session *tls_connect(
	struct tls_context *context, int fd, const char *name, const char **error_r);
ssize_t tls_read(struct tls_session *session, void *buffer, size_t size);     /* 0 = closed, -1 */
ssize_t tls_write(struct tls_session *session, const void *data, size_t len); /* all, or -1 */
bool tls_pending(const struct tls_session *session);
void tls_close(struct tls_session **session); /* does not close the socket */

#endif
