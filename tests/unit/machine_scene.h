/* A move, its scenario and the facts for the state machine's tests. */
#ifndef RESTANTE_TESTS_UNIT_MACHINE_SCENE_H
#define RESTANTE_TESTS_UNIT_MACHINE_SCENE_H

#include "control/machine.h"

#define SCENE_NOW INT64_C(1800000000000000)
#define SCENE_DAY INT64_C(86400000000)

struct scene {
	struct move move;
	struct config_scenario scenario;
	struct move_facts facts;
	int64_t now_us;
	struct move_decision decision;
	struct move_done done[2 * STEPS];
	struct move_wait waits[2];
};

/* In that state with these steps done ("create redirect-second"), everything as it should be then:
 * due, known, held from state 5 on, swapped from 6 on, syncs answered. */
void scene_set(struct scene *scene, int state, const char *done);
void scene_done(struct scene *scene, const char *done);
/* Begun once, and not seen to end. */
void scene_mark(struct scene *scene, enum step step);
void scene_undone(struct scene *scene, enum step step);
/* "do create", "wait", "trouble", "stop", "enter 4", "answer back", "over ended", "look", "idle".
 */
const char *scene_decide(struct scene *scene);

#endif
