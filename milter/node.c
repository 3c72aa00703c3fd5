/* The agent's thread: epochs, the drain's reports, the heartbeat. */
#include "milter/node_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "milter/front.h"

#define NEVER INT64_MAX

void node_wake(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	n->woken = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}

static void wake_callback(void *context)
{
	node_wake(context);
}

/* --- epochs ---------------------------------------------------------------------------------- */

static bool may_acknowledge(struct node *n, const struct replica_view *view)
{
	if (view->refused_deletes && !n->refusal_said)
		log_error("node",
			"%" PRIu64 " entries vanished at once; nothing is acknowledged "
			"until: restante node approve",
			view->refused_deletes);
	n->refusal_said = view->refused_deletes != 0;
	return !n->twin_said && view->loaded && view->epoch_covered && view->refused_deletes == 0 &&
	       n->mark != NODEMARK_CUT_OFF &&
	       (view->node == NODE_ENABLED || view->node == NODE_DISABLING);
}

/* Not compared with what this process acknowledged before but for being just that: a directory
 * that was restored from a backup counts on from a smaller number. */
static bool is_news(const struct node *n, const struct replica_view *view)
{
	return view->epoch > view->node_acked && view->epoch != n->acked && view->epoch != n->ready;
}

/* The view was read first; now its knowledge is made durable, then decisions older than that end.
 */
static void begin_epoch(struct node *n, const struct replica_view *view)
{
	const char *error;

	if (n->pending || !is_news(n, view) || !may_acknowledge(n, view))
		return;
	if (replica_sync(n->front->replica, &error) < 0) {
		front_broken(n->front, "replica", error);
		return;
	}
	if (!node_record_level(n, view->epoch_csn))
		return;
	n->pending = view->epoch;
	n->pending_mark = decisions_mark(n->front->decisions);
	decisions_watch(n->front->decisions, n->pending_mark, wake_callback, n);
}

static void end_epoch(struct node *n)
{
	if (n->pending == 0 || !decisions_passed(n->front->decisions, n->pending_mark))
		return;
	n->ready = n->pending;
	n->pending = 0;
	n->drain_begun = true;
	drain_epoch(n->drain, n->ready);
}

/* After a start: what an earlier process reported as undrained may be gone meanwhile. */
static void resume_drain(struct node *n, const struct replica_view *view)
{
	if (n->drain_begun || !may_acknowledge(n, view) || view->node_acked == 0 ||
		view->epoch > view->node_acked)
		return;
	n->drain_begun = true;
	n->acked = n->ready = view->node_acked;
	drain_epoch(n->drain, view->node_acked);
}

static void collect_report(struct node *n)
{
	struct drain_report report;

	if (!drain_take(n->drain, &report))
		return;
	if (n->have_report)
		drain_report_free(&n->report);
	n->report = report;
	n->have_report = true;
}

/* --- writing --------------------------------------------------------------------------------- */

/* It has to change each time, for its coming back is what tells that the replica is current. */
static void next_heartbeat(const struct node *n, char *text, size_t size)
{
	int64_t now = clock_wall_us();

	clock_generalized(text, size, now);
	if (strncmp(text, n->heartbeat, 14) == 0)
		snprintf(text + 14, size - 14, ".%06dZ", (int)(now % CLOCK_SECOND));
}

static void add_report(struct node *n, struct node_changes *c)
{
	node_changes_number(c, "restanteDrainedEpoch", n->report.epoch);
	node_changes_values(c, "restanteUndrained",
		n->report.count ? (const char *const *)n->report.undrained : NULL);
}

/* A report counts for an epoch that is acknowledged, or will be by the same modify. */
static void collect_changes(struct node *n, struct node_changes *c)
{
	struct holdq_totals totals;
	char heartbeat[32];

	if (n->ready != n->acked)
		node_changes_number(c, "restanteAckEpoch", n->ready);
	if (n->have_report)
		add_report(n, c);
	if (c->count == 0 && clock_mono_us() < n->heartbeat_at)
		return;
	next_heartbeat(n, heartbeat, sizeof heartbeat);
	twin_wrote(&n->twin, heartbeat);
	node_changes_text(c, "restanteHeartbeat", heartbeat);
	holdq_totals(n->front->queue, &totals);
	node_changes_number(c, "restanteMessagesHeld", totals.messages);
}

static void written(struct node *n, const struct node_changes *c)
{
	int64_t now = clock_wall_us();

	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i].attribute, "restanteHeartbeat") == 0)
			snprintf(n->heartbeat, sizeof n->heartbeat, "%s", c->values[i][0]);
	silence_wrote(&n->silence, clock_mono_us());
	n->heartbeat_at = clock_mono_us() + n->front->config->milter.heartbeat;
	pthread_mutex_lock(&n->lock);
	n->shown.heartbeat_us = now;
	if (n->ready != n->acked) {
		n->shown.acked = n->ready;
		n->shown.acked_us = now;
	}
	if (n->have_report)
		n->shown.drained = n->report.epoch;
	pthread_mutex_unlock(&n->lock);
	if (n->ready != n->acked) {
		n->acked = n->ready;
		log_info("node", "acknowledged epoch=%" PRIu64, n->acked);
	}
	if (n->have_report) {
		log_info("node", "drained epoch=%" PRIu64 " undrained=%zu", n->report.epoch,
			n->report.count);
		drain_report_free(&n->report);
		n->have_report = false;
	}
}

