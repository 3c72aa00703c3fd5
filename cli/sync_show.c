/* The record of a run, from the directory or from the daemon, for people and for programs. */
#include "cli/sync.h"

#include <inttypes.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/syncoutcome.h"

struct json *sync_record(const struct sync_side *side, enum sync_direction direction)
{
	struct sync_outcome outcome;

	if (side->outcome[0] == '\0')
		return NULL;
	struct json *record = json_new_object();
	json_set_string(record, "run", side->run);
	json_set_string(record, "direction", sync_direction_name(direction));
	if (sync_outcome_parse(side->outcome, &outcome)) {
		json_set_string(record, "outcome", sync_word_name(outcome.word));
		json_set_string(record, "text", outcome.text);
		sync_outcome_set(record, &outcome);
	} else {
		json_set_string(record, "outcome", "failed");
		json_set_string(record, "text", side->outcome);
	}
	json_set_int(record, "start_us", side->start_us);
	json_set_int(record, "end_us", side->end_us);
	return record;
}

static const char *text_of(const struct json *record, const char *key)
{
	const char *text = json_get_string(record, key);

	return text != NULL ? text : "";
}

int sync_record_code(const struct json *record)
{
	const char *outcome = text_of(record, "outcome");

	if (strcmp(outcome, "complete") == 0 || strcmp(outcome, "nothing") == 0)
		return CLI_DONE;
	if (strcmp(outcome, "stopped") == 0 || strcmp(outcome, "busy") == 0)
		return CLI_REFUSED;
	return CLI_FAILED;
}

static void append_counts(const struct json *record, struct str *out)
{
	char persons[TERM_COUNT], conflicts[TERM_COUNT];
	int64_t clashes = json_get_int(record, "conflicts", 0);
	int64_t refused = json_get_int(record, "refused", 0);

	str_printf(out, ", %s: %" PRId64 " added, %" PRId64 " changed, %" PRId64 " deleted",
		term_count(persons, json_get_int(record, "persons", 0), "mailbox", "mailboxes"),
		json_get_int(record, "added", 0), json_get_int(record, "changed", 0),
		json_get_int(record, "deleted", 0));
	if (clashes > 0)
		str_printf(out, ", %s", term_count(conflicts, clashes, "conflict", "conflicts"));
	if (refused > 0)
		str_printf(out, ", %" PRId64 " refused", refused);
}

void sync_record_text(const struct json *record, struct str *out)
{
	int64_t start_us = json_get_int(record, "start_us", 0);
	int64_t end_us = json_get_int(record, "end_us", 0);
	const char *reason = text_of(record, "text");
	char human[32];

	bool nothing = strcmp(text_of(record, "outcome"), "nothing") == 0;

	str_append_z(out, nothing ? "nothing new" : text_of(record, "outcome"));
	if (sync_record_code(record) == CLI_DONE && !nothing)
		append_counts(record, out);
	if (start_us > 0 && end_us >= start_us)
		str_printf(out, " (%s)", clock_human(human, sizeof(human), end_us - start_us));
	if (*reason != '\0')
		str_printf(out, ": %s", reason);
}
