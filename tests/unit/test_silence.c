/* When a front door takes itself for cut off, and when it looks for another provider. */
#include "tests/unit/unit.h"

#include "lib/clock.h"
#include "milter/silence.h"

#define PERIOD (10 * CLOCK_SECOND)
#define START  (1000 * CLOCK_SECOND)

struct scene {
	struct silence silence;
	int64_t now_us, again_us;
};

static struct scene begin(void)
{
	struct scene scene = { .now_us = START };

	silence_begin(&scene.silence, START);
	return scene;
}

/* So many seconds later; age: of the last heartbeat that came back, in seconds, -1 = none. */
static enum silence_verdict later(struct scene *scene, int seconds, bool back, int age)
{
	scene->now_us += seconds * CLOCK_SECOND;
	return silence_judge(&scene->silence, back, age < 0 ? INT64_MAX : age * CLOCK_SECOND,
		PERIOD, scene->now_us, &scene->again_us);
}

static void a_start_has_its_grace(void **state)
{
	struct scene scene = begin();

	(void)state;
	assert_int_equal(later(&scene, 30, false, -1), SILENCE_NONE);
	assert_true(scene.again_us > scene.now_us);
	assert_true(scene.again_us < scene.now_us + CLOCK_SECOND);
	assert_int_equal(later(&scene, 1, false, -1), SILENCE_CUT_OFF);
}

/* Nothing can be written either: no other provider would help. */
static void a_directory_that_takes_no_writes_is_not_left(void **state)
{
	struct scene scene = begin();

	(void)state;
	assert_int_equal(later(&scene, 1, true, 0), SILENCE_NONE);
	for (int i = 0; i < 100; i++)
		assert_int_equal(later(&scene, 31, false, 31 * (i + 1)), SILENCE_CUT_OFF);
}

static void what_is_written_and_not_shown_is_looked_for_elsewhere(void **state)
{
	struct scene scene = begin();
	unsigned looked = 0;

	(void)state;
	silence_wrote(&scene.silence, scene.now_us);
	assert_int_equal(later(&scene, 1, true, 0), SILENCE_NONE);
	/* every ten seconds one is written, none comes back */
	for (int age = 10; age <= 30; age += 10) {
		silence_wrote(&scene.silence, scene.now_us);
		assert_int_equal(later(&scene, 10, false, age), SILENCE_NONE);
	}
	assert_int_equal(later(&scene, 1, false, 31), SILENCE_ELSEWHERE);
	assert_int_equal(later(&scene, 10, false, 41), SILENCE_CUT_OFF);
	/* at doubling intervals, up to five minutes: 30, 60, 120, 240, 300, ... */
	for (int age = 42; age < 42 + 1500; age++)
		looked += later(&scene, 1, false, age) == SILENCE_ELSEWHERE;
	assert_int_equal(looked, 7);
}

static void a_sign_of_life_ends_it(void **state)
{
	struct scene scene = begin();

	(void)state;
	silence_wrote(&scene.silence, scene.now_us);
	assert_int_equal(later(&scene, 40, false, -1), SILENCE_ELSEWHERE);
	assert_int_equal(later(&scene, 1, true, 0), SILENCE_NONE);
	/* and the next silence begins anew */
	assert_int_equal(later(&scene, 30, false, 30), SILENCE_NONE);
	assert_int_equal(later(&scene, 1, false, 31), SILENCE_CUT_OFF);
	silence_wrote(&scene.silence, scene.now_us);
	assert_int_equal(later(&scene, 30, false, 61), SILENCE_CUT_OFF);
	assert_int_equal(later(&scene, 1, false, 62), SILENCE_ELSEWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_has_its_grace),
		cmocka_unit_test(a_directory_that_takes_no_writes_is_not_left),
		cmocka_unit_test(what_is_written_and_not_shown_is_looked_for_elsewhere),
		cmocka_unit_test(a_sign_of_life_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
