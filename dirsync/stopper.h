/*
 * How the process ends: one thread takes SIGTERM and SIGINT, says so to the others, and sees to it
 * that the end comes. What is not over after the limit (a server that says nothing, a disk that
 * does not answer) is left as it is, with a warning and status DIRSYNC_EXIT_FAILED; programs that
 * run are killed. Nothing is lost by that: what was not answered counts as not done, and the next
 * run does it.
 */
#ifndef RESTANTE_DIRSYNC_STOPPER_H
#define RESTANTE_DIRSYNC_STOPPER_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/str.h"

struct stopper;

struct stopper_options {
	atomic_bool *stop;               /* becomes true at the first signal */
	int64_t (*limit)(void *context); /* microseconds; asked at the first signal */
	void (*asked)(void *context);    /* after it; or NULL */
	/* The limit is over: appends what is waited for, if it is known, and takes away what must
	 * not be left. Called while all else goes on. Or NULL. */
	void (*late)(void *context, struct str *busy);
	void *context;
};

/* For the main thread, before it makes any other: signals stay for the stopper. */
void stopper_block(void);
/* NULL: no thread can be made. */
struct stopper *stopper_start(const struct stopper_options *options);
/* All is over, in time or without a signal. */
void stopper_end(struct stopper **stopper);

#endif
