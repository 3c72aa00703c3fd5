#include "lib/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define MS(n)  ((n)*CLOCK_MS)
#define SEC(n) ((n)*CLOCK_SECOND)
#define HOUR   SEC(3600)

const struct metric_bounds metric_work = { 18,
	{ 100, 250, 500, MS(1), 2500, MS(5), MS(10), MS(25), MS(50), MS(100), MS(250), MS(500),
		SEC(1), MS(2500), SEC(5), SEC(10), SEC(30), SEC(60) } };

const struct metric_bounds metric_waiting = { 16,
	{ SEC(1), SEC(5), SEC(15), SEC(60), SEC(300), SEC(900), SEC(1800), HOUR, 2 * HOUR, 4 * HOUR,
		8 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 72 * HOUR, 120 * HOUR } };

/* --- counting ------------------------------------------------------------------------------ */

void metric_observe(
	struct metric_histogram *histogram, const struct metric_bounds *bounds, int64_t us)
{
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < bounds->count && us > bounds->us[i])
		i++;
	atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum_us, (uint64_t)us, memory_order_relaxed);
}

void metric_merge(struct metric_histogram *into, const struct metric_histogram *other)
{
	for (size_t i = 0; i <= METRIC_BOUNDS_MAX; i++)
		atomic_fetch_add(&into->buckets[i],
			atomic_load_explicit(&other->buckets[i], memory_order_relaxed));
	atomic_fetch_add(&into->sum_us, atomic_load_explicit(&other->sum_us, memory_order_relaxed));
}

/* Slots fill from the first on and are never emptied, so a NULL is the end. */
static size_t find_slot(const struct metric_names *names, const char *name)
{
	size_t i = 0;

	for (; i < METRIC_NAMES_MAX; i++) {
		const char *there = atomic_load_explicit(&names->names[i], memory_order_acquire);
		if (there == NULL || strcasecmp(there, name) == 0)
			break;
	}
	return i;
}

size_t metric_slot(struct metric_names *names, const char *name)
{
	for (;;) {
		size_t i = find_slot(names, name);
		if (i == METRIC_NAMES_MAX || metric_slot_name(names, i) != NULL)
			return i;
		char *copy = mem_strdup(name), *none = NULL;
		if (atomic_compare_exchange_strong(&names->names[i], &none, copy))
			return i;
		mem_free(&copy); /* another thread was first; maybe with another name */
	}
}

const char *metric_slot_name(const struct metric_names *names, size_t slot)
{
	if (slot >= METRIC_NAMES_MAX)
		return "other";
	return atomic_load_explicit(&names->names[slot], memory_order_acquire);
}

void metric_names_free(struct metric_names *names)
{
	for (size_t i = 0; i < METRIC_NAMES_MAX; i++) {
		char *name = atomic_exchange(&names->names[i], NULL);
		mem_free(&name);
	}
}

/* --- the page ------------------------------------------------------------------------------ */

static void append_escaped(struct str *page, const char *text, bool quotes)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			str_append_z(page, "\\n");
		else if (*text == '\\' || (quotes && *text == '"'))
			str_printf(page, "\\%c", *text);
		else
			str_append_c(page, *text);
	}
}

void metrics_family(struct str *page, const struct metric_family *family)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	str_printf(page, "# HELP %s ", family->name);
	append_escaped(page, family->help, false);
	str_printf(page, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
}

static void append_label(struct str *page, const char *name, const char *value, bool first)
{
	str_printf(page, "%s%s=\"", first ? "{" : ",", name);
	append_escaped(page, value, true);
	str_append_c(page, '"');
}

/* bound: of a bucket, or NULL. */
static void append_name(struct str *page, const char *name, const char *suffix,
	const struct metric_label *labels, const char *bound)
{
	bool first = true;

	str_printf(page, "%s%s", name, suffix);
	for (; labels != NULL && labels->name != NULL; labels++, first = false)
		append_label(page, labels->name, labels->value, first);
	if (bound != NULL) {
		append_label(page, "le", bound, first);
		first = false;
	}
	str_append_z(page, first ? " " : "} ");
}

void metrics_number(struct str *page, const struct metric_family *family,
	const struct metric_label *labels, uint64_t value)
{
	append_name(page, family->name, "", labels, NULL);
	str_printf(page, "%" PRIu64 "\n", value);
}

/* Without the zeros at its end: "0.0025", "60". */
static const char *seconds_text(char *buffer, size_t size, uint64_t us)
{
	int len = snprintf(
		buffer, size, "%" PRIu64 ".%06u", us / CLOCK_SECOND, (unsigned)(us % CLOCK_SECOND));

	while (len > 0 && buffer[len - 1] == '0')
		buffer[--len] = '\0';
	if (len > 0 && buffer[len - 1] == '.')
		buffer[--len] = '\0';
	return buffer;
}

void metrics_seconds(struct str *page, const struct metric_family *family,
	const struct metric_label *labels, int64_t us)
{
	char text[40];

	append_name(page, family->name, "", labels, NULL);
	if (us == INT64_MAX)
		str_append_z(page, "+Inf\n");
	else
		str_printf(page, "%s%s\n", us < 0 ? "-" : "",
			seconds_text(text, sizeof text, us < 0 ? -(uint64_t)us : (uint64_t)us));
}

void metrics_histogram(struct str *page, const struct metric_family *family,
	const struct metric_label *labels, const struct metric_histogram *histogram,
	const struct metric_bounds *bounds)
{
	char text[40];
	uint64_t count = 0;

	for (size_t i = 0; i <= bounds->count; i++) {
		count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
		const char *bound = i == bounds->count ? "+Inf"
						       : seconds_text(text, sizeof text,
								 (uint64_t)bounds->us[i]);
		append_name(page, family->name, "_bucket", labels, bound);
		str_printf(page, "%" PRIu64 "\n", count);
	}
	uint64_t sum = atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
	append_name(page, family->name, "_sum", labels, NULL);
	str_printf(page, "%s\n", seconds_text(text, sizeof text, sum));
	append_name(page, family->name, "_count", labels, NULL);
	str_printf(page, "%" PRIu64 "\n", count);
}
