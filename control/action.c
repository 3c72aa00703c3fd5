#include "control/action.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/action_internal.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- what is told --------------------------------------------------------------------------- */

enum part_outcome action_say(
	struct action_run *run, enum part_outcome outcome, const char *format, ...)
{
	struct str *text = &run->result->text;
	char buffer[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	str_reset(text);
	str_append_z(text, buffer);
	for (size_t i = 0; i < text->len; i++)
		if ((unsigned char)text->data[i] < ' ' || text->data[i] == 0x7f)
			text->data[i] = ' ';
	return outcome;
}

static void set(struct str *place, const char *text)
{
	str_reset(place);
	str_append_z(place, text);
}

void action_tell_physical(struct action_run *run, const char *text)
{
	set(&run->result->physical, text);
}

void action_tell_source_id(struct action_run *run, const char *text)
{
	set(&run->result->source_id, text);
}

static size_t count_of(char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

/* NULL: a list begins, which may stay empty. */
void action_tell_address(struct action_run *run, const char *text)
{
	struct action_result *result = run->result;
	size_t count = count_of(result->addresses);

	result->addresses = mem_grow(result->addresses, count + 2, sizeof(char *));
	result->addresses[count] = mem_strdup(text);
	result->addresses[count + 1] = NULL;
	if (text == NULL) {
		for (size_t i = 0; i < count; i++)
			mem_free(&result->addresses[i]);
		result->addresses[0] = NULL;
	}
}

enum part_outcome action_may_go_on(struct action_run *run)
{
	if (run->stop != NULL && atomic_load(run->stop))
		return action_say(run, PART_FAILED, "was ended, since we stop");
	if (clock_boot_us() >= run->deadline_us)
		return action_say(run, PART_FAILED,
			"took longer than its time limit and was ended; see time_limit");
	return PART_OK;
}

/* --- running -------------------------------------------------------------------------------- */

static enum part_outcome check_part(struct action_run *run, const struct action_part *part)
{
	return part->template != NULL ? action_ldap_check(run, part->template)
				      : action_command_run(run, part, "check");
}

static enum part_outcome do_part(struct action_run *run, const struct action_part *part)
{
	return part->template != NULL ? action_ldap_do(run, part->template)
				      : action_command_run(run, part, "do");
}

/* What the check says after it has been done. */
static enum part_outcome verify_part(struct action_run *run, const struct action_part *part)
{
	enum part_outcome outcome = check_part(run, part);
	char *why;

	if (outcome != PART_NOT)
		return outcome;
	why = mem_strdup(str_cstr(&run->result->text));
	action_say(run, PART_FAILED, "it was done, but its check still says: %s", why);
	mem_free(&why);
	return PART_FAILED;
}

static enum part_outcome run_part(
	struct action_run *run, const struct action_part *part, bool verify_only, bool *changed)
{
	enum part_outcome outcome = check_part(run, part);
	bool asked = run->action == ACTION_LIST || run->action == ACTION_EMPTY;

	if (outcome != PART_NOT)
		return outcome;
	if (asked)
		return PART_REFUSED;
	if (verify_only)
		return PART_FAILED;
	*changed = true;
	outcome = do_part(run, part);
	return outcome == PART_OK ? verify_part(run, part) : outcome;
}

/* What the action must have told. */
static enum part_outcome judge_told(struct action_run *run)
{
	struct action_result *result = run->result;
	const char *error;

	switch (run->action) {
	case ACTION_CREATE:
		if (result->source_id.len == 0 || result->physical.len == 0)
			return action_say(run, PART_REFUSED, "its check tells no %s of the mailbox",
				result->physical.len == 0 ? "physical address" : "stable id");
		if (address_check_physical(result->physical.data, &error) != 0)
			return action_say(run, PART_REFUSED,
				"the physical address that it tells, %s, is none: %s",
				result->physical.data, error);
		return PART_OK;
	case ACTION_LIST:
		return result->addresses != NULL
			       ? PART_OK
			       : action_say(run, PART_REFUSED, "its check tells no addresses");
	case ACTION_EMPTY:
		return result->told_empty ? PART_OK
					  : action_say(run, PART_REFUSED,
						    "its check tells neither empty: yes nor "
						    "empty: no");
	default: return PART_OK;
	}
}

/* Two redirections against each other are the caller's to avoid; one alone can be a loop as well.
 */
static enum part_outcome judge_subject(struct action_run *run)
{
	const struct action_subject *subject = run->subject;

	if (run->action != ACTION_REDIRECT)
		return PART_OK;
	if (subject->other[0] == '\0')
		return action_say(run, PART_REFUSED, "there is no address to redirect to");
	if (strcasecmp(subject->other, subject->physical) == 0)
		return action_say(run, PART_REFUSED,
			"a redirection of %s to itself would be a loop", subject->other);
	return PART_OK;
}

static enum action_outcome outcome_of(enum part_outcome outcome, bool changed)
{
	switch (outcome) {
	case PART_OK: return changed ? ACTION_DONE : ACTION_ALREADY;
	case PART_REFUSED: return ACTION_REFUSED;
	default: return ACTION_FAILED;
	}
}

static void run_parts(struct action_run *run, bool verify_only)
{
	const struct action_parts *parts = &run->actions->parts[run->action];
	enum part_outcome outcome = judge_subject(run);
	bool changed = false;

	action_values_begin(run);
	for (size_t i = 0; outcome == PART_OK && i < parts->count; i++)
		outcome = run_part(run, &parts->list[i], verify_only, &changed);
	if (outcome == PART_OK)
		outcome = judge_told(run);
	run->result->outcome = outcome_of(outcome, changed);
	action_session_put(run, false);
	action_values_free(run);
}

void action_run(struct actions *actions, enum action action, const struct action_subject *subject,
	bool verify_only, const atomic_bool *stop, int64_t until_us, struct action_result *result_r)
{
	int64_t begin_us = clock_mono_us(),
		deadline_us = clock_boot_us() + actions->settings.time_limit;
	struct action_run run = { .actions = actions,
		.action = action,
		.subject = subject,
		.stop = stop,
		.deadline_us = until_us != 0 && until_us < deadline_us ? until_us : deadline_us,
		.result = result_r };

	*result_r = (struct action_result){ .outcome = ACTION_ABSENT };
	if (actions_has(actions, action))
		run_parts(&run, verify_only);
	else
		str_printf(&result_r->text, "actions %s has no %s", actions->settings.name,
			action_name(action));
	result_r->took_us = clock_mono_us() - begin_us;
}

void action_result_free(struct action_result *result)
{
	size_t count = count_of(result->addresses);

	str_free(&result->text);
	str_free(&result->physical);
	str_free(&result->source_id);
	for (size_t i = 0; i < count; i++)
		mem_free(&result->addresses[i]);
	mem_free(&result->addresses);
}
