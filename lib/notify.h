/* Tells whoever started the daemon that it is usable: a descriptor, a pid file. For systemd there
 * is lib/sdnotify.h. */
#ifndef RESTANTE_LIB_NOTIFY_H
#define RESTANTE_LIB_NOTIFY_H

#include "lib/str.h"

/* A line "READY" to the descriptor, which is closed; -1 = nothing. */
void notify_fd(int fd);
int notify_pid_file(const char *path, struct str *error_r);

#endif
