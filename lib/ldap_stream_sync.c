/* Large searches: RFC 4533, once (refreshOnly) or listening (refreshAndPersist). */
#define _GNU_SOURCE
#include <string.h>

#include "lib/clock.h"
#include "lib/ldap_stream_internal.h"
#include "lib/synccontrol.h"

#define NO_SYNCPROV "; is the syncprov overlay there?"

struct sync {
	struct ldap_session *session;
	const struct ldap_stream_options *options;
	const struct ldap_sync_sink *sink;
	struct ldap_sync_end *end;
	struct stream_reader reader;
};

static enum ldap_result malformed(struct sync *sync, const char *what)
{
	sync->session->code = LDAP_DECODING_ERROR;
	return stream_refuse(sync->session, sync->options, "the server sent a malformed %s", what);
}

static void take_cookie(struct sync *sync, const struct sync_span *cookie)
{
	if (cookie->data == NULL)
		return;
	str_reset(&sync->end->cookie);
	str_append(&sync->end->cookie, cookie->data, cookie->len);
}

static enum ldap_result told(struct sync *sync, int answer)
{
	if (answer == 0)
		return LDAP_DONE;
	sync->end->stopped = true;
	return LDAP_REFUSED;
}

/* --- entries -------------------------------------------------------------------------------- */

static enum ldap_result show(struct sync *sync, LDAPMessage *message, const uint8_t *uuid)
{
	enum ldap_result result = stream_reader_take(&sync->reader, message);

	if (result != LDAP_DONE)
		return result == LDAP_NO_ENTRY ? LDAP_DONE : result;
	sync->reader.entry.uuid = uuid;
	return told(sync, sync->sink->entry(sync->sink->context, &sync->reader.entry));
}

static enum ldap_result take_state(
	struct sync *sync, LDAPMessage *message, const struct sync_state_control *state)
{
	take_cookie(sync, &state->cookie);
	switch (state->state) {
	case SYNC_PRESENT: return told(sync, sync->sink->present(sync->sink->context, state->uuid));
	case SYNC_DELETE: return told(sync, sync->sink->gone(sync->sink->context, state->uuid));
	default: return show(sync, message, state->uuid);
	}
}

static enum ldap_result take_entry(struct sync *sync, LDAPMessage *message)
{
	LDAPControl **controls = NULL, *control;
	struct sync_state_control state;
	enum ldap_result result;

	ldap_get_entry_controls(sync->session->handle, message, &controls);
	control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
	if (control == NULL)
		result = stream_refuse(sync->session, sync->options,
			"an entry came without a Sync State control" NO_SYNCPROV);
	else if (sync_parse_state(
			 control->ldctl_value.bv_val, control->ldctl_value.bv_len, &state) < 0)
		result = malformed(sync, "Sync State");
	else
		result = take_state(sync, message, &state);
	ldap_controls_free(controls);
	return result;
}

/* --- phases --------------------------------------------------------------------------------- */

static enum ldap_result take_set(struct sync *sync, struct sync_info *info)
{
	enum ldap_result result = LDAP_DONE;
	const uint8_t *uuid;

	while (result == LDAP_DONE && (uuid = sync_next_uuid(&info->uuids)) != NULL)
		result = told(sync, info->refresh_deletes
					    ? sync->sink->gone(sync->sink->context, uuid)
					    : sync->sink->present(sync->sink->context, uuid));
	return result;
}

static enum ldap_result take_info(struct sync *sync, const struct berval *data)
{
	struct sync_info info;

	if (data == NULL || sync_parse_info(data->bv_val, data->bv_len, &info) < 0)
		return malformed(sync, "Sync Info");
	take_cookie(sync, &info.cookie);
	/* the end of a present phase that a delete phase follows */
	if (info.kind == SYNC_REFRESH_PRESENT)
		sync->end->absent = true;
	return info.kind == SYNC_ID_SET ? take_set(sync, &info) : LDAP_DONE;
}

