/*
 * What a full pull need not look at closely: an entry that reads as it did when its mailbox was
 * level last is the same mailbox. It is known by the digest of all that it is mapped from (and of
 * the settings by which it is mapped), which the snapshot has; it is neither mapped nor sorted, and
 * its bytes are kept in a file without a name, for the few whose entry in the directory was edited
 * meanwhile. Memory: 36 bytes for each of `most`.
 */
#ifndef RESTANTE_DIRSYNC_RAWSET_H
#define RESTANTE_DIRSYNC_RAWSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirsync/reconcile.h"
#include "lib/str.h"

struct rawset;

/* dir: of the file. most: so many may be added; of more, none is known. */
struct rawset *rawset_new(const char *dir, uint64_t most);
void rawset_free(struct rawset **set);

void rawset_add(struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE]);
/* An entry is read. 1: it is known, and its bytes are kept; 0: it is not, or was read before; -1
 * with *error_r: the disk failed. */
int rawset_see(struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE], const void *bytes, size_t len,
	const char **error_r);
/* Whether rawset_see() said 1. */
bool rawset_seen(const struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE]);
uint64_t rawset_seen_count(const struct rawset *set);
/* The bytes of such a one replace those in `bytes`: 0, or -1 with *error_r. */
int rawset_read(struct rawset *set, const uint8_t raw[TRACE_RAW_SIZE], struct str *bytes,
	const char **error_r);

#endif
