/* The seam to libmilter: its callback table, and the socket it listens on. */
#ifndef RESTANTE_MILTER_CALLBACKS_H
#define RESTANTE_MILTER_CALLBACKS_H

#include <stdint.h>
#include <sys/types.h>

#include "milter/front.h"

/* Registers the callbacks and opens the socket. -1 with a reason in error_r. */
int callbacks_listen(struct front *front, const char *socket, mode_t mode, struct str *error_r);
/* Serves until libmilter stops; 0, or -1 where it failed. */
int callbacks_serve(void);

#endif
