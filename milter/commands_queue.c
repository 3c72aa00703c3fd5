/* The queue.* commands of the control socket; docs/control.md says what they answer. */
#include "milter/commands.h"

#include <inttypes.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "milter/front.h"

#define PAGE        64 /* ids read at once */
#define LIMIT_MAX   10000
#define CONTENT_BUF 65536

/* --- one message as JSON -----------------------------------------------------------------------
 */

static struct json *recipient_json(struct front *f, const struct holdq_held_recipient *r)
{
	struct json *o = json_new_object();
	struct release *release = atomic_load(&f->release);
	char name[ADDRESS_MAX + 1], uuid[ROUTE_UUID_TEXT];

	replica_mailbox_name(f->replica, r->mailbox, name, sizeof name);
	if (memcmp(r->mailbox, holdq_notices, ROUTE_UUID_BYTES) == 0)
		strcpy(name, "(notice)");
	if (memcmp(r->mailbox, holdq_redirected, ROUTE_UUID_BYTES) == 0)
		strcpy(name, "(redirected)");
	json_set_int(o, "number", r->number);
	json_set_string(o, "address", r->address);
	json_set_string(o, "params", r->params);
	json_set_string(o, "mailbox", name);
	json_set_string(o, "mailbox_uuid", route_uuid_text(uuid, r->mailbox));
	if (release != NULL)
		json_set_string(o, "waits", release_waits(release, r->mailbox));
	json_set_int(o, "attempts", r->attempts);
	json_set_int(o, "release_began_us", r->release_began_us);
	json_set_int(o, "trouble_us", r->trouble_us);
	json_set_bool(o, "delay_told", r->delay_told);
	json_set_string(o, "last_reply", r->last_reply);
	return o;
}

static struct json *message_json(struct front *f, const struct holdq_message *m)
{
	struct json *o = json_new_object(), *recipients = json_new_array();

	json_set_int(o, "id", (int64_t)m->id);
	json_set_string(o, "log_id", m->envelope.id);
	json_set_string(o, "queue_id", m->envelope.queue_id);
	json_set_string(o, "sender", m->envelope.sender);
	json_set_string(o, "mail_params", m->envelope.mail_params);
	json_set_string(o, "client_name", m->envelope.client_name);
	json_set_string(o, "client_address", m->envelope.client_address);
	json_set_string(o, "helo", m->envelope.helo);
	json_set_string(o, "auth_user", m->envelope.auth_user);
	json_set_int(o, "bytes", (int64_t)m->bytes);
	json_set_int(o, "arrived_us", m->envelope.arrived_us);
	for (size_t i = 0; i < m->count; i++)
		json_add(recipients, recipient_json(f, &m->recipients[i]));
	json_set(o, "recipients", recipients);
	return o;
}

void commands_fail(struct control_reply *reply, enum holdq_result result, uint64_t id)
{
	if (result == HOLDQ_GONE)
		control_fail(reply, "notfound", "no held message %" PRIu64, id);
	else
		control_fail(reply, "trouble", "hold queue: %s", holdq_reason());
}

static bool get_id(const struct json *request, struct control_reply *reply, uint64_t *id_r)
{
	int64_t id = json_get_int(request, "id", 0);

	if (id <= 0)
		control_fail(reply, "usage", "the number of a message is needed as id");
	*id_r = (uint64_t)id;
	return id > 0;
}

/* --- which mailbox ------------------------------------------------------------------------------
 */

enum scope { SCOPE_ALL, SCOPE_ONE, SCOPE_FAULT };

/* SCOPE_FAULT: the reply is given. */
static enum scope get_scope(struct front *f, const struct json *request,
	struct control_reply *reply, uint8_t *mailbox_r)
{
	const char *text = json_get_string(request, "address"), *error = "";
	struct address address;
	struct route route;

	if (text == NULL)
		return SCOPE_ALL;
	if (address_parse_path(text, &address, &error) < 0) {
		control_fail(reply, "usage", "%s: %s", text, error);
		return SCOPE_FAULT;
	}
	front_route(f, &address, &route);
	/* postmaster's fallback is an address, not a mailbox */
	if (route.facts.match == MATCH_NONE || route.facts.match == MATCH_POSTMASTER ||
		route.facts.claims > 1) {
		control_fail(reply, "notfound", "%s: %s", text,
			route.facts.claims > 1 ? "several mailboxes claim it"
					       : "no mailbox has this address");
		return SCOPE_FAULT;
	}
	memcpy(mailbox_r, route.facts.uuid, ROUTE_UUID_BYTES);
	return SCOPE_ONE;
}

/* --- commands -----------------------------------------------------------------------------------
 */

static size_t next_ids(
	struct front *f, const uint8_t *mailbox, uint64_t after, uint64_t *ids, size_t max)
{
	return mailbox ? holdq_ids(f->queue, mailbox, after, ids, max)
		       : holdq_all_ids(f->queue, after, ids, max);
}

/* Sends one message unless it left meanwhile; -1 once the client is gone. */
static int send_message(struct front *f, uint64_t id, struct control_reply *reply)
{
	struct holdq_message *message;

	if (holdq_read(f->queue, id, &message) != HOLDQ_OK)
		return 0;
	int done = control_item(reply, message_json(f, message));
	holdq_message_free(&message);
	return done;
}

