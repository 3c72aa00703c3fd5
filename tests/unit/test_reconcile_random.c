/*
 * Thousands of random edits on three systems and in the directory, moves open and finished; after
 * each sync the directory must be what the naive model says, and a second sync must write nothing.
 * The seed is printed; RESTANTE_SEED repeats a run.
 */
#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"
#include "tests/unit/sync_model.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/mem.h"

#define WORLDS 12
#define ROUNDS 400

struct world {
	struct lab lab;
	struct model model;
	struct memory_dir saved;
	bool has_saved;
	uint64_t random;
	int physicals, names, entries;
	char faster_dn[128],
		faster_key[64]; /* what an administrator wrote before a plan was applied */
	unsigned long edits, syncs, refused, collisions;
};

static int below(struct world *w, int n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (int)((w->random >> 11) % (uint64_t)n);
}

/* --- the systems ----------------------------------------------------------------------------- */

static struct source_box *some_box(struct world *w, int system, bool alive, int *id_r)
{
	int count = w->lab.next_id[system];

	for (int tries = 0; tries < 30 && count > 0; tries++) {
		*id_r = count - 1 - below(w, count < 25 ? count : 25);
		if (w->lab.boxes[system][*id_r].alive == alive) {
			w->lab.boxes[system][*id_r].dirty = true;
			return &w->lab.boxes[system][*id_r];
		}
	}
	return NULL;
}

static int alive_on(const struct world *w, int system)
{
	int alive = 0;

	for (int id = 0; id < w->lab.next_id[system]; id++)
		alive += w->lab.boxes[system][id].alive;
	return alive;
}

static struct source_box *make_box(struct world *w, int system, int primary)
{
	struct source_box *box;

	if (w->lab.next_id[system] == LAB_IDS)
		return NULL;
	box = &w->lab.boxes[system][w->lab.next_id[system]++];
	*box = (struct source_box){ .alive = true,
		.dirty = true,
		.primary = primary,
		.physical = w->physicals++,
		.name = w->names++ };
	box->lists[primary] = true;
	return box;
}

static void rename_box(struct world *w, struct source_box *box)
{
	if (box->primary >= 0 && below(w, 2))
		box->lists[box->primary] = false;
	box->primary = below(w, 8) == 0 ? -1 : below(w, LAB_KEYS);
	if (box->primary >= 0)
		box->lists[box->primary] = true;
}

static void pass_alias(struct world *w, int system, struct source_box *from)
{
	int id, key = below(w, LAB_FEDERATED);
	struct source_box *to = some_box(w, system, true, &id);

	if (to == NULL || to == from || !from->lists[key] || from->primary == key)
		return;
	from->lists[key] = below(w, 10) == 0; /* listed by both, sometimes */
	to->lists[key] = true;
}

static void make_anew(struct world *w, int system, struct source_box *box)
{
	struct source_box *again = box->primary < 0 ? NULL : make_box(w, system, box->primary);

	if (again == NULL)
		return;
	box->alive = false;
	memcpy(again->lists, box->lists, sizeof again->lists);
	again->lists[below(w, LAB_KEYS)] = true;
}

static void edit_box(struct world *w, int system, struct source_box *box)
{
	int key = below(w, LAB_KEYS);

	switch (below(w, 9)) {
	case 0: rename_box(w, box); break;
	case 1: box->physical = w->physicals++; break;
	case 2: box->name = w->names++; break;
	case 3: pass_alias(w, system, box); break;
	case 4: make_anew(w, system, box); break;
	case 5: box->alive = false; break;
	default:
		if (key != box->primary)
			box->lists[key] = !box->lists[key];
	}
}

static void edit_system(struct world *w)
{
	int system = below(w, LAB_SYSTEMS), id;
	struct source_box *box;

	if (alive_on(w, system) < 4 && below(w, 2)) {
		make_box(w, system, below(w, LAB_KEYS));
	} else if (below(w, 8) == 0) {
		if ((box = some_box(w, system, false, &id)) != NULL && alive_on(w, system) < 7)
			box->alive = true;
	} else if ((box = some_box(w, system, true, &id)) != NULL) {
		edit_box(w, system, box);
	}
}

/* --- administrators: the directory and the model alike --------------------------------------- */

static struct memory_entry *raw_of(struct world *w, const struct model_box *box)
{
	size_t at = (size_t)(box - w->model.boxes);

	for (size_t i = 0; i < w->lab.dir.count; i++)
		if (memory_get(w->lab.dir.entries[i], "restanteSystem") != NULL && at-- == 0)
			return w->lab.dir.entries[i];
	return NULL;
}

