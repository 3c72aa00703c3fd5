/*
 * The MTA's queue as `postqueue -j` prints it: one JSON object per line and queue file. Pure.
 * Only "recipients" / "address" is looked at; the rest may change with the MTA's version.
 */
#ifndef RESTANTE_MILTER_MTAQUEUE_H
#define RESTANTE_MILTER_MTAQUEUE_H

#include <stddef.h>

/* One queue file's line, in bytes; a longer one is an error. */
#define MTAQUEUE_LINE_MAX (16u << 20)

typedef void (*mtaqueue_recipient)(void *context, const char *recipient);

struct mtaqueue;

struct mtaqueue *mtaqueue_new(mtaqueue_recipient callback, void *context);
void mtaqueue_free(struct mtaqueue **queue);

/* The next bytes of the output. -1 with *error_r (static text): what came is no listing. */
int mtaqueue_feed(struct mtaqueue *queue, const char *data, size_t len, const char **error_r);
/* Its end. -1 with *error_r where it ends in the middle of a line. The number of queue files. */
long mtaqueue_finish(struct mtaqueue *queue, const char **error_r);

#endif
