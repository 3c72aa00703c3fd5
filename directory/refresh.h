/*
 * One refresh phase (RFC 4533 section 3.3): what the provider showed, and at its end what must be
 * gone. Deletions wait for the end and are believed only then: DESIGN section 3, "The replica
 * never goes backwards and never deletes on doubt".
 */
#ifndef RESTANTE_DIRECTORY_REFRESH_H
#define RESTANTE_DIRECTORY_REFRESH_H

#include "directory/replica_internal.h"

struct refresh;

/* complete: no cookie was sent, so whatever the server does not show does not exist. */
struct refresh *refresh_begin(struct replica *replica, bool complete);
/* Also ends one that broke off: nothing is deleted, the vector stays, no heartbeat of it counts. */
void refresh_free(struct refresh **refresh);

/* The entry with its content; *record may be emptied. */
int refresh_entry(struct refresh *refresh, struct change *change, const char **error_r);
void refresh_present(struct refresh *refresh, const uint8_t *uuid);
void refresh_deleted(struct refresh *refresh, const uint8_t *uuid);
/* The present phase is complete: what was not shown is absent. */
void refresh_presents_end(struct refresh *refresh);

/*
 * cookie: the final one; behind: the provider was known to lack changes that we have.
 * 0; REFRESH_INCOMPLETE: entries are there as if we had them, and we have not (a directory restored
 * from a backup, or access rules that hid them for a while): all is to be read without a cookie.
 * -1 with *error_r. In both cases nothing was deleted and the vector stays.
 */
#define REFRESH_INCOMPLETE 1
int refresh_end(struct refresh *refresh, const struct csn_vector *cookie, bool behind,
	const char **error_r);

/* The share above which a disappearance waits for an administrator. Pure. */
bool refresh_is_mass(uint64_t gone, uint64_t all, unsigned percent);

#endif
