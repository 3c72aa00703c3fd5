/* What the entry says that this front door is: enabled, leaving, or cut off by force. */
#include "milter/node_core.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "milter/decisions.h"
#include "milter/front.h"

static const char *const state_names[] = { "absent", "enabled", "disabling", "disabled",
	"unknown" };

/* What is decided and released depends on it. */
static void tell_mark(struct node *n)
{
	struct release *release = atomic_load(&n->front->release);

	atomic_store(&n->front->recorded, n->mark == NODEMARK_SERVING);
	if (release != NULL)
		release_wake(release, NULL);
}

static void set_mark(struct node *n, enum nodemark mark)
{
	struct str error = STR_INIT;

	if (n->mark == mark)
		return;
	if (nodemark_write(n->front->config->milter.queue_dir, mark, n->level, &error) < 0)
		log_error("node", "cannot record durably that this front door is %s: %s",
			nodemark_name(mark), str_cstr(&error));
	else
		n->mark = mark;
	tell_mark(n);
	str_free(&error);
}

bool node_record_level(struct node *n, const char *csn)
{
	struct str error = STR_INIT;
	bool there = strcmp(n->level, csn) == 0 ||
		     nodemark_write(n->front->config->milter.queue_dir, n->mark, csn, &error) == 0;

	if (there)
		snprintf(n->level, sizeof n->level, "%s", csn);
	else if (!n->level_failed)
		log_error("node", "nothing is acknowledged: cannot record what the replica has: %s",
			str_cstr(&error));
	n->level_failed = !there;
	str_free(&error);
	return there;
}

static void say_state(struct node *n, enum node_state state)
{
	const char *name = n->front->config->milter.node;

	if (n->state_said && n->state == state)
		return;
	n->state = state;
	n->state_said = true;
	switch (state) {
	case NODE_ABSENT:
		log_error("node",
			"there is no entry for this front door; federated recipients are "
			"answered 451 until: restante node enable %s",
			name);
		break;
	case NODE_UNKNOWN:
		log_error("node",
			"the state of this front door's entry is not understood; federated "
			"recipients are answered 451 until: restante node enable %s",
			name);
		break;
	case NODE_DISABLED:
		log_warning("node",
			"this front door is disabled; federated recipients are answered "
			"451 until: restante node enable %s",
			name);
		break;
	case NODE_DISABLING:
	case NODE_ENABLED: log_info("node", "state=%s node=%s", state_names[state], name); break;
	}
}

static void cut_off(struct node *n)
{
	if (!atomic_exchange(&n->front->cut_off, true))
		log_error("node",
			"this front door was disabled by force: it serves and releases "
			"nothing until its held mail is dealt with (restante queue list) and %s "
			"and "
			"%s are emptied",
			n->front->config->milter.queue_dir, n->front->config->milter.replica_dir);
	set_mark(n, NODEMARK_CUT_OFF);
}

/* In between it may have been enabled, and served: then all is waited for anew. */
static void follow_leaving(struct node *n, const struct replica_view *view)
{
	bool leaving = view->node == NODE_DISABLING;
	bool same = leaving && strcmp(n->leaving_since, view->node_mark) == 0;

	if (same)
		return;
	drain_leave(n->drain, false);
	n->leaving_mark = leaving ? decisions_mark(n->front->decisions) : 0;
	snprintf(n->leaving_since, sizeof n->leaving_since, "%s", leaving ? view->node_mark : "");
}

void node_follow_state(struct node *n, const struct replica_view *view)
{
	if (!view->loaded)
		return;
	say_state(n, view->node);
	if (n->mark == NODEMARK_CUT_OFF ||
		(view->node == NODE_DISABLED && n->mark == NODEMARK_SERVING))
		cut_off(n);
	else if (view->node == NODE_ENABLED)
		set_mark(n, NODEMARK_SERVING);
	follow_leaving(n, view);
}

void node_read_mark(struct node *n)
{
	struct str error = STR_INIT;

	n->mark = nodemark_read(n->front->config->milter.queue_dir, n->level, &error);
	if (error.len)
		log_error("node", "%s", error.data);
	if (n->mark == NODEMARK_CUT_OFF)
		cut_off(n);
	tell_mark(n);
	str_free(&error);
}

/* --- leaving -------------------------------------------------------------------------------- */

/* It holds nothing, decides nothing that could be held, and no message of its is on its way to the
 * MTA. */
static bool holds_nothing(struct node *n, const struct replica_view *view)
{
	struct holdq_totals totals;
	struct release *release = atomic_load(&n->front->release);

	if (view->node != NODE_DISABLING || !view->node_durable || n->mark == NODEMARK_CUT_OFF ||
		n->leaving_mark == 0 || !decisions_passed(n->front->decisions, n->leaving_mark) ||
		lateness_until(n->front->lateness, NULL, "") != 0)
		return false;
	holdq_totals(n->front->queue, &totals);
	return totals.messages == 0 && (release == NULL || !release_busy(release));
}

/* And nothing is left in the MTA's queue: no fence waits for that once the node is `disabled`. */
bool node_may_leave(struct node *n, const struct replica_view *view)
{
	bool nothing = holds_nothing(n, view);

	drain_leave(n->drain, nothing);
	return nothing && drain_left(n->drain);
}

/*
 * Recorded before it is written, and also where the answer is lost or says that the state is
 * another by now: our own `disabled` must not be taken for somebody else's. The write holds for the
 * version that was judged: executed later, it would find `disabling` again of a front door that was
 * enabled in between and holds mail.
 */
void node_leave(struct node *n, const struct replica_view *view)
{
	struct node_changes changes = { .count = 0 };
	char assertion[128];

	/* What was handed over must not come back in a loss of power: nobody would look. */
	if (holdq_sync(n->front->queue) != HOLDQ_OK)
		return;
	set_mark(n, NODEMARK_LEFT);
	if (n->mark != NODEMARK_LEFT)
		return;
	node_changes_text(&changes, "restanteNodeState", "disabled");
	node_changes_number(&changes, "restanteMessagesHeld", 0);
	snprintf(assertion, sizeof assertion, "(&(restanteNodeState=disabling)(entryCSN=%s))",
		view->node_csn);
	if (node_entry_write(n->entry, view->node_dn, &changes, assertion) != LDAP_DONE)
		return;
	log_info("node", "holds nothing any more, and nothing is queued: disabled");
}
