#include "config.h"

#include "milter/exposition.h"

#include <string.h>
#include <sys/statvfs.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/procstat.h"

/* Everything at one instant, as far as its owners let it be seen without stopping. */
struct scrape {
	const struct front *front;
	struct str *page;
	struct procstat process;
	int64_t started_us;
	uint64_t connections, transactions;
	struct holdq_totals queue;
	int64_t oldest_age_us;
	uint64_t queue_free;
	bool queue_room;
	struct release_totals release;
	uint64_t release_busy;
	struct release_figures targets[RELEASE_FIGURES_MAX];
	size_t target_count;
	const struct metric_histogram *held_times; /* NULL before the release runs */
	struct replica_view view;
	struct consumer_totals directory;
	struct node_totals node;
	bool node_writes, serving;
};

struct row {
	struct metric_family family;
	void (*write)(const struct scrape *scrape, const struct row *row);
	size_t offset; /* of the value in struct scrape */
};

/* --- plain values ----------------------------------------------------------------------------- */

static const void *value_at(const struct scrape *s, const struct row *row)
{
	return (const char *)s + row->offset;
}

static void write_number(const struct scrape *s, const struct row *row)
{
	metrics_number(s->page, &row->family, NULL, *(const uint64_t *)value_at(s, row));
}

static void write_flag(const struct scrape *s, const struct row *row)
{
	metrics_number(s->page, &row->family, NULL, *(const bool *)value_at(s, row));
}

static void write_seconds(const struct scrape *s, const struct row *row)
{
	metrics_seconds(s->page, &row->family, NULL, *(const int64_t *)value_at(s, row));
}

/* --- with labels ------------------------------------------------------------------------------ */

static void write_labelled(const struct scrape *s, const struct row *row, const char *label,
	const char *value, uint64_t number)
{
	const struct metric_label labels[] = { { label, value }, { NULL, NULL } };

	metrics_number(s->page, &row->family, labels, number);
}

static void write_build(const struct scrape *s, const struct row *row)
{
	write_labelled(s, row, "version", PACKAGE_VERSION, 1);
}

static void write_asked(const struct scrape *s, const struct row *row)
{
	for (int v = 0; v < METER_VERDICTS; v++)
		write_labelled(s, row, "verdict", route_verdict_name((enum route_verdict)v),
			metric_count(&s->front->meter.asked[v]));
}

static void write_recipients(const struct scrape *s, const struct row *row)
{
	const struct meter *meter = &s->front->meter;

	for (size_t slot = 0; slot <= METRIC_NAMES_MAX; slot++) {
		const char *system = metric_slot_name(&meter->systems, slot);
		for (int v = 0; v < METER_VERDICTS; v++) {
			uint64_t count = metric_count(&meter->recipients[v][slot]);
			const struct metric_label labels[] = {
				{ "verdict", route_verdict_name((enum route_verdict)v) },
				{ "system", system }, { NULL, NULL }
			};
			if (count > 0)
				metrics_number(s->page, &row->family, labels, count);
		}
	}
}

static void write_refused(const struct scrape *s, const struct row *row)
{
	static const char *const stages[METER_STAGES] = { "rcpt", "message" };

	for (int stage = 0; stage < METER_STAGES; stage++)
		for (int r = REPLY_NONE + 1; r < METER_REPLIES; r++) {
			const struct metric_label labels[] = { { "stage", stages[stage] },
				{ "reply", reply_name((enum reply)r) }, { NULL, NULL } };
			metrics_number(s->page, &row->family, labels,
				metric_count(&s->front->meter.refused[stage][r]));
		}
}

static void write_messages(const struct scrape *s, const struct row *row)
{
	static const char *const ways[METER_WAYS] = { "passed", "held", "both" };

	for (int way = 0; way < METER_WAYS; way++)
		write_labelled(
			s, row, "way", ways[way], metric_count(&s->front->meter.messages[way]));
}

static void write_held_times(const struct scrape *s, const struct row *row)
{
	metrics_histogram(s->page, &row->family, NULL, &s->front->meter.held, &metric_work);
}

static void write_passed_times(const struct scrape *s, const struct row *row)
{
	metrics_histogram(s->page, &row->family, NULL, &s->front->meter.passed, &metric_work);
}

