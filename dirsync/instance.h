/*
 * Who we are in leases: "HOLDER/TOKEN". Two hosts may have been given one name (dirsync.holder);
 * the token tells them apart, so that neither takes the other's lease for its own. It is made of a
 * secret below state_dir and of the machine's id, and outlives a restart.
 */
#ifndef RESTANTE_DIRSYNC_INSTANCE_H
#define RESTANTE_DIRSYNC_INSTANCE_H

#include "lib/str.h"

/* Appends it; makes the secret where there is none. Thread-safe. -1 with *error_r. */
int instance_holder(
	const char *state_dir, const char *holder, struct str *holder_r, const char **error_r);

#endif
