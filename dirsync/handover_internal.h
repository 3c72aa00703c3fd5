/* What the files of dirsync/handover*.c share; nobody else includes it. */
#ifndef RESTANTE_DIRSYNC_HANDOVER_INTERNAL_H
#define RESTANTE_DIRSYNC_HANDOVER_INTERNAL_H

#include "dirsync/handover.h"

#define HANDOVER_NO_GROUP UINT32_MAX

/* A key of a change that somebody else may have, too. */
struct end {
	uint64_t key;
	uint32_t change;
	bool gives;
};

struct link {
	uint32_t giver, gainer;
	uint64_t key;
};

enum node_state {
	NODE_WAITS,
	NODE_READY,   /* on the stack */
	NODE_BUSY,    /* given out, its result is awaited */
	NODE_REMOVED, /* of a cycle: has removed, waits for the others */
	NODE_DONE,
	NODE_FAILED,
};

struct node {
	uint64_t place;
	uint32_t waits; /* for so many results */
	uint32_t group; /* of a cycle */
	uint32_t first_out, first_in;
	uint32_t because; /* who was refused, where doomed */
	uint8_t state;    /* enum node_state */
	bool gives;       /* anything at all */
	bool given;       /* its addresses are free */
	bool doomed;      /* one that it waits for was refused */
};

/* Changes that wait for one another, all around. */
struct group {
	uint32_t removing;    /* so many removals have no result yet */
	uint32_t size, first; /* of its nodes in `members` */
	uint32_t culprit;     /* whose removal was refused */
	bool failed;
};

struct handover {
	uint64_t bits; /* of each filter: a power of two */
	uint8_t *gained, *given;
	struct end *ends;
	size_t end_count, end_room;
	struct node *nodes;
	size_t node_count, node_room;
	struct link *out; /* by giver */
	struct link *in;  /* the same by gainer */
	size_t link_count, link_room;
	uint32_t *ready; /* a stack: who was made ready last goes first */
	size_t ready_count;
	struct link *returns; /* giver gets key back */
	size_t return_count, return_room;
	struct group *groups;
	uint32_t *members;
	size_t group_count;
	size_t busy; /* results awaited */
	bool stopping;
};

/* After the links are there. */
void handover_begin(struct handover *handover);

#endif
