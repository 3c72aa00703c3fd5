/*
 * The MTA's queue as its own command prints it: `postqueue -j` of Postfix, one JSON object per
 * line and queue file, or `mailq -v` of Sendmail, also several listings one after the other. The
 * first line tells which. Pure. Only recipients are looked at; the rest may change with the MTA's
 * version.
 */
#ifndef RESTANTE_MILTER_MTAQUEUE_H
#define RESTANTE_MILTER_MTAQUEUE_H

#include <stdbool.h>
#include <stddef.h>

/* One queue file's line, in bytes; a longer one is an error. */
#define MTAQUEUE_LINE_MAX (16u << 20)

/* cut: the address begins with that, the rest is not known. */
typedef void (*mtaqueue_recipient)(void *context, const char *recipient, bool cut);

struct mtaqueue;

struct mtaqueue *mtaqueue_new(mtaqueue_recipient callback, void *context);
void mtaqueue_free(struct mtaqueue **queue);

/* The next bytes of the output. -1 with *error_r (static text): what came is no listing. */
int mtaqueue_feed(struct mtaqueue *queue, const char *data, size_t len, const char **error_r);
/* Its end. -1 with *error_r where it is not whole. The number of queue files. */
long mtaqueue_finish(struct mtaqueue *queue, const char **error_r);

#endif
