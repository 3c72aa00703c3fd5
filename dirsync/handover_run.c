/* Which of the changes that wait for one another goes next. */
#include <string.h>

#include "dirsync/handover_internal.h"
#include "lib/mem.h"

/* Returns that wait for their entry are looked through so far; the others come later. */
#define RETURNS_LOOKED_AT 64

static void push(struct handover *handover, uint32_t change)
{
	handover->nodes[change].state = NODE_READY;
	handover->ready[handover->ready_count++] = change;
}

void handover_begin(struct handover *handover)
{
	handover->ready = mem_grow(NULL, handover->node_count + 1, sizeof(*handover->ready));
	for (uint32_t i = (uint32_t)handover->node_count; i-- > 0;)
		if (handover->nodes[i].waits == 0)
			push(handover, i);
}

void handover_stop(struct handover *handover)
{
	handover->stopping = true;
}

/* --- giving back ---------------------------------------------------------------------------- */

static bool is_final(const struct node *node)
{
	return node->state == NODE_DONE || node->state == NODE_FAILED;
}

/* Whether one who gains this address from the same entry has it, or may still get it. */
static bool is_wanted(const struct handover *handover, const struct link *link)
{
	for (size_t i = handover->nodes[link->giver].first_out;
		i < handover->link_count && handover->out[i].giver == link->giver; i++)
		if (handover->out[i].key == link->key &&
			handover->nodes[handover->out[i].gainer].state != NODE_FAILED)
			return true;
	return false;
}

static bool is_returning(const struct handover *handover, const struct link *link)
{
	size_t looked = 0;

	for (size_t i = handover->return_count; i-- > 0 && looked++ < RETURNS_LOOKED_AT;)
		if (handover->returns[i].giver == link->giver &&
			handover->returns[i].key == link->key)
			return true;
	return false;
}

static void give_back(struct handover *handover, const struct link *link)
{
	if (!handover->nodes[link->giver].given || is_wanted(handover, link) ||
		is_returning(handover, link))
		return;
	if (handover->return_count == handover->return_room) {
		handover->return_room = handover->return_room > 0 ? handover->return_room * 2 : 16;
		handover->returns = mem_grow(
			handover->returns, handover->return_room, sizeof(*handover->returns));
	}
	handover->returns[handover->return_count++] = *link;
}

/* Only to an entry of which nothing else is written any more: what it asserts would change. */
static bool next_return(struct handover *handover, struct handover_todo *todo_r)
{
	size_t looked = 0;

	for (size_t i = handover->return_count; i-- > 0 && looked++ < RETURNS_LOOKED_AT;) {
		const struct link link = handover->returns[i];

		if (!is_final(&handover->nodes[link.giver]))
			continue;
		handover->returns[i] = handover->returns[--handover->return_count];
		*todo_r = (struct handover_todo){ .step = HANDOVER_RETURN,
			.change = link.giver,
			.place = handover->nodes[link.giver].place,
			.key = link.key };
		return true;
	}
	return false;
}

/* --- results -------------------------------------------------------------------------------- */

static void finish(struct handover *handover, uint32_t change, bool done, bool given)
{
	struct node *node = &handover->nodes[change];

	node->state = done ? NODE_DONE : NODE_FAILED;
	node->given = given;
	for (size_t i = node->first_out;
		i < handover->link_count && handover->out[i].giver == change; i++) {
		struct node *gainer = &handover->nodes[handover->out[i].gainer];

		if (gainer->state == NODE_WAITS) {
			if (!given) {
				gainer->doomed = true;
				gainer->because = change;
			}
			if (--gainer->waits == 0)
				push(handover, handover->out[i].gainer);
		} else if (gainer->state == NODE_FAILED)
			give_back(handover, &handover->out[i]);
	}
	for (size_t i = node->first_in;
		!done && i < handover->link_count && handover->in[i].gainer == change; i++)
		give_back(handover, &handover->in[i]);
}

/* All removals of the cycle have their results. */
static void turn_group(struct handover *handover, const struct group *group)
{
	for (uint32_t i = group->first; i < group->first + group->size; i++) {
		struct node *node = &handover->nodes[handover->members[i]];

		if (node->state != NODE_REMOVED)
			continue;
		if (group->failed) {
			node->doomed = true;
			node->because = group->culprit;
		}
		push(handover, handover->members[i]);
	}
}

static void end_removal(struct handover *handover, uint32_t change, enum handover_result result)
{
	struct node *node = &handover->nodes[change];
	struct group *group = &handover->groups[node->group];

	if (result == HANDOVER_DONE) {
		node->state = NODE_REMOVED;
		node->given = true;
	} else {
		group->failed = true;
		group->culprit = change;
		finish(handover, change, false, result == HANDOVER_FREED);
	}
	if (--group->removing == 0)
		turn_group(handover, group);
}

void handover_result(
	struct handover *handover, const struct handover_todo *todo, enum handover_result result)
{
	const struct node *node = &handover->nodes[todo->change];

