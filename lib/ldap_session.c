#define _GNU_SOURCE
#include "lib/ldap_session.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ldap_internal.h"
#include "lib/mem.h"

#define DEFAULT_TIMEOUT_US (10 * CLOCK_SECOND)
#define PASSWORD_MAX       1024

static _Thread_local char open_error[1536];

/* A peer that went away must be an error of the write, not the end of the process. */
static void ignore_sigpipe(void)
{
	struct sigaction old;

	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

struct timeval ldap_session_timeval(const struct ldap_session *session)
{
	return (struct timeval){ .tv_sec = session->timeout_us / CLOCK_SECOND,
		.tv_usec = session->timeout_us % CLOCK_SECOND };
}

/* --- judging answers ------------------------------------------------------------------------ */

static const struct {
	int code;
	enum ldap_result result;
	const char *remedy;
} judgements[] = {
	{ LDAP_SUCCESS, LDAP_DONE, NULL },
	{ LDAP_NO_SUCH_OBJECT, LDAP_NO_ENTRY, NULL },
	{ LDAP_ASSERTION_FAILED, LDAP_ASSERTION, NULL },
	/* a value to be deleted is no longer there: somebody else was first */
	{ LDAP_NO_SUCH_ATTRIBUTE, LDAP_ASSERTION, NULL },
	{ LDAP_ALREADY_EXISTS, LDAP_TAKEN, NULL },
	{ LDAP_TYPE_OR_VALUE_EXISTS, LDAP_TAKEN, NULL },
	{ LDAP_CONSTRAINT_VIOLATION, LDAP_TAKEN, NULL },
	{ LDAP_SERVER_DOWN, LDAP_DOWN,
		"check that the server runs, the uri, and with TLS its certificate and ca_file" },
	{ LDAP_CONNECT_ERROR, LDAP_DOWN, "check certificate, ca_file and the name in the uri" },
	{ LDAP_TIMEOUT, LDAP_DOWN, "the server did not answer in time" },
	{ LDAP_UNAVAILABLE, LDAP_DOWN, NULL },
	{ LDAP_BUSY, LDAP_DOWN, NULL },
	{ LDAP_OTHER, LDAP_DOWN, NULL },
	{ LDAP_LOCAL_ERROR, LDAP_DOWN, NULL },
	{ LDAP_DECODING_ERROR, LDAP_DOWN, NULL },
	{ LDAP_ENCODING_ERROR, LDAP_DOWN, NULL },
	{ LDAP_INSUFFICIENT_ACCESS, LDAP_REFUSED, "grant it in the directory's access rules" },
	{ LDAP_INVALID_CREDENTIALS, LDAP_REFUSED, "check bind_dn and password_file" },
	{ LDAP_UNDEFINED_TYPE, LDAP_REFUSED, "load the restante schema into the directory" },
	{ LDAP_INVALID_SYNTAX, LDAP_REFUSED, "load the restante schema into the directory" },
	{ LDAP_OBJECT_CLASS_VIOLATION, LDAP_REFUSED, "see restante-schema(5)" },
	{ LDAP_REFERRAL, LDAP_REFUSED,
		"this server takes no writes: set write_uri to one that does" },
	{ LDAP_UNAVAILABLE_CRITICAL_EXTENSION, LDAP_REFUSED,
		"the server lacks a control that is needed; is the syncprov overlay there?" },
};

static size_t judgement_of(int code)
{
	size_t i;

	for (i = 0; i < sizeof(judgements) / sizeof(judgements[0]); i++)
		if (judgements[i].code == code)
			break;
	return i;
}

static enum ldap_result result_of(int code)
{
	size_t i = judgement_of(code);

	return i < sizeof(judgements) / sizeof(judgements[0]) ? judgements[i].result : LDAP_REFUSED;
}

static const char *remedy_of(int code)
{
	size_t i = judgement_of(code);

	return i < sizeof(judgements) / sizeof(judgements[0]) ? judgements[i].remedy : NULL;
}

enum ldap_result ldap_session_judge(struct ldap_session *session, const char *what, const char *dn,
	int code, const char *server_text)
{
	const char *remedy = remedy_of(code);
	bool words = server_text != NULL && *server_text != '\0';

	if (code == LDAP_SUCCESS) {
		session->reason[0] = '\0';
		return LDAP_DONE;
	}
	snprintf(session->reason, sizeof(session->reason), "%s: %s%s%s: %s (%d)%s%s%s%s",
		session->uri, what, dn != NULL ? " " : "", dn != NULL ? dn : "",
		ldap_err2string(code), code, words ? ": " : "", words ? server_text : "",
		remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
	return result_of(code);
}

enum ldap_result ldap_session_broken(
	struct ldap_session *session, const char *what, const char *dn, int code)
{
	char *words = NULL;
	enum ldap_result result;

	ldap_get_option(session->handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &words);
	result = ldap_session_judge(session, what, dn, code, words);
	ldap_memfree(words);
	return result;
}

/* The code of a failed libldap call that says so by its return value only. */
static int last_code(struct ldap_session *session)
{
	int code = LDAP_OTHER;

	ldap_get_option(session->handle, LDAP_OPT_RESULT_CODE, &code);
	return code == LDAP_SUCCESS ? LDAP_SERVER_DOWN : code;
}

enum ldap_result ldap_session_wait(struct ldap_session *session, const char *what, const char *dn,
	int msgid, LDAPMessage **message_r)
{
	struct timeval timeout = ldap_session_timeval(session);
	LDAPMessage *message = NULL;
	char *words = NULL;
	enum ldap_result result;
	int code, got;

	got = ldap_result(session->handle, msgid, LDAP_MSG_ALL, &timeout, &message);
	if (got <= 0) {
		if (got == 0)
			ldap_abandon_ext(session->handle, msgid, NULL, NULL);
		return ldap_session_broken(
			session, what, dn, got == 0 ? LDAP_TIMEOUT : last_code(session));
	}
	if (ldap_parse_result(session->handle, message, &code, NULL, &words, NULL, NULL, 0) !=
		LDAP_SUCCESS)
		code = LDAP_DECODING_ERROR;
	result = ldap_session_judge(session, what, dn, code, words);
	ldap_memfree(words);
	if (result == LDAP_DONE && message_r != NULL)
		*message_r = message;
	else
		ldap_msgfree(message);
	return result;
}

/* --- the password --------------------------------------------------------------------------- */

/* Write access of the group, or any of others, makes the secret somebody else's. */
static const char *password_fault(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "is no regular file";
	if ((st.st_mode & 0027) != 0)
		return "can be read by others or written by its group; chmod 0600 or 0640";
	return NULL;
}

static char *first_line(int fd, const char **fault_r)
{
	char *secret = mem_zalloc(PASSWORD_MAX + 1);
	ssize_t got = read(fd, secret, PASSWORD_MAX);
	size_t len = got > 0 ? strcspn(secret, "\r\n") : 0;

	if (got < 0)
		*fault_r = "cannot be read";
	else if (len == 0)
		*fault_r = "is empty; its first line must be the password";
	else if (len == PASSWORD_MAX)
		*fault_r = "has a first line that is too long";
	else
		explicit_bzero(secret + len, PASSWORD_MAX - len);
	if (*fault_r == NULL)
		return secret;
	explicit_bzero(secret, PASSWORD_MAX);
	mem_free(&secret);
	return NULL;
}

static char *read_password(const char *path, const char **error_r)
{
	const char *fault = NULL;
	char *secret = NULL;
	int fd;

	if (path == NULL || *path == '\0') {
		*error_r = "bind = simple needs password_file";
		return NULL;
	}
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
		fault = strerror(errno);
	} else {
		if ((fault = password_fault(fd)) == NULL)
			secret = first_line(fd, &fault);
		close(fd);
	}
	if (fault != NULL) {
		snprintf(open_error, sizeof(open_error), "password_file %s: %s", path, fault);
		*error_r = open_error;
	}
	return secret;
}

int ldap_options_check(const struct ldap_options *options, const char **error_r)
{
	char *secret;

	if (options->bind != LDAP_BIND_SIMPLE)
		return 0;
	if ((secret = read_password(options->password_file, error_r)) == NULL)
		return -1;
	explicit_bzero(secret, strlen(secret));
	mem_free(&secret);
	return 0;
}

/* --- opening -------------------------------------------------------------------------------- */

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
	struct timeval timeout = ldap_session_timeval(callback->lc_arg);
	ber_socket_t fd = -1;

	(void)address;
	if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) == 1 && fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	}
	if (url != NULL && strcasecmp(url->lud_scheme, "ldaps") == 0)
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

