/*
 * A mailbox as a system tells it (up sync), or as the directory has it: one normal form, in which
 * everything is compared.
 *
 * What equal means: addresses are compared by the key of lib/address.h, as look-ups and assertions
 * do; of the primary address alone the spelling counts, byte for byte. Other texts are compared
 * byte for byte, attribute names without case. Two persons are equal when person_same() says so;
 * their digests are the same then, whatever the order in which their values were added.
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
#define PERSON_NAME_MAX    128  /* bytes of an attribute's name */
#define PERSON_DIGEST_SIZE 16

/* Filled by the functions below, which keep it in its normal form. */
struct person {
	struct str id;             /* stable id on its system; binary ids as hexadecimal text */
	struct str place;          /* DN on the source or FILE:LINE; for reports, not compared */
	struct str physical;       /* physical address as the source spells it, "" = none */
	struct str physical_key;   /* what is compared of it */
	struct str primary;        /* primary address in its own spelling, "" = none; the domain of
				    * an internationalized one as A-labels */
	struct strings addresses;  /* keys of all access addresses, that of the primary included */
	struct strings foreign;    /* "X500:...", "X400:..." */
	struct strings attributes; /* "name=value", name in lower case: of DIR, not of the source */
};

#define PERSON_INIT                                                                                \
	{                                                                                          \
		STR_INIT, STR_INIT, STR_INIT, STR_INIT, STR_INIT, STRINGS_INIT, STRINGS_INIT,      \
			STRINGS_INIT                                                               \
	}

void person_free(struct person *person);
void person_reset(struct person *person); /* empty again, keeps the memory */

/*
 * Adding what a source says; each 0, or -1 with *error_r (static text: what is wrong with the
 * value, which is then left out). An address or id that the directory's matching rule (RFC 4517:
 * caseIgnoreIA5Match, caseIgnoreMatch for UTF-8 local parts, caseExactMatch for ids) and ours
 * would judge differently is refused; so is "@domain", a catch-all, which only an administrator
 * writes. Two values of one attribute that the directory takes for one are one: the first by its
 * bytes. An empty attribute value is no value. Of several primary addresses the first stays.
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

/* The first value of an attribute (by its bytes), NULL where there is none; name in lower case. */
const char *person_attribute(const struct person *person, const char *name);

bool person_same(const struct person *a, const struct person *b); /* place does not count */

/* Bytes for files and databases; place is left out. decode: -1 where they are none; it takes only
 * what encode makes, so that equal bytes and equal persons are one. */
void person_encode(const struct person *person, struct str *out);
int person_decode(const void *data, size_t len, struct person *person_r);
/*
 * Where things are in such bytes. Two persons have the same bytes where person_same() holds and the
 * physical address is spelled the same.
 */
struct person_bytes {
	size_t compared;   /* bytes, from the first on: what the digest is of */
	const char *lists; /* addresses, then foreign addresses, as code_put_set() writes them */
	size_t lists_len;
	size_t addresses; /* how many */
};
/* 0, or -1 where they are none that encode made: it does not look closely. */
int person_bytes(const void *data, size_t len, struct person_bytes *bytes_r);
/* The first bytes of a SHA-256 over all that is compared. */
void person_digest(const struct person *person, uint8_t digest_r[PERSON_DIGEST_SIZE]);

/*
 * How the directory has an access address: mailLocalAddress, or restanteAddressUTF8 where the local
 * part is not ASCII; the value is the key, its local part in quotes where RFC 5321 requires it.
 */
const char *person_address_attribute(const char *key);
void person_address_value(const char *key, struct str *out); /* appends */
/* How it has the primary address: mail, or restantePrimaryUTF8 where mail cannot have it. */
const char *person_primary_attribute(const char *primary);

#endif
