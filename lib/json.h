/*
 * JSON (RFC 8259) for the control socket, the CLI and the MTA's queue listing; hides jansson.
 * A value belongs to whoever made it until it is put into another one, which then owns it.
 * Strings that are not valid UTF-8 are stored with each offending byte as U+FFFD.
 */
#ifndef RESTANTE_LIB_JSON_H
#define RESTANTE_LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

struct json;

/* One value, nothing after it; depth and duplicate keys are bounded. NULL with *error_r
 * (valid until the thread's next call here). */
struct json *json_parse(const char *text, size_t len, const char **error_r);
/* Named so because jansson owns json_object() and its like, also at link time. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *text);
void json_free(struct json **value);

void json_set_string(struct json *object, const char *key, const char *text); /* NULL: no change */
void json_set_int(struct json *object, const char *key, int64_t number);
void json_set_real(struct json *object, const char *key, double number);
void json_set_bool(struct json *object, const char *key, bool value);
void json_set(struct json *object, const char *key, struct json *value); /* takes value */
void json_add(struct json *array, struct json *value);                   /* takes value */
void json_add_string(struct json *array, const char *text);

/* NULL / fallback where the key is missing or of another type. Borrowed: lives with the object. */
const char *json_get_string(const struct json *object, const char *key);
int64_t json_get_int(const struct json *object, const char *key, int64_t fallback);
double json_get_real(const struct json *object, const char *key, double fallback);
bool json_get_bool(const struct json *object, const char *key, bool fallback);
const struct json *json_get(const struct json *object, const char *key);
size_t json_count(const struct json *array); /* 0 for anything else */
const struct json *json_at(const struct json *array, size_t index);
const char *json_text(const struct json *value); /* of a string, else NULL */
int64_t json_int(const struct json *value, int64_t fallback);

/* One line without a line end; keys in the order they were set. */
void json_dump(const struct json *value, struct str *out);
/* The same indented for people. */
void json_dump_pretty(const struct json *value, struct str *out);

#endif
