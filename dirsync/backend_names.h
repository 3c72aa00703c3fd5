/* The attributes of a system's entry, by direction: for the files of dirsync/backend*.c alone. */
#ifndef RESTANTE_DIRSYNC_BACKEND_NAMES_H
#define RESTANTE_DIRSYNC_BACKEND_NAMES_H

#include "dirsync/backend.h"

struct backend_names {
	const char *lease, *asked, *finished, *failed, *start, *end, *outcome, *run, *approval,
		*earlier;
};
extern const struct backend_names backend_names[2];

#endif
