/*
 * Runs the command that lists the MTA's queue and hands each recipient over. Without a shell
 * unless the command has characters that only a shell understands.
 */
#ifndef RESTANTE_MILTER_LISTING_H
#define RESTANTE_MILTER_LISTING_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/str.h"
#include "milter/mtaqueue.h"

/*
 * The number of queue files; -1 with a reason in error_r: it could not be run, ended with another
 * status than 0, took longer than timeout_us or was cancelled (it is killed) or printed something
 * else. Recipients handed over before that mean nothing then. cancelled may be NULL; it is looked
 * at ten times a second.
 */
long listing_run(const char *command, int64_t timeout_us, const atomic_bool *cancelled,
	mtaqueue_recipient callback, void *context, struct str *error_r);

#endif
