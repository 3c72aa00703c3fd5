/* What a run leaves in its system's entry. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dirsync/backend.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/utf8.h"

/* Longest reason that is written: the log has all of it. */
#define REASON_MAX 1000

/* A reason may have bytes of anybody; the directory takes UTF-8, and no control characters. */
static void put_reason(const struct str *reason, struct str *out)
{
	const char *text = str_cstr(reason);
	size_t end = out->len + REASON_MAX, len;
	uint32_t code;

	for (; *text != '\0' && out->len<end; text += len> 0 ? len : 1) {
		len = utf8_read(text, &code);
		if (len == 0 || code < ' ' || code == 0x7f)
			str_append_c(out, '?');
		else
			str_append(out, text, len);
	}
}

void run_record_text(const struct run_record *record, struct str *out)
{
	str_printf(out,
		"%s persons=%" PRIu64 " added=%" PRIu64 " changed=%" PRIu64 " deleted=%" PRIu64
		" conflicts=%" PRIu64 " refused=%" PRIu64,
		str_cstr(&record->outcome), record->persons, record->added, record->modified,
		record->deleted, record->conflicts, record->refused);
	if (record->pending > 0)
		str_printf(out, " pending=%" PRIu64, record->pending);
	if (record->reason.len > 0)
		str_append_z(out, "; ");
	put_reason(&record->reason, out);
}

void run_record_free(struct run_record *record)
{
	str_free(&record->run);
	str_free(&record->outcome);
	str_free(&record->reason);
}

/* One modify; each change has one value at most. */
struct writing {
	struct ldap_change changes[SYNC_FIELDS];
	const char *values[SYNC_FIELDS][2];
	size_t count;
};

/* value NULL: the attribute goes. */
static void put(struct writing *writing, const char *attribute, const char *value)
{
	size_t i = writing->count++;

	writing->values[i][0] = value;
	writing->values[i][1] = NULL;
	writing->changes[i] = (struct ldap_change){ LDAP_CHANGE_REPLACE, attribute,
		value != NULL ? writing->values[i] : NULL };
}

static void put_instants(
	struct writing *writing, const struct run_record *record, char (*texts)[32])
{
	enum direction direction = record->direction;

	put(writing, sync_attribute(direction, SYNC_START),
		clock_generalized(texts[0], sizeof(texts[0]), record->start_us));
	put(writing, sync_attribute(direction, SYNC_END),
		clock_generalized(texts[1], sizeof(texts[1]), record->end_us));
}

/* The numbers only ever rise; a complete run takes back what one before it could not do. */
static void put_answer(struct writing *writing, const struct run_record *record,
	const struct sync_state *before, struct str *text)
{
	enum direction direction = record->direction;

	if (record->complete) {
		put(writing, sync_attribute(direction, SYNC_RUN), str_cstr(&record->run));
		str_printf(text, "%" PRIu64,
			record->answers > before->finished ? record->answers : before->finished);
		put(writing, sync_attribute(direction, SYNC_FINISHED), str_cstr(text));
		if (before->failed <= record->answers)
			put(writing, sync_attribute(direction, SYNC_FAILED), NULL);
	} else if (record->failed) {
		str_printf(text, "%" PRIu64 " %s: ", record->answers, str_cstr(&record->outcome));
		put_reason(&record->reason, text);
		put(writing, sync_attribute(direction, SYNC_FAILED), str_cstr(text));
	}
}

static enum ldap_result write_record(struct ldap_session *session, const struct sync_state *before,
	uint64_t term, const struct run_record *record)
{
	struct str outcome = STR_INIT, answer = STR_INIT;
	struct writing writing = { .count = 0 };
	char instants[2][32], assertion[96];
	enum ldap_result result;

	put_instants(&writing, record, instants);
	run_record_text(record, &outcome);
	put(&writing, sync_attribute(record->direction, SYNC_OUTCOME), str_cstr(&outcome));
	put_answer(&writing, record, before, &answer);
	snprintf(assertion, sizeof(assertion), "(%s=%" PRIu64 " *)",
		sync_attribute(record->direction, SYNC_LEASE), term);
	result = ldap_session_modify(
		session, str_cstr(&before->dn), writing.changes, writing.count, assertion, NULL, 0);
	str_free(&outcome);
	str_free(&answer);
	return result;
}

/* A newer approval than the one that was used stays. */
static void use_approval(
	struct ldap_session *session, const struct sync_state *state, uint64_t size)
{
	char text[32];
	const char *values[] = { text, NULL };
	const struct ldap_change change = { LDAP_CHANGE_DELETE, SYNC_APPROVED, values };
	enum ldap_result result;

	snprintf(text, sizeof(text), "%" PRIu64, size);
	result = ldap_session_modify(session, str_cstr(&state->dn), &change, 1, NULL, NULL, 0);
	if (result != LDAP_DONE && result != LDAP_ASSERTION)
		log_error("sync", "an approval that was used cannot be removed: %s",
			ldap_session_reason(session));
}

enum ldap_result backend_record(struct ldap_session *session, const char *base, const char *system,
	uint64_t term, const struct run_record *record, const char **error_r)
{
	static _Thread_local char fault[1280];
	struct sync_state state;
	enum ldap_result result = sync_read(session, base, system, record->direction, &state);

	if (result == LDAP_DONE)
		result = write_record(session, &state, term, record);
	if (result != LDAP_DONE) {
		snprintf(fault, sizeof(fault), "%s%s",
			result == LDAP_ASSERTION ? "another one has the lease: " : "",
			ldap_session_reason(session));
		*error_r = fault;
	} else if (record->approval > 0)
		use_approval(session, &state, record->approval);
	sync_state_free(&state);
	return result;
}
