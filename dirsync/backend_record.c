/* What a run leaves in its system's entry. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dirsync/backend_names.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/synclist.h"
#include "lib/utf8.h"

/* A reason may have bytes of anybody; the directory takes UTF-8, and no control characters. */
static void put_reason(const struct str *reason, struct str *out)
{
	const char *text = str_cstr(reason);
	size_t end = out->len + SYNC_OUTCOME_MAX / 2, len;
	uint32_t code;

	for (; *text != '\0' && out->len<end; text += len> 0 ? len : 1) {
		len = utf8_read(text, &code);
		if (len == 0 || code < ' ' || code == 0x7f)
			str_append_c(out, '?');
		else
			str_append(out, text, len);
	}
}

void run_record_free(struct run_record *record)
{
	str_free(&record->run);
	str_free(&record->reason);
	str_free(&record->stops);
	str_free(&record->standing);
}

void run_record_stop(
	struct run_record *record, const struct backend *backend, const struct guard_answer *answer)
{
	record->outcome.pending = sync_list_total(str_cstr(&answer->list));
	str_append(&record->stops, str_cstr(&answer->list), answer->list.len);
	str_append(&record->reason, str_cstr(&answer->reason), answer->reason.len);
	if (backend->disregarded.len > 0)
		str_printf(&record->reason, "; %s", str_cstr(&backend->disregarded));
}

struct sync_outcome run_record_outcome(const struct run_record *record)
{
	struct sync_outcome outcome = record->outcome;

	outcome.text = str_cstr(&record->reason);
	outcome.stops = str_cstr(&record->stops);
	outcome.approved = str_cstr(&record->standing);
	return outcome;
}

/* One modify; each change has one value at most. */
#define CHANGES 6
struct writing {
	struct ldap_change changes[CHANGES];
	const char *values[CHANGES][2];
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

/* The number only ever rises; a complete run takes back what one before it could not do. */
static void put_answer(struct writing *writing, const struct backend_names *names,
	const struct backend *before, const struct run_record *record, struct str *text)
{
	uint64_t answers = record->answers;

	bool nothing = record->outcome.word == SYNC_NOTHING;

	if (nothing && answers <= before->finished)
		return;
	if (nothing || record->outcome.word == SYNC_COMPLETE) {
		str_printf(
			text, "%" PRIu64, answers > before->finished ? answers : before->finished);
		if (!nothing)
			put(writing, names->run, str_cstr(&record->run));
		put(writing, names->finished, str_cstr(text));
		if (before->failed > 0 && before->failed <= answers)
			put(writing, names->failed, NULL);
		return;
	}
	str_printf(text, "%" PRIu64 " %s", answers, sync_word_name(record->outcome.word));
	if (record->reason.len > 0)
		str_append_z(text, ": ");
	put_reason(&record->reason, text);
	put(writing, names->failed, str_cstr(text));
}

/* Only a run that is complete knows how much of an approved list is pending still. */
static void outcome_text(
	const struct backend *before, const struct run_record *record, struct str *out)
{
	struct sync_outcome outcome = run_record_outcome(record);
	struct str reason = STR_INIT;

	put_reason(&record->reason, &reason);
	if (outcome.word != SYNC_COMPLETE)
		outcome.approved = str_cstr(&before->standing);
	outcome.text = str_cstr(&reason);
	sync_outcome_format(&outcome, out);
	str_free(&reason);
}

static enum ldap_result write_record(struct ldap_session *session, const struct backend *backend,
	const struct run_record *record)
{
	const struct backend_names *names = &backend_names[record->direction];
	struct str outcome = STR_INIT, answer = STR_INIT;
	struct writing writing = { .count = 0 };
	char start[32], end[32], assertion[96];
	enum ldap_result result;

	put(&writing, names->start, clock_generalized(start, sizeof(start), record->start_us));
	put(&writing, names->end, clock_generalized(end, sizeof(end), record->end_us));
	outcome_text(backend, record, &outcome);
	/* what the last run found stands as long as there is nothing new */
	if (record->outcome.word != SYNC_NOTHING || !backend->recorded)
		put(&writing, names->outcome, str_cstr(&outcome));
	put_answer(&writing, names, backend, record, &answer);
	snprintf(assertion, sizeof(assertion), "(%s=%" PRIu64 " *)", names->lease, backend->term);
	result = ldap_session_modify(session, str_cstr(&backend->dn), writing.changes,
		writing.count, assertion, NULL, 0);
	str_free(&outcome);
	str_free(&answer);
	return result;
}

/* A newer approval than the one that was used stays. */
static void use_approval(struct ldap_session *session, const struct backend *backend,
	const char *attribute, const struct str *value)
{
	const char *values[] = { str_cstr(value), NULL };
	const struct ldap_change change = { LDAP_CHANGE_DELETE, attribute, values };
	enum ldap_result result;

	if (value->len == 0)
		return;
	result = ldap_session_modify(session, str_cstr(&backend->dn), &change, 1, NULL, NULL, 0);
	if (result != LDAP_DONE && result != LDAP_ASSERTION)
		log_error("sync", "an approval that was used cannot be removed: %s",
			ldap_session_reason(session));
}

enum ldap_result backend_record(struct ldap_session *session, const struct backend *backend,
	const struct run_record *record, const char **error_r)
{
	static _Thread_local char fault[1280];
	enum ldap_result result = write_record(session, backend, record);

	if (result != LDAP_DONE) {
		snprintf(fault, sizeof(fault), "the run is not recorded: %s%s",
			result == LDAP_ASSERTION ? "another one has the lease: " : "",
			ldap_session_reason(session));
		*error_r = fault;
	} else if (record->uses_approval) {
		const struct backend_names *names = &backend_names[record->direction];

		use_approval(session, backend, names->approval, &backend->approval);
		use_approval(session, backend, names->earlier, &backend->earlier);
	}
	return result;
}
