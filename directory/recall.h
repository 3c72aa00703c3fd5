/*
 * What was read a moment ago: a recipient is looked up at RCPT and again at the end of the message,
 * and mostly nothing was written in between. Thread-safe, and it never waits.
 *
 * A version is a number that a writer changes before it begins and again after its commit; it is
 * odd in between. What was read while it was even is what a read would find as long as it stays.
 */
#ifndef RESTANTE_DIRECTORY_RECALL_H
#define RESTANTE_DIRECTORY_RECALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recall;

struct recall *recall_new(void);
void recall_free(struct recall **recall);

/* False: it is not there, it is longer than size, or another thread is at it just now. */
bool recall_get(struct recall *recall, uint64_t version, const char *key, size_t key_len,
	void *value_r, size_t size, size_t *len_r);
/* version: as it was before the read. Long values are not kept, nor is one in another's place. */
void recall_put(struct recall *recall, uint64_t version, const char *key, size_t key_len,
	const void *value, size_t len);

#endif
