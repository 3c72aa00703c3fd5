#include "milter/connection.h"

#include "lib/log.h"
#include "lib/mem.h"

struct connection *connection_new(struct front *front)
{
	struct connection *c = mem_zalloc(sizeof *c);

	c->front = front;
	atomic_fetch_add(&front->connections, 1);
	return c;
}

/* Once the stores are closed a draft must be left alone; the process is ending. */
static void drop_content(struct connection *c)
{
	uint64_t token;

	if (c->content.draft == NULL) {
		content_reset(&c->content);
	} else if (front_enter(c->front, &token)) {
		content_reset(&c->content);
		front_leave(c->front, token);
	}
}

static void end_transaction(struct connection *c)
{
	drop_content(c);
	if (!c->envelope.open)
		return;
	envelope_end(&c->envelope);
	atomic_fetch_sub(&c->front->transactions, 1);
}

void connection_free(struct connection **connection)
{
	struct connection *c = *connection;

	if (c == NULL)
		return;
	end_transaction(c);
	lateness_slot_free(c->front->lateness, &c->late);
	atomic_fetch_sub(&c->front->connections, 1);
	envelope_free(&c->envelope);
	if (c->content.draft == NULL)
		content_free(&c->content);
	str_free(&c->scratch);
	mem_free(connection);
}

void connection_event(struct connection *c)
{
	lateness_event(c->front->lateness, &c->late);
}

void connection_mail(struct connection *c, char *const *arguments, const char *auth_user)
{
	end_transaction(c);
	atomic_fetch_add(&c->front->transactions, 1);
	envelope_begin(&c->envelope, arguments, auth_user);
}

void connection_abort(struct connection *c)
{
	end_transaction(c);
}

/* Or has held mail that is still to be released: the message may be a repeat of that. */
static bool anybody_held(void *context)
{
	struct connection *c = context;
	bool held = false;

	for (size_t i = 0; i < c->envelope.count && !held; i++) {
		struct address address;
		struct route route;
		const char *error;
		if (address_parse_path(envelope_argument(&c->envelope, i), &address, &error) < 0)
			continue;
		front_route(c->front, &address, &route);
		held = route.verdict == ROUTE_HOLD ||
		       (route.verdict == ROUTE_REWRITE &&
			       holdq_has(c->front->queue, route.facts.uuid));
	}
	return held;
}

static struct content_capture capture(struct connection *c)
{
	return (struct content_capture){
		.wanted = anybody_held,
		.context = c,
		.queue = c->front->queue,
		.sender = envelope_text(&c->envelope, c->envelope.sender),
	};
}

/* Most content never comes near the stores, and needs no leave to. */
static bool enter_for(struct connection *c, size_t len, uint64_t *token_r)
{
	*token_r = 0;
	return content_in_memory(&c->content, len) || front_enter(c->front, token_r);
}

static void leave(struct connection *c, uint64_t token)
{
	if (token)
		front_leave(c->front, token);
}

void connection_header(struct connection *c, const char *name, const char *value)
{
	uint64_t token;

	if (!c->envelope.open || !enter_for(c, 0, &token))
		return;
	struct content_capture how = capture(c);
	content_header(&c->content, name, value, c->leading_space, &how);
	leave(c, token);
}

bool connection_body(struct connection *c, const void *data, size_t len)
{
	uint64_t token;

	if (!c->envelope.open || !enter_for(c, len, &token))
		return false;
	struct content_capture how = capture(c);
	bool more = content_body(&c->content, data, len, &how);
	leave(c, token);
	return more;
}