static void write_entry(struct node *n, const char *dn)
{
	struct node_changes changes = { .count = 0 };

	collect_changes(n, &changes);
	if (changes.count && node_entry_write(n->entry, dn, &changes, NULL) == LDAP_DONE)
		written(n, &changes);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* After a failure the directory is left alone for a while. */
static bool must_wait(const struct node *n, int64_t *retry_at_r)
{
	*retry_at_r = node_entry_retry_at(n->entry);
	return *retry_at_r > clock_mono_us();
}

/* One look at everything; until when there is nothing to do unless it is woken. */
static int64_t step(struct node *n)
{
	struct replica_view view;

	replica_view(n->front->replica, &view);
	front_follow(n->front, &view);
	node_follow_state(n, &view);
	node_watch_level(n);
	node_watch_twin(n, &view);
	int64_t silent_at = node_watch_silence(n, &view);
	begin_epoch(n, &view);
	end_epoch(n);
	resume_drain(n, &view);
	collect_report(n);
	bool leave = node_may_leave(n, &view);
	if (view.node_dn[0] == '\0')
		return NEVER;
	int64_t retry_at = 0;
	/* first, for it holds for the version in view: a heartbeat would make another */
	if (!must_wait(n, &retry_at) && leave)
		node_leave(n, &view);
	if (!must_wait(n, &retry_at))
		write_entry(n, view.node_dn);
	int64_t next = must_wait(n, &retry_at) ? retry_at : n->heartbeat_at;
	next = silent_at < next ? silent_at : next;
	/* What empties the queue does not wake this thread. */
	int64_t soon = clock_mono_us() + CLOCK_SECOND;
	return view.node == NODE_DISABLING && soon < next ? soon : next;
}

static bool wait_until(struct node *n, int64_t deadline_us)
{
	pthread_mutex_lock(&n->lock);
	while (!n->woken && !n->stop) {
		if (deadline_us == NEVER)
			pthread_cond_wait(&n->wake, &n->lock);
		else if (clock_cond_wait_until(&n->wake, &n->lock, deadline_us) != 0)
			break;
	}
	n->woken = false;
	bool go_on = !n->stop;
	pthread_mutex_unlock(&n->lock);
	return go_on;
}

static void *run(void *context)
{
	struct node *n = context;

	while (wait_until(n, step(n)))
		;
	return NULL;
}

static void drain_settings(
	void *context, char **command_r, int64_t *timeout_us_r, char **delimiters_r)
{
	struct front *front = ((struct node *)context)->front;

	pthread_mutex_lock(&front->config_lock);
	*command_r = mem_strdup(front->config->milter.queue_list);
	*timeout_us_r = front->config->milter.queue_list_timeout;
	*delimiters_r = mem_strdup(front->config->milter.recipient_delimiter);
	pthread_mutex_unlock(&front->config_lock);
}

struct node *node_start(struct front *front)
{
	struct node *n = mem_zalloc(sizeof *n);
	struct drain_hooks hooks = { n, drain_settings, wake_callback };

	n->front = front;
	pthread_mutex_init(&n->lock, NULL);
	clock_cond_init(&n->wake);
	n->entry = node_entry_new(front->config);
	silence_begin(&n->silence, clock_mono_us());
	node_read_mark(n);
	node_watch_level(n);
	n->drain = drain_start(front->replica, front->lateness, &hooks);
	if (n->drain == NULL || pthread_create(&n->thread, NULL, run, n) != 0)
		return NULL;
	return n;
}

void node_stop(struct node **node)
{
	struct node *n = *node;

	if (n == NULL)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_broadcast(&n->wake);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	decisions_watch(n->front->decisions, 0, NULL, NULL);
	lateness_interrupt(n->front->lateness);
	drain_stop(&n->drain);
	if (n->have_report)
		drain_report_free(&n->report);
	node_entry_free(&n->entry);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	mem_free(node);
}

void node_totals(struct node *n, struct node_totals *totals_r)
{
	pthread_mutex_lock(&n->lock);
	totals_r->acked = n->shown.acked;
	totals_r->drained = n->shown.drained;
	pthread_mutex_unlock(&n->lock);
	node_entry_totals(n->entry, totals_r);
}

void node_status(struct node *n, struct json *object)
{
	struct json *drain = json_new_object();

	pthread_mutex_lock(&n->lock);
	json_set_int(object, "acked", (int64_t)n->shown.acked);
	json_set_int(object, "acked_us", n->shown.acked_us);
	json_set_int(object, "drained", (int64_t)n->shown.drained);
	json_set_int(object, "heartbeat_us", n->shown.heartbeat_us);
	pthread_mutex_unlock(&n->lock);
	node_entry_status(n->entry, object);
	drain_status(n->drain, drain);
	json_set(object, "drain", drain);
}
