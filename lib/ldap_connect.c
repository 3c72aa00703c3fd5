/* How a session gets to its server: libldap's settings, the connection, TLS around it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ldap_internal.h"

/* --- settings ------------------------------------------------------------------------------- */

static void set_int(LDAP *handle, int option, int value)
{
	ldap_set_option(handle, option, &value);
}

/* A peer that died without a word is noticed within about a minute. */
static void set_keepalive(LDAP *handle)
{
	set_int(handle, LDAP_OPT_X_KEEPALIVE_IDLE, 20);
	set_int(handle, LDAP_OPT_X_KEEPALIVE_INTERVAL, 10);
	set_int(handle, LDAP_OPT_X_KEEPALIVE_PROBES, 3);
	set_int(handle, LDAP_OPT_TCP_USER_TIMEOUT, 30000);
}

static bool has_scheme(const char *uri, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncasecmp(uri, scheme, len) == 0 && strncmp(uri + len, "://", 3) == 0;
}

/*
 * libldap spins without end in a TLS handshake with a peer that says nothing, unless the session
 * is asynchronous at that moment: then it waits by its network timeout, and the socket's own
 * timeouts bound the reads between.
 */
static void bound_handshake(LDAP *handle, bool on)
{
	ldap_set_option(handle, LDAP_OPT_CONNECT_ASYNC, on ? LDAP_OPT_ON : LDAP_OPT_OFF);
}

static int bound_socket(LDAP *handle, Sockbuf *sb, LDAPURLDesc *url, struct sockaddr *address,
	struct ldap_conncb *callback)
{
	struct ldap_session *session = callback->lc_arg;
	struct timeval timeout = ldap_session_timeval(session);
	ber_socket_t fd = -1;

	(void)url;
	(void)address;
	if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) == 1 && fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	}
	session->connected_at = clock_mono_us();
	if (has_scheme(session->uri, "ldaps"))
		bound_handshake(handle, true);
	return 0;
}

static void forget_socket(LDAP *handle, Sockbuf *sb, struct ldap_conncb *callback)
{
	(void)handle;
	(void)sb;
	(void)callback;
}

/* Everything that an ldap.conf or an environment variable could have set otherwise. */
static void set_basics(struct ldap_session *session)
{
	struct timeval timeout = ldap_session_timeval(session);
	LDAP *handle = session->handle;

	set_int(handle, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3);
	set_int(handle, LDAP_OPT_DEREF, LDAP_DEREF_NEVER);
	set_int(handle, LDAP_OPT_SIZELIMIT, 0);
	set_int(handle, LDAP_OPT_TIMELIMIT, 0);
	ldap_set_option(handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(handle, LDAP_OPT_RESTART, LDAP_OPT_ON);
	ldap_set_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &timeout);
	ldap_set_option(handle, LDAP_OPT_TIMEOUT, &timeout);
	set_keepalive(handle);
	session->on_connect = (struct ldap_conncb){ bound_socket, forget_socket, session };
	ldap_set_option(handle, LDAP_OPT_CONNECT_CB, &session->on_connect);
}

/* --- TLS ------------------------------------------------------------------------------------ */

static int set_file(struct ldap_session *session, int option, const char *key, const char *path)
{
	if (path == NULL || *path == '\0')
		return 0;
	errno = 0;
	if (access(path, R_OK) == 0 &&
		ldap_set_option(session->handle, option, path) == LDAP_OPT_SUCCESS)
		return 0;
	snprintf(session->reason, sizeof(session->reason), "%s: %s %s: %s", session->uri, key, path,
		errno != 0 ? strerror(errno) : "cannot be used");
	return -1;
}

/*
 * A context that cannot be made is the end: libldap would go on with that of the process, which
 * has neither these files nor, where an ldap.conf or the environment says so, any check at all.
 */
static int make_context(struct ldap_session *session)
{
	/* 0: for a client */
	int server = 0;

	if (ldap_set_option(session->handle, LDAP_OPT_X_TLS_NEWCTX, &server) == LDAP_OPT_SUCCESS)
		return 0;
	snprintf(session->reason, sizeof(session->reason),
		"%s: TLS cannot be used; check that ca_file and cert_file are certificates (PEM) "
		"and "
		"key_file is the key of cert_file",
		session->uri);
	return -1;
}

