/* source = command: what a program prints, LDIF or CSV. */
#include <string.h>

#include "dirsync/intake.h"
#include "dirsync/source.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/runner.h"
#include "lib/words.h"

struct source {
	const struct config_up *settings;
	const char *marker;
	struct mapping *mapping;
};

static int take(void *context, const char *data, size_t len)
{
	return intake_feed(context, data, len);
}

/* The program's own failure comes first: it explains what is wrong with its output. */
static void judge(const struct config_up *settings, const struct runner_result *ran,
	struct intake *intake, struct source_result *result)
{
	struct str *reason = &result->reason;

	if (ran->outcome == RUNNER_ENOUGH) {
		str_printf(reason, "%s", intake_reason(intake));
	} else if (!runner_succeeded(ran)) {
		str_printf(reason, "the program \"%s\" ", settings->command);
		runner_reason(ran, reason);
		if (ran->outcome == RUNNER_TOO_LONG)
			str_append_z(reason, "; see time_limit");
	} else if (intake_end(intake) != 0) {
		str_printf(reason, "%s", intake_reason(intake));
	} else {
		result->outcome = SOURCE_COMPLETE;
	}
	result->persons = intake_persons(intake);
	result->refused = intake_refused(intake);
}

static void run(struct source *source, const struct source_request *request,
	const struct source_sink *sink, struct source_result *result)
{
	const struct config_up *settings = source->settings;
	char *system = mem_printf("RESTANTE_SYSTEM=%s", settings->name);
	char *who = mem_printf("up %s", settings->name);
	const char *environment[] = { system, NULL };
	struct intake_options options = { settings, source->mapping, sink,
		strcmp(settings->format, "csv") == 0, "output", source->marker };
	struct intake *intake = intake_new(&options);
	struct runner_options program = { .command = settings->command,
		.who = who,
		.environment = environment,
		.input = -1,
		.time_limit = settings->time_limit,
		.stop = request->stop,
		.output = take,
		.context = intake };
	struct runner_result ran;

	result->read_us = clock_wall_us();
	runner_run(&program, &ran);
	judge(settings, &ran, intake, result);
	runner_result_free(&ran);
	intake_free(&intake);
	mem_free(&system);
	mem_free(&who);
}

static void pull(struct source *source, const struct source_request *request,
	const struct source_sink *sink, struct source_result *result_r)
{
	const char *error = NULL;

	*result_r = (struct source_result){ .outcome = SOURCE_INCOMPLETE };
	if (source->mapping == NULL)
		source->mapping = mapping_new(source->settings, &error);
	if (source->mapping != NULL)
		run(source, request, sink, result_r);
	else
		str_append_z(&result_r->reason, error);
}

static int check(const struct config_up *settings, const char **error_r)
{
	struct mapping *mapping = mapping_new(settings, error_r);
	struct words words;
	const char *error;

	if (mapping == NULL)
		return -1;
	mapping_free(&mapping);
	if (words_split(settings->command, &words, &error) != 0)
		return source_fault(settings, "command", error, error_r);
	words_free(&words);
	return 0;
}

static struct source *open_source(const struct config_up *settings, const char *marker)
{
	struct source *source = mem_zalloc(sizeof(*source));

	source->settings = settings;
	source->marker = marker;
	return source;
}

static void close_source(struct source **source)
{
	if (*source == NULL)
		return;
	mapping_free(&(*source)->mapping);
	mem_free(source);
}

const struct source_kind source_command = {
	.name = "command", .check = check, .open = open_source, .close = close_source, .pull = pull
};
