/* lib/metrics.c */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <pthread.h>

#include "lib/mem.h"
#include "lib/metrics.h"
#include "lib/procstat.h"

#define THREADS 4
#define ROUNDS  20000

static const struct metric_family family = { "restante_x_total", METRIC_COUNTER, "What it\nis\\." };
static const struct metric_family times = { "restante_t_seconds", METRIC_HISTOGRAM, "Times." };
static const struct metric_bounds bounds = { 3, { 100, 1000000, 90000000 } };

static struct metric_counter counter;
static struct metric_histogram histogram;
static struct metric_names names;

static void expect_page(struct str *page, const char *text)
{
	assert_string_equal(str_cstr(page), text);
	str_free(page);
}

static void test_numbers(void **state)
{
	const struct metric_label labels[] = { { "verdict", "hold" }, { "system", "a\"b\\c\nd" },
		{ NULL, NULL } };
	struct str page = STR_INIT;

	(void)state;
	metrics_family(&page, &family);
	metrics_number(&page, &family, NULL, UINT64_MAX);
	metrics_number(&page, &family, labels, 7);
	expect_page(&page, "# HELP restante_x_total What it\\nis\\\\.\n"
			   "# TYPE restante_x_total counter\n"
			   "restante_x_total 18446744073709551615\n"
			   "restante_x_total{verdict=\"hold\",system=\"a\\\"b\\\\c\\nd\"} 7\n");
}

static void expect_seconds(int64_t us, const char *text)
{
	struct str page = STR_INIT;
	char line[64];

	metrics_seconds(&page, &family, NULL, us);
	snprintf(line, sizeof line, "restante_x_total %s\n", text);
	expect_page(&page, line);
}

static void test_seconds(void **state)
{
	(void)state;
	expect_seconds(0, "0");
	expect_seconds(1, "0.000001");
	expect_seconds(2500, "0.0025");
	expect_seconds(60000000, "60");
	expect_seconds(100500000, "100.5");
	expect_seconds(-1500000, "-1.5");
	expect_seconds(INT64_MIN, "-9223372036854.775808");
	expect_seconds(INT64_MAX, "+Inf");
}

/* A bound is part of its bucket; buckets on the page are cumulative. */
static void test_histogram(void **state)
{
	const struct metric_label labels[] = { { "target", "mta" }, { NULL, NULL } };
	struct metric_histogram h = { 0 };
	struct str page = STR_INIT;

	(void)state;
	metric_observe(&h, &bounds, -5);
	metric_observe(&h, &bounds, 100);
	metric_observe(&h, &bounds, 101);
	metric_observe(&h, &bounds, 90000001);
	metrics_histogram(&page, &times, labels, &h, &bounds);
	expect_page(&page, "restante_t_seconds_bucket{target=\"mta\",le=\"0.0001\"} 2\n"
			   "restante_t_seconds_bucket{target=\"mta\",le=\"1\"} 3\n"
			   "restante_t_seconds_bucket{target=\"mta\",le=\"90\"} 3\n"
			   "restante_t_seconds_bucket{target=\"mta\",le=\"+Inf\"} 4\n"
			   "restante_t_seconds_sum{target=\"mta\"} 90.000202\n"
			   "restante_t_seconds_count{target=\"mta\"} 4\n");
	metric_merge(&h, &h);
	metrics_histogram(&page, &times, NULL, &h, &bounds);
	assert_non_null(strstr(str_cstr(&page), "restante_t_seconds_bucket{le=\"1\"} 6\n"));
	assert_non_null(strstr(str_cstr(&page), "restante_t_seconds_sum 180.000404\n"));
	str_free(&page);
}

static void check_bounds(const struct metric_bounds *b)
{
	assert_in_range(b->count, 2, METRIC_BOUNDS_MAX);
	for (size_t i = 1; i < b->count; i++)
		assert_true(b->us[i] > b->us[i - 1]);
}

static void test_bounds_rise(void **state)
{
	(void)state;
	check_bounds(&metric_work);
	check_bounds(&metric_waiting);
}

static void test_names(void **state)
{
	char name[16];

	(void)state;
	assert_int_equal(metric_slot(&names, "S1"), 0);
	assert_int_equal(metric_slot(&names, ""), 1);
	assert_int_equal(metric_slot(&names, "s1"), 0);
	assert_null(metric_slot_name(&names, 2));
	for (int i = 2; i < METRIC_NAMES_MAX; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(metric_slot(&names, name), i);
	}
	assert_int_equal(metric_slot(&names, "one too many"), METRIC_NAMES_MAX);
	assert_int_equal(metric_slot(&names, "n31"), 31);
	assert_string_equal(metric_slot_name(&names, 0), "S1");
	assert_string_equal(metric_slot_name(&names, METRIC_NAMES_MAX), "other");
	metric_names_free(&names);
	assert_null(metric_slot_name(&names, 0));
}

static void *count(void *unused)
{
	char name[16];

	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		metric_add(&counter, 2);
		metric_observe(&histogram, &bounds, i % 2 ? 50 : 5000);
		snprintf(name, sizeof name, "s%d", i % 8);
		size_t slot = metric_slot(&names, name);
		assert_string_equal(metric_slot_name(&names, slot), name);
	}
	return NULL;
}

/* Nothing is lost between threads, and no name gets two slots. */
static void test_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_count(&counter), 2 * THREADS * ROUNDS);
	assert_int_equal(histogram.buckets[0], THREADS * ROUNDS / 2);
	assert_int_equal(histogram.buckets[1], THREADS * ROUNDS / 2);
	assert_null(metric_slot_name(&names, 8));
	metric_names_free(&names);
}

static void test_process(void **state)
{
	struct procstat stat;

	(void)state;
	procstat_read(&stat);
	assert_true(stat.resident_bytes > 100000);
	assert_true(stat.descriptors >= 3 && stat.descriptors < stat.descriptors_max);
	for (uint64_t before = stat.cpu_us; stat.cpu_us <= before;)
		procstat_read(&stat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_bounds_rise),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
