/* What the files behind dirsync/mapping.h share. */
#ifndef RESTANTE_DIRSYNC_MAPPING_INTERNAL_H
#define RESTANTE_DIRSYNC_MAPPING_INTERNAL_H

#include "dirsync/mapping.h"

enum field_kind { FIELD_ID, FIELD_PRIMARY, FIELD_PROXY, FIELD_ADDRESS, FIELD_FOREIGN };

struct field {
	enum field_kind kind;
	const char *name; /* of mapping->names */
};

struct attribute {
	char *directory;    /* lower case */
	const char *source; /* of mapping->names, or NULL: */
	char *template;
	bool once;
	bool single; /* SINGLE-VALUE in the usual schemas: the first value by its bytes */
};

struct mapping {
	char **names;           /* NULL-terminated */
	const char **canonical; /* template_canonical_name() of each */
	size_t name_count;
	char **directory_names; /* NULL-terminated; of the attributes */
	struct field *fields;   /* in the order in which a person is filled */
	size_t field_count;
	struct attribute *attributes;
	size_t attribute_count;
	const char *physical; /* template */
};

#endif