static enum ldap_result take_intermediate(struct sync *sync, LDAPMessage *message)
{
	enum ldap_result result = LDAP_DONE;
	struct berval *data = NULL;
	char *oid = NULL;

	if (ldap_parse_intermediate(sync->session->handle, message, &oid, &data, NULL, 0) !=
		LDAP_SUCCESS)
		return malformed(sync, "message");
	if (oid != NULL && strcmp(oid, LDAP_SYNC_INFO) == 0)
		result = take_info(sync, data);
	ldap_memfree(oid);
	ber_bvfree(data);
	return result;
}

/* --- the end -------------------------------------------------------------------------------- */

static enum ldap_result take_done(struct sync *sync, LDAPControl **controls)
{
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_SYNC_DONE, controls, NULL);
	struct sync_done_control done;

	if (control == NULL)
		return stream_refuse(sync->session, sync->options,
			"the end came without a Sync Done control" NO_SYNCPROV);
	if (sync_parse_done(control->ldctl_value.bv_val, control->ldctl_value.bv_len, &done) < 0)
		return malformed(sync, "Sync Done");
	take_cookie(sync, &done.cookie);
	if (!done.refresh_deletes)
		sync->end->absent = true;
	return LDAP_DONE;
}

/*
 * A consumer that is newer than the provider (that was restored, or the other one was read), or a
 * cookie that is not of this server.
 */
static bool is_of_no_use(int code, const char *words)
{
	if (words == NULL)
		words = "";
	return code == LDAP_SYNC_REFRESH_REQUIRED ||
	       (code == LDAP_UNWILLING_TO_PERFORM && strstr(words, "newer") != NULL) ||
	       (code == LDAP_PROTOCOL_ERROR && strcasestr(words, "cookie") != NULL);
}

static enum ldap_result take_result(struct sync *sync, LDAPMessage *message)
{
	LDAPControl **controls = NULL;
	enum ldap_result result;
	char *words = NULL;
	int code = LDAP_DECODING_ERROR;

	ldap_parse_result(sync->session->handle, message, &code, NULL, &words, NULL, &controls, 0);
	result = ldap_session_judge(sync->session, "search", sync->options->base, code, words);
	if (result == LDAP_DONE)
		result = take_done(sync, controls);
	sync->end->refresh_required = is_of_no_use(code, words);
	ldap_controls_free(controls);
	ldap_memfree(words);
	return result;
}

/* --- refreshOnly ---------------------------------------------------------------------------- */

static enum ldap_result send_request(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *cookie, bool persist, int *msgid_r)
{
	struct str text = STR_INIT, request = STR_INIT;
	struct stream_controls controls;
	enum ldap_result result;
	struct berval value;

	str_append_z(&text, cookie);
	sync_make_request(&text, persist, &request);
	value = (struct berval){ .bv_len = request.len, .bv_val = request.data };
	stream_controls_init(&controls, options);
	stream_control(&controls, LDAP_CONTROL_SYNC, true, &value);
	result = stream_send(session, options, &controls, msgid_r);
	str_free(&text);
	str_free(&request);
	return result;
}

/* *running: until the server has ended it. */
static enum ldap_result take_message(struct sync *sync, LDAPMessage *message, bool *running)
{
	switch (ldap_msgtype(message)) {
	case LDAP_RES_SEARCH_ENTRY: return take_entry(sync, message);
	case LDAP_RES_INTERMEDIATE: return take_intermediate(sync, message);
	case LDAP_RES_SEARCH_REFERENCE:
		return stream_reference(sync->session, sync->options, message);
	case LDAP_RES_SEARCH_RESULT: *running = false; return take_result(sync, message);
	default: return LDAP_DONE;
	}
}

static enum ldap_result read_all(struct sync *sync, int msgid)
{
	enum ldap_result result = LDAP_DONE;
	LDAPMessage *message;
	bool running = true;

