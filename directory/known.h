/*
 * The few entries that every look-up needs, in memory: systems, federation, this node. Not locked:
 * the replica's lock guards it.
 */
#ifndef RESTANTE_DIRECTORY_KNOWN_H
#define RESTANTE_DIRECTORY_KNOWN_H

#include "directory/record.h"

struct known {
	struct record *records;
	size_t count;
	/* derived; pointers into records */
	const char **domains; /* sorted */
	size_t domain_count;
	const struct record *federation, *node; /* NULL: none where it is expected */
	char *federation_dn, *node_dn;
};

void known_init(struct known *known, const char *base, const char *node);
void known_free(struct known *known);

/* Takes over what the record owns (record is empty afterwards), replacing that uuid. */
void known_put(struct known *known, struct record *record);
void known_remove(struct known *known, const uint8_t *uuid);
bool known_has(const struct known *known, const uint8_t *uuid);

bool known_federated(const struct known *known, const char *domain);
/* The worst where several entries have the name; STATE_UNKNOWN where none has. */
enum route_state known_system(const struct known *known, const char *name);
/* The entry of that name that says where its released mail goes; NULL = none does. */
const struct record *known_system_release(const struct known *known, const char *name);
bool known_system_there(const struct known *known, const char *name);

#endif
