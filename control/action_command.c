/* Commands of actions: arguments, a JSON document on standard input, an exit status. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/action_internal.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/runner.h"

/* Exit statuses; sysexits.h calls the last one EX_TEMPFAIL. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_AGAIN = 75 };

/* --- arguments ------------------------------------------------------------------------------ */

static void push(struct words *words, char *text)
{
	words->list = mem_grow(words->list, words->count + 2, sizeof(*words->list));
	words->list[words->count++] = text;
	words->list[words->count] = NULL;
}

/* A program of the folder of templates comes first. */
static char *place_of(const struct action_run *run, const char *program)
{
	const char *folder = run->actions->settings.templates;
	char *path;
	struct stat st;

	if (program[0] == '/' || folder[0] == '\0')
		return mem_strdup(program);
	path = mem_printf("%s/%s", folder, program);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return path;
	mem_free(&path);
	return mem_strdup(program);
}

static int fill_words(struct action_run *run, const struct action_part *part, const char *verb,
	struct words *words_r, const char **error_r)
{
	char label[] = "argument";
	struct action_template stand_in = { .name = part->words.list[0] };

	*words_r = (struct words){ NULL, 0 };
	push(words_r, place_of(run, part->words.list[0]));
	for (size_t i = 1; i < part->words.count; i++) {
		struct action_line line = {
			.name = label, .text = part->words.list[i], .line = (unsigned)i
		};

		if (action_render_values(&stand_in, &line, &run->values, &words_r->list,
			    &words_r->count, error_r) != 0)
			return -1;
	}
	push(words_r, mem_strdup(verb));
	return 0;
}

/* --- standard input ------------------------------------------------------------------------- */

static struct json *list_of(char *const *texts)
{
	struct json *list = json_new_array();

	for (; texts != NULL && *texts != NULL; texts++)
		json_add_string(list, *texts);
	return list;
}

static struct json *settings_of(const struct action_run *run)
{
	const struct words *further = &run->actions->further;
	struct json *object = json_new_object();

	for (size_t i = 0; i < further->count; i++)
		json_set_string(
			object, further->list[i], further->list[i] + strlen(further->list[i]) + 1);
	return object;
}

/* Each name once, with all its values; secrets are not told. */
static struct json *attributes_of(const struct action_subject *subject)
{
	struct json *object = json_new_object();

	for (size_t i = 0; i < subject->attribute_count; i++) {
		const char *name = subject->attributes[i][0];
		struct json *values;

		if (action_is_secret(name) || json_get(object, name) != NULL)
			continue;
		values = json_new_array();
		for (size_t j = i; j < subject->attribute_count; j++)
			if (strcmp(subject->attributes[j][0], name) == 0)
				json_add_string(values, subject->attributes[j][1]);
		json_set(object, name, values);
	}
	return object;
}

static void put_document(const struct action_run *run, const char *verb, struct str *out)
{
	const struct action_subject *s = run->subject;
	struct json *object = json_new_object();

	json_set_int(object, "v", 1);
	json_set_string(object, "action", action_name(run->action));
	json_set_string(object, "verb", verb);
	json_set_string(object, "system", s->system);
	json_set_string(object, "identifier", s->identifier);
	json_set_string(object, "id", s->uuid);
	json_set_string(object, "address", s->address);
	json_set_string(object, "primary", s->primary);
	json_set(object, "addresses", list_of(s->addresses));
	json_set(object, "foreign", list_of(s->foreign));
	json_set_string(object, "physical", s->physical);
	json_set_string(object, "source_id", s->source_id);
	json_set_string(object, "other", s->other);
	json_set(object, "attributes", attributes_of(s));
	json_set(object, "settings", settings_of(run));
	json_dump(object, out);
	str_append_c(out, '\n');
	json_free(&object);
}