static int set_file(LDAP *handle, int option, const char *path)
{
	if (path == NULL || *path == '\0')
		return 0;
	if (access(path, R_OK) < 0 || ldap_set_option(handle, option, path) != LDAP_OPT_SUCCESS) {
		snprintf(open_error, sizeof(open_error), "%s: %s", path,
			errno != 0 ? strerror(errno) : "cannot be used");
		return -1;
	}
	return 0;
}

static int set_tls(struct ldap_session *session, const struct ldap_options *options)
{
	LDAP *handle = session->handle;

	errno = 0;
	if (set_file(handle, LDAP_OPT_X_TLS_CACERTFILE, options->ca_file) < 0 ||
		set_file(handle, LDAP_OPT_X_TLS_CERTFILE, options->cert_file) < 0 ||
		set_file(handle, LDAP_OPT_X_TLS_KEYFILE, options->key_file) < 0)
		return -1;
	set_int(handle, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND);
	set_int(handle, LDAP_OPT_X_TLS_PROTOCOL_MIN, LDAP_OPT_X_TLS_PROTOCOL_TLS1_2);
	/* 0: for a client */
	set_int(handle, LDAP_OPT_X_TLS_NEWCTX, 0);
	return 0;
}

/* ldaps:// is encrypted already and ldapi:// never leaves the machine. */
static bool wants_starttls(const struct ldap_options *options)
{
	return options->starttls && strncasecmp(options->uri, "ldap://", 7) == 0;
}

