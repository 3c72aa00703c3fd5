/*
 * What restante-milter answers on its control socket: docs/control.md has requests and answers,
 * lib/control.h the frame. Beyond that page: `reload` does what SIGHUP does, and answers with
 * `unchanged`, the names of changed settings that need a restart; `queue.stats` has `held`, the
 * first 200 mailboxes with their share; recipients have `mailbox_uuid` beside the name.
 */
#ifndef RESTANTE_MILTER_COMMANDS_H
#define RESTANTE_MILTER_COMMANDS_H

#include "lib/control.h"
#include "queue/holdq.h"

/* Ends with a NULL name; the context is the struct front. */
extern const struct control_command commands[];

struct front;
struct json *commands_queue_totals(struct front *front);
/* The message that is asked for; NULL: the reply is given. */
struct holdq_message *commands_read(
	struct front *front, const struct json *request, struct control_reply *reply);
void commands_fail(struct control_reply *reply, enum holdq_result result, uint64_t id);

/* The queue.* commands; milter/commands_queue.c. */
void command_queue_list(void *context, const struct json *request, struct control_reply *reply);
void command_queue_show(void *context, const struct json *request, struct control_reply *reply);
void command_queue_cat(void *context, const struct json *request, struct control_reply *reply);
void command_queue_release(void *context, const struct json *request, struct control_reply *reply);
void command_queue_stats(void *context, const struct json *request, struct control_reply *reply);

/* milter/commands_change.c */
void command_queue_delete(void *context, const struct json *request, struct control_reply *reply);
void command_queue_bounce(void *context, const struct json *request, struct control_reply *reply);
void command_queue_redirect(void *context, const struct json *request, struct control_reply *reply);

#endif
