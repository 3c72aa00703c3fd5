#include "tests/unit/unit.h"

#include <stdlib.h>

#include "dirsync/handover.h"
#include "lib/mem.h"

/*
 * A directory in miniature: who owns each address. It runs what the hand-over says, in any order
 * and with refusals, and refuses by itself what has an owner.
 */
#define PEOPLE    12
#define ADDRESSES 16
#define NOBODY    (-1)

struct person {
	int gains[ADDRESSES], gives[ADDRESSES]; /* bools */
	bool in_plan, stubborn, gone;           /* refuses its write; is not there any more */
	bool refuses_rest;
	int ended; /* times */
};

struct scene {
	struct person people[PEOPLE];
	int owner[ADDRESSES], meant[ADDRESSES]; /* before; as the plan wants it */
	int changes[PEOPLE];                    /* person of each change put */
	struct handover *handover;
	struct handover_todo flying[PEOPLE * 4];
	size_t in_flight, drops, returns, removes;
	bool stopped;
};

static void set_of(const int *flags, struct strings *out)
{
	char key[32];

	for (int a = 0; a < ADDRESSES; a++)
		if (flags[a]) {
			snprintf(key, sizeof(key), "a%d@example.org", a);
			strings_add(out, key);
		}
}

static int address_of(uint64_t number)
{
	char key[32];

	for (int a = 0; a < ADDRESSES; a++) {
		snprintf(key, sizeof(key), "a%d@example.org", a);
		if (handover_key(key) == number)
			return a;
	}
	fail_msg("no such address");
	return 0;
}

static void put_all(struct scene *scene)
{
	size_t count = 0;

	scene->handover = handover_new(PEOPLE);
	for (int pass = 0; pass < 2; pass++)
		for (int p = 0; p < PEOPLE; p++) {
			struct strings gains = STRINGS_INIT, gives = STRINGS_INIT;

			set_of(scene->people[p].gains, &gains);
			set_of(scene->people[p].gives, &gives);
			if (!scene->people[p].in_plan)
				;
			else if (pass == 0)
				handover_see(scene->handover, &gains, &gives);
			else {
				/* what does not concern others is put as well: it does no harm */
				scene->changes[count++] = p;
				handover_put(scene->handover, (uint64_t)p * 100, &gains, &gives);
			}
			strings_free(&gains);
			strings_free(&gives);
		}
	handover_settle(scene->handover);
	assert_int_equal(handover_count(scene->handover), count);
}

/* --- running -------------------------------------------------------------------------------- */

static bool remove_all(struct scene *scene, int p)
{
	for (int a = 0; a < ADDRESSES; a++)
		if (scene->people[p].gives[a]) {
			assert_int_equal(scene->owner[a], p);
			scene->owner[a] = NOBODY;
		}
	return true;
}

static bool add_all(struct scene *scene, int p)
{
	for (int a = 0; a < ADDRESSES; a++)
		if (scene->people[p].gains[a]) {
			/* never before its owner gave it up */
			assert_int_equal(scene->owner[a], NOBODY);
			scene->owner[a] = p;
		}
	return true;
}

static bool write_one(struct scene *scene, const struct handover_todo *todo)
{
	int p = scene->changes[todo->change];
	struct person *person = &scene->people[p];

	assert_int_equal(todo->place, p * 100);
	switch (todo->step) {
	case HANDOVER_WHOLE:
		person->ended++;
		return !person->stubborn && remove_all(scene, p) && add_all(scene, p);
	case HANDOVER_REMOVE:
		scene->removes++;
		if (person->stubborn)
			person->ended++;
		return !person->stubborn && remove_all(scene, p);
	case HANDOVER_REST: person->ended++; return !person->refuses_rest && add_all(scene, p);
	case HANDOVER_RETURN:
		scene->returns++;
		if (!person->gone && scene->owner[address_of(todo->key)] == NOBODY)
			scene->owner[address_of(todo->key)] = p;
		return true;
	case HANDOVER_DROP: break;
	}
	fail_msg("a drop has no result");
	return false;
}

static void check_one_per_entry(const struct scene *scene, const struct handover_todo *todo)
{
	/* returns are kept apart by whoever writes */
	for (size_t i = 0; todo->step != HANDOVER_RETURN && i < scene->in_flight; i++)
		assert_false(scene->flying[i].change == todo->change &&
			     scene->flying[i].step != HANDOVER_RETURN);
}

