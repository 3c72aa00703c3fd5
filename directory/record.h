/*
 * What the replica keeps of one directory entry, made value by value from LDAP and stored as
 * bytes. Pure; a record can be reused, which spares allocations.
 */
#ifndef RESTANTE_DIRECTORY_RECORD_H
#define RESTANTE_DIRECTORY_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/cookie.h"
#include "directory/replica.h"
#include "lib/address.h"
#include "lib/route.h"
#include "lib/str.h"

enum record_kind { RECORD_NONE, RECORD_MAILBOX, RECORD_SYSTEM, RECORD_FEDERATION, RECORD_NODE };

enum physical_fault { PHYSICAL_OK, PHYSICAL_MISSING, PHYSICAL_MALFORMED, PHYSICAL_SEVERAL };

#define RECORD_HEARTBEAT_MAX 31
#define RECORD_WORD_MAX      15

struct record {
	enum record_kind kind;
	uint8_t uuid[ROUTE_UUID_BYTES]; /* not part of the stored bytes: it is the key */
	char csn[CSN_LEN + 1];
	/* Federation, node: the CSN of the version that brought the present epoch, node state. */
	char mark[CSN_LEN + 1];
	struct str dn;
	char name[ROUTE_SYSTEM_MAX + 1]; /* mailbox: of its system; else the cn */
	enum route_state state;          /* of mailbox or system */
	char physical[ADDRESS_MAX + 1];
	enum physical_fault fault;
	/* system: as the directory has them, "" = not at all */
	char release[REPLICA_RELEASE_MAX + 1], protocol[RECORD_WORD_MAX + 1],
		tls[RECORD_WORD_MAX + 1];
	struct str keys; /* mailbox: addresses, federation: domains; NUL-terminated, one by one */
	enum node_state node;
	uint64_t epoch; /* federation: restanteEpoch; node: acknowledged */
	uint64_t drained;
	char heartbeat[RECORD_HEARTBEAT_MAX + 1];
	/* Filled while it is made only: the entry's cn, and the last access address or domain that
	 * could not be parsed. */
	char cn[ROUTE_SYSTEM_MAX + 1];
	unsigned bad_count;
	char bad[128];
	const char *bad_reason;
};

/* `for (const char *k = record_first(&r); k != NULL; k = record_next(&r, k))` */
const char *record_first(const struct record *record);
const char *record_next(const struct record *record, const char *key);
bool record_has(const struct record *record, const char *key);
size_t record_count(const struct record *record);

/* The attributes to ask for, NULL-terminated. */
extern const char *const record_attributes[];

void record_begin(struct record *record, const uint8_t *uuid, const char *dn, size_t dn_len);
/* The place of an attribute among record_attributes, -1 where it is none of them. */
int record_attribute(const char *name, size_t len);
void record_value(struct record *record, int attribute, const char *value, size_t len);
/* 0, or -1 with *error_r (static text) where the entry cannot be used. */
int record_finish(struct record *record, const char **error_r);
void record_free(struct record *record);

/* Appends. */
void record_encode(const struct record *record, struct str *out);
/* -1 where the bytes are no record; the uuid comes from the key. */
int record_decode(const void *data, size_t len, const uint8_t *uuid, struct record *record_r);

#endif
