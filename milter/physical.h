/*
 * A set of physical addresses, and which of them a recipient reaches: compared without case, and
 * without a subaddress that was carried over ("anna+detail@s1" reaches "anna@s1"). Not
 * thread-safe while it is filled; afterwards it is only read.
 */
#ifndef RESTANTE_MILTER_PHYSICAL_H
#define RESTANTE_MILTER_PHYSICAL_H

#include <stdbool.h>
#include <stddef.h>

struct physical_set;

struct physical_set *physical_set_new(void);
void physical_set_free(struct physical_set **set);
void physical_set_add(struct physical_set *set, const char *physical); /* copied */
/* The recipient, and what it is without each subaddress that it may have. */
void physical_set_add_recipient(
	struct physical_set *set, const char *recipient, const char *delimiters);
/*
 * One of which only the beginning is known, angle bracket included: whatever begins with it, or
 * does so without a subaddress, is in the set for physical_set_mark with marks NULL.
 */
void physical_set_add_cut(struct physical_set *set, const char *beginning, const char *delimiters);
bool physical_set_is_empty(const struct physical_set *set);
void physical_set_finish(struct physical_set *set); /* before the first look-up */
/* Of those that are known whole. */
size_t physical_set_count(const struct physical_set *set);
/* A member as it was added; each different address is there once. */
const char *physical_set_at(const struct physical_set *set, size_t index);

/*
 * Sets marks[index] for each member that a recipient may be delivered to; more than one where
 * delimiters are ambiguous. marks may be NULL. Whether there was any.
 */
bool physical_set_mark(
	const struct physical_set *set, const char *recipient, const char *delimiters, bool *marks);

#endif
