/*
 * The control socket: a unix stream socket on which one JSON object per line asks, and one answers.
 *
 *   -> {"v":1,"cmd":"route","address":"anna@example.org"}
 *   <- {"v":1,"ok":true,...}            or {"v":1,"ok":false,"error":"...","code":"usage"}
 *
 * A streaming reply has {"v":1,"ok":true,"stream":true} first, then a line for each item, then
 * {"end":true,...}. A reply with content has "bytes":N in its line and N raw bytes after it.
 * A request line is at most CONTROL_LINE_MAX bytes; a client that is silent for 30 s is closed. The socket has mode 0660;
 * a peer must be root, run under our own uid, or be in the socket's group (SO_PEERCRED and its
 * groups), whatever the mode of the file lets through.
 */
#ifndef RESTANTE_LIB_CONTROL_H
#define RESTANTE_LIB_CONTROL_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/json.h"

#define CONTROL_VERSION  1
#define CONTROL_LINE_MAX 65536

struct control_reply;

/* A handler answers exactly once: with ok, with fail, or with stream ... end. */
typedef void (*control_handler)(void *context, const struct json *request,
	struct control_reply *reply);

struct control_command {
	const char *name;
	control_handler handler;
};

/* fields (may be NULL) are taken; "v" and "ok" are added. */
void control_ok(struct control_reply *reply, struct json *fields);
/* code: "usage", "notfound", "refused", "trouble". */
void control_fail(struct control_reply *reply, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* To `reload`: result < 0 = refused with `error`; else the settings that need a restart. Frees both. */
void control_reloaded(struct control_reply *reply, int result, struct str *unchanged, struct str *error);
/* -1 once the peer is gone: stop sending. */
int control_stream(struct control_reply *reply);
int control_item(struct control_reply *reply, struct json *item); /* takes item */
int control_end(struct control_reply *reply, struct json *fields);
/* After it exactly `bytes` bytes through control_bytes. */
int control_content(struct control_reply *reply, struct json *fields, size_t bytes);
int control_bytes(struct control_reply *reply, const void *data, size_t len);

struct control_server;

/*
 * Listens and serves each client in a thread of its own (at most 32 at once, more wait).
 * group (gid_t)-1: leave the socket's group. commands ends with a NULL name. NULL with *error_r.
 * A stale socket of a dead process is replaced, a live one is an error.
 */
struct control_server *control_serve(const char *path, gid_t group,
	const struct control_command *commands, void *context, const char **error_r);
void control_stop(struct control_server **server); /* waits for running handlers */

struct control_client;

struct control_client *control_connect(const char *path, const char **error_r);
void control_close(struct control_client **client);
/* Sends the request ("v" is added; it stays the caller's) and reads one reply line; NULL with
 * *error_r on a broken link. A reply with "ok":false is returned like any other. The caller frees it. */
struct json *control_ask(struct control_client *client, struct json *request,
	const char **error_r);
struct json *control_next(struct control_client *client, const char **error_r);
/* Reads raw content, no more than was announced; the number of bytes read (at least 1 unless size is
 * 0), -1 with *error_r, also when the daemon closed too early. */
ssize_t control_read(struct control_client *client, void *buffer, size_t size,
	const char **error_r);

#endif
