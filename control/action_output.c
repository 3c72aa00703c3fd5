#include "control/action_output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/utf8.h"

static _Thread_local char error_text[300];

__attribute__((format(printf, 2, 3))) static int wrong(
	const char **error_r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
	for (char *c = error_text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	*error_r = error_text;
	return -1;
}

static void set(struct str *place, const char *text)
{
	str_reset(place);
	str_append_z(place, text);
}

static void add_address(struct action_output *out, const char *text)
{
	out->addresses = mem_grow(out->addresses, out->count + 2, sizeof(*out->addresses));
	if (text != NULL)
		out->addresses[out->count++] = mem_strdup(text);
	out->addresses[out->count] = NULL;
}

static void drop_addresses(struct action_output *out)
{
	for (size_t i = 0; i < out->count; i++)
		mem_free(&out->addresses[i]);
	mem_free(&out->addresses);
	out->count = 0;
}

void action_output_free(struct action_output *output)
{
	str_free(&output->physical);
	str_free(&output->source_id);
	str_free(&output->text);
	drop_addresses(output);
}

/* --- one fact ------------------------------------------------------------------------------- */

static int take_empty(struct action_output *out, const char *text, const char **error_r)
{
	out->empty = strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0;
	out->told_empty = true;
	if (out->empty || strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0)
		return 0;
	return wrong(error_r, "empty is neither yes nor no: \"%.60s\"", text);
}

static int take(struct action_output *out, const char *name, const char *text, const char **error_r)
{
	if (strcmp(name, "physical") == 0)
		set(&out->physical, text);
	else if (strcmp(name, "source-id") == 0 || strcmp(name, "source_id") == 0)
		set(&out->source_id, text);
	else if (strcmp(name, "text") == 0)
		set(&out->text, text);
	else if (strcmp(name, "address") == 0)
		add_address(out, text);
	else if (strcmp(name, "empty") == 0)
		return take_empty(out, text, error_r);
	else
		return wrong(error_r,
			"\"%.60s\" is not known; known are physical, source-id, "
			"address, empty, text",
			name);
	return 0;
}

/* --- JSON ----------------------------------------------------------------------------------- */

static int take_list(struct action_output *out, const struct json *list, const char **error_r)
{
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_text(json_at(list, i)) == NULL)
			return wrong(error_r, "\"addresses\" has something that is no text");
		add_address(out, json_text(json_at(list, i)));
	}
	return 0;
}

static int take_object(struct action_output *out, const struct json *object, const char **error_r)
{
	static const char *const names[] = { "physical", "source_id", "text" };
	const struct json *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((value = json_get(object, names[i])) == NULL)
			continue;
		if (json_text(value) == NULL)
			return wrong(error_r, "\"%s\" is no text", names[i]);
		if (take(out, names[i], json_text(value), error_r) != 0)
			return -1;
	}
	if (json_get(object, "empty") != NULL) {
		out->told_empty = true;
		out->empty = json_get_bool(object, "empty", false);
		if (!out->empty && json_get_bool(object, "empty", true))
			return wrong(error_r, "\"empty\" is neither true nor false");
	}
	value = json_get(object, "addresses");
	if (value == NULL)
		return 0;
	drop_addresses(out);
	add_address(out, NULL);
	return take_list(out, value, error_r);
}

static int parse_json(const char *text, size_t len, struct action_output *out, const char **error_r)
{
	const char *error;
	struct json *object = json_parse(text, len, &error);
	int result;

	if (object == NULL)
		return wrong(error_r, "it begins with { and is no JSON: %.150s", error);
	result = take_object(out, object, error_r);
	json_free(&object);
	return result;
}

/* --- lines ---------------------------------------------------------------------------------- */

static int take_line(struct action_output *out, char *line, const char **error_r)
{
	char *colon = strchr(line, ':');

	if (colon == NULL)
		return wrong(error_r, "a line is no NAME: VALUE: \"%.60s\"", line);
	*colon++ = '\0';
	return take(out, line, colon + strspn(colon, " \t"), error_r);
}

static int parse_lines(char *text, struct action_output *out, const char **error_r)
{
	bool first_address = true;

	for (char *line = text, *next; line != NULL; line = next) {
		size_t len = strcspn(line, "\n");

		next = line[len] == '\n' ? line + len + 1 : NULL;
		while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
			len--;
		line[len] = '\0';
		if (len == 0)
			continue;
		if (first_address && strncmp(line, "address:", 8) == 0) {
			drop_addresses(out);
			first_address = false;
		}
		if (take_line(out, line, error_r) != 0)
			return -1;
	}
	return 0;
}

int action_output_parse(
	const char *data, size_t len, struct action_output *output, const char **error_r)
{
	char *text = mem_strndup(data != NULL ? data : "", len);
	size_t blanks = strspn(text, " \t\r\n");
	int result;

	if (strlen(text) != len || !utf8_valid(text))
		result = wrong(error_r, "it is not text in UTF-8");
	else if (text[blanks] == '{')
		result = parse_json(text + blanks, len - blanks, output, error_r);
	else
		result = parse_lines(text, output, error_r);
	mem_free(&text);
	return result;
}
