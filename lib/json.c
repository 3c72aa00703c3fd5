#include "lib/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* struct json is a json_t under another name; only this file knows. */
static json_t *raw(const struct json *value)
{
	return (json_t *)value;
}

static struct json *wrap(json_t *value)
{
	return (struct json *)value;
}

/* With these jansson never reports that memory ran out, so no caller here needs to ask. */
__attribute__((constructor)) static void use_our_allocation(void)
{
	json_set_alloc_funcs(mem_alloc, free);
}

/* Bytes of the well-formed UTF-8 sequence (Unicode table 3-7) at p; 0 where there is none. */
static size_t utf8_sequence(const unsigned char *p)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

static void append_clean(struct str *out, const char *text)
{
	while (*text != '\0') {
		size_t len = utf8_sequence((const unsigned char *)text);
		if (len == 0)
			str_append_z(out, "\xef\xbf\xbd");
		else
			str_append(out, text, len);
		text += len ? len : 1;
	}
}

static json_t *clean_string(const char *text)
{
	json_t *value = json_string(text);
	struct str clean = STR_INIT;

	if (value != NULL)
		return value;
	append_clean(&clean, text);
	value = json_string(str_cstr(&clean));
	str_free(&clean);
	return value;
}

struct json *json_parse(const char *text, size_t len, const char **error_r)
{
	static _Thread_local char reason[JSON_ERROR_TEXT_LENGTH + 64];
	json_error_t error;
	json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (value == NULL) {
		snprintf(reason, sizeof reason, "line %d column %d: %s", error.line, error.column,
			error.text);
		/* What the text quotes comes from outside and may hold anything. */
		for (char *p = reason; *p != '\0'; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = ' ';
		*error_r = reason;
	}
	return wrap(value);
}

struct json *json_new_object(void)
{
	return wrap(json_object());
}

struct json *json_new_array(void)
{
	return wrap(json_array());
}

struct json *json_new_string(const char *text)
{
	return wrap(clean_string(text));
}

void json_free(struct json **value)
{
	json_decref(raw(*value));
	*value = NULL;
}

static void set_raw(struct json *object, const char *key, json_t *value)
{
	struct str clean = STR_INIT;

	append_clean(&clean, key);
	json_object_set_new(raw(object), str_cstr(&clean), value);
	str_free(&clean);
}

void json_set_string(struct json *object, const char *key, const char *text)
{
	if (text != NULL)
		set_raw(object, key, clean_string(text));
}

void json_set_int(struct json *object, const char *key, int64_t number)
{
	set_raw(object, key, json_integer(number));
}

void json_set_real(struct json *object, const char *key, double number)
{
	json_t *value = json_real(number);

	set_raw(object, key, value ? value : json_null());
}

void json_set_bool(struct json *object, const char *key, bool value)
{
	set_raw(object, key, json_boolean(value));
}

void json_set(struct json *object, const char *key, struct json *value)
{
	set_raw(object, key, raw(value));
}

void json_add(struct json *array, struct json *value)
{
	json_array_append_new(raw(array), raw(value));
}

void json_add_string(struct json *array, const char *text)
{
	json_array_append_new(raw(array), clean_string(text));
}

const struct json *json_get(const struct json *object, const char *key)
{
	return wrap(json_object_get(raw(object), key));
}

const char *json_get_string(const struct json *object, const char *key)
{
	return json_string_value(raw(json_get(object, key)));
}

int64_t json_get_int(const struct json *object, const char *key, int64_t fallback)
{
	const json_t *value = raw(json_get(object, key));

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double json_get_real(const struct json *object, const char *key, double fallback)
{
	const json_t *value = raw(json_get(object, key));

	return json_is_number(value) ? json_number_value(value) : fallback;
}

bool json_get_bool(const struct json *object, const char *key, bool fallback)
{
	const json_t *value = raw(json_get(object, key));

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

size_t json_count(const struct json *array)
{
	return json_array_size(raw(array));
}

const struct json *json_at(const struct json *array, size_t index)
{
	return wrap(json_array_get(raw(array), index));
}

const char *json_text(const struct json *value)
{
	return json_string_value(raw(value));
}

int64_t json_int(const struct json *value, int64_t fallback)
{
	return json_is_integer(raw(value)) ? json_integer_value(raw(value)) : fallback;
}

static int append_piece(const char *piece, size_t len, void *out)
{
	str_append(out, piece, len);
	return 0;
}

void json_dump(const struct json *value, struct str *out)
{
	json_dump_callback(raw(value), append_piece, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

void json_dump_pretty(const struct json *value, struct str *out)
{
	json_dump_callback(raw(value), append_piece, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
}
