/*
 * Templates of values: "%{uid}@s1.internal". %{name} is the first value of that name, %{name|other}
 * that of the first name that has any; behind it ":local" and ":domain" are parts of an address,
 * ":lower" turns ASCII to lower case ("%{mail:local:lower}"), ":safe" makes one component of a path
 * of it: what is neither an ASCII letter or digit nor one of "-_+.", and a dot in front, becomes
 * "_" and two hexadecimal digits a byte, last of all; %% is a percent sign. Names compare without
 * case; "sn" and "surname", "cn" and "commonName" and the like are one. Pure.
 *
 * Texts in *error_r are valid until the thread's next call.
 */
#ifndef RESTANTE_LIB_TEMPLATE_H
#define RESTANTE_LIB_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

#define TEMPLATE_NAME_MAX 128 /* bytes of a name */

/* A value as its source has it: any bytes. */
struct template_value {
	const char *name;
	const char *data; /* data[len] is NUL */
	size_t len;
};

/* Appends. 0; -1 with *error_r where a value is missing or is no text, or the template is wrong. */
int template_fill(const char *template, const struct template_value *values, size_t count,
	struct str *out, const char **error_r);

/* Appends the text, which `value` gave, to out, as the place where it goes needs it. */
typedef void (*template_escape)(
	void *context, const struct template_value *value, const char *text, struct str *out);
/* The same with each text that is put in going through `escape`; what stands in the template itself
 * does not. */
int template_fill_escaped(const char *template, const struct template_value *values, size_t count,
	template_escape escape, void *context, struct str *out, const char **error_r);

/* The names in it, each to `name`. 0, or -1 with *error_r where the template is wrong. */
int template_names(const char *template, void (*name)(void *context, const char *name),
	void *context, const char **error_r);
bool template_same_name(const char *a, const char *b);
/* The name by which servers call an attribute: "sn" of "surname"; else name itself. */
const char *template_canonical_name(const char *name);

#endif
