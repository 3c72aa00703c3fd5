/*
 * What is counted, and the page on which Prometheus reads it (text exposition format 0.0.4).
 * Counting is one or two relaxed atomic additions: from any thread, without a lock. Durations are
 * microseconds here and seconds on the page, as the conventions of Prometheus want. Labels have
 * values out of bounded sets only, and never an address of a person.
 */
#ifndef RESTANTE_LIB_METRICS_H
#define RESTANTE_LIB_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

/* --- counting; objects of zeros are ready for use ------------------------------------------ */

struct metric_counter {
	_Atomic uint64_t value;
};

static inline void metric_add(struct metric_counter *counter, uint64_t more)
{
	atomic_fetch_add_explicit(&counter->value, more, memory_order_relaxed);
}

static inline uint64_t metric_count(const struct metric_counter *counter)
{
	return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

#define METRIC_BOUNDS_MAX 20

/* Upper bounds of buckets, rising; what is longer than the last is in the bucket +Inf. */
struct metric_bounds {
	size_t count;
	int64_t us[METRIC_BOUNDS_MAX];
};

extern const struct metric_bounds metric_work;    /* 100 us to 60 s: what a machine does */
extern const struct metric_bounds metric_waiting; /* 1 s to 5 d: how long mail waits */

struct metric_histogram {
	_Atomic uint64_t buckets[METRIC_BOUNDS_MAX + 1]; /* not cumulative */
	_Atomic uint64_t sum_us;
};

/* The same bounds each time, and on the page. A negative duration counts as 0. */
void metric_observe(
	struct metric_histogram *histogram, const struct metric_bounds *bounds, int64_t us);
/* Adds what the other has counted. */
void metric_merge(struct metric_histogram *into, const struct metric_histogram *other);

/*
 * The values of a label that comes from the directory: the first METRIC_NAMES_MAX that were seen,
 * whatever their case, have a slot each; all others share the last one, "other".
 */
#define METRIC_NAMES_MAX 32

struct metric_names {
	_Atomic(char *) names[METRIC_NAMES_MAX];
};

/* 0 to METRIC_NAMES_MAX. The first call for a name allocates. */
size_t metric_slot(struct metric_names *names, const char *name);
/* NULL: nothing has that slot yet. */
const char *metric_slot_name(const struct metric_names *names, size_t slot);
void metric_names_free(struct metric_names *names);

/* --- the page ------------------------------------------------------------------------------ */

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_family {
	const char
		*name; /* restante_held_messages; counters end with _total, units are base units */
	enum metric_kind kind;
	const char *help; /* one line */
};

struct metric_label {
	const char *name, *value;
};
#define METRIC_LABELS_MAX 2

/* HELP and TYPE: once, before the samples of a family. */
void metrics_family(struct str *page, const struct metric_family *family);
/* A sample; labels ends with a NULL name and may be NULL. */
void metrics_number(struct str *page, const struct metric_family *family,
	const struct metric_label *labels, uint64_t value);
/* Microseconds as seconds; INT64_MAX is +Inf. */
void metrics_seconds(struct str *page, const struct metric_family *family,
	const struct metric_label *labels, int64_t us);
void metrics_histogram(struct str *page, const struct metric_family *family,
	const struct metric_label *labels, const struct metric_histogram *histogram,
	const struct metric_bounds *bounds);

#endif
