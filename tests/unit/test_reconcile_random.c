/*
 * Thousands of random edits on three systems and in the directory, moves open and finished; after
 * each sync the directory must be what the naive model says, and a second sync must write nothing.
 * The seed is printed; RESTANTE_SEED repeats a run.
 */
#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"
#include "tests/unit/sync_world.h"

#include <stdlib.h>

#include "lib/mem.h"

#define WORLDS 12
#define ROUNDS 400

/* --- a round --------------------------------------------------------------------------------- */

static void show(const char *title, const struct strings *lines)
{
	print_error("%s\n", title);
	for (const char *t = strings_first(lines); t != NULL; t = strings_next(lines, t))
		print_error("  %s\n", t);
}

static void compare(struct world *w, const char *when)
{
	struct strings is = STRINGS_INIT, wants = STRINGS_INIT;
	struct memory_entry *move =
		w->lab.move.there ? memory_find(&w->lab.dir, w->lab.move.dn) : NULL;

	lab_render(&w->lab, &is);
	model_render(&w->model, &wants);
	if (!strings_equal(&is, &wants)) {
		show("the directory has", &is);
		show("the model has", &wants);
		fail_msg("%s, after %lu edits and %lu syncs", when, w->edits, w->syncs);
	}
	for (int key = 0; key < LAB_KEYS && move != NULL; key++)
		if (memory_has(move, "restanteMoveClaim", lab_key(key)) != w->model.claims[key])
			fail_msg("%s: claim of %s, after %lu edits and %lu syncs", when,
				lab_key(key), w->edits, w->syncs);
	strings_free(&is);
	strings_free(&wants);
}

/* Whatever the plan says of this entry is void. */
static void be_faster(void *context)
{
	struct world *w = context;
	struct model_box *box = some_mailbox(w);
	struct memory_entry *raw = box != NULL ? raw_of(w, box) : NULL;

	w->faster_dn[0] = '\0';
	if (raw == NULL)
		return;
	snprintf(w->faster_dn, sizeof w->faster_dn, "%s", raw->dn);
	snprintf(w->faster_key, sizeof w->faster_key, "by%lu@example.org", w->edits);
	memory_set(&w->lab.dir, raw, "description", w->faster_key);
	memory_set(&w->lab.dir, raw, "mailRoutingAddress", lab_physical(w->physicals++));
	memory_set(&w->lab.dir, raw, "restanteState", "holding");
}

static void sync_disturbed(struct world *w, int system, bool delta)
{
	struct memory_entry *raw;
	char physical[64];
	size_t refused;

	lab_sync(&w->lab, system, delta, be_faster, w, &refused);
	w->refused += refused;
	if (w->faster_dn[0] != '\0') {
		raw = memory_find(&w->lab.dir, w->faster_dn);
		assert_non_null(raw);
		snprintf(physical, sizeof physical, "%s", lab_physical(w->physicals - 1));
		assert_string_equal(memory_get(raw, "mailRoutingAddress"), physical);
		assert_string_equal(memory_get(raw, "restanteState"), "holding");
		assert_string_equal(memory_get(raw, "description"), w->faster_key);
	}
	model_reload(&w->model, &w->lab);
}

/* The pull is the same: only what waits for a second pull may be due now, and the model knows. */
static void sync_again(struct world *w, int system, bool delta)
{
	struct strings before = STRINGS_INIT, after = STRINGS_INIT;
	size_t changes, refused;

	model_render(&w->model, &before);
	model_sync(&w->model, &w->lab, system, delta);
	model_render(&w->model, &after);
	changes = lab_sync(&w->lab, system, delta, NULL, NULL, &refused);
	compare(w, "second sync");
	if (strings_equal(&before, &after) && changes > 0)
		fail_msg("a second sync writes %zu changes, after %lu edits", changes, w->edits);
	strings_free(&before);
	strings_free(&after);
}

static void sync_once(struct world *w)
{
	int system = below(w, LAB_SYSTEMS);
	bool delta = below(w, 4) == 0;
	size_t refused;

	w->syncs++;
	if (below(w, 12) == 0) {
		sync_disturbed(w, system, delta);
	} else {
		model_sync(&w->model, &w->lab, system, delta);
		lab_sync(&w->lab, system, delta, NULL, NULL, &refused);
		w->collisions += refused;
		if (refused > 0) {
			model_reload(&w->model, &w->lab);
		} else {
			compare(w, delta ? "delta" : "sync");
			sync_again(w, system, delta);
		}
	}
	for (int id = 0; id < LAB_IDS; id++)
		w->lab.boxes[system][id].dirty = false;
}

static void live(struct world *w, uint64_t seed)
{
	lab_begin(&w->lab);
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int round = 0; round < ROUNDS; round++) {
		for (int edits = below(w, 6); edits > 0; edits--)
			world_edit(w);
		if (below(w, 3) == 0)
			w->lab.day += below(w, 5);
		sync_once(w);
	}
	assert_true(w->collisions <= w->syncs / 50);
	memory_free(&w->saved);
	lab_end(&w->lab);
}

static void test_random_edits(void **state)
{
	const char *given = getenv("RESTANTE_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
	unsigned long edits = 0, refused = 0, passed = 0, kinds[PLAN_REPORT] = { 0 };

	(void)state;
	for (int i = 0; i < WORLDS; i++, seed++) {
		struct world *w = mem_zalloc(sizeof *w);

		print_message("RESTANTE_SEED=%llu\n", (unsigned long long)seed);
		live(w, seed);
		edits += w->edits;
		refused += w->refused;
		passed += w->lab.passed;
		for (size_t k = 0; k < COUNT(kinds); k++)
			kinds[k] += w->lab.kinds[k];
		mem_free(&w);
	}
	print_message("%lu edits, %lu refused, %lu addresses passed, changes by kind:", edits,
		refused, passed);
	for (size_t k = 0; k < COUNT(kinds); k++)
		print_message(" %lu", kinds[k]);
	print_message("\n");
	assert_true(edits > 5000 && refused > 0 && passed > 20);
	for (size_t k = 0; k < COUNT(kinds); k++)
		assert_true(kinds[k] > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
