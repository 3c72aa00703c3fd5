#include "lib/route.h"

#include <stddef.h>
#include <stdio.h>
#include <strings.h>

static const char *const state_names[] = { "active", "holding", "deferred", "unknown" };

static const char *const verdict_names[] = { "leave", "rewrite", "hold", "nobody", "defer",
	"tryagain" };

enum route_state route_state_parse(const char *text)
{
	if (text == NULL || *text == '\0')
		return STATE_ACTIVE;
	for (int s = STATE_ACTIVE; s <= STATE_DEFERRED; s++)
		if (strcasecmp(text, state_names[s]) == 0)
			return (enum route_state)s;
	return STATE_UNKNOWN;
}

const char *route_state_name(enum route_state state)
{
	return state_names[state];
}

const char *route_uuid_text(char *buffer, const uint8_t *uuid)
{
	size_t n = 0;

	for (size_t i = 0; i < ROUTE_UUID_BYTES; i++)
		n += (size_t)snprintf(buffer + n, ROUTE_UUID_TEXT - n, "%s%02x",
			i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	return buffer;
}

const char *route_verdict_name(enum route_verdict verdict)
{
	return verdict_names[verdict];
}

static enum route_verdict say(struct route *route, enum route_verdict verdict, const char *reason)
{
	route->reason = reason;
	return verdict;
}

static enum route_verdict decide_nobody(const struct route_facts *facts, struct route *route)
{
	if (facts->vanished)
		return say(route, ROUTE_TRYAGAIN, "address vanished lately");
	if (!facts->current)
		return say(route, ROUTE_TRYAGAIN, "address unknown, directory copy not current");
	return say(route, ROUTE_NOBODY, "no such mailbox");
}

static enum route_verdict decide_mailbox(const struct route_facts *facts, struct route *route)
{
	enum route_state state = facts->mailbox_state > facts->system_state ? facts->mailbox_state
									    : facts->system_state;

	switch (state) {
	case STATE_UNKNOWN: return say(route, ROUTE_TRYAGAIN, "unknown state of mailbox or system");
	case STATE_DEFERRED: return say(route, ROUTE_DEFER, "mailbox in transfer");
	case STATE_HOLDING: return say(route, ROUTE_HOLD, "mailbox is held");
	case STATE_ACTIVE: break;
	}
	if (facts->physical[0] == '\0')
		return say(route, ROUTE_TRYAGAIN,
			facts->physical_fault ? facts->physical_fault
					      : "mailbox has no physical address");
	return say(route, ROUTE_REWRITE, "mailbox is active");
}

static enum route_verdict decide(const struct route_facts *facts, struct route *route)
{
	if (!facts->loaded)
		return say(route, ROUTE_TRYAGAIN, "directory copy not loaded yet");
	if (facts->trouble)
		return say(route, ROUTE_TRYAGAIN, "directory copy cannot be read");
	if (!facts->federated)
		return say(route, ROUTE_LEAVE, "domain is not federated");
	if (!facts->node_enabled)
		return say(route, ROUTE_TRYAGAIN, "this front door is not enabled");
	if (facts->match == MATCH_NONE)
		return decide_nobody(facts, route);
	if (facts->claims > 1)
		return say(route, ROUTE_TRYAGAIN, "more than one mailbox claims the address");
	return decide_mailbox(facts, route);
}

void route_decide(const struct route_facts *facts, struct route *route_r)
{
	route_r->facts = *facts;
	route_r->verdict = decide(facts, route_r);
}
