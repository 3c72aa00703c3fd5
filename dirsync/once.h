/* restante-dirsync --once: each system once, and out. */
#ifndef RESTANTE_DIRSYNC_ONCE_H
#define RESTANTE_DIRSYNC_ONCE_H

#include <stdbool.h>
#include <stddef.h>

#include "dirsync/exits.h"

struct once_options {
	const char *config_path;
	bool up, down; /* which directions */
	bool full, dry_run;
	char *const *systems; /* none: all that have a section */
	size_t system_count;
};

/* The exit code. */
int once_run(const struct once_options *options);

#endif
