/* The schema that a directory must have, and what its own definitions say of it. Pure. */
#ifndef RESTANTE_DOCTOR_SCHEMA_H
#define RESTANTE_DOCTOR_SCHEMA_H

#include "doctor/strings.h"

struct schema_name {
	const char *name, *oid;
};

/* Both end with a NULL name. */
const struct schema_name *schema_attributes(void);
const struct schema_name *schema_classes(void);

enum schema_verdict { SCHEMA_THERE, SCHEMA_MISSING, SCHEMA_OTHER /* another number */ };
/* definitions: attributeTypes or objectClasses of the subschema entry (RFC 4512). */
enum schema_verdict schema_judge(const struct strings *definitions, const struct schema_name *name);

#endif
