/*
 * What libmilter leaves to be done for its listening socket: a stale one goes, mode and group,
 * TCP_NODELAY (TRAPS 22).
 */
#ifndef RESTANTE_MILTER_SOCKET_H
#define RESTANTE_MILTER_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>

#include "lib/str.h"

/* The path of a unix socket in libmilter's notation; NULL for TCP. */
const char *socket_path(const char *notation);
/* Before it is opened: removes a socket nobody listens on. -1 with a reason: it is in use. */
int socket_prepare(const char *notation, struct str *error_r);
/*
 * After it was opened. Its group stays: in a folder with the set-group-id bit that is the folder's,
 * the MTA's, which must not be the one that may use the control socket. -1 with a reason.
 */
int socket_adjust(const char *notation, mode_t mode, struct str *error_r);
/* Where it listens, so that one can connect to it. -1: it does not listen on TCP. */
int socket_address(const char *notation, struct sockaddr_storage *address_r, socklen_t *len_r);
/* At the end: nobody connects any more. */
void socket_remove(const char *notation);

#endif
