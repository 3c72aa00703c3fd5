#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"
#include "tests/unit/sync_lab.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/mem.h"
#include "lib/when.h"

/* --- one mailbox in a sync ------------------------------------------------------------------- */

struct work {
	bool shown, gone, skip, has_orphan;
	struct person fresh;
	struct memory_entry *raw, *raw_orphan;
	struct entry entry, orphan;
	int orphan_id; /* -1: it has none */
	struct strings gains, loses, passing;
	struct reconcile_owner taken[LAB_KEYS];
	size_t taken_count;
};

struct syncing {
	struct lab *lab;
	int system;
	bool delta;
	struct reconcile_run run;
	struct work *works[LAB_IDS];
	int first[LAB_KEYS]; /* who gains it, -1: nobody */
	int giver[LAB_KEYS]; /* and who gives it up for that */
	struct move move;
	struct guard_tally tally;
	struct plan *plan;
};

bool lab_shows(const struct lab *lab, int system, int id, bool delta)
{
	const struct source_box *box = &lab->boxes[system][id];

	return box->alive && (!delta || box->dirty);
}

bool lab_tombstone(const struct lab *lab, int system, int id, bool delta)
{
	const struct source_box *box = &lab->boxes[system][id];

	return !box->alive && delta && box->dirty;
}

static void make_person(const struct source_box *box, int id, struct person *person)
{
	struct str text = STR_INIT;

	str_printf(&text, "id=%s phys=%s cn=n%d sn=n%d", lab_id(id), lab_physical(box->physical),
		box->name, box->name);
	if (box->primary >= 0)
		str_printf(&text, " prim=%s", lab_key(box->primary));
	for (int k = 0; k < LAB_KEYS; k++)
		if (box->lists[k])
			str_printf(&text, " addr=%s", lab_key(k));
	lab_person(str_cstr(&text), person);
	str_free(&text);
}

static bool is_of(const struct memory_entry *entry, int system)
{
	return memory_get(entry, "restanteSystem") != NULL &&
	       memory_has(entry, "restanteSystem", lab_system(system));
}

static struct memory_entry *entry_of(const struct syncing *s, int id)
{
	const struct memory_dir *dir = &s->lab->dir;

	for (size_t i = 0; i < dir->count; i++)
		if (is_of(dir->entries[i], s->system) &&
			memory_has(dir->entries[i], "restanteSourceId", lab_id(id)))
			return dir->entries[i];
	return NULL;
}

static struct work *new_work(struct syncing *s, int id)
{
	struct work *w = mem_zalloc(sizeof *w);

	w->entry = w->orphan = (struct entry)ENTRY_INIT;
	w->shown = lab_shows(s->lab, s->system, id, s->delta);
	w->gone = lab_tombstone(s->lab, s->system, id, s->delta);
	if (w->shown)
		make_person(&s->lab->boxes[s->system][id], id, &w->fresh);
	if ((w->raw = entry_of(s, id)) != NULL)
		memory_read(w->raw, &w->entry);
	return s->works[id] = w;
}

static void free_work(struct work **work)
{
	struct work *w = *work;

	if (w == NULL)
		return;
	person_free(&w->fresh);
	entry_free(&w->entry);
	entry_free(&w->orphan);
	strings_free(&w->gains);
	strings_free(&w->loses);
	strings_free(&w->passing);
	mem_free(work);
}

static void gather(struct syncing *s)
{
	for (int id = 0; id < s->lab->next_id[s->system]; id++)
		if (lab_shows(s->lab, s->system, id, s->delta) ||
			lab_tombstone(s->lab, s->system, id, s->delta) ||
			(!s->delta && (entry_of(s, id) != NULL || s->lab->traced[s->system][id])))
			new_work(s, id);
}

/* --- facts ----------------------------------------------------------------------------------- */

