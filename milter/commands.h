/*
 * What restante-milter answers on its control socket (lib/control.h has the frame). Instants are
 * microseconds since 1970, intervals microseconds, sizes bytes, uuids text
 * ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"); a message's number is "id", the id= of the log "trace".
 *
 *   route {address}
 *       {address (normal form), verdict ("leave", "rewrite", "hold", "nobody", "defer",
 *       "tryagain"), reason, reply (what RCPT would hear: "250 2.1.5 ..."), loaded, current,
 *       node_enabled, federated, vanished, match ("none", "full", "bare", "catchall",
 *       "postmaster"), claims, mailbox, name, mailbox_state, system, system_state, physical}
 *       mailbox ... physical only where a mailbox matched.
 *   status
 *       {program, version, pid, node, started_us, uptime_us, stopping, connections, transactions,
 *       replica {...}, consumer {...}, view {...}, queue {...}, release {...}, agent {...}}
 *   queue.list {mailbox? | address?, after?, limit?}
 *       streams {id, arrived_us, bytes, sender, queue_id, trace, recipients: [{number, address,
 *       mailbox, name, attempts, release_began_us, last_reply}]}; ends with {more, last}
 *   queue.show {id}
 *       the same object plus mail_params, client_name, client_address, helo, auth_user; each
 *       recipient also params, delay_told, trouble_us
 *   queue.cat {id}
 *       {bytes} and the message, CRLF line ends
 *   queue.release {address | mailbox | all: true}
 *       {woken}: what waits is tried again now, its backoff forgotten
 *   queue.delete {id, recipient? (number)}
 *       {deleted}: recipients removed, without a notice to anybody; logged
 *   queue.stats
 *       streams {mailbox, name, recipients, bytes, oldest_us}; ends with {messages, recipients,
 *       bytes, mailboxes, oldest_us, stored, removed, repeats, refused, batches}
 *   node.approve
 *       {deleted}: the refused mass disappearance is applied
 *   reload
 *       {unchanged}: names of changed settings that need a restart; what SIGHUP does
 *
 * Errors: "usage" (a field is missing or malformed), "notfound", "refused", "trouble".
 */
#ifndef RESTANTE_MILTER_COMMANDS_H
#define RESTANTE_MILTER_COMMANDS_H

#include "lib/control.h"

/* Ends with a NULL name; the context is the struct front. */
extern const struct control_command commands[];

/* The queue.* commands; milter/commands_queue.c. */
void command_queue_list(void *context, const struct json *request, struct control_reply *reply);
void command_queue_show(void *context, const struct json *request, struct control_reply *reply);
void command_queue_cat(void *context, const struct json *request, struct control_reply *reply);
void command_queue_release(void *context, const struct json *request, struct control_reply *reply);
void command_queue_delete(void *context, const struct json *request, struct control_reply *reply);
void command_queue_stats(void *context, const struct json *request, struct control_reply *reply);

#endif
