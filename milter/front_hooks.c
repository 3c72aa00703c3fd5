/* Where the parts meet: what the release asks, what the replica tells, what a look-up means here.
 */
#include "milter/front.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "milter/events.h"
#include "milter/settings.h"

bool front_is_reentry(const struct front *front, const char *daemon_name)
{
	const char *reentry = front->config->milter.reentry_daemon_name;

	return *reentry != '\0' && strcmp(daemon_name, reentry) == 0;
}

bool front_enter(struct front *front, uint64_t *token_r)
{
	*token_r = decisions_begin(front->decisions);
	/* After the beginning, so that whoever sets `closed` and then waits for the decisions in
	 * flight knows that nobody comes after them. */
	if (!atomic_load(&front->closed))
		return true;
	decisions_end(front->decisions, *token_r);
	return false;
}

void front_leave(struct front *front, uint64_t token)
{
	decisions_end(front->decisions, token);
}

void front_broken(struct front *front, const char *store, const char *reason)
{
	if (atomic_exchange(&front->broken, true))
		return;
	log_error("milter",
		"the %s is unusable, the process ends and is to be started again, "
		"which recovers it: %s",
		store, reason);
	events_raise(EVENT_BROKEN);
}

static void lookup(
	struct front *front, const struct address *address, bool releasing, struct route *route_r)
{
	struct route_facts facts;

	replica_lookup(front->replica, address, &facts);
	/* Not a deadlock or a full disk, which pass: recovery is what helps. */
	if (facts.trouble)
		front_broken(front, "replica", "it cannot be read");
	/* `<postmaster>` and other names without a domain belong to the MTA's own host. */
	if (!address->has_domain)
		facts.federated = false;
	/* A front door that is leaving still hands over what it holds. */
	if (releasing && atomic_load(&front->leaving))
		facts.node_enabled = true;
	else if (!atomic_load(&front->recorded))
		facts.node_enabled = false;
	if (atomic_load(&front->cut_off) || atomic_load(&front->old))
		facts.node_enabled = false;
	route_decide(&facts, route_r);
}

void front_route(struct front *front, const struct address *address, struct route *route_r)
{
	lookup(front, address, false, route_r);
}

static uint64_t hook_begin(void *context)
{
	return decisions_begin(((struct front *)context)->decisions);
}

static void hook_end(void *context, uint64_t token)
{
	decisions_end(((struct front *)context)->decisions, token);
}

static void hook_route(void *context, const char *recipient, struct route *route_r)
{
	struct address address;
	const char *error;

	if (address_parse_path(recipient, &address, &error) == 0) {
		lookup(context, &address, true, route_r);
		return;
	}
	memset(route_r, 0, sizeof *route_r);
	route_r->verdict = ROUTE_TRYAGAIN;
	route_r->reason = error;
}

/* 1, or -1. Without a protocol it is SMTP; without a word about TLS, TLS where it is offered. */
static int target_of(const struct replica_release *release, struct release_target *target_r,
	const char **error_r)
{
	bool lmtp = strcasecmp(release->protocol, "lmtp") == 0;
	int tls = *release->tls ? settings_tls_mode(release->tls) : RELEASE_TLS_MAY;

	if (!lmtp && *release->protocol && strcasecmp(release->protocol, "smtp") != 0) {
		*error_r = "the protocol is neither smtp nor lmtp";
		return -1;
	}
	if (tls < 0) {
		*error_r = "TLS is none of none, may, encrypt and verify";
		return -1;
	}
	target_r->tls = (enum release_tls)tls;
	snprintf(target_r->listener, sizeof target_r->listener, "%s:%s", lmtp ? "lmtp" : "smtp",
		release->address);
	return 1;
}

static int hook_straight(
	void *context, const char *system, struct release_target *target_r, const char **error_r)
{
	struct replica_release release;

	if (!replica_system_release(((struct front *)context)->replica, system, &release))
		return 0;
	return target_of(&release, target_r, error_r);
}

static void hook_unclear(void *context, const char *physical)
{
	lateness_unclear(((struct front *)context)->lateness, physical);
}

static void hook_name(void *context, const uint8_t *mailbox, char *name_r, size_t size)
{
	replica_mailbox_name(((struct front *)context)->replica, mailbox, name_r, size);
}

static bool hook_known(void *context, const uint8_t *mailbox)
{
	char name[2];

	replica_mailbox_name(((struct front *)context)->replica, mailbox, name, sizeof name);
	return name[0] != '\0';
}

static void hook_broken(void *context, const char *reason)
{
	front_broken(context, "hold queue", reason);
}

struct release_hooks front_release_hooks(struct front *front)
{
	return (struct release_hooks){ .context = front,
		.begin = hook_begin,
		.end = hook_end,
		.route = hook_route,
		.straight = hook_straight,
		.unclear = hook_unclear,
		.name = hook_name,
		.known = hook_known,
		.broken = hook_broken };
}

void front_follow(struct front *front, const struct replica_view *view)
{
	/* As with `enabled`: what was written before that state was must be known here. */
	atomic_store(&front->leaving, view->node == NODE_DISABLING && view->node_durable);
}

static void follow_view(struct front *front)
{
	struct replica_view view;

	replica_view(front->replica, &view);
	front_follow(front, &view);
	if (view.loaded && !atomic_exchange(&front->loaded, true))
		events_raise(EVENT_LOADED);
}

void front_observe(void *context, const uint8_t *uuid)
{
	struct front *front = context;
	struct release *release = atomic_load(&front->release);
	struct node *node = atomic_load(&front->node);

	if (uuid == NULL)
		follow_view(front);
	if (release != NULL)
		release_wake(release, uuid);
	if (node != NULL && uuid == NULL)
		node_wake(node);
}
