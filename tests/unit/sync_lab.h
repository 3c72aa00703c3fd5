/*
 * Three systems, a directory in memory, and a sync that has everything at hand and looks up with
 * loops what the real one merges and sorts; the deciding is reconcile() itself.
 *
 * Addresses are numbers: below LAB_FEDERATED "k3@example.org", else "k20@elsewhere.test".
 */
#ifndef RESTANTE_TESTS_UNIT_SYNC_LAB_H
#define RESTANTE_TESTS_UNIT_SYNC_LAB_H

#include "dirsync/reconcile.h"
#include "tests/unit/memory_dir.h"

#define LAB_SYSTEMS   3
#define LAB_FEDERATED 20
#define LAB_KEYS      24
#define LAB_IDS       400 /* per system; each mailbox ever made has its own */

/* A mailbox on its system. */
struct source_box {
	bool alive, dirty; /* dirty: changed since the last sync */
	bool lists[LAB_KEYS];
	int primary; /* -1 none */
	int physical, name;
};

/* The one move that is not over. */
struct lab_move {
	enum move_kind kind;
	bool there;
	int from, to, old_id, new_id;
	bool swapped;
	char dn[64], mailbox[128]; /* DN of the mailbox */
};

struct lab {
	struct memory_dir dir;
	struct source_box boxes[LAB_SYSTEMS][LAB_IDS];
	int next_id[LAB_SYSTEMS];
	struct trace traces[LAB_SYSTEMS][LAB_IDS];
	bool traced[LAB_SYSTEMS][LAB_IDS];
	struct lab_move move;
	struct reconcile_policy *policy;
	int day;
	unsigned long kinds[PLAN_REPORT]; /* changes that were planned, by enum plan_kind */
	unsigned long passed;             /* addresses that passed from one mailbox to another */
};

void lab_begin(struct lab *lab);
void lab_end(struct lab *lab);

const char *lab_system(int system);          /* "S1" */
const char *lab_key(int key);                /* valid until the tenth call after */
const char *lab_id(int id);                  /* "m007", likewise */
const char *lab_physical(int physical);      /* "p7@s.lab" */
int lab_number(const char *text, char sign); /* of "k3@...", "m007", "p7@..."; -1: none */

/* What a sync shows: every mailbox that is alive, or with delta those that are dirty. */
bool lab_shows(const struct lab *lab, int system, int id, bool delta);
bool lab_tombstone(const struct lab *lab, int system, int id, bool delta);

/*
 * One sync; the number of changes. before_apply (may be NULL) is called when the plan is made: an
 * administrator who is faster. Without one each change must succeed, but for a DN that is there;
 * with one those that do not are counted.
 */
size_t lab_sync(struct lab *lab, int system, bool delta, void (*before_apply)(void *context),
	void *context, size_t *refused_r);

/* Each mailbox of the directory as a line, sorted. */
void lab_render(const struct lab *lab, struct strings *lines_r);

#endif
