/*
 * Actions of restante-control and nothing else, driven by lines on standard input; each answer is a
 * line of JSON; for tests of the actions.
 *
 *	action_driver CONFIGURATION
 *
 * A line is a JSON object: system, action, verify (absent: false), and the fields of the subject as
 * commands get them; attributes is an object of arrays.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/action.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"

static struct config *config;
static const char *const outcomes[] = { "done", "already", "refused", "failed", "absent" };

static void say(struct json *object)
{
	struct str line = STR_INIT;

	json_dump(object, &line);
	printf("%s\n", str_cstr(&line));
	fflush(stdout);
	str_free(&line);
	json_free(&object);
}

static void say_error(const char *error)
{
	struct json *object = json_new_object();

	json_set_string(object, "outcome", "error");
	json_set_string(object, "text", error);
	say(object);
}

static const char *text_of(const struct json *asked, const char *name)
{
	const char *text = json_get_string(asked, name);

	return text != NULL ? text : "";
}

static char **list_of(const struct json *list)
{
	char **texts = mem_grow(NULL, json_count(list) + 1, sizeof(*texts));
	size_t count = json_count(list);

	for (size_t i = 0; i < count; i++)
		texts[i] = mem_strdup(json_text(json_at(list, i)));
	texts[count] = NULL;
	return texts;
}

static void free_list(char ***list)
{
	for (char **text = *list; *text != NULL; text++)
		mem_free(text);
	mem_free(list);
}

static enum action action_of(const char *name)
{
	for (int a = 0; a < ACTIONS; a++)
		if (strcmp(action_name((enum action)a), name) == 0)
			return (enum action)a;
	return ACTIONS;
}

/* Of the attributes that templates name only, as the controller reads them. */
static void fill_attributes(const struct actions *actions, const struct json *given,
	const char *(*pairs)[2], size_t *count_r)
{
	for (const char *const *name = actions_attributes(actions); *name != NULL; name++) {
		const struct json *values = json_get(given, *name);

		for (size_t i = 0; i < json_count(values) && *count_r < 100; i++) {
			pairs[*count_r][0] = *name;
			pairs[(*count_r)++][1] = json_text(json_at(values, i));
		}
	}
}

static void say_result(const struct action_result *result)
{
	struct json *object = json_new_object();

	json_set_string(object, "outcome", outcomes[result->outcome]);
	json_set_string(object, "text", str_cstr(&result->text));
	json_set_string(object, "physical", str_cstr(&result->physical));
	json_set_string(object, "source_id", str_cstr(&result->source_id));
	if (result->addresses != NULL) {
		struct json *list = json_new_array();

		for (char *const *a = result->addresses; *a != NULL; a++)
			json_add_string(list, *a);
		json_set(object, "addresses", list);
	}
	if (result->told_empty)
		json_set_bool(object, "empty", result->empty);
	say(object);
}

static void run(struct actions *actions, enum action action, const struct json *asked)
{
	static const char *pairs[100][2];
	struct action_result result;
	size_t count = 0;
	char **addresses = list_of(json_get(asked, "addresses"));
	char **foreign = list_of(json_get(asked, "foreign"));

	fill_attributes(actions, json_get(asked, "attributes"), pairs, &count);
	struct action_subject subject = { .system = text_of(asked, "system"),
		.identifier = text_of(asked, "identifier"),
		.uuid = text_of(asked, "id"),
		.address = text_of(asked, "address"),
		.primary = text_of(asked, "primary"),
		.addresses = addresses,
		.foreign = foreign,
		.physical = text_of(asked, "physical"),
		.source_id = text_of(asked, "source_id"),
		.other = text_of(asked, "other"),
		.attributes = (const char *const(*)[2])pairs,
		.attribute_count = count };
	action_run(
		actions, action, &subject, json_get_bool(asked, "verify", false), NULL, 0, &result);
	say_result(&result);
	action_result_free(&result);
	free_list(&addresses);
	free_list(&foreign);
}

static void answer(const struct json *asked)
{
	const struct config_actions *settings = config_actions(config, text_of(asked, "system"));
	enum action action = action_of(text_of(asked, "action"));
	const char *error = "there is no such system or action";
	struct actions *actions = NULL;

	if (settings != NULL && action != ACTIONS)
		actions = actions_new(settings, &error);
	if (actions != NULL)
		run(actions, action, asked);
	else
		say_error(error);
	actions_free(&actions);
}

int main(int argc, char **argv)
{
	const char *error;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (argc != 2 || (config = config_load(argv[1], &error)) == NULL) {
		fprintf(stderr, "%s\n", argc == 2 ? error : "usage: action_driver CONFIGURATION");
		return 1;
	}
	while ((len = getline(&line, &room, stdin)) > 0) {
		struct json *asked = json_parse(line, (size_t)len, &error);

		if (asked == NULL)
			say_error(error);
		else
			answer(asked);
		json_free(&asked);
	}
	free(line);
	config_free(&config);
	return 0;
}