static int set_tls(struct ldap_session *session, const struct ldap_options *options)
{
	LDAP *handle = session->handle;

	if (set_file(session, LDAP_OPT_X_TLS_CACERTFILE, "ca_file", options->ca_file) < 0 ||
		set_file(session, LDAP_OPT_X_TLS_CERTFILE, "cert_file", options->cert_file) < 0 ||
		set_file(session, LDAP_OPT_X_TLS_KEYFILE, "key_file", options->key_file) < 0)
		return -1;
	set_int(handle, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND);
	set_int(handle, LDAP_OPT_X_TLS_PROTOCOL_MIN, LDAP_OPT_X_TLS_PROTOCOL_TLS1_2);
	return make_context(session);
}

/* What libldap says of a handshake that failed differs with the way in; it is one thing. */
static int fail_handshake(struct ldap_session *session, int code)
{
	bool late = clock_mono_us() - session->connected_at >= session->timeout_us;

	if (code == LDAP_SERVER_DOWN)
		code = late ? LDAP_TIMEOUT : LDAP_CONNECT_ERROR;
	ldap_session_broken(session, "TLS handshake", NULL, code);
	return -1;
}

/* A positive code is the server's own refusal; else it is trouble of the connection as any other.
 */
static int fail_starttls(struct ldap_session *session, int code)
{
	size_t len;

	ldap_session_broken(session, "StartTLS", NULL, code);
	len = strlen(session->reason);
	if (code > 0)
		snprintf(session->reason + len, sizeof(session->reason) - len,
			"; the server must have a certificate for this; nothing was sent in clear "
			"text");
	return -1;
}

static int start_tls(struct ldap_session *session)
{
	char *oid = NULL;
	struct berval *data = NULL;
	int code = ldap_extended_operation_s(
		session->handle, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &oid, &data);

	ldap_memfree(oid);
	ber_bvfree(data);
	if (code != LDAP_SUCCESS)
		return fail_starttls(session, code);
	bound_handshake(session->handle, true);
	code = ldap_install_tls(session->handle);
	bound_handshake(session->handle, false);
	return code == LDAP_SUCCESS ? 0 : fail_handshake(session, code);
}

/* --- connecting ----------------------------------------------------------------------------- */

static int connect_server(struct ldap_session *session)
{
	int code = ldap_connect(session->handle);

	bound_handshake(session->handle, false);
	if (code == LDAP_SUCCESS)
		return 0;
	if (session->connected_at != 0 && has_scheme(session->uri, "ldaps"))
		return fail_handshake(session, code);
	ldap_session_broken(session, "connect", NULL, code);
	return -1;
}

/*
 * libldap polls before each message, and reads its header and its rest one by one: three calls,
 * most of the work where there are a million of them. The layer is below that of TLS, and asks for
 * no more than the socket has.
 */
static void read_ahead(struct ldap_session *session)
{
	Sockbuf *sb = NULL;

	if (ldap_get_option(session->handle, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS)
		ber_sockbuf_add_io(sb, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, NULL);
}

int ldap_session_connect(struct ldap_session *session, const struct ldap_options *options)
{
	/* ldaps:// is encrypted already and ldapi:// never leaves the machine */
	bool starttls = options->starttls && has_scheme(session->uri, "ldap");
	int code = ldap_initialize(&session->handle, session->uri);

	if (code != LDAP_SUCCESS) {
		session->handle = NULL;
		snprintf(session->reason, sizeof(session->reason),
			"%s: %s; expected ldap://, ldaps:// or ldapi://", session->uri,
			ldap_err2string(code));
		return -1;
	}
	set_basics(session);
	if ((starttls || has_scheme(session->uri, "ldaps")) && set_tls(session, options) < 0)
		return -1;
	if (connect_server(session) < 0)
		return -1;
	if (starttls && start_tls(session) < 0)
		return -1;
	read_ahead(session);
	return 0;
}
