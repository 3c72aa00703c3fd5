/* Tells whoever started the daemon that it is usable, or ends: systemd's protocol, a pid file. */
#ifndef RESTANTE_MILTER_NOTIFY_H
#define RESTANTE_MILTER_NOTIFY_H

#include "lib/str.h"

/* "READY=1", "STOPPING=1", "RELOADING=1" to $NOTIFY_SOCKET (sd_notify(3)); nothing without it. */
void notify_supervisor(const char *state);
/* A line "READY" to the descriptor, which is closed; -1 = nothing. */
void notify_fd(int fd);
int notify_pid_file(const char *path, struct str *error_r);

#endif