	handover->busy--;
	switch (todo->step) {
	case HANDOVER_REMOVE: end_removal(handover, todo->change, result); break;
	case HANDOVER_WHOLE:
	case HANDOVER_REST:
		finish(handover, todo->change, result == HANDOVER_DONE,
			result != HANDOVER_REFUSED || node->given);
		break;
	case HANDOVER_RETURN:
	case HANDOVER_DROP: break;
	}
}

/* --- cycles --------------------------------------------------------------------------------- */

static uint32_t root_of(uint32_t *parents, uint32_t change)
{
	while (parents[change] != change)
		change = parents[change] = parents[parents[change]];
	return change;
}

/* Changes that wait, joined where one waits for the other. */
static uint32_t *join(const struct handover *handover)
{
	uint32_t *parents = mem_grow(NULL, handover->node_count, sizeof(*parents));

	for (uint32_t i = 0; i < handover->node_count; i++)
		parents[i] = i;
	for (size_t i = 0; i < handover->link_count; i++) {
		const struct link *link = &handover->out[i];

		if (handover->nodes[link->giver].state == NODE_WAITS &&
			handover->nodes[link->gainer].state == NODE_WAITS)
			parents[root_of(parents, link->giver)] = root_of(parents, link->gainer);
	}
	return parents;
}

static void number_groups(struct handover *handover, uint32_t *parents)
{
	for (uint32_t i = 0; i < handover->node_count; i++)
		if (handover->nodes[i].state == NODE_WAITS && root_of(parents, i) == i)
			handover->nodes[i].group = (uint32_t)handover->group_count++;
	handover->groups = mem_zalloc((handover->group_count + 1) * sizeof(*handover->groups));
	for (uint32_t i = 0; i < handover->node_count; i++)
		if (handover->nodes[i].state == NODE_WAITS) {
			uint32_t root = root_of(parents, i);

			handover->nodes[i].group = handover->nodes[root].group;
			handover->groups[handover->nodes[i].group].size++;
		}
}

static void list_members(struct handover *handover)
{
	uint32_t first = 0;

	handover->members = mem_grow(NULL, handover->node_count, sizeof(*handover->members));
	for (size_t g = 0; g < handover->group_count; g++) {
		handover->groups[g].first = first;
		first += handover->groups[g].size;
		handover->groups[g].size = 0;
	}
	for (uint32_t i = 0; i < handover->node_count; i++)
		if (handover->nodes[i].state == NODE_WAITS) {
			struct group *group = &handover->groups[handover->nodes[i].group];

			handover->members[group->first + group->size++] = i;
		}
}

/* The last pushed go first: so the members of a group are written one after the other. */
static void begin_group(struct handover *handover, struct group *group)
{
	for (uint32_t i = group->first + group->size; i-- > group->first;) {
		uint32_t change = handover->members[i];
		struct node *node = &handover->nodes[change];

		if (node->gives) {
			group->removing++;
			push(handover, change);
		} else
			node->state = NODE_REMOVED;
	}
}

static void begin_groups(struct handover *handover)
{
	uint32_t *parents = join(handover);

	number_groups(handover, parents);
	mem_free(&parents);
	list_members(handover);
	for (size_t g = handover->group_count; g-- > 0;)
		begin_group(handover, &handover->groups[g]);
}

/* Nothing is under way and nothing can be: what waits, waits in a circle. */
static void untie(struct handover *handover)
{
	bool waiting = false;

	for (uint32_t i = 0; i < handover->node_count; i++) {
		const struct node *node = &handover->nodes[i];

		waiting = waiting || node->state == NODE_WAITS;
		if (node->state == NODE_WAITS && (node->doomed || handover->stopping))
			push(handover, i);
	}
	if (waiting && handover->ready_count == 0)
		begin_groups(handover);
}

/* --- what is next --------------------------------------------------------------------------- */

/* True: *todo_r is to be done, or told; false: it was dropped without a word. */
static bool take(struct handover *handover, uint32_t change, struct handover_todo *todo_r)
{
	struct node *node = &handover->nodes[change];
	bool grouped = node->group != HANDOVER_NO_GROUP;
	bool rest = grouped && (node->given || !node->gives);

	*todo_r = (struct handover_todo){ .change = change, .place = node->place };
	if (node->doomed) {
		todo_r->step = HANDOVER_DROP;
		todo_r->because_place = handover->nodes[node->because].place;
		finish(handover, change, false, node->given);
		return !handover->stopping;
	}
	if (handover->stopping && grouped && !rest) {
		end_removal(handover, change, HANDOVER_REFUSED);
		return false;
	}
	if (handover->stopping && !grouped) {
		finish(handover, change, false, false);
		return false;
	}
	todo_r->step = !grouped ? HANDOVER_WHOLE : rest ? HANDOVER_REST : HANDOVER_REMOVE;
	node->state = NODE_BUSY;
	handover->busy++;
	return true;
}

bool handover_next(struct handover *handover, struct handover_todo *todo_r)
{
	for (;;) {
		if (next_return(handover, todo_r)) {
			handover->busy++;
			return true;
		}
		if (handover->ready_count == 0 && handover->busy == 0)
			untie(handover);
		if (handover->ready_count == 0)
			return false;
		if (take(handover, handover->ready[--handover->ready_count], todo_r))
			return true;
	}
}
