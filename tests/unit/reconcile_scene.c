#include "tests/unit/unit.h"

#include "tests/unit/reconcile_scene.h"

static void set_owner(struct scene *s, const char *text)
{
	char(*w)[64] = s->words[s->facts.taken_count];
	struct reconcile_owner *owner = &s->taken[s->facts.taken_count++];
	size_t len;

	assert_int_equal(sscanf(text, "%63s %63s %63s", w[0], w[1], w[2]), 3);
	len = strlen(w[2]);
	*owner = (struct reconcile_owner){ w[0], w[1], "uid=owner,dc=example,dc=org", w[2],
		w[2][len - 1] == '*' };
	if (owner->moving)
		w[2][len - 1] = '\0';
	if (strcmp(w[2], "-") == 0)
		owner->id = "";
}

static void set_facts(struct scene *s, const struct row *row)
{
	struct reconcile_facts *f = &s->facts;

	f->id = "a";
	if (row->fresh != NULL) {
		lab_person(row->fresh, &s->fresh);
		f->fresh = &s->fresh;
		f->id = str_cstr(&s->fresh.id);
	}
	if (row->entry != NULL)
		f->entry = (lab_entry(row->entry, &s->entry), &s->entry);
	if (row->orphan != NULL)
		f->orphan = (lab_entry(row->orphan, &s->orphan), &s->orphan);
	if (row->before != NULL)
		f->before = (lab_trace(row->before, &s->before), &s->before);
	if (row->move != NULL)
		f->move = (lab_move(row->move, &s->move), &s->move);
	if (f->entry != NULL || f->orphan != NULL)
		f->own = f->move;
	f->taken = s->taken;
	for (size_t i = 0; i < SCENE_OWNERS && row->taken[i] != NULL; i++)
		set_owner(s, row->taken[i]);
	if (row->passing != NULL)
		f->passing = (strings_add(&s->passing, row->passing), &s->passing);
	f->gone = row->gone;
}

void scene_play(struct scene *s, const struct row *row)
{
	*s = (struct scene){ .fresh = PERSON_INIT,
		.entry = ENTRY_INIT,
		.orphan = ENTRY_INIT,
		.before = TRACE_INIT,
		.after = TRACE_INIT };
	s->policy = lab_policy();
	s->run = lab_run(s->policy);
	s->run.complete = !row->delta;
	s->run.clock_agrees = !row->clock_wrong;
	set_facts(s, row);
	lab_sink_init(&s->sink);
	reconcile_tally_init(s->policy, &s->tally);
	s->result = reconcile(&s->run, &s->facts, &s->sink.sink, &s->tally, &s->after);
}

void scene_end(struct scene *s)
{
	person_free(&s->fresh);
	entry_free(&s->entry);
	entry_free(&s->orphan);
	trace_free(&s->before);
	trace_free(&s->after);
	lab_move_free(&s->move);
	strings_free(&s->passing);
	lab_sink_free(&s->sink);
	reconcile_policy_free(&s->policy);
}