static void write_commit_times(const struct scrape *s, const struct row *row)
{
	metrics_histogram(
		s->page, &row->family, NULL, holdq_commit_times(s->front->queue), &metric_work);
}

static void write_released(const struct scrape *s, const struct row *row)
{
	write_labelled(s, row, "outcome", "delivered", s->release.delivered);
	write_labelled(s, row, "outcome", "deferred", s->release.deferred);
	write_labelled(s, row, "outcome", "bounced", s->release.bounced);
	write_labelled(s, row, "outcome", "expired", s->release.expired);
}

static void write_trouble(const struct scrape *s, const struct row *row)
{
	for (size_t i = 0; i < s->target_count; i++)
		write_labelled(s, row, "target", s->targets[i].name, s->targets[i].trouble);
}

static void write_release_connections(const struct scrape *s, const struct row *row)
{
	for (size_t i = 0; i < s->target_count; i++)
		write_labelled(s, row, "target", s->targets[i].name, s->targets[i].connections);
}

static void write_release_times(const struct scrape *s, const struct row *row)
{
	for (size_t i = 0; i < s->target_count; i++) {
		const struct metric_label labels[] = { { "target", s->targets[i].name },
			{ NULL, NULL } };
		metrics_histogram(
			s->page, &row->family, labels, &s->targets[i].times, &metric_work);
	}
}

static void write_release_waits(const struct scrape *s, const struct row *row)
{
	if (s->held_times != NULL)
		metrics_histogram(s->page, &row->family, NULL, s->held_times, &metric_waiting);
}

static void write_node_state(const struct scrape *s, const struct row *row)
{
	static const char *const states[] = { "absent", "enabled", "disabling", "disabled",
		"unknown" };

	for (int state = NODE_ABSENT; state <= NODE_UNKNOWN; state++)
		write_labelled(
			s, row, "state", states[state], s->view.node == (enum node_state)state);
}

static void write_changes(const struct scrape *s, const struct row *row)
{
	write_labelled(s, row, "kind", "entry", s->directory.entries);
	write_labelled(s, row, "kind", "delete", s->directory.deletes);
	write_labelled(s, row, "kind", "cookie", s->directory.cookies);
}

/* --- all of them ------------------------------------------------------------------------------ */

#define COUNTER(name, help)                                                                        \
	{                                                                                          \
		"restante_" name, METRIC_COUNTER, help                                             \
	}
#define GAUGE(name, help)                                                                          \
	{                                                                                          \
		"restante_" name, METRIC_GAUGE, help                                               \
	}
#define HISTOGRAM(name, help)                                                                      \
	{                                                                                          \
		"restante_" name, METRIC_HISTOGRAM, help                                           \
	}
#define OF(field) offsetof(struct scrape, field)