/* A file in memory, from its beginning; -1 with errno. */
static int input_of(const struct str *document)
{
	int fd = memfd_create("action", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	for (size_t done = 0; done < document->len;) {
		ssize_t n = write(fd, document->data + done, document->len - done);

		if (n < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* --- its end -------------------------------------------------------------------------------- */

static int take_output(void *context, const char *data, size_t len)
{
	struct str *out = context;

	if (out->len + len > ACTION_OUTPUT_MAX)
		return -1;
	str_append(out, data, len);
	return 0;
}

static enum part_outcome use_output(
	struct action_run *run, const char *program, const struct str *printed)
{
	struct action_output output = { .count = 0 };
	const char *error;
	enum part_outcome outcome = PART_OK;

	if (action_output_parse(printed->data, printed->len, &output, &error) != 0) {
		outcome = action_say(run, PART_REFUSED, "%s: what it printed is not understood: %s",
			program, error);
	} else {
		if (output.physical.len > 0)
			action_tell_physical(run, output.physical.data);
		if (output.source_id.len > 0)
			action_tell_source_id(run, output.source_id.data);
		if (output.addresses != NULL)
			action_tell_address(run, NULL);
		for (size_t i = 0; i < output.count; i++)
			action_tell_address(run, output.addresses[i]);
		if (output.told_empty) {
			run->result->told_empty = true;
			run->result->empty = output.empty;
		}
		action_say(run, PART_OK, "%s", str_cstr(&output.text));
	}
	action_output_free(&output);
	return outcome;
}

/* What it says last, or a text of ours where it says nothing. */
static enum part_outcome say_why(struct action_run *run, enum part_outcome outcome,
	const char *program, const struct runner_result *ran, const char *ours)
{
	return action_say(
		run, outcome, "%s: %s", program, ran->said.len > 0 ? ran->said.data : ours);
}

static enum part_outcome judge(struct action_run *run, const char *program, const char *verb,
	const struct runner_result *ran, const struct str *printed)
{
	struct str reason = STR_INIT;
	enum part_outcome outcome = PART_FAILED;

	if (runner_succeeded(ran))
		return use_output(run, program, printed);
	if (ran->outcome == RUNNER_EXITED && ran->status == EXIT_REFUSED)
		return strcmp(verb, "check") == 0
			       ? say_why(run, PART_NOT, program, ran, "it says that this is not so")
			       : say_why(run, PART_REFUSED, program, ran,
					 "it refuses, and does not say why");
	if (ran->outcome == RUNNER_EXITED && ran->status == EXIT_AGAIN)
		return say_why(run, PART_FAILED, program, ran, "it asks to be tried again later");
	if (ran->outcome == RUNNER_NO_START || ran->outcome == RUNNER_ENOUGH)
		outcome = PART_REFUSED; /* a later try would not help */
	runner_reason(ran, &reason);
	action_say(run, outcome, "%s %s%s", program, str_cstr(&reason),
		ran->outcome == RUNNER_TOO_LONG ? "; see time_limit" : "");
	str_free(&reason);
	return outcome;
}

static enum part_outcome run_words(struct action_run *run, const char *program, const char *verb,
	const struct words *words, int input)
{
	char *system = mem_printf("RESTANTE_SYSTEM=%s", run->subject->system);
	char *action = mem_printf("RESTANTE_ACTION=%s", action_name(run->action));
	char *verb_is = mem_printf("RESTANTE_VERB=%s", verb);
	char *who = mem_printf("%s %s %s", run->subject->system, action_name(run->action),
		run->subject->identifier);
	const char *environment[] = { system, action, verb_is, NULL };
	struct str printed = STR_INIT;
	struct runner_options options = { .command = program,
		.words = words,
		.who = who,
		.environment = environment,
		.input = input,
		.time_limit = run->deadline_us - clock_boot_us(),
		.until_us = run->deadline_us,
		.stop = run->stop,
		.output = take_output,
		.context = &printed };
	struct runner_result ran;
	enum part_outcome outcome;

	if (options.time_limit < 1)
		options.time_limit = 1;
	runner_run(&options, &ran);
	outcome = judge(run, program, verb, &ran, &printed);
	runner_result_free(&ran);
	str_free(&printed);
	mem_free(&system);
	mem_free(&action);
	mem_free(&verb_is);
	mem_free(&who);
	return outcome;
}

enum part_outcome action_command_run(
	struct action_run *run, const struct action_part *part, const char *verb)
{
	const char *program = part->words.list[0], *error;
	enum part_outcome outcome = action_may_go_on(run);
	struct str document = STR_INIT;
	struct words words;
	int input;

	if (outcome != PART_OK)
		return outcome;
	put_document(run, verb, &document);
	input = input_of(&document);
	if (input < 0)
		outcome = action_say(run, PART_FAILED, "%s: no memory for its input: %s", program,
			strerror(errno));
	else if (fill_words(run, part, verb, &words, &error) != 0)
		outcome = action_say(run, PART_REFUSED, "%s", error);
	else
		outcome = run_words(run, program, verb, &words, input);
	if (input >= 0) {
		words_free(&words);
		close(input);
	}
	str_free(&document);
	return outcome;
}
