/* lib/hours.h, in UTC and in a zone with summer time. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/hours.h"
#include "lib/when.h"

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static bool open_at(const char *text, const char *instant)
{
	return hours_open(text, when_generalized_us(instant));
}

static void test_forms(void **state)
{
	static const char *const good[] = { "", " ", "Mon", "Mon-Fri", "08:00-17:00",
		"fri-mon 22:00-06:00", "Mon-Fri 07:00-19:00, Sat 08:00-12:00", "Sun 00:00-24:00" };
	static const char *const bad[] = { "Mon-", "Mo", "Mon 7-19", "Mon 07:00", "25:00-26:00",
		"Mon,", "Mon 07:60-08:00", "Mon 07:00-19:00 Tue", "-1:00-02:00",
		"Mon 07:00-19:00;" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(hours_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (hours_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

/* 2026-11-22 is a Sunday. */
static void test_open(void **state)
{
	(void)state;
	zone("UTC");
	assert_true(open_at("", "20261122030000Z"));
	assert_false(open_at("Mon-Fri", "20261122120000Z"));
	assert_true(open_at("Mon-Fri", "20261123000000Z"));
	assert_true(open_at("Mon-Fri 07:00-19:00", "20261123070000Z"));
	assert_true(open_at("Mon-Fri 07:00-19:00", "20261123185959Z"));
	assert_false(open_at("Mon-Fri 07:00-19:00", "20261123190000Z"));
	assert_true(open_at("Sat-Mon", "20261122120000Z"));
	assert_false(open_at("Sat-Mon", "20261124120000Z"));
	/* over midnight: the night that begins on Friday ends on Saturday */
	assert_true(open_at("Fri 22:00-06:00", "20261128050000Z"));
	assert_false(open_at("Fri 22:00-06:00", "20261127050000Z"));
	assert_true(open_at("Sat 08:00-12:00, Sun 08:00-12:00", "20261122090000Z"));
}

static void test_next(void **state)
{
	const int64_t sunday = when_generalized_us("20261122120030Z");

	(void)state;
	zone("UTC");
	assert_int_equal(hours_next("", sunday), sunday);
	assert_int_equal(
		hours_next("Mon 07:00-08:00", sunday), when_generalized_us("20261123070000Z"));
	assert_int_equal(hours_next("Sun 12:00-12:01, Sun 12:30-13:00", sunday), sunday);
	assert_int_equal(
		hours_next("Sun 11:00-12:00", sunday), when_generalized_us("20261129110000Z"));
}

/* In Berlin the hour from 2 to 3 is not there on 29 March 2026: the next minute that is there. */
static void test_gap(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	assert_true(open_at("Sun 03:00-04:00", "20260329010000Z"));
	assert_false(open_at("Sun 02:00-03:00", "20260329010000Z"));
	assert_int_equal(hours_next("Sun 02:30-03:30", when_generalized_us("20260329003000Z")),
		when_generalized_us("20260329010000Z"));
	zone("UTC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_gap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
