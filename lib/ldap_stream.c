/* Large searches: pages, and the messages that all kinds of large searches share. */
#include "lib/ldap_stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/ldap_stream_internal.h"
#include "lib/mem.h"

#define SHOW_DELETED "1.2.840.113556.1.4.417"
#define ONE_DOMAIN   "1.2.840.113556.1.4.1339"

#define LOOK_AROUND_US (200 * CLOCK_MS) /* how soon a stop is noticed */
/* Entries that wait for their callbacks while the next page is made: more are handed on at once. */
#define WAITING_MAX 1000

/* --- what all large searches share ---------------------------------------------------------- */

void stream_control(struct stream_controls *controls, const char *oid, bool critical,
	const struct berval *value)
{
	LDAPControl *control = &controls->items[controls->count];

	*control =
		(LDAPControl){ .ldctl_oid = (char *)(uintptr_t)oid, .ldctl_iscritical = critical };
	if (value != NULL)
		control->ldctl_value = *value;
	controls->list[controls->count++] = control;
	controls->list[controls->count] = NULL;
}

void stream_controls_init(
	struct stream_controls *controls, const struct ldap_stream_options *options)
{
	controls->count = 0;
	controls->list[0] = NULL;
	/* critical: without it tombstones would silently be missing */
	if (options->show_deleted)
		stream_control(controls, SHOW_DELETED, true, NULL);
	if (options->one_domain)
		stream_control(controls, ONE_DOMAIN, false, NULL);
}

enum ldap_result stream_send(struct ldap_session *session,
	const struct ldap_stream_options *options, struct stream_controls *controls, int *msgid_r)
{
	static const int scopes[] = { LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE };
	int code;

	/* libldap does not change the list, its prototype only lacks the const */
	code = ldap_search_ext(session->handle, options->base, scopes[options->scope],
		options->filter, (char **)(uintptr_t)options->attributes, 0, controls->list, NULL,
		NULL, LDAP_NO_LIMIT, msgid_r);
	if (code != LDAP_SUCCESS)
		return ldap_session_broken(session, "search", options->base, code);
	return LDAP_DONE;
}

enum ldap_result stream_refuse(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *format, ...)
{
	va_list args;
	int len = snprintf(session->reason, sizeof(session->reason),
		"%s: search %s: ", session->uri, options->base);

	if (len < 0 || (size_t)len >= sizeof(session->reason))
		return LDAP_REFUSED;
	va_start(args, format);
	vsnprintf(session->reason + len, sizeof(session->reason) - (size_t)len, format, args);
	va_end(args);
	return LDAP_REFUSED;
}

enum ldap_result stream_reference(struct ldap_session *session,
	const struct ldap_stream_options *options, LDAPMessage *message)
{
	char **urls = NULL;
	enum ldap_result result;

	ldap_parse_reference(session->handle, message, &urls, NULL, 0);
	session->code = LDAP_REFERRAL;
	result = stream_refuse(session, options,
		"a part of the tree is on another server: %s; choose a base without such parts",
		urls != NULL && urls[0] != NULL ? urls[0] : "(it does not say where)");
	ldap_memvfree((void **)urls);
	return result;
}

/* Whether nothing more is waited for; 0 is a stop. */
static bool is_late(struct ldap_session *session, const struct ldap_stream_options *options,
	int64_t silent_at, enum ldap_result *result_r)
{
	int64_t now = clock_mono_us();

	if (options->deadline_us > 0 && now >= options->deadline_us) {
		session->code = LDAP_TIMELIMIT_EXCEEDED;
		*result_r = stream_refuse(session, options, "not done within the time limit");
		return true;
	}
	if (now < silent_at)
		return false;
	*result_r = ldap_session_broken(session, "search", options->base, LDAP_TIMEOUT);
	return true;
}

int stream_receive(struct ldap_session *session, const struct ldap_stream_options *options,
	int msgid, LDAPMessage **message_r, enum ldap_result *result_r)
{
	int64_t silence = options->timeout_us > 0 ? options->timeout_us : session->timeout_us;
	int64_t silent_at = clock_mono_us() + silence;
	int got = 0, code = LDAP_SERVER_DOWN;

	while (options->stop == NULL || !atomic_load(options->stop)) {
		struct timeval wait = { 0, LOOK_AROUND_US };

		if (is_late(session, options, silent_at, result_r))
			return -1;
		*message_r = NULL;
		got = ldap_result(session->handle, msgid, LDAP_MSG_ONE, &wait, message_r);
		if (got > 0)
			return 1;
		if (got < 0) {
			ldap_get_option(session->handle, LDAP_OPT_RESULT_CODE, &code);
			*result_r = ldap_session_broken(session, "search", options->base, code);
			return -1;
		}
	}
	return 0;
}

/* --- pages ---------------------------------------------------------------------------------- */

struct search {
	struct ldap_session *session;
	const struct ldap_stream_options *options;
	ldap_stream_callback callback;
	void *context;
	struct stream_reader reader;
	int msgid;
	bool running; /* the server has not ended msgid */
	bool stopped;
	bool more; /* pages */
	struct berval cookie;
	size_t shown; /* entries of this page */
	LDAPMessage **waiting;
	size_t count, limit;
};

static enum ldap_result send_page(struct search *search)
{
	struct stream_controls controls;
	struct berval value = { 0, NULL };
	enum ldap_result result;
	int code;