static struct model_box *some_mailbox(struct world *w)
{
	return w->model.count > 0 ? &w->model.boxes[below(w, w->model.count)] : NULL;
}

static void give(struct world *w, struct model_box *box, int key)
{
	struct model_box *owner = model_owner(&w->model, key);

	if (owner != NULL) {
		memory_take(&w->lab.dir, raw_of(w, owner), "mailLocalAddress", lab_key(key));
		owner->has[key] = false;
	}
	memory_put(&w->lab.dir, raw_of(w, box), "mailLocalAddress", lab_key(key));
	box->has[key] = true;
}

static void set_state(struct world *w, struct model_box *box)
{
	static const char *const states[] = { "active", "holding", "-" };
	const char *state = states[below(w, 3)];

	memory_set(&w->lab.dir, raw_of(w, box), "restanteState",
		strcmp(state, "-") == 0 ? NULL : state);
	snprintf(box->state, sizeof box->state, "%s", state);
}

static void write_entry(struct world *w, const struct model_box *box, const char *dn)
{
	struct memory_dir *dir = &w->lab.dir;
	struct memory_entry *raw = memory_add(dir, dn);
	char name[16];

	snprintf(name, sizeof name, "n%d", box->name);
	memory_put(dir, raw, "restanteSystem", lab_system(box->system));
	memory_put(dir, raw, "mailRoutingAddress", lab_physical(box->physical));
	memory_put(dir, raw, "cn", name);
	for (int key = 0; key < LAB_KEYS; key++)
		if (box->has[key])
			memory_put(dir, raw, "mailLocalAddress", lab_key(key));
}

/* By hand, without an id; often of a mailbox that is there, or is to be. */
static void make_entry(struct world *w)
{
	int system = below(w, LAB_SYSTEMS), id, key = below(w, LAB_FEDERATED);
	struct source_box *source = some_box(w, system, true, &id);
	struct model_box *box = &w->model.boxes[w->model.count];
	char dn[64];

	if (source == NULL || model_owner(&w->model, key) != NULL || w->model.count > 40)
		return;
	*box = (struct model_box){ .system = system,
		.id = -1,
		.state = "-",
		.physical = below(w, 4) == 0 ? w->physicals++ : source->physical,
		.primary = -1,
		.name = w->names++,
		.gone = -1 };
	for (int k = 0; k < LAB_KEYS; k++)
		box->mark[k] = -1;
	box->has[key] = true;
	snprintf(dn, sizeof dn, "uid=hand%d,ou=people,dc=example,dc=org", w->entries++);
	write_entry(w, box, dn);
	w->model.count++;
}

static void edit_directory(struct world *w)
{
	struct model_box *box = some_mailbox(w);
	int key = below(w, LAB_FEDERATED);

	if (box == NULL || below(w, 4) == 0) {
		make_entry(w);
	} else if (below(w, 3) == 0) {
		set_state(w, box);
	} else if (box->has[key] && below(w, 2)) {
		memory_take(&w->lab.dir, raw_of(w, box), "mailLocalAddress", lab_key(key));
		box->has[key] = false;
	} else if (!box->has[key] && (model_owner(&w->model, key) == NULL || below(w, 3) == 0)) {
		give(w, box, key);
	}
}

/* --- moves ----------------------------------------------------------------------------------- */

static struct model_box *moving_box(struct world *w)
{
	for (int i = 0; i < w->model.count; i++)
		if (w->model.boxes[i].moving)
			return &w->model.boxes[i];
	return NULL;
}

/* The controller knows the id of what it has made, its physical address, or both. */
static void record_move(struct world *w, const struct source_box *second)
{
	struct lab_move *move = &w->lab.move;
	struct memory_entry *raw = memory_add(&w->lab.dir, move->dn);
	int known = 1 + below(w, 9);

	memory_put(&w->lab.dir, raw, "restanteMoveTarget", lab_system(move->to));
	w->model.move_id = w->model.move_physical = -1;
	memset(w->model.claims, 0, sizeof w->model.claims);
	if (known > 4) {
		memory_put(&w->lab.dir, raw, "restanteMoveSourceId", lab_id(move->new_id));
		w->model.move_id = move->new_id;
	}
	if (known < 8) {
		memory_put(
			&w->lab.dir, raw, "restanteMovePhysical", lab_physical(second->physical));
		w->model.move_physical = second->physical;
	}
}

