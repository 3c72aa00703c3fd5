#include "tests/unit/unit.h"

#include "tests/unit/sync_world.h"

int below(struct world *w, int n)
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

struct memory_entry *raw_of(struct world *w, const struct model_box *box)
{
	size_t at = (size_t)(box - w->model.boxes);

	for (size_t i = 0; i < w->lab.dir.count; i++)
		if (memory_get(w->lab.dir.entries[i], "restanteSystem") != NULL && at-- == 0)
			return w->lab.dir.entries[i];
	return NULL;
}

struct model_box *some_mailbox(struct world *w)
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

void world_edit(struct world *w)
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
