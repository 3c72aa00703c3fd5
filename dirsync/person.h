/*
 * A mailbox as a system tells it (up sync), or as the directory has it: one normal form, in which
 * everything is compared. Two persons are equal when their encodings are the same bytes.
 *
 * What equal means: addresses are compared by the key of lib/address.h, as look-ups and assertions
 * do; of the primary address alone the spelling counts, byte for byte. Other texts are compared
 * byte for byte, attribute names without case.
 */
#ifndef RESTANTE_DIRSYNC_PERSON_H
#define RESTANTE_DIRSYNC_PERSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/strings.h"
#include "lib/address.h"

#define PERSON_ID_MAX      255  /* bytes of a system's stable id */
#define PERSON_VALUE_MAX   1024 /* bytes of a foreign address or an attribute's value */
#define PERSON_VALUES_MAX  1000 /* addresses of one person, and values of its attributes */
#define PERSON_DIGEST_SIZE 16

struct person {
	struct str id;             /* stable id on its system; binary ids as hexadecimal text */
	struct str place;          /* DN on the source or FILE:LINE; for reports, not compared */
	struct str physical;       /* physical address as the source spells it, "" = none */
	struct str primary;        /* primary address as the source spells it, "" = none */
	struct strings addresses;  /* keys of all access addresses, that of the primary included */
	struct strings foreign;    /* "X500:...", "X400:..." */
	struct strings attributes; /* "name=value", name in lower case: of DIR, not of the source */
};

#define PERSON_INIT                                                                                \
	{                                                                                          \
		STR_INIT, STR_INIT, STR_INIT, STR_INIT, STRINGS_INIT, STRINGS_INIT, STRINGS_INIT   \
	}

void person_free(struct person *person);
void person_reset(struct person *person); /* empty again, keeps the memory */

/*
 * Adding what a source says; each 0, or -1 with *error_r (static text: what is wrong with the
 * value, which is then left out). An address that the directory's matching rule (RFC 4517
 * caseIgnoreIA5Match, or caseIgnoreMatch for UTF-8 local parts) and ours would judge differently is
 * refused.
 */
int person_set_id(struct person *person, const char *id, const char **error_r);
int person_set_id_bytes(struct person *person, const void *id, size_t len,
	const char **error_r); /* as hexadecimal */
int person_set_physical(struct person *person, const char *address, const char **error_r);
int person_add_address(
	struct person *person, const char *address, bool primary, const char **error_r);
int person_add_foreign(struct person *person, const char *address, const char **error_r);
int person_add_attribute(
	struct person *person, const char *name, const char *value, const char **error_r);
/*
 * A value of a proxyAddresses kind of attribute (Active Directory): "SMTP:a@x" is the primary,
 * "smtp:a@x" a further one, "X500:", "X400:" foreign; other prefixes (SIP:, EUM:, ...) do not
 * count.
 */
int person_add_proxy(struct person *person, const char *value, const char **error_r);

/* Bytes for files and databases; place is left out. decode: -1 where they are none. */
void person_encode(const struct person *person, struct str *out);
int person_decode(const void *data, size_t len, struct person *person_r);
/* Of the encoding: the first bytes of its SHA-256. */
void person_digest(const struct person *person, uint8_t digest_r[PERSON_DIGEST_SIZE]);

#endif
