/* What happens to a recipient at RCPT (DESIGN section 4, the table's middle column). */
#include "milter/connection.h"

#include <string.h>

#include "lib/log.h"

#define LOGGED 160 /* bytes of an address in a log line */

static enum reply refuse(
	const struct connection *c, const char *argument, enum reply reply, const char *reason)
{
	const struct reply_text *text = reply_text(reply);
	char to[LOGGED], from[LOGGED], why[LOGGED];
	void (*log)(const char *, const char *, ...) =
		reply_is_permanent(reply) ? log_info : log_warning;

	metric_add(&c->front->meter.refused[METER_RCPT][reply], 1);
	log("milter", "recipient refused id=%s to=%s from=%s client=%s reply=%s,%s reason=\"%s\"",
		c->envelope.id, log_value(to, sizeof to, argument),
		log_value(from, sizeof from, envelope_text(&c->envelope, c->envelope.sender)),
		c->client_address, text->code, text->enhanced, log_text(why, sizeof why, reason));
	return reply;
}

/*
 * What is no address by our parser may still be one to the MTA; it is our business only where its
 * domain is federated, or where that cannot be told.
 */
static enum reply take_malformed(struct connection *c, const char *argument, const char *error)
{
	struct str probe = STR_INIT;
	struct address address;
	struct route route;
	const char *at = strrchr(argument, '@'), *ignored;

	str_append_z(&probe, "postmaster");
	str_append_z(&probe, at ? at : "");
	if (probe.data[probe.len - 1] == '>')
		probe.data[--probe.len] = '\0';
	bool domain = at != NULL && address_parse(probe.data, &address, &ignored) == 0;
	str_free(&probe);
	if (!domain)
		return refuse(c, argument, REPLY_SYNTAX, error);
	front_route(c->front, &address, &route);
	if (route.verdict == ROUTE_LEAVE && !c->reentry)
		return REPLY_NONE;
	if (!route.facts.loaded || route.facts.trouble)
		return refuse(c, argument, REPLY_TRYAGAIN, route.reason);
	return refuse(c, argument, REPLY_SYNTAX, error);
}

static enum reply take_hold(struct connection *c, const char *argument, const struct route *route)
{
	switch (holdq_room(c->front->queue, route->facts.uuid)) {
	case HOLDQ_OK: return REPLY_NONE;
	case HOLDQ_FULL: return refuse(c, argument, REPLY_FULL, holdq_reason());
	case HOLDQ_BROKEN: front_broken(c->front, "hold queue", holdq_reason()); break;
	case HOLDQ_GONE:
	case HOLDQ_FAILED: break;
	}
	return refuse(c, argument, REPLY_STORE, holdq_reason());
}

static enum reply take(struct connection *c, const char *argument)
{
	struct address address;
	struct route route;
	const char *error;

	if (address_parse_path(argument, &address, &error) < 0)
		return take_malformed(c, argument, error);
	front_route(c->front, &address, &route);
	metric_add(&c->front->meter.asked[route.verdict], 1);
	enum reply reply = reply_for(route.verdict);
	if (reply != REPLY_NONE)
		return refuse(c, argument, reply, route.reason);
	if (route.verdict == ROUTE_LEAVE) {
		if (!c->reentry)
			return REPLY_NONE;
		return refuse(c, argument, REPLY_CIRCLE,
			"the MTA routes this domain to the re-entry listener, but it is not "
			"federated");
	}
	return route.verdict == ROUTE_HOLD ? take_hold(c, argument, &route) : REPLY_NONE;
}

enum reply connection_rcpt(struct connection *c, char *const *arguments)
{
	uint64_t token;

	if (atomic_load_explicit(&c->front->stopping, memory_order_relaxed) ||
		!front_enter(c->front, &token))
		return refuse(c, arguments[0], REPLY_STOPPING, "stopping");
	enum reply reply = take(c, arguments[0]);
	front_leave(c->front, token);
	if (reply == REPLY_NONE && envelope_add(&c->envelope, arguments) < 0)
		return refuse(c, arguments[0], REPLY_TOO_MANY, "too many recipients");
	return reply;
}
