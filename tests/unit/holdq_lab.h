/* What the tests of the hold queue share: a queue in a directory of its own, and shorthands. */
#ifndef RESTANTE_TESTS_UNIT_HOLDQ_LAB_H
#define RESTANTE_TESTS_UNIT_HOLDQ_LAB_H

#include <stddef.h>
#include <stdint.h>

#include "queue/holdq.h"

struct lab {
	char dir[64];
	struct holdq_options options;
	struct holdq *queue;
};

/* cmocka fixtures: the state is a struct lab with an open queue. */
int lab_setup(void **state);
int lab_teardown(void **state);
void lab_open(struct lab *lab); /* fails the test when it cannot */
void lab_reopen(struct lab *lab);
void lab_remove_tree(const char *dir);

/* A mailbox by number, and a digest by number. */
const uint8_t *lab_mailbox(unsigned n);
const uint8_t *lab_digest(unsigned n);
/* Bytes that can be told from any others of the same length. */
void lab_fill(char *buffer, size_t len, unsigned seed);

/*
 * Commits a message of len bytes of lab_fill(seed) to "u<n>@example.org" in mailbox n for each of
 * the count numbers. digest 0: none.
 */
enum holdq_result lab_put(struct holdq *queue, size_t len, unsigned seed, const unsigned *mailboxes,
	size_t count, unsigned digest, uint64_t *id_r, size_t *held_r);
/* The same to one mailbox without digest; the id, 0 where it was refused. */
uint64_t lab_put_one(struct holdq *queue, size_t len, unsigned seed, unsigned mailbox);
/* Whether the message is there with that content. */
int lab_has(struct holdq *queue, uint64_t id, size_t len, unsigned seed);

#endif