	while (result == LDAP_DONE && running) {
		int got = stream_receive(sync->session, sync->options, msgid, &message, &result);

		if (got == 1) {
			result = take_message(sync, message, &running);
			ldap_msgfree(message);
		} else if (got == 0) {
			result = told(sync, 1);
		}
	}
	if (running)
		ldap_abandon_ext(sync->session->handle, msgid, NULL, NULL);
	return result;
}

enum ldap_result ldap_stream_sync(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *cookie,
	const struct ldap_sync_sink *sink, struct ldap_sync_end *end_r)
{
	struct sync sync = { .session = session,
		.options = options,
		.sink = sink,
		.end = end_r,
		.reader = STREAM_READER_INIT(session, options) };
	enum ldap_result result;
	int msgid;

	*end_r = (struct ldap_sync_end){ .cookie = STR_INIT };
	result = send_request(session, options, cookie, false, &msgid);
	if (result == LDAP_DONE)
		result = read_all(&sync, msgid);
	if (end_r->stopped)
		stream_refuse(session, options, "stopped");
	stream_reader_free(&sync.reader);
	return result;
}

/* --- refreshAndPersist ---------------------------------------------------------------------- */

enum ldap_result ldap_stream_listen(struct ldap_session *session,
	const struct ldap_stream_options *options, const char *cookie, int *msgid_r)
{
	return send_request(session, options, cookie, true, msgid_r);
}

/* Messages that bring only a new cookie are of entries that nobody asked for (TRAPS 31). */
static bool is_set(struct ldap_session *session, LDAPMessage *message)
{
	struct berval *data = NULL;
	struct sync_info info;
	char *oid = NULL;
	bool set = false;

	if (ldap_parse_intermediate(session->handle, message, &oid, &data, NULL, 0) == LDAP_SUCCESS)
		set = oid != NULL && strcmp(oid, LDAP_SYNC_INFO) == 0 && data != NULL &&
		      sync_parse_info(data->bv_val, data->bv_len, &info) == 0 &&
		      info.kind == SYNC_ID_SET;
	ldap_memfree(oid);
	ber_bvfree(data);
	return set;
}

static int hear_end(struct ldap_session *session, const struct ldap_stream_options *options,
	LDAPMessage *message)
{
	char *words = NULL;
	int code = LDAP_DECODING_ERROR, result;

	ldap_parse_result(session->handle, message, &code, NULL, &words, NULL, NULL, 0);
	result = is_of_no_use(code, words) ? 1 : -1;
	if (ldap_session_judge(session, "search", options->base, code, words) == LDAP_DONE)
		stream_refuse(session, options, "the server ended it" NO_SYNCPROV);
	ldap_memfree(words);
	return result;
}

static int hear(struct ldap_session *session, const struct ldap_stream_options *options,
	LDAPMessage *message)
{
	switch (ldap_msgtype(message)) {
	case LDAP_RES_SEARCH_ENTRY: return 1;
	case LDAP_RES_INTERMEDIATE: return is_set(session, message);
	case LDAP_RES_SEARCH_RESULT: return hear_end(session, options, message);
	default: return 0;
	}
}

int ldap_stream_heard(struct ldap_session *session, const struct ldap_stream_options *options,
	int msgid, int64_t timeout_us)
{
	struct ldap_stream_options patient = *options;
	int64_t end_us = clock_mono_us() + timeout_us;
	enum ldap_result result;
	LDAPMessage *message;
	int heard = 0, got;

	while (heard == 0 && (patient.timeout_us = end_us - clock_mono_us()) > 0) {
		got = stream_receive(session, &patient, msgid, &message, &result);
		if (got == 0 || (got < 0 && session->code == LDAP_TIMEOUT))
			return 0;
		if (got < 0)
			return -1;
		heard = hear(session, options, message);
		ldap_msgfree(message);
	}
	return heard;
}
