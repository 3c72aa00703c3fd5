/* The page of metrics. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/leader.h"
#include "control/store.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/procstat.h"

static const struct metric_family moves = { "restante_control_moves", METRIC_GAUGE,
	"moves by the state that they have reached" };
static const struct metric_family held = { "restante_control_held_seconds", METRIC_HISTOGRAM,
	"time from hold to swap" };
static const struct metric_family build = { "restante_control_build_info", METRIC_GAUGE,
	"version of the program" };
static const struct metric_family memory = { "process_resident_memory_bytes", METRIC_GAUGE,
	"memory in use" };

static void number(
	struct str *page, const char *name, enum metric_kind kind, const char *help, uint64_t value)
{
	const struct metric_family family = { name, kind, help };

	metrics_family(page, &family);
	metrics_number(page, &family, NULL, value);
}

static void write_states(struct str *page, const struct store_counts *counts)
{
	metrics_family(page, &moves);
	for (int state = 0; state < MOVE_STATES; state++) {
		char text[16];
		const struct metric_label labels[] = { { "state", text }, { NULL, NULL } };

		snprintf(text, sizeof text, "%d", state);
		if (strcmp(move_state_text(state), "unknown") != 0)
			metrics_number(page, &moves, labels, counts->state[state]);
	}
}

static void write_counts(struct control *c, struct str *page)
{
	struct store_counts counts;

	store_count(c->store, &counts);
	write_states(page, &counts);
	number(page, "restante_control_leading", METRIC_GAUGE, "whether this controller leads",
		leader_term(c->leader) != 0);
	number(page, "restante_control_records", METRIC_GAUGE, "records of moves", counts.records);
	number(page, "restante_control_stopped", METRIC_GAUGE, "moves that wait for a retry",
		counts.stopped);
	number(page, "restante_control_paused", METRIC_GAUGE, "moves that are paused",
		counts.paused);
	number(page, "restante_control_under_way", METRIC_GAUGE,
		"moves between their instant and their swap", counts.room);
	number(page, "restante_control_steps_total", METRIC_COUNTER, "steps done",
		metric_count(&c->counts.steps));
	number(page, "restante_control_steps_failed_total", METRIC_COUNTER,
		"steps that failed and are tried again", metric_count(&c->counts.failed));
	number(page, "restante_control_steps_refused_total", METRIC_COUNTER,
		"steps that stopped their move", metric_count(&c->counts.refused));
	number(page, "restante_control_writes_total", METRIC_COUNTER, "writes of records",
		metric_count(&c->counts.writes));
	number(page, "restante_control_swapped_total", METRIC_COUNTER, "moves swapped",
		metric_count(&c->counts.swapped));
	number(page, "restante_control_deleted_total", METRIC_COUNTER,
		"records deleted while their mailbox was on hold",
		metric_count(&c->counts.deleted));
	number(page, "restante_control_over_total", METRIC_COUNTER,
		"moves ended, cancelled or rolled back", metric_count(&c->counts.over));
}

static void write_page(void *context, struct str *page)
{
	const struct metric_label version[] = { { "version", PACKAGE_VERSION }, { NULL, NULL } };
	struct control *c = context;
	struct procstat process;

	write_counts(c, page);
	metrics_family(page, &held);
	metrics_histogram(page, &held, NULL, &c->counts.held, &metric_work);
	metrics_family(page, &build);
	metrics_number(page, &build, version, 1);
	procstat_read(&process);
	metrics_family(page, &memory);
	metrics_number(page, &memory, NULL, process.resident_bytes);
}

void exposition_stop(struct control *c)
{
	metrics_stop(&c->metrics);
	mem_free(&c->metrics_at);
}

void exposition_configure(struct control *c)
{
	struct settings *settings = settings_hold(c);
	const struct config_control *wanted = &settings->config->control;
	bool same = c->metrics != NULL && wanted->metrics &&
		    strcmp(c->metrics_at, wanted->metrics_listen) == 0;
	const char *error;

	if (!same)
		exposition_stop(c);
	if (!same && wanted->metrics) {
		c->metrics_at = mem_strdup(wanted->metrics_listen);
		c->metrics = metrics_serve(c->metrics_at, write_page, c, &error);
		if (c->metrics == NULL)
			log_error("metrics",
				"not served; set control.metrics_listen to a free address and "
				"reload: %s",
				error);
		else
			log_info("metrics", "served listen=%s", c->metrics_at);
	}
	settings_drop(&settings);
}
