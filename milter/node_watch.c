/* What the agent notices, and nobody else would: a twin, an old replica, a directory that is
 * silent.
 */
#include "milter/node_core.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "milter/front.h"

/* In any three heartbeats of ours there is one of the other's. */
void node_watch_twin(struct node *n, const struct replica_view *view)
{
	int64_t hold_us = 3 * n->front->config->milter.heartbeat;
	bool there = twin_there(&n->twin, view->node_heartbeat, clock_mono_us(), hold_us);

	if (there && !n->twin_said)
		log_error("node",
			"somebody else writes this front door's entry: two of them run as node=%s; "
			"nothing is acknowledged until one is stopped, or has an entry of its own",
			n->front->config->milter.node);
	if (!there && n->twin_said)
		log_info("node", "nobody else writes this front door's entry any more");
	n->twin_said = there;
}

/* A vector never goes back while a process runs: once level, always level. */
void node_watch_level(struct node *n)
{
	bool was = atomic_load(&n->front->old);
	bool old = n->level[0] != '\0' && !replica_includes(n->front->replica, n->level);
	struct release *release = atomic_load(&n->front->release);

	atomic_store(&n->front->old, old);
	if (old && !was)
		log_error("node",
			"the replica is older than what this front door acknowledged, federated "
			"recipients are answered 451 until it is level again level=%s",
			n->level);
	if (old || !was)
		return;
	log_info("node", "the replica is level again with what this front door acknowledged");
	if (release != NULL)
		release_wake(release, NULL);
}

static void say_silence(struct node *n, bool silent)
{
	char human[32];
	int64_t lasted = clock_mono_us() - n->silence.since_us;

	if (silent && !n->silence_said)
		log_error("node",
			"cut off from the directory: its changes do not come any more; mail flows "
			"on the last known truth, unknown recipients hear 451, moves wait: check "
			"the directory server and the way to it since=%s",
			clock_human(human, sizeof human, lasted));
	if (!silent && n->silence_said)
		log_info("node", "the directory's changes come again");
	n->silence_said = silent;
}

int64_t node_watch_silence(struct node *n, const struct replica_view *view)
{
	int64_t again;
	bool back = n->heartbeat[0] != '\0' && strcmp(view->node_heartbeat, n->heartbeat) == 0;

	/* without an entry there is nothing to write, and that is said already */
	if (!view->loaded || view->node_dn[0] == '\0')
		return INT64_MAX;
	enum silence_verdict verdict = silence_judge(&n->silence, back, view->heartbeat_age_us,
		n->front->config->milter.heartbeat, clock_mono_us(), &again);
	say_silence(n, verdict != SILENCE_NONE);
	if (verdict == SILENCE_ELSEWHERE)
		consumer_elsewhere(n->front->consumer);
	return again;
}