static void read_move(struct syncing *s)
{
	const struct lab_move *move = &s->lab->move;
	const struct memory_entry *raw;
	struct str text = STR_INIT;

	if (!move->there)
		return;
	raw = memory_find(&s->lab->dir, move->dn);
	str_printf(&text, "kind=%s from=%s to=%s old=%s",
		move->kind == MOVE_OPEN ? "open" : "finished", lab_system(move->from),
		lab_system(move->to), lab_id(move->old_id));
	if (memory_get(raw, "restanteMoveSourceId") != NULL)
		str_printf(&text, " id=%s", memory_get(raw, "restanteMoveSourceId"));
	if (memory_get(raw, "restanteMovePhysical") != NULL)
		str_printf(&text, " phys=%s", memory_get(raw, "restanteMovePhysical"));
	for (size_t i = 0; i < raw->count; i++)
		if (strcmp(raw->values[i].name, "restanteMoveClaim") == 0)
			str_printf(&text, " claims=%s", raw->values[i].value);
	lab_move(str_cstr(&text), &s->move);
	str_reset(&s->move.dn);
	str_append_z(&s->move.dn, move->dn);
	str_free(&text);
}

static const struct move *move_of(const struct syncing *s, int id, const struct work *w)
{
	const struct lab_move *move = &s->lab->move;
	const char *second = str_cstr(&s->move.source_id);

	if (!move->there)
		return NULL;
	for (size_t i = 0; i < w->taken_count; i++)
		if (w->taken[i].moving)
			return &s->move;
	if (move->from == s->system && move->old_id == id)
		return &s->move;
	if (move->to == s->system && (strcmp(second, lab_id(id)) == 0 ||
					     (w->shown && s->move.physical.len > 0 &&
						     strcmp(str_cstr(&s->move.physical),
							     str_cstr(&w->fresh.physical)) == 0)))
		return &s->move;
	return NULL;
}

static const struct move *own_move(const struct syncing *s, const struct work *w)
{
	const struct memory_entry *raw = w->raw != NULL ? w->raw : w->raw_orphan;

	if (!s->lab->move.there || raw == NULL || strcmp(raw->dn, s->lab->move.mailbox) != 0)
		return NULL;
	return &s->move;
}

static const struct trace *trace_of(const struct syncing *s, int id)
{
	return id >= 0 && s->lab->traced[s->system][id] ? &s->lab->traces[s->system][id] : NULL;
}

static struct reconcile_facts facts_of(const struct syncing *s, int id)
{
	const struct work *w = s->works[id];
	int had = w->has_orphan ? w->orphan_id : id; /* none of an entry by hand */

	return (struct reconcile_facts){ .id = lab_id(id),
		.fresh = w->shown ? &w->fresh : NULL,
		.gone = w->gone,
		.before = trace_of(s, had),
		.entry = w->raw != NULL ? &w->entry : NULL,
		.orphan = w->has_orphan ? &w->orphan : NULL,
		.own = own_move(s, w),
		.move = move_of(s, id, w),
		.taken = w->taken,
		.taken_count = w->taken_count,
		.passing = w->passing.count > 0 ? &w->passing : NULL };
}

/* --- entries that lost their mailbox --------------------------------------------------------- */

static bool is_mated(const struct syncing *s, const struct memory_entry *raw)
{
	for (int id = 0; id < LAB_IDS; id++)
		if (s->works[id] != NULL && s->works[id]->raw_orphan == raw)
			return true;
	return false;
}

static bool fits(struct syncing *s, const struct work *w, struct memory_entry *raw, bool adopt)
{
	int old = lab_number(memory_get(raw, "restanteSourceId"), 'm');
	bool moving = s->lab->move.there && strcmp(raw->dn, s->lab->move.mailbox) == 0;
	struct entry entry = ENTRY_INIT;
	bool result;

	if (!is_of(raw, s->system) || adopt != (old < 0) || is_mated(s, raw))
		return false;
	memory_read(raw, &entry);
	if (adopt)
		result = strcmp(str_cstr(&entry.person.physical_key),
				 str_cstr(&w->fresh.physical_key)) == 0;
	else
		result = !s->delta && s->works[old] != NULL && !s->works[old]->shown &&
			 reconcile_recreated(&w->fresh, &entry, moving ? &s->move : NULL);
	entry_free(&entry);
	return result;
}