	stream_controls_init(&controls, search->options);
	if (search->options->page > 0) {
		code = ldap_create_page_control_value(search->session->handle,
			(ber_int_t)search->options->page, &search->cookie, &value);
		if (code != LDAP_SUCCESS)
			return ldap_session_judge(
				search->session, "search", search->options->base, code, NULL);
		stream_control(&controls, LDAP_CONTROL_PAGEDRESULTS, true, &value);
	}
	result = stream_send(search->session, search->options, &controls, &search->msgid);
	search->running = result == LDAP_DONE;
	search->shown = 0;
	ber_memfree(value.bv_val);
	return result;
}

static enum ldap_result deliver_one(struct search *search, LDAPMessage *message)
{
	enum ldap_result result = stream_reader_take(&search->reader, message);

	if (result == LDAP_NO_ENTRY)
		return LDAP_DONE;
	if (result != LDAP_DONE)
		return result;
	if (search->callback(search->context, &search->reader.entry) == 0)
		return LDAP_DONE;
	search->stopped = true;
	return LDAP_REFUSED;
}

static enum ldap_result deliver(struct search *search)
{
	enum ldap_result result = LDAP_DONE;

	for (size_t i = 0; i < search->count; i++) {
		if (result == LDAP_DONE)
			result = deliver_one(search, search->waiting[i]);
		ldap_msgfree(search->waiting[i]);
	}
	search->count = 0;
	return result;
}

static int take_cookie(struct search *search, LDAPControl **controls)
{
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	ber_int_t estimate;

	ber_memfree(search->cookie.bv_val);
	search->cookie = (struct berval){ 0, NULL };
	search->more = false;
	if (control == NULL)
		return LDAP_SUCCESS;
	if (ldap_parse_pageresponse_control(
		    search->session->handle, control, &estimate, &search->cookie) != LDAP_SUCCESS)
		return LDAP_DECODING_ERROR;
	search->more = search->cookie.bv_len > 0;
	return LDAP_SUCCESS;
}

/* A full page without a word of the next one: what follows may have been left out. Fewer entries
 * than were asked for are all there are. */
static bool ends_unsaid(const struct search *search, LDAPControl **controls)
{
	return search->options->page > 0 && search->shown >= (size_t)search->options->page &&
	       ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL) == NULL;
}

/* The end of a page. */
static enum ldap_result take_result(struct search *search, LDAPMessage *message)
{
	LDAPControl **controls = NULL;
	char *words = NULL;
	int code = LDAP_DECODING_ERROR;
	enum ldap_result result;

	search->running = false;
	ldap_parse_result(
		search->session->handle, message, &code, NULL, &words, NULL, &controls, 0);
	if (code == LDAP_SUCCESS)
		code = take_cookie(search, controls);
	result = ldap_session_judge(search->session, "search", search->options->base, code, words);
	if (code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION)
		result = stream_refuse(search->session, search->options,
			"the server does not know a control that is needed (%s)%s",
			search->options->show_deleted ? "show deleted" : "paged results",
			search->options->page > 0 ? "; page = 0 does without pages" : "");
	if (result == LDAP_DONE && ends_unsaid(search, controls))
		result = stream_refuse(search->session, search->options,
			"the server ended a full page without the control that says whether "
			"more follows (paged results); page = 0 does without pages");
	ldap_controls_free(controls);
	ldap_memfree(words);
	return result;
}

static enum ldap_result take_message(struct search *search, LDAPMessage *message)
{
	enum ldap_result result = LDAP_DONE;

	switch (ldap_msgtype(message)) {
	case LDAP_RES_SEARCH_ENTRY:
		search->shown++;
		search->waiting[search->count++] = message;
		return search->count == search->limit ? deliver(search) : LDAP_DONE;
	case LDAP_RES_SEARCH_REFERENCE:
		result = stream_reference(search->session, search->options, message);
		break;
	case LDAP_RES_SEARCH_RESULT: result = take_result(search, message); break;
	default: break;
	}
	ldap_msgfree(message);
	return result;
}

static enum ldap_result read_page(struct search *search)
{
	enum ldap_result result = LDAP_DONE;
	LDAPMessage *message;

	while (result == LDAP_DONE && search->running) {
		switch (stream_receive(
			search->session, search->options, search->msgid, &message, &result)) {
		case 1: result = take_message(search, message); break;
		case 0:
			search->stopped = true;
			result = LDAP_REFUSED;
			break;
		default: break;
		}
	}
	return result;
}

/* The server makes the next page while this one's entries are handed on. */
static enum ldap_result run(struct search *search)
{
	enum ldap_result result = send_page(search);

	do {
		if (result == LDAP_DONE)
			result = read_page(search);
		if (result == LDAP_DONE && search->more)
			result = send_page(search);
		if (result == LDAP_DONE)
			result = deliver(search);
	} while (result == LDAP_DONE && search->running);
	return result;
}

static void finish(struct search *search)
{
	for (size_t i = 0; i < search->count; i++)
		ldap_msgfree(search->waiting[i]);
	mem_free(&search->waiting);
	if (search->running)
		ldap_abandon_ext(search->session->handle, search->msgid, NULL, NULL);
	ber_memfree(search->cookie.bv_val);
	stream_reader_free(&search->reader);
}

enum ldap_result ldap_stream_search(struct ldap_session *session,
	const struct ldap_stream_options *options, ldap_stream_callback callback, void *context,
	bool *stopped_r)
{
	struct search search = { .session = session,
		.options = options,
		.callback = callback,
		.context = context,
		.reader = STREAM_READER_INIT(session, options),
		.limit = options->page > 0 ? WAITING_MAX : 1 };
	enum ldap_result result;

	search.waiting = mem_grow(NULL, search.limit, sizeof(*search.waiting));
	result = run(&search);
	if (search.stopped)
		stream_refuse(session, options, "stopped");
	finish(&search);
	*stopped_r = search.stopped;
	return result;
}
