/*
 * A source of an up sync and nothing else, driven by lines on standard input; each answer is JSON,
 * a line each; for tests of the connectors.
 *
 *	source_driver CONFIGURATION SYSTEM
 *
 * Commands: pull | delta MARK | count [MARK] (no persons are printed) | stop N [MARK] (the sink
 * stops at the Nth person) | wait SECONDS MARK | check | quit
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirsync/source.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"

static const struct source_kind *kind;
static const struct config_up *up;
static struct source *source;
static atomic_bool stop;

static bool quiet;
static uint64_t stop_at; /* 0 = never */
static uint64_t seen;

static void say(struct json *object)
{
	struct str line = STR_INIT;

	json_dump(object, &line);
	printf("%s\n", str_cstr(&line));
	str_free(&line);
	json_free(&object);
}

static void set_all(struct json *object, const char *name, const struct strings *set)
{
	struct json *list = json_new_array();

	for (const char *t = strings_first(set); t != NULL; t = strings_next(set, t))
		json_add_string(list, t);
	json_set(object, name, list);
}

/* --- the sink ------------------------------------------------------------------------------- */

static int take_person(void *context, const struct person *person)
{
	struct json *object;

	(void)context;
	if (++seen == stop_at)
		return -1;
	if (quiet)
		return 0;
	object = json_new_object();
	json_set_string(object, "person", str_cstr(&person->id));
	json_set_string(object, "place", str_cstr(&person->place));
	json_set_string(object, "physical", str_cstr(&person->physical));
	json_set_string(object, "primary", str_cstr(&person->primary));
	set_all(object, "addresses", &person->addresses);
	set_all(object, "foreign", &person->foreign);
	set_all(object, "attributes", &person->attributes);
	say(object);
	return 0;
}

static int take_gone(void *context, const char *id)
{
	struct json *object;

	(void)context;
	if (quiet)
		return 0;
	object = json_new_object();
	json_set_string(object, "gone", id);
	say(object);
	return 0;
}

static int take_refused(void *context, const char *id, const char *place, const char *reason)
{
	struct json *object;

	(void)context;
	if (quiet)
		return 0;
	object = json_new_object();
	json_set_string(object, "refused", id);
	json_set_string(object, "place", place);
	json_set_string(object, "reason", reason);
	say(object);
	return 0;
}

/* --- commands ------------------------------------------------------------------------------- */

static void pull(const char *mark)
{
	static const char *const outcomes[] = { "complete", "delta", "incomplete", "nothing",
		"stale" };
	struct source_request request = { .delta = *mark != '\0', .mark = mark, .stop = &stop };
	struct source_sink sink = { NULL, NULL, take_person, take_gone, take_refused };
	struct source_result result;
	struct json *object = json_new_object();
	int64_t began = clock_mono_us();

	seen = 0;
	kind->pull(source, &request, &sink, &result);
	json_set_string(object, "outcome", outcomes[result.outcome]);
	json_set_string(object, "mark", str_cstr(&result.mark));
	json_set_string(object, "reason", str_cstr(&result.reason));
	json_set_int(object, "persons", (int64_t)result.persons);
	json_set_int(object, "refused", (int64_t)result.refused);
	json_set_int(object, "read_us", result.read_us);
	json_set_int(object, "took_us", clock_mono_us() - began);
	json_set_bool(object, "deletes", result.deletes);
	say(object);
	source_result_free(&result);
}

static void wait_for(char *arguments)
{
	struct json *object = json_new_object();
	const char *error = "";
	char *mark;
	double seconds = strtod(arguments, &mark);
	int heard;

	heard = kind->wait(
		source, mark + strspn(mark, " "), (int64_t)(seconds * CLOCK_SECOND), &stop, &error);
	json_set_int(object, "heard", heard);
	json_set_string(object, "error", error);
	say(object);
}

static void check(void)
{
	struct json *object = json_new_object();
	const char *error = "";

	json_set_int(object, "check", kind->check(up, &error));
	json_set_string(object, "error", error);
	say(object);
}

static bool command(char *line)
{
	char *arguments = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	arguments = arguments != NULL ? arguments + 1 : line + strlen(line);
	quiet = strncmp(line, "count", 5) == 0;
	stop_at = 0;
	if (strcmp(line, "pull") == 0 || quiet || strncmp(line, "delta ", 6) == 0) {
		pull(arguments);
	} else if (strncmp(line, "stop ", 5) == 0) {
		stop_at = strtoull(arguments, &arguments, 10);
		pull(arguments + strspn(arguments, " "));
	} else if (strncmp(line, "wait ", 5) == 0) {
		wait_for(arguments);
	} else if (strcmp(line, "check") == 0) {
		check();
	} else {
		return false;
	}
	fflush(stdout);
	return true;
}

static int fail(const char *error)
{
	struct json *object = json_new_object();

	json_set_string(object, "error", error);
	say(object);
	return 1;
}

int main(int argc, char **argv)
{
	const struct config_down *down;
	struct config *config;
	const char *error = "";
	char line[4096];

	if (argc != 3)
		return 2;
	log_set_level(LOG_LEVEL_DEBUG);
	if ((config = config_load(argv[1], &error)) == NULL)
		return fail(error);
	if ((up = config_up(config, argv[2])) == NULL ||
		(kind = source_kind_find(up->source)) == NULL)
		return fail("no such system or source");
	down = config_down(config, argv[2]);
	source = kind->open(up, down != NULL ? down->marker : "");
	while (fgets(line, sizeof(line), stdin) != NULL && command(line))
		;
	kind->close(&source);
	config_free(&config);
	return 0;
}
