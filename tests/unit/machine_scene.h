/* A move, its scenario and the facts for the state machine's tests. */
#ifndef RESTANTE_TESTS_UNIT_MACHINE_SCENE_H
#define RESTANTE_TESTS_UNIT_MACHINE_SCENE_H

#include "control/machine.h"

#define SCENE_NOW INT64_C(1800000000000000)
#define SCENE_DAY INT64_C(86400000000)

/* What was done on the way to that state. */
#define TO_4   "create redirect-second "
#define TO_5   TO_4 "addresses ask-syncs "
#define TO_6   TO_5 "list hold fence "
#define TURNED TO_6 "unredirect-second redirect-first "
#define TO_10  TURNED "swap "

#define SECOND_US INT64_C(1000000)

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
/* The test fails unless it is that. */
void scene_expect(struct scene *scene, const char *wanted);

#endif
