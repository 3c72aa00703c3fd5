#define _GNU_SOURCE
#include "tests/unit/source_bed.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct config_up settings;
char top[64];

static int hear_person(void *context, const struct person *person)
{
	struct heard *heard = context;
	const char *t;

	str_printf(&heard->text, "%s %s ", person->id.data, person->place.data);
	for (t = strings_first(&person->addresses); t; t = strings_next(&person->addresses, t))
		str_printf(&heard->text, "%s%s", t, strings_next(&person->addresses, t) ? "," : "");
	for (t = strings_first(&person->attributes); t; t = strings_next(&person->attributes, t))
		str_printf(&heard->text, " %s", t);
	str_append_c(&heard->text, '\n');
	if (heard->each != NULL)
		heard->each();
	return heard->stop_after > 0 && --heard->stop_after == 0 ? -1 : 0;
}

static int hear_refused(void *context, const char *id, const char *place, const char *reason)
{
	struct heard *heard = context;

	str_printf(&heard->text, "-%s %s %s\n", id, place, reason);
	return 0;
}

static int hear_gone(void *context, const char *id)
{
	(void)context;
	fail_msg("a file says of nobody that he is gone: %s", id);
	return -1;
}

struct source *open_source(const char *kind)
{
	settings.source = (char *)kind;
	return source_kind_find(kind)->open(&settings, "");
}

enum source_outcome pull_as(struct source *source, const struct source_request *request,
	struct heard *heard, struct source_result *result)
{
	struct source_sink sink = { heard, NULL, hear_person, hear_gone, hear_refused };

	str_reset(&heard->text);
	source_kind_find(settings.source)->pull(source, request, &sink, result);
	return result->outcome;
}

void expect(const char *kind, enum source_outcome outcome, const char *said)
{
	struct source *source = open_source(kind);
	struct source_request request = { .mark = "" };
	struct source_result result;
	struct heard heard = { .text = STR_INIT };

	assert_int_equal(pull_as(source, &request, &heard, &result), outcome);
	const char *reason = str_cstr(&result.reason);
	if (strncmp(reason, top, strlen(top)) == 0)
		reason += strlen(top) + 1;
	if (said != NULL)
		assert_string_equal(
			outcome == SOURCE_COMPLETE ? str_cstr(&heard.text) : reason, said);
	if (outcome != SOURCE_COMPLETE)
		assert_string_equal(str_cstr(&result.mark), "");
	str_free(&heard.text);
	source_result_free(&result);
	source_kind_find(kind)->close(&source);
	assert_null(source);
}

int source_set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/restante-drop.XXXXXX");
	settings = (struct config_up){ .name = (char *)"S1",
		.time_limit = 60 * CLOCK_SECOND,
		.id = (char *)"id",
		.addresses = (char *)"mail alias",
		.primary = (char *)"mail",
		.proxy_addresses = (char *)"",
		.foreign = (char *)"",
		.physical = (char *)"%{id}@s1.internal",
		.attributes = (char *)"cn=name",
		.attributes_once = (char *)"",
		.folder = top,
		.separator = (char *)",",
		.value_separator = (char *)"|",
		.command = (char *)"",
		.format = (char *)"csv" };
	return mkdtemp(top) != NULL ? 0 : -1;
}

int source_tear_down(void **state)
{
	char *command = mem_printf("rm -rf %s", top);
	int done = system(command);

	(void)state;
	mem_free(&command);
	return done;
}
