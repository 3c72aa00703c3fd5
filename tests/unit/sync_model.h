/*
 * What the directory must be after a sync, worked out the naive way: all mailboxes of all systems
 * at hand, addresses as numbers, days instead of instants. It shares the names of sync_lab.h with
 * what it judges, and no code.
 */
#ifndef RESTANTE_TESTS_UNIT_SYNC_MODEL_H
#define RESTANTE_TESTS_UNIT_SYNC_MODEL_H

#include "tests/unit/sync_lab.h"

#define MODEL_BOXES 200

struct model_box {
	int system, id; /* id -1: none */
	char state[16]; /* "-": absent */
	int physical, primary, name;
	bool has[LAB_KEYS];
	int mark[LAB_KEYS]; /* day, -1 none */
	int gone;           /* day, -1 none */
	bool moving;        /* the mailbox of the lab's move */
};

/* What a system said of an id until now. */
struct model_trace {
	bool there, known[LAB_KEYS];
	int lacking[LAB_KEYS], missing;
};

struct model {
	struct model_box boxes[MODEL_BOXES]; /* in the order of the directory */
	int count;
	struct model_trace traces[LAB_SYSTEMS][LAB_IDS];
	bool claims[LAB_KEYS];
	int move_id, move_physical; /* as the move's record has them, -1 none */
};

void model_sync(struct model *model, const struct lab *lab, int system, bool delta);
void model_render(const struct model *model, struct strings *lines_r);
/* From the directory and the traces as they are: after what it cannot know. */
void model_reload(struct model *model, const struct lab *lab);
struct model_box *model_owner(struct model *model, int key);

#endif
