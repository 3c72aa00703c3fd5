/* What the two sides of the control socket share, and what their tests turn. */
#ifndef RESTANTE_LIB_CONTROL_INTERNAL_H
#define RESTANTE_LIB_CONTROL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "lib/control.h"

#define CONTROL_CLIENTS_MAX 32

/* A client that is silent, or takes nothing, for that long is closed. Tests shorten it. */
extern int64_t control_idle_us;

/* false: the path is too long for a unix socket. */
bool control_address(const char *path, struct sockaddr_un *address_r);
/* A socket bound to path, mode 0660, listening; -1 with *error_r. */
int control_listen(const char *path, gid_t group, const char **error_r);
/* Whether the process at the other end may give orders to the owner of a socket of that group. */
bool control_peer_allowed(int fd, gid_t group);

/* The reply being given to one request. */
struct control_reply {
	int fd;
	enum { REPLY_NONE, REPLY_STREAM, REPLY_CONTENT, REPLY_DONE } state;
	size_t content_left;
	bool gone; /* nothing more can be sent */
};

#endif