static void mate(struct syncing *s, struct work *w)
{
	struct memory_dir *dir = &s->lab->dir;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < dir->count && !w->has_orphan; i++) {
			if (!fits(s, w, dir->entries[i], pass == 0))
				continue;
			w->has_orphan = true;
			w->raw_orphan = dir->entries[i];
			w->orphan_id =
				lab_number(memory_get(w->raw_orphan, "restanteSourceId"), 'm');
			memory_read(w->raw_orphan, &w->orphan);
			if (w->orphan_id >= 0)
				s->works[w->orphan_id]->skip = true;
		}
}

/* --- who has what ---------------------------------------------------------------------------- */

static void look_up(struct syncing *s, int id)
{
	struct work *w = s->works[id];
	struct reconcile_facts facts = facts_of(s, id);

	if (facts.entry == NULL)
		facts.entry = facts.orphan;
	strings_reset(&w->gains);
	strings_reset(&w->loses);
	if (w->skip)
		return;
	reconcile_gains(&s->run, &facts, &w->gains);
	reconcile_loses(&s->run, &facts, &w->loses);
}

/* Whoever's work the entry is in. */
static int keeper_of(const struct syncing *s, const struct memory_entry *raw)
{
	for (int id = 0; id < LAB_IDS; id++) {
		const struct work *w = s->works[id];

		if (w != NULL && !w->skip && raw != NULL && (w->raw == raw || w->raw_orphan == raw))
			return id;
	}
	return -1;
}

static void set_taken(
	struct syncing *s, int id, int key, const struct memory_entry *owner, const char *owner_id)
{
	struct work *w = s->works[id];
	const char *move_dn = s->lab->move.there ? s->lab->move.mailbox : "";

	if (owner == NULL)
		w->taken[w->taken_count++] = (struct reconcile_owner){ mem_strdup(lab_key(key)),
			lab_system(s->system), "", mem_strdup(owner_id), false };
	else
		w->taken[w->taken_count++] = (struct reconcile_owner){ mem_strdup(lab_key(key)),
			memory_get(owner, "restanteSystem"), owner->dn, mem_strdup(owner_id),
			strcmp(owner->dn, move_dn) == 0 };
}

static void share_out(struct syncing *s, int key)
{
	const struct memory_entry *owner = memory_owner(&s->lab->dir, lab_key(key));
	int keeper = keeper_of(s, owner);
	bool gives = keeper >= 0 && strings_has(&s->works[keeper]->loses, lab_key(key));
	const char *owner_id = owner != NULL ? memory_get(owner, "restanteSourceId") : NULL;

	s->first[key] = s->giver[key] = -1;
	for (int id = 0; id < LAB_IDS; id++) {
		if (s->works[id] == NULL || !strings_has(&s->works[id]->gains, lab_key(key)))
			continue;
		if (owner != NULL && !gives)
			set_taken(s, id, key, owner, owner_id != NULL ? owner_id : "");
		else if (s->first[key] < 0)
			s->first[key] = id;
		else
			set_taken(s, id, key, NULL, lab_id(s->first[key]));
	}
	if (s->first[key] >= 0 && owner != NULL)
		s->giver[key] = keeper;
}

/* A delta does not show the owner; what is marked there passes all the same. */
static void add_owners(struct syncing *s)
{
	for (int key = 0; key < LAB_FEDERATED; key++) {
		const struct memory_entry *owner = memory_owner(&s->lab->dir, lab_key(key));
		int id = owner != NULL && is_of(owner, s->system)
				 ? lab_number(memory_get(owner, "restanteSourceId"), 'm')
				 : -1;

		if (id >= 0 && s->works[id] == NULL) {
			new_work(s, id);
			look_up(s, id);
		}
	}
}

static void pass_on(struct syncing *s)
{
	for (int key = 0; key < LAB_FEDERATED; key++) {
		struct reconcile_facts facts;

		if (s->giver[key] < 0)
			continue;
		facts = facts_of(s, s->first[key]);
		if (reconcile_takes(&s->run, &facts))
			s->lab->passed +=
				strings_add(&s->works[s->giver[key]]->passing, lab_key(key));
	}
}

/* --- the sync -------------------------------------------------------------------------------- */

static int take_change(void *context, const struct plan_change *change)
{
	struct syncing *s = context;
	const char *error = "";

	if (plan_put(s->plan, change, &error) < 0)
		fail_msg("%s", error);
	s->lab->kinds[change->kind]++;
	return 0;
}

