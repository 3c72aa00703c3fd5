/* A set of UUIDs in memory: 16 bytes each, at most 28 per member. Not thread-safe. */
#ifndef RESTANTE_DIRSYNC_UUIDSET_H
#define RESTANTE_DIRSYNC_UUIDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_BYTES 16
#define UUID_TEXT  37 /* with its NUL */

struct uuidset {
	uint8_t (*slots)[UUID_BYTES]; /* a free one is all zeros */
	size_t room, count;
	bool has_zero;
};

#define UUIDSET_INIT                                                                               \
	{                                                                                          \
		NULL, 0, 0, false                                                                  \
	}

void uuidset_free(struct uuidset *set);
bool uuidset_add(struct uuidset *set, const uint8_t *uuid); /* false: it was there */
bool uuidset_has(const struct uuidset *set, const uint8_t *uuid);
/* *at = 0 at first; NULL at the end. In no order. */
const uint8_t *uuidset_next(const struct uuidset *set, size_t *at);

/* RFC 4122: "597ae2f6-16a6-1027-98f4-d28b5365dc14", in lower case, as entryUUID is written. */
const char *uuid_text(const uint8_t *uuid, char text_r[UUID_TEXT]);

#endif
