/* Becomes the configured user; nothing that a core or a debugger could show of the secrets. */
#ifndef RESTANTE_LIB_PRIVILEGES_H
#define RESTANTE_LIB_PRIVILEGES_H

#include <sys/types.h>

#include "lib/str.h"

struct privileges {
	uid_t uid;
	gid_t gid;  /* (gid_t)-1: no group was configured */
	char *user; /* NULL: stay who we are */
};

/* Looks user and group of a section ("milter") up; "" or NULL = none. -1 with a reason. */
int privileges_find(const char *section, const char *user, const char *group,
	struct privileges *privileges_r, struct str *error_r);
/*
 * A folder that the daemon needs, made where it is missing (its parent must be there), owned by
 * the user we become.
 */
int privileges_folder(
	const struct privileges *privileges, const char *path, mode_t mode, struct str *error_r);
/* For good. Does nothing but hardening where we are not root, or no user is configured. */
int privileges_drop(const struct privileges *privileges, struct str *error_r);
void privileges_free(struct privileges *privileges);

#endif
