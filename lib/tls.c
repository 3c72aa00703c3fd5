#define _GNU_SOURCE
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/mem.h"

struct tls_context {
	SSL_CTX *ssl;
	bool verify;
};

struct tls_session {
	SSL *ssl;
	bool broken; /* no farewell: the protocol's state is unknown */
};

static _Thread_local char reason[512];

__attribute__((format(printf, 1, 2))) static const char *explain(const char *format, ...)
{
	unsigned long code = ERR_peek_last_error();
	const char *detail = code ? ERR_reason_error_string(code) : NULL;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	if (detail != NULL && n > 0 && (size_t)n < sizeof reason)
		snprintf(reason + n, sizeof reason - (size_t)n, ": %s", detail);
	ERR_clear_error();
	return reason;
}

/* --- bytes: like OpenSSL's own socket BIO, but a closed connection raises no SIGPIPE --------- */

static int socket_of(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static int bio_write(BIO *bio, const char *data, int len)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	do {
		n = send(socket_of(bio), data, (size_t)len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)n;
}

static int bio_read(BIO *bio, char *buffer, int size)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	do {
		n = recv(socket_of(bio), buffer, (size_t)size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
	if (method == NULL || !BIO_meth_set_write(method, bio_write) ||
		!BIO_meth_set_read(method, bio_read) || !BIO_meth_set_ctrl(method, bio_ctrl)) {
		log_error("tls", "OpenSSL is out of memory");
		abort();
	}
}

static BIO *new_bio(int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_method);
	BIO *bio = BIO_new(method);
	if (bio != NULL) {
		BIO_set_data(bio, (void *)(intptr_t)fd);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* --- settings ------------------------------------------------------------------------------ */

static bool is_set(const char *file)
{
	return file != NULL && *file != '\0';
}

static int load_trust(SSL_CTX *ssl, const struct tls_options *options)
{
	if (!options->verify)
		return 0;
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (!is_set(options->ca_file)) {
		if (SSL_CTX_set_default_verify_paths(ssl))
			return 0;
		explain("TLS: cannot use the system's certificates");
		return -1;
	}
	if (SSL_CTX_load_verify_locations(ssl, options->ca_file, NULL))
		return 0;
	explain("TLS: %s: cannot be used as a file of trusted certificates (PEM)",
		options->ca_file);
	return -1;
}

static int load_identity(SSL_CTX *ssl, const struct tls_options *options)
{
	if (!is_set(options->cert_file))
		return 0;
	if (!SSL_CTX_use_certificate_chain_file(ssl, options->cert_file)) {
		explain("TLS: %s: cannot be used as a certificate (PEM)", options->cert_file);
		return -1;
	}
	const char *key = is_set(options->key_file) ? options->key_file : options->cert_file;
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM))
		return 0;
	explain("TLS: %s: cannot be used as the private key (PEM) of %s", key, options->cert_file);
	return -1;
}

struct tls_context *tls_context_new(const struct tls_options *options, const char **error_r)
{
	ERR_clear_error();
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
	int minimum = options->minimum == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
	if (ssl == NULL || !SSL_CTX_set_min_proto_version(ssl, minimum)) {
		*error_r = explain("TLS: OpenSSL cannot be used");
		SSL_CTX_free(ssl);
		return NULL;
	}
	if (load_trust(ssl, options) < 0 || load_identity(ssl, options) < 0) {
		*error_r = reason;
		SSL_CTX_free(ssl);
		return NULL;
	}
	struct tls_context *context = mem_zalloc(sizeof *context);
	context->ssl = ssl;
	context->verify = options->verify;
	return context;
}

void tls_context_free(struct tls_context **context)
{
	if (*context != NULL)
		SSL_CTX_free((*context)->ssl);
	mem_free(context);
}

/* --- the handshake ------------------------------------------------------------------------- */

static bool is_ip(const char *name)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Whom to ask for (RFC 6066: no addresses there), and whose certificate it must be (RFC 6125). */
static bool set_name(SSL *ssl, const char *name, bool verify)
{
	if (is_ip(name))
		return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	if (!SSL_set_tlsext_host_name(ssl, name))
		return false;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return !verify || SSL_set1_host(ssl, name);
}

/* What to do about a certificate that is refused. */
static const char *remedy_of(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_CERT_HAS_EXPIRED: return "renew it there";
	case X509_V_ERR_CERT_NOT_YET_VALID: return "check the clocks of both machines";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "connect by a name that stands in it, or say which one to expect";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "put the certificate of its authority into the file of trusted ones, or "
		       "name that file";
	default: return "look at it with openssl s_client";
	}
}

static const char *explain_protocol(const char *name)
{
	switch (ERR_GET_REASON(ERR_peek_last_error())) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return explain(
			"TLS with %s: it does not speak a version that is new enough for us", name);
	default: return explain("TLS with %s", name);
	}
}

static const char *explain_handshake(SSL *ssl, const char *name, int result, int error)
{
	long verdict = SSL_get_verify_result(ssl);

	if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verdict != X509_V_OK) {
		ERR_clear_error();
		return explain("TLS with %s: its certificate is refused: %s; %s", name,
			X509_verify_cert_error_string(verdict), remedy_of(verdict));
	}
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return explain("TLS with %s: no answer in time", name);
	case SSL_ERROR_SYSCALL:
		return explain(
			"TLS with %s: %s", name, error ? strerror(error) : "connection closed");
	default: return explain_protocol(name);
	}
}

struct tls_session *tls_connect(
	struct tls_context *context, int fd, const char *name, const char **error_r)
{
	ERR_clear_error();
	SSL *ssl = SSL_new(context->ssl);
	BIO *bio = new_bio(fd);
	if (ssl == NULL || bio == NULL || !set_name(ssl, name, context->verify)) {
		*error_r = explain("TLS with %s: this name cannot be used", name);
		BIO_free(bio);
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_bio(ssl, bio, bio);
	errno = 0;
	int result = SSL_connect(ssl);
	if (result != 1) {
		*error_r = explain_handshake(ssl, name, result, errno);
		SSL_free(ssl);
		return NULL;
	}
	struct tls_session *session = mem_zalloc(sizeof *session);
	session->ssl = ssl;
	return session;
}

/* --- the session --------------------------------------------------------------------------- */

ssize_t tls_read(struct tls_session *session, void *buffer, size_t size)
{
	size_t got = 0;

	ERR_clear_error();
	int result = SSL_read_ex(session->ssl, buffer, size, &got);
	if (result > 0)
		return (ssize_t)got;
	if (SSL_get_error(session->ssl, result) == SSL_ERROR_ZERO_RETURN)
		return 0;
	session->broken = true;
	return -1;
}

ssize_t tls_write(struct tls_session *session, const void *data, size_t len)
{
	size_t sent = 0;

	if (len == 0)
		return 0;
	ERR_clear_error();
	if (SSL_write_ex(session->ssl, data, len, &sent) && sent == len)
		return (ssize_t)len;
	session->broken = true;
	return -1;
}

bool tls_pending(const struct tls_session *session)
{
	return SSL_has_pending(session->ssl);
}

void tls_close(struct tls_session **session)
{
	if (*session == NULL)
		return;
	ERR_clear_error();
	if (!(*session)->broken)
		SSL_shutdown((*session)->ssl);
	SSL_free((*session)->ssl);
	ERR_clear_error();
	mem_free(session);
}