/* clang-format off */
static const struct row rows[] = {
	{ GAUGE("build_info", "1; the label has the version."), write_build, 0 },
	{ { "process_start_time_seconds", METRIC_GAUGE, "When the process began, seconds since 1970." },
	  write_seconds, OF(started_us) },
	{ { "process_cpu_seconds_total", METRIC_COUNTER, "User and system time." },
	  write_seconds, OF(process.cpu_us) },
	{ { "process_resident_memory_bytes", METRIC_GAUGE, "Memory in RAM." },
	  write_number, OF(process.resident_bytes) },
	{ { "process_open_fds", METRIC_GAUGE, "Open descriptors." },
	  write_number, OF(process.descriptors) },
	{ { "process_max_fds", METRIC_GAUGE, "Most descriptors that may be open." },
	  write_number, OF(process.descriptors_max) },

	{ GAUGE("connections", "Connections of the MTA."), write_number, OF(connections) },
	{ GAUGE("transactions", "Messages between MAIL and the answer at their end."),
	  write_number, OF(transactions) },
	{ COUNTER("rcpt_total", "Recipients at RCPT, by what the directory says of them."), write_asked, 0 },
	{ COUNTER("refused_total", "Refusals, by what the client heard; of a recipient or a whole message."),
	  write_refused, 0 },
	{ COUNTER("messages_total", "Messages accepted: passed on, held, or both."), write_messages, 0 },
	{ COUNTER("recipients_total",
	  "Recipients of accepted messages, by the verdict at the end of the message and by system."),
	  write_recipients, 0 },
	{ HISTOGRAM("hold_duration_seconds", "From the end of a message to its answer, where it was held."),
	  write_held_times, 0 },
	{ HISTOGRAM("pass_duration_seconds", "The same of messages of which nothing was held."),
	  write_passed_times, 0 },

	{ GAUGE("held_messages", "Messages in the hold queue."), write_number, OF(queue.messages) },
	{ GAUGE("held_recipients", "Their recipients."), write_number, OF(queue.recipients) },
	{ GAUGE("held_bytes", "Their content."), write_number, OF(queue.bytes) },
	{ GAUGE("held_mailboxes", "Mailboxes that have held mail."), write_number, OF(queue.mailboxes) },
	{ GAUGE("held_oldest_age_seconds", "Age of the oldest held message; 0 = none."),
	  write_seconds, OF(oldest_age_us) },
	{ GAUGE("queue_room", "1 = more can be held, 0 = 452 to whoever is to be held."),
	  write_flag, OF(queue_room) },
	{ GAUGE("queue_free_bytes", "Free space of the file system of queue_dir."),
	  write_number, OF(queue_free) },
	{ COUNTER("queue_stored_total", "Messages stored."), write_number, OF(queue.stored) },
	{ COUNTER("queue_removed_total", "Messages removed: released, returned or deleted."),
	  write_number, OF(queue.removed) },
	{ COUNTER("queue_repeats_total", "Messages that were held already."),
	  write_number, OF(queue.repeats) },
	{ COUNTER("queue_refused_total", "Messages that could not be stored."),
	  write_number, OF(queue.refused) },
	{ COUNTER("queue_commits_total", "Transactions of the hold queue."),
	  write_number, OF(queue.batches) },
	{ HISTOGRAM("commit_duration_seconds", "A transaction of the hold queue, its sync included."),
	  write_commit_times, 0 },
	{ COUNTER("queue_syncs_total", "Syncs of the hold queue to disk."), write_number, OF(queue.syncs) },

	{ COUNTER("release_recipients_total", "What became of tries to release a held recipient."),
	  write_released, 0 },
	{ HISTOGRAM("release_duration_seconds",
	  "A transaction of the release, from the look-up to the answer, by target."),
	  write_release_times, 0 },
	{ HISTOGRAM("release_wait_seconds", "From the arrival of a held recipient's message to its delivery."),
	  write_release_waits, 0 },
	{ GAUGE("release_connections", "Open connections of the release, by target."),
	  write_release_connections, 0 },
	{ GAUGE("release_workers_busy", "Workers of the release that have a mailbox."),
	  write_number, OF(release_busy) },
	{ GAUGE("release_trouble", "1 = the target is in trouble and all mail for it waits."),
	  write_trouble, 0 },

	{ GAUGE("replica_loaded", "1 = the replica has a complete copy of the directory."),
	  write_flag, OF(view.loaded) },
	{ GAUGE("replica_current", "1 = its knowledge is fresh: unknown recipients hear 550."),
	  write_flag, OF(view.current) },
	{ GAUGE("replica_refreshing", "1 = a refresh is under way."), write_flag, OF(view.refreshing) },
	{ GAUGE("replica_mailboxes", "Mailboxes in the replica."), write_number, OF(view.mailboxes) },
	{ GAUGE("replica_addresses", "Addresses in the replica."), write_number, OF(view.addresses) },
	{ GAUGE("replica_refused_deletes",
	  "Entries of a mass disappearance that waits for restante node approve."),
	  write_number, OF(view.refused_deletes) },
	{ GAUGE("replica_lag_seconds",
	  "How old what the replica knows may be: since the last own heartbeat that came back was written."),
	  write_seconds, OF(view.heartbeat_age_us) },
	{ GAUGE("ldap_connected", "1 = a directory server sends its changes."),
	  write_flag, OF(directory.connected) },
	{ COUNTER("ldap_connects_total", "Connections to directory servers."),
	  write_number, OF(directory.connects) },
	{ COUNTER("ldap_refreshes_total", "Refreshes that were completed."),
	  write_number, OF(directory.refreshes) },
	{ COUNTER("ldap_changes_total", "Messages of the directory, by kind."), write_changes, 0 },
	{ GAUGE("ldap_write_ok", "1 = this front door's entry could be written the last time."),
	  write_flag, OF(node_writes) },
	{ COUNTER("ldap_writes_total", "Modifies of this front door's entry."),
	  write_number, OF(node.writes) },
	{ COUNTER("ldap_write_failures_total", "Modifies of it that failed."),
	  write_number, OF(node.failures) },

	{ GAUGE("node_state", "1 for the state of this front door's entry, 0 for all others."),
	  write_node_state, 0 },
	{ GAUGE("node_serving", "1 = this front door decides about mail; 0 = 451 to federated recipients."),
	  write_flag, OF(serving) },
	{ GAUGE("epoch", "Epoch of the federation, as the replica has it."), write_number, OF(view.epoch) },
	{ GAUGE("epoch_acknowledged", "Epoch that this front door has acknowledged."),
	  write_number, OF(node.acked) },
	{ GAUGE("epoch_drained", "Epoch for which its MTA's queue was listed last."),
	  write_number, OF(node.drained) },
};
/* clang-format on */