static void begin(struct scene *scene)
{
	struct handover_todo todo;

	while (scene->in_flight < PEOPLE && handover_next(scene->handover, &todo)) {
		if (todo.step == HANDOVER_DROP) {
			scene->people[scene->changes[todo.change]].ended++;
			scene->drops++;
			continue;
		}
		assert_false(scene->stopped && todo.step == HANDOVER_WHOLE);
		/* back into an entry of which nothing else is written any more */
		if (todo.step == HANDOVER_RETURN && !scene->stopped)
			assert_int_equal(scene->people[scene->changes[todo.change]].ended, 1);
		check_one_per_entry(scene, &todo);
		scene->flying[scene->in_flight++] = todo;
	}
}

/* The result of any one that is in flight; it is done when its result comes. */
static void end_one(struct scene *scene)
{
	size_t i = (size_t)rand() % scene->in_flight;
	const struct handover_todo todo = scene->flying[i];
	bool done = write_one(scene, &todo);
	bool gone = scene->people[scene->changes[todo.change]].gone;

	scene->flying[i] = scene->flying[--scene->in_flight];
	handover_result(scene->handover, &todo,
		done   ? HANDOVER_DONE
		: gone ? HANDOVER_FREED
		       : HANDOVER_REFUSED);
}

static void run(struct scene *scene, int stop_after)
{
	put_all(scene);
	for (int step = 0;; step++) {
		if (step == stop_after) {
			scene->stopped = true;
			handover_stop(scene->handover);
		}
		begin(scene);
		if (scene->in_flight == 0)
			break;
		end_one(scene);
	}
	handover_free(&scene->handover);
}

/* Each change has one end. An address that had an owner has one, unless all who gave it up are
 * gone; where nothing was refused it is the one the plan means. */
static void check_end(const struct scene *scene, const int *before)
{
	bool refused = scene->stopped;

	for (int p = 0; p < PEOPLE; p++) {
		const struct person *person = &scene->people[p];

		if (!scene->stopped)
			assert_int_equal(person->ended, person->in_plan ? 1 : 0);
		refused = refused || person->stubborn || person->refuses_rest;
	}
	for (int a = 0; a < ADDRESSES; a++) {
		if (!refused)
			assert_int_equal(scene->owner[a], scene->meant[a]);
		if (before[a] != NOBODY && scene->meant[a] != NOBODY &&
			!scene->people[before[a]].gone)
			assert_int_not_equal(scene->owner[a], NOBODY);
	}
	if (!refused)
		assert_int_equal(scene->drops + scene->returns, 0);
}

/* --- cases ---------------------------------------------------------------------------------- */

static void pass_on(struct scene *scene, int address, int from, int to)
{
	scene->owner[address] = from;
	scene->meant[address] = to;
	if (from != NOBODY) {
		scene->people[from].gives[address] = 1;
		scene->people[from].in_plan = true;
	}
	if (to != NOBODY) {
		scene->people[to].gains[address] = 1;
		scene->people[to].in_plan = true;
	}
}

static struct scene *fresh(void)
{
	struct scene *scene = mem_zalloc(sizeof(*scene));

	for (int a = 0; a < ADDRESSES; a++)
		scene->owner[a] = scene->meant[a] = NOBODY;
	return scene;
}

static void finish(struct scene *scene, int stop_after)
{
	int before[ADDRESSES];

	memcpy(before, scene->owner, sizeof(before));
	run(scene, stop_after);
	check_end(scene, before);
	mem_free(&scene);
}

