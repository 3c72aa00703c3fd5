/* The model as text, and from what is. */
#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"
#include "tests/unit/sync_model.h"

#include <stdlib.h>

#include "lib/when.h"

static void render(const struct model_box *box, struct strings *lines)
{
	struct str line = STR_INIT, one = STR_INIT;
	struct strings sorted = STRINGS_INIT;

	str_printf(&line, "%s %s %s %s %s n%d gone=%d", lab_system(box->system),
		box->id >= 0 ? lab_id(box->id) : "-", box->state, lab_physical(box->physical),
		box->primary >= 0 ? lab_key(box->primary) : "-", box->name, box->gone);
	for (int key = 0; key < LAB_KEYS; key++) {
		str_reset(&one);
		str_printf(&one, " %s", lab_key(key));
		if (box->has[key])
			strings_add(&sorted, str_cstr(&one));
		str_reset(&one);
		str_printf(&one, "~%s:%d", lab_key(key), box->mark[key]);
		if (box->mark[key] >= 0)
			strings_add(&sorted, str_cstr(&one));
	}
	for (const char *t = strings_first(&sorted); t != NULL; t = strings_next(&sorted, t))
		str_append_z(&line, t);
	strings_add(lines, str_cstr(&line));
	strings_free(&sorted);
	str_free(&line);
	str_free(&one);
}

void model_render(const struct model *model, struct strings *lines_r)
{
	strings_reset(lines_r);
	for (int i = 0; i < model->count; i++)
		render(&model->boxes[i], lines_r);
}

/* --- from what is ---------------------------------------------------------------------------- */

static int day_of(const char *instant)
{
	return instant != NULL ? (int)((when_generalized_us(instant) - LAB_NOW) / LAB_DAY) : -1;
}

static void load_values(struct model_box *box, const struct memory_entry *raw)
{
	for (int key = 0; key < LAB_KEYS; key++)
		box->mark[key] = -1;
	for (size_t i = 0; i < raw->count; i++) {
		const char *name = raw->values[i].name, *value = raw->values[i].value;

		if (strcmp(name, "mailLocalAddress") == 0)
			box->has[lab_number(value, 'k')] = true;
		if (strcmp(name, "restanteVanishingAddress") == 0)
			box->mark[lab_number(value, 'k')] = day_of(strrchr(value, ' ') + 1);
	}
}

static void load_box(struct model *model, const struct lab *lab, const struct memory_entry *raw)
{
	struct model_box *box = &model->boxes[model->count++];
	const char *state = memory_get(raw, "restanteState");

	assert_true(model->count <= MODEL_BOXES);
	*box = (struct model_box){ .system = lab_number(memory_get(raw, "restanteSystem"), 'S') - 1,
		.id = lab_number(memory_get(raw, "restanteSourceId"), 'm'),
		.physical = lab_number(memory_get(raw, "mailRoutingAddress"), 'p'),
		.primary = lab_number(memory_get(raw, "mail"), 'k'),
		.name = lab_number(memory_get(raw, "cn"), 'n'),
		.gone = day_of(memory_get(raw, "restanteVanishedSince")),
		.moving = lab->move.there && strcmp(raw->dn, lab->move.mailbox) == 0 };
	snprintf(box->state, sizeof box->state, "%s", state != NULL ? state : "-");
	load_values(box, raw);
}

static void load_trace(struct model_trace *to, const struct trace *from, bool there)
{
	*to = (struct model_trace){ .there = there, .missing = (int)from->missing };
	for (const char *t = strings_first(&from->addresses); t != NULL;
		t = strings_next(&from->addresses, t))
		to->known[lab_number(t, 'k')] = true;
	for (const char *t = strings_first(&from->lacking); t != NULL;
		t = strings_next(&from->lacking, t))
		to->lacking[lab_number(t, 'k')] = atoi(strrchr(t, ' ') + 1);
}

void model_reload(struct model *model, const struct lab *lab)
{
	struct memory_entry *move = lab->move.there ? memory_find(&lab->dir, lab->move.dn) : NULL;

	model->count = 0;
	for (size_t i = 0; i < lab->dir.count; i++)
		if (memory_get(lab->dir.entries[i], "restanteSystem") != NULL)
			load_box(model, lab, lab->dir.entries[i]);
	for (int system = 0; system < LAB_SYSTEMS; system++)
		for (int id = 0; id < LAB_IDS; id++)
			load_trace(&model->traces[system][id], &lab->traces[system][id],
				lab->traced[system][id]);
	if (move == NULL)
		return;
	model->move_id = lab_number(memory_get(move, "restanteMoveSourceId"), 'm');
	model->move_physical = lab_number(memory_get(move, "restanteMovePhysical"), 'p');
	for (int key = 0; key < LAB_KEYS; key++)
		model->claims[key] = memory_has(move, "restanteMoveClaim", lab_key(key));
}