static void stream_messages(struct front *f, const uint8_t *mailbox, uint64_t after, int64_t limit,
	struct control_reply *reply)
{
	uint64_t ids[PAGE], last = after;
	bool more = true;

	if (control_stream(reply) < 0)
		return;
	while (more && limit > 0) {
		size_t want = limit < PAGE ? (size_t)limit : PAGE;
		size_t count = next_ids(f, mailbox, last, ids, want);
		for (size_t i = 0; i < count; i++)
			if (send_message(f, last = ids[i], reply) < 0)
				return;
		limit -= (int64_t)count;
		more = count == want;
	}
	struct json *end = json_new_object();
	json_set_bool(end, "more", more && next_ids(f, mailbox, last, ids, 1) == 1);
	json_set_int(end, "last", (int64_t)last);
	control_end(reply, end);
}

void command_queue_list(void *context, const struct json *request, struct control_reply *reply)
{
	uint8_t mailbox[ROUTE_UUID_BYTES];
	int64_t limit = json_get_int(request, "limit", 1000);
	int64_t after = json_get_int(request, "after", 0);
	enum scope scope = get_scope(context, request, reply, mailbox);

	if (scope == SCOPE_FAULT)
		return;
	if (limit < 1 || limit > LIMIT_MAX)
		limit = LIMIT_MAX;
	stream_messages(context, scope == SCOPE_ONE ? mailbox : NULL,
		after > 0 ? (uint64_t)after : 0, limit, reply);
}

struct holdq_message *commands_read(
	struct front *f, const struct json *request, struct control_reply *reply)
{
	struct holdq_message *message;
	uint64_t id;

	if (!get_id(request, reply, &id))
		return NULL;
	enum holdq_result result = holdq_read(f->queue, id, &message);
	if (result == HOLDQ_OK)
		return message;
	commands_fail(reply, result, id);
	return NULL;
}

void command_queue_show(void *context, const struct json *request, struct control_reply *reply)
{
	struct front *f = context;
	struct holdq_message *message = commands_read(f, request, reply);

	if (message == NULL)
		return;
	control_ok(reply, message_json(f, message));
	holdq_message_free(&message);
}

static void send_content(struct front *f, uint64_t id, uint64_t bytes, struct control_reply *reply)
{
	char *buffer = mem_alloc(CONTENT_BUF);
	uint64_t at = 0;
	size_t len = 1;

	bool done = control_content(reply, NULL, bytes) == 0;
	while (done && len && at < bytes) {
		done = holdq_content(f->queue, id, at, buffer, CONTENT_BUF, &len) == HOLDQ_OK &&
		       control_bytes(reply, buffer, len) == 0;
		at += len;
	}
	mem_free(&buffer);
}

void command_queue_cat(void *context, const struct json *request, struct control_reply *reply)
{
	struct front *f = context;
	struct holdq_message *message = commands_read(f, request, reply);

	if (message == NULL)
		return;
	uint64_t id = message->id, bytes = message->bytes;
	holdq_message_free(&message);
	send_content(f, id, bytes, reply);
}

static int count_mailbox(void *context, const struct holdq_mailbox *mailbox)
{
	(void)mailbox;
	++*(int64_t *)context;
	return 0;
}

void command_queue_release(void *context, const struct json *request, struct control_reply *reply)
{
	struct front *f = context;
	struct release *release = atomic_load(&f->release);
	uint8_t mailbox[ROUTE_UUID_BYTES];
	int64_t mailboxes = 0;
	enum scope scope = get_scope(f, request, reply, mailbox);

	if (scope == SCOPE_FAULT)
		return;
	if (scope == SCOPE_ALL && !json_get_bool(request, "all", false)) {
		control_fail(reply, "usage", "queue.release needs an address, or all");
		return;
	}
	if (scope == SCOPE_ALL)
		holdq_each_mailbox(f->queue, count_mailbox, &mailboxes);
	else
		mailboxes = 1;
	if (release != NULL)
		release_retry_now(release, scope == SCOPE_ONE ? mailbox : NULL);
	struct json *o = json_new_object();
	json_set_int(o, "mailboxes", mailboxes);
	control_ok(reply, o);
}

#define STATS_MAX 200 /* mailboxes listed one by one: the answer is one line */

struct stats {
	struct front *front;
	struct json *held;
};

static int add_stats(void *context, const struct holdq_mailbox *mailbox)
{
	struct stats *stats = context;
	struct json *o = json_new_object();
	char name[ADDRESS_MAX + 1], uuid[ROUTE_UUID_TEXT];

	replica_mailbox_name(stats->front->replica, mailbox->mailbox, name, sizeof name);
	json_set_string(o, "mailbox", name);
	json_set_string(o, "mailbox_uuid", route_uuid_text(uuid, mailbox->mailbox));
	json_set_int(o, "recipients", (int64_t)mailbox->recipients);
	json_set_int(o, "bytes", (int64_t)mailbox->bytes);
	json_set_int(o, "oldest_us", mailbox->oldest_us);
	json_add(stats->held, o);
	return json_count(stats->held) >= STATS_MAX;
}

void command_queue_stats(void *context, const struct json *request, struct control_reply *reply)
{
	struct front *f = context;
	struct stats stats = { f, json_new_array() };
	struct json *o = commands_queue_totals(f);

	(void)request;
	holdq_each_mailbox(f->queue, add_stats, &stats);
	json_set(o, "held", stats.held);
	control_ok(reply, o);
}
