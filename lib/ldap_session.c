#define _GNU_SOURCE
#include "lib/ldap_session.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/ldap_internal.h"
#include "lib/mem.h"
#include "lib/secret.h"

#define DEFAULT_TIMEOUT_US (10 * CLOCK_SECOND)

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
		"check that the server runs, the uri, and cert_file if there is one" },
	{ LDAP_CONNECT_ERROR, LDAP_DOWN,
		"check that the server's certificate is signed by ca_file, in date and of the name "
		"in the uri" },
	{ LDAP_TIMEOUT, LDAP_DOWN, "the server did not answer in time" },
	{ LDAP_UNAVAILABLE, LDAP_DOWN, NULL },
	{ LDAP_BUSY, LDAP_DOWN, NULL },
	{ LDAP_OTHER, LDAP_DOWN, NULL },
	{ LDAP_LOCAL_ERROR, LDAP_DOWN, NULL },
	{ LDAP_DECODING_ERROR, LDAP_DOWN, NULL },
	{ LDAP_ENCODING_ERROR, LDAP_DOWN, NULL },
	{ LDAP_INSUFFICIENT_ACCESS, LDAP_REFUSED, "grant it in the directory's access rules" },
	{ LDAP_INVALID_CREDENTIALS, LDAP_REFUSED, "check bind_dn and password_file" },
	{ LDAP_AUTH_METHOD_NOT_SUPPORTED, LDAP_REFUSED,
		"bind = external needs ldapi://, or TLS with a cert_file that the server trusts" },
	{ LDAP_CONFIDENTIALITY_REQUIRED, LDAP_REFUSED,
		"the server wants encryption: set starttls, or ldaps:// in the uri" },
	{ LDAP_UNDEFINED_TYPE, LDAP_REFUSED, "load the restante schema into the directory" },
	{ LDAP_INVALID_SYNTAX, LDAP_REFUSED, "load the restante schema into the directory" },
	{ LDAP_OBJECT_CLASS_VIOLATION, LDAP_REFUSED, "see restante-schema(5)" },
	{ LDAP_REFERRAL, LDAP_REFUSED,
		"this server takes no writes: set write_uri to one that does" },
	{ LDAP_SIZELIMIT_EXCEEDED, LDAP_REFUSED,
		"the server cuts results off: raise its size limit for bind_dn" },
	{ LDAP_TIMELIMIT_EXCEEDED, LDAP_REFUSED,
		"the server cuts searches off: raise its time limit for bind_dn, or index what the "
		"filter asks for" },
	{ LDAP_ADMINLIMIT_EXCEEDED, LDAP_REFUSED,
		"the server cuts searches off: raise its limits for bind_dn, or set page" },
	{ LDAP_FILTER_ERROR, LDAP_REFUSED, "check the filter" },
	{ LDAP_INVALID_DN_SYNTAX, LDAP_REFUSED, "check the base" },
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

	session->code = code;
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
	/* "(unknown error code)", of a handshake */
	result = ldap_session_judge(
		session, what, dn, code, words != NULL && *words == '(' ? NULL : words);
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

static char *read_password(const char *path, const char **error_r)
{
	if (path != NULL && *path != '\0')
		return secret_read(path, error_r);
	*error_r = "bind = simple needs password_file";
	return NULL;
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

/* --- binding ------------------------------------------------------------------------------- */

static int fail_open(struct ldap_session *session)
{
	snprintf(open_error, sizeof(open_error), "%s", session->reason);
	return -1;
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

/* --- opening and closing -------------------------------------------------------------------- */

/* libldap makes its global options at its first use, which two threads must not be at together. */
static void begin_library(void)
{
	int version;

	ignore_sigpipe();
	ldap_get_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version);
}

struct ldap_session *ldap_session_open(const struct ldap_options *options, const char **error_r)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct ldap_session *session = mem_zalloc(sizeof(*session));

	pthread_once(&once, begin_library);
	session->uri = mem_strdup(options->uri != NULL ? options->uri : "");
	session->timeout_us = options->timeout_us > 0 ? options->timeout_us : DEFAULT_TIMEOUT_US;
	if (ldap_session_connect(session, options) < 0)
		fail_open(session);
	else if (bind_session(session, options) == 0)
		return session;
	ldap_session_close(&session);
	*error_r = open_error;
	return NULL;
}

bool ldap_session_ended(const struct ldap_session *session)
{
	char byte;
	int fd = -1;

	if (ldap_get_option(session->handle, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
		return true;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
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

const char *ldap_session_uri(const struct ldap_session *session)
{
	return session->uri;
}

int ldap_session_code(const struct ldap_session *session)
{
	return session->code;
}

void *ldap_session_handle(struct ldap_session *session)
{
	return session->handle;
}