static uint64_t free_bytes(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

static void look_at_queue(struct front *f, struct scrape *s)
{
	holdq_totals(f->queue, &s->queue);
	int64_t age = clock_wall_us() - s->queue.oldest_us;
	s->oldest_age_us = s->queue.oldest_us == 0 || age < 0 ? 0 : age;
	s->queue_room = holdq_room(f->queue, NULL) == HOLDQ_OK;
	s->queue_free = free_bytes(f->config->milter.queue_dir);
}

static void look_at_directory(struct front *f, struct scrape *s)
{
	struct node *node = atomic_load(&f->node);

	replica_view(f->replica, &s->view);
	consumer_totals(f->consumer, &s->directory);
	if (node != NULL)
		node_totals(node, &s->node);
	s->node_writes = node != NULL && !s->node.failing;
	/* The directory knows what an earlier process wrote. */
	if (s->node.acked == 0)
		s->node.acked = s->view.node_acked;
	if (s->node.drained == 0)
		s->node.drained = s->view.node_drained;
	s->serving = s->view.loaded && s->view.node == NODE_ENABLED && s->view.node_durable &&
		     atomic_load(&f->recorded) && !atomic_load(&f->cut_off);
}

static void look_at_release(struct front *f, struct scrape *s)
{
	struct release *release = atomic_load(&f->release);

	if (release != NULL) {
		release_totals(release, &s->release);
		s->target_count = release_figures(release, s->targets);
		s->held_times = release_held_times(release);
	}
	s->release_busy = s->release.workers_busy;
}

void exposition_write(void *context, struct str *page)
{
	struct front *f = context;
	struct scrape s = { .front = f, .page = page };

	procstat_read(&s.process);
	s.started_us = f->started_us;
	s.connections = atomic_load(&f->connections);
	s.transactions = atomic_load(&f->transactions);
	look_at_queue(f, &s);
	look_at_release(f, &s);
	look_at_directory(f, &s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		metrics_family(page, &rows[i].family);
		rows[i].write(&s, &rows[i]);
	}
}

/* --- the server ------------------------------------------------------------------------------- */

void exposition_stop(struct front *f)
{
	metrics_stop(&f->metrics);
	mem_free(&f->metrics_at);
}

void exposition_configure(struct front *f)
{
	const struct config_milter *m = &f->config->milter;
	const char *error;

	if (f->metrics != NULL && m->metrics && strcmp(f->metrics_at, m->metrics_listen) == 0)
		return;
	exposition_stop(f);
	if (!m->metrics)
		return;
	f->metrics_at = mem_strdup(m->metrics_listen);
	f->metrics = metrics_serve(f->metrics_at, exposition_write, f, &error);
	if (f->metrics == NULL)
		log_error("metrics",
			"not served, mail is; set metrics_listen to a free address and reload: %s",
			error);
	else
		log_info("metrics", "served listen=%s", f->metrics_at);
}