static void open_move(struct world *w)
{
	struct lab_move *move = &w->lab.move;
	struct model_box *box = some_mailbox(w);
	struct source_box *second;

	if (box == NULL || box->id < 0 || !w->lab.boxes[box->system][box->id].alive)
		return;
	*move = (struct lab_move){ .kind = MOVE_OPEN,
		.there = true,
		.from = box->system,
		.to = (box->system + 1 + below(w, LAB_SYSTEMS - 1)) % LAB_SYSTEMS,
		.old_id = box->id };
	move->new_id = w->lab.next_id[move->to];
	second = make_box(w, move->to, LAB_FEDERATED + below(w, LAB_KEYS - LAB_FEDERATED));
	if (second == NULL) {
		move->there = false;
		return;
	}
	snprintf(move->dn, sizeof move->dn, "cn=m%d,ou=moves,cn=restante,dc=example,dc=org",
		w->entries++);
	snprintf(move->mailbox, sizeof move->mailbox, "%s", raw_of(w, box)->dn);
	box->moving = true;
	record_move(w, second);
}

static void prepare_second(struct world *w, const struct model_box *box)
{
	struct source_box *second = &w->lab.boxes[w->lab.move.to][w->lab.move.new_id];

	for (int key = 0; key < LAB_KEYS; key++)
		second->lists[key] = second->lists[key] || box->has[key];
	if (box->primary >= 0 && box->has[box->primary])
		second->primary = box->primary;
	second->dirty = true;
}

static bool has_entry(const struct world *w, int system, int id)
{
	for (int i = 0; i < w->model.count; i++)
		if (w->model.boxes[i].system == system && w->model.boxes[i].id == id)
			return true;
	return false;
}

static void swap(struct world *w, struct model_box *box)
{
	struct lab_move *move = &w->lab.move;
	struct memory_entry *raw = raw_of(w, box);

	if (box->system != move->from || has_entry(w, move->to, move->new_id) ||
		!w->lab.boxes[move->to][move->new_id].alive)
		return;
	box->system = move->to;
	box->id = move->new_id;
	box->physical = w->lab.boxes[move->to][move->new_id].physical;
	snprintf(box->state, sizeof box->state, "active");
	memory_set(&w->lab.dir, raw, "restanteSystem", lab_system(box->system));
	memory_set(&w->lab.dir, raw, "restanteSourceId", lab_id(box->id));
	memory_set(&w->lab.dir, raw, "mailRoutingAddress", lab_physical(box->physical));
	memory_set(&w->lab.dir, raw, "restanteState", "active");
	move->swapped = true;
}

static void end_move(struct world *w, struct model_box *box)
{
	struct lab_move *move = &w->lab.move;
	struct source_box *second = &w->lab.boxes[move->to][move->new_id];

	if (!move->swapped && below(w, 3) != 0) {
		second->alive = false;
		second->dirty = true;
	}
	memory_delete(&w->lab.dir, memory_find(&w->lab.dir, move->dn));
	move->there = false;
	if (box != NULL)
		box->moving = false;
}

static void edit_move(struct world *w)
{
	struct lab_move *move = &w->lab.move;
	struct model_box *box = moving_box(w);
	struct source_box *old = &w->lab.boxes[move->from][move->old_id];

	if (!move->there) {
		open_move(w);
	} else if (box == NULL) {
		end_move(w, box);
	} else if (move->kind == MOVE_FINISHED) {
		if (!old->alive && below(w, 3) == 0)
			end_move(w, box);
		else if (below(w, 3) == 0)
			old->alive = false, old->dirty = true;
	} else if (move->swapped) {
		if (below(w, 3) == 0)
			move->kind = MOVE_FINISHED;
	} else if (below(w, 12) == 0) {
		end_move(w, box);
	} else if (below(w, 2)) {
		prepare_second(w, box);
	} else {
		swap(w, box);
	}
}

/* --- what goes wrong ------------------------------------------------------------------------- */

static void lose_snapshot(struct world *w, int system)
{
	for (int id = 0; id < LAB_IDS; id++) {
		trace_reset(&w->lab.traces[system][id]);
		w->lab.traced[system][id] = false;
		w->model.traces[system][id] = (struct model_trace){ .there = false };
	}
}

static void restore_directory(struct world *w)
{
	if (w->lab.move.there)
		return;
	if (!w->has_saved || below(w, 3) != 0) {
		memory_copy(&w->saved, &w->lab.dir);
		w->has_saved = true;
		return;
	}
	memory_copy(&w->lab.dir, &w->saved);
	model_reload(&w->model, &w->lab);
}

static void edit(struct world *w)
{
	int what = below(w, 100);

	w->edits++;
	if (what < 55)
		edit_system(w);
	else if (what < 75)
		edit_directory(w);
	else if (what < 94)
		edit_move(w);
	else if (what < 96)
		lose_snapshot(w, below(w, LAB_SYSTEMS));
	else
		restore_directory(w);
}

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
			edit(w);
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
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)getpid();
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
		assert_true(kinds[k] > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
