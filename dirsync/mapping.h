/*
 * How the attributes of a source (LDAP attributes, LDIF lines, CSV columns) make a person; the
 * settings of up NAME {}. Pure. Names compare without case.
 */
#ifndef RESTANTE_DIRSYNC_MAPPING_H
#define RESTANTE_DIRSYNC_MAPPING_H

#include "dirsync/person.h"
#include "lib/config.h"

/* A value as the source has it: any bytes. */
struct mapping_value {
	const char *name;
	const char *data; /* data[len] is NUL */
	size_t len;
};

struct mapping;

/* NULL with *error_r: "up NAME.key: what is wrong; what to do". */
struct mapping *mapping_new(const struct config_up *settings, const char **error_r);
void mapping_free(struct mapping **mapping);
/* The attributes that it needs: NULL-terminated, valid as long as the mapping. */
const char *const *mapping_names(const struct mapping *mapping);
/* The same of the directory's attributes that it fills (those of `attributes` and
 * `attributes_once`, lower case): for entry_attributes and entry_read. */
const char *const *mapping_directory_names(const struct mapping *mapping);

typedef int (*mapping_refused)(void *context, const char *place, const char *reason);
/*
 * 1: person_r is usable (single values that are not were told to `refused`); 0: this entry is none
 * (no usable id, address or physical address; told, too); -1: `refused` said to stop.
 */
int mapping_apply(const struct mapping *mapping, const char *place,
	const struct mapping_value *values, size_t count, struct person *person_r,
	mapping_refused refused, void *context);

/*
 * A template: "%{uid}@s1.internal". %{name} is the first value of the attribute, %{name:local} and
 * %{name:domain} parts of an address, %{name:lower} in lower case, %% a percent sign. 0; -1 with
 * *error_r where an attribute is missing.
 */
int mapping_template(const char *template, const struct mapping_value *values, size_t count,
	struct str *out, const char **error_r);

#endif
