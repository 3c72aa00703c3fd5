/*
 * Sorting more pairs than fit into memory: they are collected up to a bound, written as sorted
 * runs into files of a directory, and merged at the end. One thread at a time.
 */
#ifndef RESTANTE_LIB_BULKSORT_H
#define RESTANTE_LIB_BULKSORT_H

#include <stdbool.h>
#include <stddef.h>

struct bulk;

struct bulk_pair {
	const char *key;
	size_t key_len; /* at most 65535 */
	const char *value;
	size_t value_len;
}; /* valid until the next call */

/* name: of the run files, "name.0", ...; memory: bytes to collect before a run is written. */
struct bulk *bulk_new(const char *dir, const char *name, size_t memory);
void bulk_free(struct bulk **bulk); /* removes its files */

/* 0, or -1 with *error_r where the disk failed. */
int bulk_add(struct bulk *bulk, const void *key, size_t key_len, const void *value,
	size_t value_len, const char **error_r);
/* No more are added; bulk_next follows. */
int bulk_sort(struct bulk *bulk, const char **error_r);
/* In the order of the keys' bytes, equal keys one after the other: 1, 0 at the end, -1. */
int bulk_next(struct bulk *bulk, struct bulk_pair *pair_r, const char **error_r);

#endif
