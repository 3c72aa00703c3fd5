/* The page of metrics; docs/sync.md explains each. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "dirsync/dirsync.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "lib/procstat.h"

/* A unit at one instant. */
struct sample {
	const char *system, *direction;
	struct unit_view view;
	struct run_record last;
};

struct scrape {
	struct str *page;
	struct sample *samples;
	size_t count;
};

static void labels_of(const struct sample *sample, struct metric_label labels[3])
{
	labels[0] = (struct metric_label){ "system", sample->system };
	labels[1] = (struct metric_label){ "direction", sample->direction };
	labels[2] = (struct metric_label){ NULL, NULL };
}

/* --- the families ------------------------------------------------------------------------------
 */

static uint64_t runs_complete(const struct sample *s)
{
	return s->view.runs[SYNC_COMPLETE] + s->view.runs[SYNC_NOTHING];
}

static uint64_t runs_stopped(const struct sample *s)
{
	return s->view.runs[SYNC_STOPPED];
}

static uint64_t runs_failed(const struct sample *s)
{
	return s->view.runs[SYNC_FAILED] + s->view.runs[SYNC_INCOMPLETE];
}

static uint64_t running(const struct sample *s)
{
	return s->view.running;
}

static uint64_t waits(const struct sample *s)
{
	return s->view.found.word == SYNC_STOPPED;
}

static uint64_t pending(const struct sample *s)
{
	return s->view.found.pending;
}

static uint64_t added(const struct sample *s)
{
	return s->view.added;
}

static uint64_t changed(const struct sample *s)
{
	return s->view.changed;
}

static uint64_t deleted(const struct sample *s)
{
	return s->view.deleted;
}

static uint64_t persons(const struct sample *s)
{
	return s->view.found.persons;
}

static uint64_t conflicts(const struct sample *s)
{
	return s->view.found.conflicts;
}

static uint64_t refused(const struct sample *s)
{
	return s->view.found.refused;
}

static const struct {
	struct metric_family family;
	uint64_t (*value)(const struct sample *sample);
} numbers[] = {
	{ { "restante_sync_runs_complete_total", METRIC_COUNTER, "runs that were complete" },
		runs_complete },
	{ { "restante_sync_runs_stopped_total", METRIC_COUNTER, "runs that a guard stopped" },
		runs_stopped },
	{ { "restante_sync_runs_failed_total", METRIC_COUNTER, "runs that failed" }, runs_failed },
	{ { "restante_sync_running", METRIC_GAUGE, "whether a run is under way" }, running },
	{ { "restante_sync_waits_for_approval", METRIC_GAUGE,
		  "whether the last run was stopped by a guard" },
		waits },
	{ { "restante_sync_pending_deletions", METRIC_GAUGE,
		  "size of the list that waits for an approval" },
		pending },
	{ { "restante_sync_added_total", METRIC_COUNTER, "entries or contacts added" }, added },
	{ { "restante_sync_changed_total", METRIC_COUNTER, "entries or contacts changed" },
		changed },
	{ { "restante_sync_deleted_total", METRIC_COUNTER, "entries or contacts deleted" },
		deleted },
	{ { "restante_sync_persons", METRIC_GAUGE, "mailboxes that the last run was shown" },
		persons },
	{ { "restante_sync_conflicts", METRIC_GAUGE, "conflicts that the last run reported" },
		conflicts },
	{ { "restante_sync_refused", METRIC_GAUGE,
		  "values and changes that the last run found refused" },
		refused },
};

static const struct metric_family ended = { "restante_sync_last_end_timestamp_seconds",
	METRIC_GAUGE, "end of the last run" };
static const struct metric_family lasted = { "restante_sync_last_duration_seconds", METRIC_GAUGE,
	"time that the last run took" };
static const struct metric_family build = { "restante_dirsync_build_info", METRIC_GAUGE,
	"version of the program" };
static const struct metric_family memory = { "process_resident_memory_bytes", METRIC_GAUGE,
	"memory in use" };

static void write_numbers(const struct scrape *s)
{
	struct metric_label labels[3];

	for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
		metrics_family(s->page, &numbers[n].family);
		for (size_t i = 0; i < s->count; i++) {
			labels_of(&s->samples[i], labels);
			metrics_number(s->page, &numbers[n].family, labels,
				numbers[n].value(&s->samples[i]));
		}
	}
}

static void write_times(const struct scrape *s)
{
	struct metric_label labels[3];

	for (int which = 0; which < 2; which++) {
		const struct metric_family *family = which == 0 ? &ended : &lasted;
		metrics_family(s->page, family);
		for (size_t i = 0; i < s->count; i++) {
			const struct run_record *last = &s->samples[i].last;
			labels_of(&s->samples[i], labels);
			if (s->samples[i].view.has_last)
				metrics_seconds(s->page, family, labels,
					which == 0 ? last->end_us : last->end_us - last->start_us);
		}
	}
}

static void write_process(const struct scrape *s)
{
	const struct metric_label version[] = { { "version", PACKAGE_VERSION }, { NULL, NULL } };
	struct procstat process;

	metrics_family(s->page, &build);
	metrics_number(s->page, &build, version, 1);
	procstat_read(&process);
	metrics_family(s->page, &memory);
	metrics_number(s->page, &memory, NULL, process.resident_bytes);
}

static void write_page(void *context, struct str *page)
{
	struct dirsync *d = context;
	struct scrape s = { .page = page };

	pthread_mutex_lock(&d->lock);
	s.samples = mem_grow(NULL, d->unit_count + 1, sizeof *s.samples);
	for (; s.count < d->unit_count; s.count++) {
		struct sample *sample = &s.samples[s.count];
		sample->system = unit_system(d->units[s.count]);
		sample->direction = sync_direction_name(unit_direction(d->units[s.count]));
		unit_view(d->units[s.count], &sample->view, &sample->last);
	}
	write_numbers(&s);
	write_times(&s);
	pthread_mutex_unlock(&d->lock);
	write_process(&s);
	for (size_t i = 0; i < s.count; i++)
		run_record_free(&s.samples[i].last);
	mem_free(&s.samples);
}

/* --- the server --------------------------------------------------------------------------------
 */

void exposition_stop(struct dirsync *d)
{
	metrics_stop(&d->metrics);
	mem_free(&d->metrics_at);
}

void exposition_configure(struct dirsync *d)
{
	const struct config_dirsync *wanted = &d->settings->config->dirsync;
	const char *error;

	if (d->metrics != NULL && wanted->metrics &&
		strcmp(d->metrics_at, wanted->metrics_listen) == 0)
		return;
	exposition_stop(d);
	if (!wanted->metrics)
		return;
	d->metrics_at = mem_strdup(wanted->metrics_listen);
	d->metrics = metrics_serve(d->metrics_at, write_page, d, &error);
	if (d->metrics == NULL)
		log_error("metrics",
			"not served; set dirsync.metrics_listen to a free address and reload: %s",
			error);
	else
		log_info("metrics", "served listen=%s", d->metrics_at);
}
