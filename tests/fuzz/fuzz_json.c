/* JSON (lib/json): what was read and written is read the same again. */
#include "lib/json.h"
#include "tests/fuzz/fuzz.h"

static void check_round(const struct json *value, void (*dump)(const struct json *, struct str *))
{
	struct str once = STR_INIT, twice = STR_INIT;
	const char *error = NULL;

	dump(value, &once);
	struct json *again = json_parse(once.data, once.len, &error);
	FUZZ_CHECK(again != NULL);
	dump(again, &twice);
	FUZZ_CHECK(fuzz_same(&once, &twice));
	json_free(&again);
	str_free(&once);
	str_free(&twice);
}

/* On the control socket a value is one line. */
static void check_line(const struct json *value)
{
	struct str line = STR_INIT;

	json_dump(value, &line);
	for (size_t i = 0; i < line.len; i++)
		FUZZ_CHECK((unsigned char)line.data[i] >= ' ');
	str_free(&line);
}

/* Any bytes as a string: stored as UTF-8, and unchanged where they were that. */
static void check_string(const char *text)
{
	struct json *object = json_new_object();

	json_set_string(object, "k", text);
	json_set_string(object, text, text);
	const char *stored = json_get_string(object, "k");
	FUZZ_CHECK(stored != NULL && strlen(stored) >= strlen(text));
	check_line(object);
	check_round(object, json_dump);
	json_free(&object);
}

static void read_fields(const struct json *value)
{
	json_get_string(value, "cmd");
	json_get_int(value, "v", 0);
	json_get_real(value, "v", 0);
	json_get_bool(value, "all", false);
	for (size_t i = 0; i < json_count(value); i++)
		json_text(json_at(value, i));
	FUZZ_CHECK(json_at(value, json_count(value)) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	struct json *value = json_parse((const char *)data, size, &error);
	char *text = fuzz_string(data, size);

	if (value == NULL) {
		FUZZ_CHECK(error != NULL && strpbrk(error, "\r\n\t\033\177") == NULL);
	} else {
		read_fields(value);
		check_line(value);
		check_round(value, json_dump);
		check_round(value, json_dump_pretty);
		json_free(&value);
	}
	check_string(text);
	free(text);
	return 0;
}