static int fail_open(struct ldap_session *session)
{
	snprintf(open_error, sizeof(open_error), "%s", session->reason);
	return -1;
}

static int connect_server(struct ldap_session *session)
{
	int code = ldap_connect(session->handle);

	bound_handshake(session->handle, false);
	if (code == LDAP_SUCCESS)
		return 0;
	ldap_session_broken(session, "connect", NULL, code);
	return fail_open(session);
}

static int start_tls(struct ldap_session *session)
{
	char *oid = NULL;
	struct berval *data = NULL;
	int code = ldap_extended_operation_s(
		session->handle, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &oid, &data);

	ldap_memfree(oid);
	ber_bvfree(data);
	if (code == LDAP_SUCCESS) {
		bound_handshake(session->handle, true);
		code = ldap_install_tls(session->handle);
		bound_handshake(session->handle, false);
	}
	if (code == LDAP_SUCCESS)
		return 0;
	ldap_session_broken(session, "StartTLS", NULL, code);
	return fail_open(session);
}

static int bind_with(
	struct ldap_session *session, const char *dn, const char *mechanism, char *secret)
{
	struct berval credentials = { .bv_len = strlen(secret), .bv_val = secret };
	struct berval *server = NULL;
	int code;

	code = ldap_sasl_bind_s(session->handle, dn, mechanism, &credentials, NULL, NULL, &server);
	ber_bvfree(server);
	if (code == LDAP_SUCCESS)
		return 0;
	ldap_session_broken(session, "bind", dn, code);
	return fail_open(session);
}

static int bind_simple(struct ldap_session *session, const struct ldap_options *options)
{
	const char *error = NULL;
	char *secret;
	int result;

	if (options->bind_dn == NULL || *options->bind_dn == '\0') {
		snprintf(open_error, sizeof(open_error), "bind = simple needs bind_dn");
		return -1;
	}
	if ((secret = read_password(options->password_file, &error)) == NULL) {
		if (error != open_error)
			snprintf(open_error, sizeof(open_error), "%s", error);
		return -1;
	}
	result = bind_with(session, options->bind_dn, LDAP_SASL_SIMPLE, secret);
	mem_free_secret(&secret);
	return result;
}

static int bind_session(struct ldap_session *session, const struct ldap_options *options)
{
	char none[] = "";

	switch (options->bind) {
	case LDAP_BIND_SIMPLE: return bind_simple(session, options);
	case LDAP_BIND_EXTERNAL: return bind_with(session, NULL, "EXTERNAL", none);
	case LDAP_BIND_ANONYMOUS: break;
	}
	return bind_with(session, NULL, LDAP_SASL_SIMPLE, none);
}

static int connect_session(struct ldap_session *session, const struct ldap_options *options)
{
	int code = ldap_initialize(&session->handle, session->uri);

	if (code != LDAP_SUCCESS) {
		session->handle = NULL;
		snprintf(open_error, sizeof(open_error),
			"%s: %s; expected ldap://, ldaps:// or ldapi://", session->uri,
			ldap_err2string(code));
		return -1;
	}
	set_basics(session);
	if (set_tls(session, options) < 0)
		return -1;
	if (connect_server(session) < 0)
		return -1;
	if (wants_starttls(options) && start_tls(session) < 0)
		return -1;
	return bind_session(session, options);
}

struct ldap_session *ldap_session_open(const struct ldap_options *options, const char **error_r)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct ldap_session *session = mem_zalloc(sizeof(*session));

	pthread_once(&once, ignore_sigpipe);
	session->uri = mem_strdup(options->uri != NULL ? options->uri : "");
	session->timeout_us = options->timeout_us > 0 ? options->timeout_us : DEFAULT_TIMEOUT_US;
	if (connect_session(session, options) == 0)
		return session;
	ldap_session_close(&session);
	*error_r = open_error;
	return NULL;
}

void ldap_session_close(struct ldap_session **session)
{
	if (*session == NULL)
		return;
	if ((*session)->handle != NULL)
		ldap_unbind_ext((*session)->handle, NULL, NULL);
	mem_free(&(*session)->uri);
	mem_free(session);
}

const char *ldap_session_reason(const struct ldap_session *session)
{
	return session->reason;
}

void *ldap_session_handle(struct ldap_session *session)
{
	return session->handle;
}
