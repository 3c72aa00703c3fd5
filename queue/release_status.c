/* What the release tells about itself. */
#include <string.h>

#include "lib/clock.h"
#include "queue/release_core.h"

bool release_busy(struct release *release)
{
	bool busy = false;

	pthread_mutex_lock(&release->lock);
	for (unsigned i = 0; i < release->worker_count; i++)
		busy = busy || release->workers[i]->transacting;
	pthread_mutex_unlock(&release->lock);
	return busy;
}

void release_totals(struct release *release, struct release_totals *totals_r)
{
	unsigned connections = 0;

	pthread_mutex_lock(&release->lock);
	for (const struct lane *lane = release->lanes; lane != NULL; lane = lane->next)
		connections += lane->connections;
	*totals_r = (struct release_totals){
		.delivered = atomic_load(&release->delivered),
		.deferred = atomic_load(&release->deferred),
		.bounced = atomic_load(&release->bounced),
		.expired = atomic_load(&release->expired),
		.connections = connections,
		.workers_busy = release->busy,
		.listener_trouble = release->mta->relay.trouble,
		.trouble_since_us = release->mta->relay.trouble ? release->mta->trouble_wall_us : 0,
	};
	pthread_mutex_unlock(&release->lock);
}

/* One that nobody uses any more may have been left in trouble. */
static bool is_waited_for(const struct release *release, const struct lane *lane)
{
	if (lane->busy > 0 || lane->line.head != NULL)
		return true;
	for (const struct box *box = box_next(&release->table, NULL); box != NULL;
		box = box_next(&release->table, box))
		if (box->state == BOX_PARKED && box->lane == lane)
			return true;
	return false;
}

/* Lanes that differ in TLS alone are one target. */
static struct release_figures *find_target(
	struct release_figures *targets, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	if (*count == RELEASE_FIGURES_MAX)
		return NULL;
	targets[*count] = (struct release_figures){ .name = name };
	return &targets[(*count)++];
}

size_t release_figures(
	struct release *release, struct release_figures targets_r[RELEASE_FIGURES_MAX])
{
	size_t count = 0;

	pthread_mutex_lock(&release->lock);
	find_target(targets_r, &count, "mta");
	for (const struct lane *lane = release->lanes; lane != NULL; lane = lane->next) {
		bool mta = lane == release->mta;
		struct release_figures *target =
			find_target(targets_r, &count, mta ? "mta" : lane->listener);
		if (target == NULL)
			break;
		target->trouble |= lane->relay.trouble && (mta || is_waited_for(release, lane));
		target->connections += lane->connections;
		metric_merge(&target->times, &lane->times);
	}
	pthread_mutex_unlock(&release->lock);
	return count;
}

const struct metric_histogram *release_held_times(const struct release *release)
{
	return &release->held_times;
}

static void count_mailboxes(struct release *release, size_t *states_r, size_t *vanished_r)
{
	*vanished_r = 0;
	pthread_mutex_lock(&release->lock);
	memcpy(states_r, release->table.states, sizeof release->table.states);
	for (const struct box *box = box_next(&release->table, NULL); box != NULL;
		box = box_next(&release->table, box))
		*vanished_r += box->state == BOX_RESTING && box->vanished > 0;
	pthread_mutex_unlock(&release->lock);
}

const char *release_waits(struct release *release, const uint8_t *mailbox)
{
	static const char *const names[BOX_STATES] = { "due", "due", "held", "undecided", "delayed",
		"listener", "delayed" };
	const char *name = "";

	pthread_mutex_lock(&release->lock);
	const struct box *box = box_find(&release->table, mailbox);
	if (box != NULL)
		name = box->state == BOX_RESTING && box->vanished > 0 ? "vanished"
								      : names[box->state];
	pthread_mutex_unlock(&release->lock);
	return name;
}

static struct json *mailboxes_json(struct release *release)
{
	static const char *const names[BOX_STATES] = { "runnable", "running", "held", "undecided",
		"delayed", "parked", "resting" };
	size_t states[BOX_STATES], vanished;
	struct json *object = json_new_object();

	count_mailboxes(release, states, &vanished);
	for (int i = 0; i < BOX_STATES; i++)
		json_set_int(object, names[i], (int64_t)states[i]);
	json_set_int(object, "vanished", (int64_t)vanished);
	return object;
}

static void set_trouble(struct json *object, const char *key, bool trouble, int64_t since_us)
{
	char since[32];

	json_set_bool(object, key, trouble);
	if (trouble)
		json_set_string(
			object, "trouble_since", clock_generalized(since, sizeof since, since_us));
}

/* Those past the MTA. */
static struct json *lanes_json(struct release *release)
{
	struct json *array = json_new_array();

	pthread_mutex_lock(&release->lock);
	for (const struct lane *lane = release->lanes; lane != NULL; lane = lane->next) {
		if (lane == release->mta)
			continue;
		struct json *object = json_new_object();
		json_set_string(object, "system", lane->system);
		json_set_string(object, "listener", lane->listener);
		json_set_int(object, "connections", lane->connections);
		set_trouble(object, "trouble", lane->relay.trouble, lane->trouble_wall_us);
		json_add(array, object);
	}
	pthread_mutex_unlock(&release->lock);
	return array;
}

void release_status(struct release *release, struct json *object)
{
	struct release_totals totals;

	release_totals(release, &totals);
	json_set_int(object, "delivered", (int64_t)totals.delivered);
	json_set_int(object, "deferred", (int64_t)totals.deferred);
	json_set_int(object, "bounced", (int64_t)totals.bounced);
	json_set_int(object, "expired", (int64_t)totals.expired);
	json_set_int(object, "connections", totals.connections);
	json_set_int(object, "workers_busy", totals.workers_busy);
	set_trouble(object, "listener_trouble", totals.listener_trouble, totals.trouble_since_us);
	json_set(object, "straight", lanes_json(release));
	json_set(object, "mailboxes", mailboxes_json(release));
}