static int take_finding(void *context, const struct reconcile_finding *finding)
{
	(void)context;
	assert_true(strlen(finding->text) > 0);
	return 0;
}

static void judge(struct syncing *s)
{
	const struct reconcile_sink sink = { s, take_change, take_finding };
	struct trace traces[LAB_IDS];
	int kept[LAB_IDS];

	for (int id = 0; id < LAB_IDS; id++) {
		struct reconcile_facts facts;

		traces[id] = (struct trace)TRACE_INIT;
		kept[id] = 0;
		if (s->works[id] == NULL || s->works[id]->skip)
			continue;
		facts = facts_of(s, id);
		kept[id] = reconcile(&s->run, &facts, &sink, &s->tally, &traces[id]);
		assert_true(kept[id] >= 0);
	}
	for (int id = 0; id < LAB_IDS; id++) {
		if (s->works[id] == NULL)
			continue;
		trace_free(&s->lab->traces[s->system][id]);
		s->lab->traces[s->system][id] = traces[id];
		s->lab->traced[s->system][id] = kept[id] == 1;
	}
}

static size_t apply(struct syncing *s, bool disturbed)
{
	struct memory_dir *dir = &s->lab->dir;
	size_t count = (size_t)plan_count(s->plan), refused = 0;
	bool *done = mem_zalloc(count + 1);
	struct plan_change change;
	const char *error = "";

	plan_rewind(s->plan);
	for (size_t i = 0; plan_next(s->plan, &change, &error) == 1; i++) {
		done[i] = memory_apply_first(dir, &change);
		/* An id that is used again on the day on which its first entry was made. */
		if (!done[i] && !disturbed && strstr(dir->fault, "entryAlreadyExists") == NULL)
			fail_msg("%s", dir->fault);
		refused += !done[i];
	}
	plan_rewind(s->plan);
	for (size_t i = 0; plan_next(s->plan, &change, &error) == 1; i++)
		if (done[i] && !memory_apply_gains(dir, &change) && !disturbed)
			fail_msg("%s", dir->fault);
	mem_free(&done);
	return refused;
}

static void begin(struct syncing *s, struct lab *lab, int system, bool delta)
{
	const char *error = "";

	*s = (struct syncing){ .lab = lab, .system = system, .delta = delta };
	s->run = lab_run(lab->policy);
	s->run.system = lab_system(system);
	s->run.complete = !delta;
	s->run.now_us = LAB_NOW + lab->day * LAB_DAY;
	reconcile_tally_init(lab->policy, &s->tally);
	s->plan = plan_new("/tmp", &error);
	if (s->plan == NULL)
		fail_msg("%s", error);
	read_move(s);
	gather(s);
}

static void end(struct syncing *s)
{
	for (int id = 0; id < LAB_IDS; id++) {
		struct work *w = s->works[id];

		for (size_t i = 0; w != NULL && i < w->taken_count; i++) {
			mem_free_((void **)&w->taken[i].address);
			mem_free_((void **)&w->taken[i].id);
		}
		free_work(&s->works[id]);
	}
	lab_move_free(&s->move);
	plan_free(&s->plan);
}

size_t lab_sync(struct lab *lab, int system, bool delta, void (*before_apply)(void *context),
	void *context, size_t *refused_r)
{
	struct syncing *s = mem_zalloc(sizeof *s);
	size_t count;

	begin(s, lab, system, delta);
	for (int id = 0; id < LAB_IDS; id++)
		if (s->works[id] != NULL && s->works[id]->shown && s->works[id]->raw == NULL)
			mate(s, s->works[id]);
	for (int id = 0; id < LAB_IDS; id++)
		if (s->works[id] != NULL)
			look_up(s, id);
	if (delta)
		add_owners(s);
	for (int key = 0; key < LAB_FEDERATED; key++)
		share_out(s, key);
	for (int key = LAB_FEDERATED; key < LAB_KEYS; key++)
		s->giver[key] = -1;
	pass_on(s);
	judge(s);
	count = (size_t)plan_count(s->plan);
	if (before_apply != NULL)
		before_apply(context);
	*refused_r = apply(s, before_apply != NULL);
	end(s);
	mem_free(&s);
	return count;
}
