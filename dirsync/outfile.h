/*
 * A file that is replaced as a whole: written beside itself as NAME.new, brought to the disk, then
 * renamed. Whoever reads NAME sees the old or the new one, never a part. One thread.
 */
#ifndef RESTANTE_DIRSYNC_OUTFILE_H
#define RESTANTE_DIRSYNC_OUTFILE_H

#include <stddef.h>

#include "lib/str.h"

struct outfile;

/* Its mode is that of the file it replaces, else 0644. NULL with *error_r: one line, the path and
 * the remedy in it. */
struct outfile *outfile_open(const char *path, const char **error_r);
/* 0, or -1 with *error_r. */
int outfile_write(struct outfile *file, const void *data, size_t len, const char **error_r);
/* Both free it, whatever the result. commit: 0, or -1 with *error_r: the old file is as it was. */
int outfile_commit(struct outfile **file, const char **error_r);
void outfile_drop(struct outfile **file);

/* A text that changes when somebody else changes the file; "" where there is none. */
void outfile_seal(const char *path, struct str *seal_r);

#endif