static void test_a_chain_needs_no_second_write(void **state)
{
	struct scene *scene = fresh();

	(void)state;
	for (int i = 0; i < 6; i++)
		pass_on(scene, i, i, i + 1);
	run(scene, -1);
	assert_int_equal(scene->removes, 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(scene->owner[i], i + 1);
	mem_free(&scene);
}

static void test_cycles(void **state)
{
	(void)state;
	for (int size = 2; size <= 5; size++) {
		struct scene *scene = fresh();

		for (int i = 0; i < size; i++)
			pass_on(scene, i, i, (i + 1) % size);
		pass_on(scene, 10, NOBODY, 3);
		pass_on(scene, 11, 2, 7); /* out of the cycle */
		pass_on(scene, 12, 8, 0); /* into it */
		finish(scene, -1);
	}
}

static void test_a_refused_removal_drops_the_addition(void **state)
{
	struct scene *scene = fresh();

	(void)state;
	pass_on(scene, 0, 0, 1);
	pass_on(scene, 1, 1, 2);
	scene->people[0].stubborn = true;
	run(scene, -1);
	assert_int_equal(scene->drops, 2); /* the one that waits, and who waits for that */
	assert_int_equal(scene->owner[0], 0);
	assert_int_equal(scene->owner[1], 1);
	mem_free(&scene);
}

static void test_a_refused_addition_gives_it_back(void **state)
{
	struct scene *scene = fresh();

	(void)state;
	pass_on(scene, 0, 0, 1);
	scene->people[1].stubborn = true;
	run(scene, -1);
	assert_int_equal(scene->returns, 1);
	assert_int_equal(scene->owner[0], 0);
	mem_free(&scene);
}

static void test_two_who_gain_one_address(void **state)
{
	(void)state;
	for (int refused = 1; refused <= 2; refused++) {
		struct scene *scene = fresh();

		pass_on(scene, 0, 0, 1);
		pass_on(scene, 0, 0, 2);
		scene->people[1].stubborn = true;
		scene->people[2].stubborn = refused == 2;
		run(scene, -1);
		assert_int_equal(scene->returns, refused - 1);
		assert_int_equal(scene->owner[0], refused == 2 ? 0 : 2);
		mem_free(&scene);
	}
}

static void test_a_cycle_with_a_refusal_stays_as_it_was(void **state)
{
	struct scene *scene = fresh();

	(void)state;
	for (int i = 0; i < 4; i++)
		pass_on(scene, i, i, (i + 1) % 4);
	scene->people[2].stubborn = true;
	run(scene, -1);
	assert_int_equal(scene->drops, 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(scene->owner[i], i);
	mem_free(&scene);
}

static void random_scene(struct scene *scene, unsigned refusals)
{
	for (int a = 0; a < ADDRESSES; a++) {
		int from = rand() % (PEOPLE + 1) - 1, to = rand() % (PEOPLE + 1) - 1;

		if (from != to)
			pass_on(scene, a, from, to);
	}
	for (int p = 0; p < PEOPLE; p++) {
		struct person *person = &scene->people[p];

		person->stubborn = (unsigned)rand() % 100 < refusals;
		person->refuses_rest = (unsigned)rand() % 100 < refusals;
		person->gone = person->stubborn && rand() % 3 == 0;
		if (!person->gone)
			continue;
		/* its addresses have no owner, whatever the plan took for granted */
		for (int a = 0; a < ADDRESSES; a++)
			if (scene->owner[a] == p)
				scene->owner[a] = NOBODY;
	}
}

static void test_whatever_the_plan(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct scene *scene = fresh();

		random_scene(scene, round % 2 == 0 ? 0 : 15);
		finish(scene, round % 5 == 4 ? rand() % 10 : -1);
	}
}

/* What neither gains nor gives up what another one does is not kept aside. */
static void test_few_are_kept_aside(void **state)
{
	struct strings none = STRINGS_INIT, own = STRINGS_INIT, passing = STRINGS_INIT;
	struct handover *handover = handover_new(100000);
	unsigned aside = 0;
	char key[32];

	(void)state;
	strings_add(&passing, "passing@example.org");
	handover_see(handover, &none, &passing);
	handover_see(handover, &passing, &none);
	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < 100000; i++) {
			snprintf(key, sizeof(key), "u%u@example.org", i);
			strings_reset(&own);
			strings_add(&own, key);
			if (pass == 0)
				handover_see(handover, i % 2 ? &own : &none, i % 2 ? &none : &own);
			else
				aside += handover_concerns(
					handover, i % 2 ? &own : &none, i % 2 ? &none : &own);
		}
	assert_true(handover_concerns(handover, &passing, &none));
	assert_true(handover_concerns(handover, &none, &passing));
	assert_true(aside < 200);
	strings_free(&own);
	strings_free(&passing);
	handover_free(&handover);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_chain_needs_no_second_write),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_a_refused_removal_drops_the_addition),
		cmocka_unit_test(test_a_refused_addition_gives_it_back),
		cmocka_unit_test(test_two_who_gain_one_address),
		cmocka_unit_test(test_a_cycle_with_a_refusal_stays_as_it_was),
		cmocka_unit_test(test_whatever_the_plan),
		cmocka_unit_test(test_few_are_kept_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
