/*
 * What this machine knows durably about its own service, in one small file of the hold queue's
 * folder: so a node that was disabled by force while it served is recognised, also after a
 * restart, until its databases are wiped (DESIGN section 5); and so is a replica that is older than
 * what the node acknowledged (put back from a backup). Used by one thread.
 */
#ifndef RESTANTE_MILTER_NODEMARK_H
#define RESTANTE_MILTER_NODEMARK_H

#include "lib/str.h"

#define NODEMARK_LEVEL 41 /* a CSN with its NUL */

enum nodemark {
	NODEMARK_NONE, /* never served with these databases */
	NODEMARK_SERVING,
	NODEMARK_LEFT,    /* held nothing, and is about to write `disabled` itself */
	NODEMARK_CUT_OFF, /* was disabled by somebody else while it served */
};

/*
 * A file that cannot be read or understood counts as CUT_OFF, with a reason. level_r
 * (NODEMARK_LEVEL bytes): the change (CSN) that the replica had when it was acknowledged last, "" =
 * none.
 */
enum nodemark nodemark_read(const char *queue_dir, char *level_r, struct str *error_r);
/* On disk when it returns 0; -1 with a reason. */
int nodemark_write(
	const char *queue_dir, enum nodemark mark, const char *level, struct str *error_r);
const char *nodemark_name(enum nodemark mark);

#endif
