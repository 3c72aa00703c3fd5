/*
 * The first load: the whole content of the directory into empty tables, in the order of the keys
 * (PEERS: a third of the time of random order). The two large tables are built beside the
 * environment, without a log: until the mark "loaded" is durable a restart begins anew, and after
 * it they are synced files of the environment like all others.
 */
#ifndef RESTANTE_DIRECTORY_LOADER_H
#define RESTANTE_DIRECTORY_LOADER_H

#include "directory/replica_internal.h"

struct loader;

struct loader *loader_new(struct replica *replica);
void loader_free(struct loader **loader);

/* 0, or -1 with *error_r where the disk failed. */
int loader_add(struct loader *loader, const struct record *record, const char **error_r);
/*
 * Fills the tables; the vector and the mark "loaded" come last. An entry that came twice counts in
 * its newer version. -1 with *error_r: nothing is loaded, start over.
 */
int loader_finish(struct loader *loader, const struct csn_vector *vector, const char **error_r);

#endif
