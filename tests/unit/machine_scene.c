#include "tests/unit/machine_scene.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* Names are of the machine: they live for ever. */
void scene_done(struct scene *scene, const char *done)
{
	char copy[512], *rest = copy, *word;

	snprintf(copy, sizeof copy, "%s", done);
	while ((word = strtok_r(rest, " ", &rest)) != NULL)
		scene->done[scene->move.done_count++] =
			(struct move_done){ (char *)(uintptr_t)step_name(step_find(word)),
				SCENE_NOW };
	scene->move.done = scene->done;
}

void scene_mark(struct scene *scene, enum step step)
{
	scene->done[scene->move.done_count++] =
		(struct move_done){ (char *)(uintptr_t)step_mark(step), SCENE_NOW };
	scene->move.done = scene->done;
}

void scene_undone(struct scene *scene, enum step step)
{
	size_t kept = 0;

	for (size_t i = 0; i < scene->move.done_count; i++)
		if (strcmp(scene->done[i].step, step_name(step)) != 0)
			scene->done[kept++] = scene->done[i];
	scene->move.done_count = kept;
}

static char *text(const char *literal)
{
	return (char *)(uintptr_t)literal;
}

static void set_move(struct move *move, int state)
{
	*move = (struct move){ .dn = text("cn=m,ou=moves"),
		.uuid = text("u"),
		.csn = text("c"),
		.address = text("anna@example.org"),
		.target = text("S2"),
		.scenario = text("plain"),
		.wave = text(""),
		.instant_us = SCENE_NOW,
		.state = state,
		.mailbox = text("m"),
		.assignor = text("S1"),
		.old_physical = text("anna@s1.test"),
		.old_source_id = text("1"),
		.physical = text(""),
		.source_id = text(""),
		.work = { .step = text("-"), .holder = text("") },
		.work_text = text(""),
		.outcome_text = text(""),
		.identifier = text("i"),
		.error = text(""),
		.made = text(""),
		.hold_csn = text(""),
		.swap_csn = text(""),
		.fault = text("") };
	if (state >= MOVE_CREATED)
		move->physical = text("anna@s2.test");
}

static void set_facts(struct move_facts *facts, int state)
{
	*facts = (struct move_facts){ .mailbox_known = true,
		.held = state == MOVE_FENCED,
		.fenced = state == MOVE_FENCED,
		.listed = state == MOVE_FENCED,
		.assignor_redirects = true,
		.assignee_redirects = true,
		.target_known = true,
		.syncs = SYNC_ANSWERED,
		.working_hours = true,
		.room = true };
	facts->at_target = facts->on_assignee = state >= MOVE_SWAPPED;
	facts->at_assignor = facts->on_assignor = state < MOVE_SWAPPED;
}

void scene_set(struct scene *scene, int state, const char *done)
{
	memset(scene, 0, sizeof *scene);
	set_move(&scene->move, state);
	set_facts(&scene->facts, state);
	scene->scenario = (struct config_scenario){ .name = text("plain"),
		.create = -SCENE_DAY,
		.delete = INT64_MAX,
		.redirect = true,
		.transfer = text("none"),
		.hold = text("swap") };
	scene->now_us = SCENE_NOW;
	scene->move.waits = scene->waits;
	scene_done(scene, done);
}

const char *scene_decide(struct scene *scene)
{
	static char shown[700];
	const struct move_decision *d = &scene->decision;

	move_decide(&scene->move, &scene->scenario, &scene->facts, scene->now_us, &scene->decision);
	switch (d->verdict) {
	case MOVE_DO: snprintf(shown, sizeof shown, "do %s", step_name(d->step)); break;
	case MOVE_LOOK: return "look";
	case MOVE_WAIT: return d->trouble ? "trouble" : "wait";
	case MOVE_STOP: return *d->text != '\0' ? "stop" : "stop without a reason";
	case MOVE_ENTER: snprintf(shown, sizeof shown, "enter %d", d->state); break;
	case MOVE_ANSWER: snprintf(shown, sizeof shown, "answer %s", step_name(d->step)); break;
	case MOVE_OVER:
		snprintf(shown, sizeof shown, "over %s", move_outcome_name(d->outcome));
		break;
	case MOVE_IDLE: return "idle";
	}
	return shown;
}

void scene_expect(struct scene *scene, const char *wanted)
{
	const char *got = scene_decide(scene);

	if (strcmp(got, wanted) != 0)
		fail_msg("state %d: %s (%s) instead of %s", scene->move.state, got,
			scene->decision.text, wanted);
}
