/* A mailbox entry of the directory, as the up sync sees it. */
#ifndef RESTANTE_DIRSYNC_ENTRY_H
#define RESTANTE_DIRSYNC_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "dirsync/person.h"
#include "lib/ldap_session.h"
#include "lib/ldap_stream.h"
#include "lib/route.h"

#define ENTRY_MARK_MAX  (PERSON_VALUE_MAX + 32) /* bytes of one mark */
#define ENTRY_MARKS_MAX (2 * PERSON_VALUES_MAX) /* of access and of foreign addresses */

struct entry {
	struct str dn, uuid, csn;
	struct str system;
	enum route_state state;
	/* id "" = no restanteSourceId; primary = restantePrimaryUTF8, else mail; a physical address
	 * that is not usable has no key; what is no address (hand-written) is not in it. */
	struct person person;
	/* "ATTRIBUTE VALUE" of each address that is not spelled as its key (but for ASCII case), or
	 * not where a key of its kind is stored, and of all its spellings where it has several:
	 * what a removal has to name. */
	struct strings spelled;
	struct strings going; /* restanteVanishingAddress, "KEY INSTANT": marked, still routed; KEY
			       * may be a foreign address */
	int64_t vanished_us;  /* restanteVanishedSince, 0 = not */
	struct str provenance;
};

#define ENTRY_INIT                                                                                 \
	{                                                                                          \
		.person = PERSON_INIT, .spelled = STRINGS_INIT, .going = STRINGS_INIT              \
	}

void entry_free(struct entry *entry);
void entry_reset(struct entry *entry);
/* The attributes to ask for, those of the mapping (NULL-terminated) included; the caller frees the
 * list, not the names. */
const char **entry_attributes(const char *const *mapped);
/* 0; -1 with *error_r (static text) where it is no usable mailbox entry: it is reported and left
 * alone. dn and what else could be read are in entry_r all the same. */
int entry_read(const struct ldap_entry *raw, const char *const *mapped, struct entry *entry_r,
	const char **error_r);
int entry_read_stream(const struct ldap_stream_entry *raw, const char *const *mapped,
	struct entry *entry_r, const char **error_r);
/* Since when the address is marked (restanteVanishingAddress), microseconds; 0 = it is not. */
int64_t entry_going_since(const struct entry *entry, const char *key);
/* encode: behind how many of the appended bytes those of its person begin, up to the end. decode:
 * -1 where the bytes are none that encode made. */
size_t entry_encode(const struct entry *entry, struct str *out);
int entry_decode(const void *data, size_t len, struct entry *entry_r);

#endif
