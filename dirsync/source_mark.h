/*
 * Marks of LDAP sources: from where a delta goes on. One line, "KIND SETTINGS REST": SETTINGS is a
 * digest of everything that decides what a pull shows, so that a mark made under other settings
 * does not count. Pure.
 */
#ifndef RESTANTE_DIRSYNC_SOURCE_MARK_H
#define RESTANTE_DIRSYNC_SOURCE_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/str.h"

#define SOURCE_SETTINGS 17 /* 16 hexadecimal digits and a NUL */

/* marker: of source_kind.open. */
void source_settings(
	const struct config_up *settings, const char *marker, char digest_r[SOURCE_SETTINGS]);

void source_mark(const char *kind, const char *settings, const char *rest, struct str *mark_r);
/* REST, NULL where the mark is of another kind, of other settings, or none. Points into mark. */
const char *source_mark_rest(const char *mark, const char *kind, const char *settings);

/* REST of usn: "USN INVOCATION DSA" (number, hexadecimal digits, DN). */
struct usn_mark {
	uint64_t usn;
	struct str invocation, dsa;
};

void usn_mark_write(const struct usn_mark *mark, struct str *rest_r);
/* 0, or -1 where it is none. */
int usn_mark_read(const char *rest, struct usn_mark *mark_r);
void usn_mark_free(struct usn_mark *mark);
/* Whether a delta can go on from `old` on the server that says `now`; else *why_r. */
bool usn_mark_holds(const struct usn_mark *old, const struct usn_mark *now, const char **why_r);

/* REST of modifyTimestamp: "INSTANT URI". 0 and the instant less the margin, in microseconds; -1
 * where it is none, or of another server. */
int time_mark_read(const char *rest, const char *uri, int64_t margin_us, int64_t *since_us_r);

/* Of the naming contexts (NULL-terminated) the one that base is in, NULL where it is in none. */
const char *naming_context_of(const char *const *contexts, const char *base);

#endif
