/*
 * How the attributes of a source (LDAP attributes, LDIF lines, CSV columns) make a person; the
 * settings of up NAME {}. Pure. Names compare as in lib/template.h.
 */
#ifndef RESTANTE_DIRSYNC_MAPPING_H
#define RESTANTE_DIRSYNC_MAPPING_H

#include "dirsync/person.h"
#include "lib/config.h"
#include "lib/template.h"

struct mapping;

/* NULL with *error_r: "up NAME.key: what is wrong; what to do" (valid until the thread's next
 * call). The settings must live as long as the mapping. */
struct mapping *mapping_new(const struct config_up *settings, const char **error_r);
void mapping_free(struct mapping **mapping);
/* The attributes that it needs, as the settings spell them, each once: NULL-terminated, valid as
 * long as the mapping. */
const char *const *mapping_names(const struct mapping *mapping);
/* The same of the directory's attributes that it fills (those of `attributes` and
 * `attributes_once`, lower case): for entry_attributes and entry_read. */
const char *const *mapping_directory_names(const struct mapping *mapping);
/* Whether a directory's attribute (lower case) is one of `attributes_once`: it is written only
 * where the directory has none. */
bool mapping_is_once(const struct mapping *mapping, const char *name);

/* place and reason are valid in the call only; reason is one line: attribute, what, value. */
typedef int (*mapping_refused)(void *context, const char *place, const char *reason);
/*
 * 1: person_r is usable (single values that are not were told to `refused`); 0: this entry is none
 * (no usable id, access address or physical address; told, too); -1: `refused` said to stop. The id
 * is read first: where there is one, person_r->id has it whatever is returned, also while `refused`
 * is called.
 */
int mapping_apply(const struct mapping *mapping, const char *place,
	const struct template_value *values, size_t count, struct person *person_r,
	mapping_refused refused, void *context);

/*
 * A value of the id attribute as the id of a person: bytes as hexadecimal (objectGUID, objectSid
 * and the like always, others where they are not text). 0, or -1 with *error_r (static text).
 */
int mapping_id(const struct mapping *mapping, const void *data, size_t len, struct person *person_r,
	const char **error_r);
/* Whether the attribute's values are bytes always. */
bool mapping_is_binary_id(const char *name);

#endif
