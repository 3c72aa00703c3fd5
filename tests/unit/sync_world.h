/* Three systems, a directory and its model, and random edits of all of them. */
#ifndef RESTANTE_TESTS_UNIT_SYNC_WORLD_H
#define RESTANTE_TESTS_UNIT_SYNC_WORLD_H

#include "tests/unit/sync_model.h"

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

int below(struct world *w, int n); /* random: 0 to n - 1 */
struct model_box *some_mailbox(struct world *w);
/* Its entry in the directory. */
struct memory_entry *raw_of(struct world *w, const struct model_box *box);
/* One of: a system changes, an administrator writes, a move goes on, something is lost. */
void world_edit(struct world *w);

#endif
