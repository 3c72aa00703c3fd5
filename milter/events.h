/*
 * What the main thread waits for. It alone has SIGHUP, SIGTERM and SIGINT unblocked, with handlers
 * that only write to a pipe; libmilter's own thread for them gets none (sigwait in events.c).
 */
#ifndef RESTANTE_MILTER_EVENTS_H
#define RESTANTE_MILTER_EVENTS_H

#include <stdint.h>

enum event {
	EVENT_RELOAD = 'H', /* SIGHUP */
	EVENT_STOP = 'T',   /* SIGTERM, SIGINT */
	EVENT_LOADED = 'L', /* the replica became usable */
	EVENT_BROKEN = 'B', /* a store is unusable */
	EVENT_MILTER = 'M', /* libmilter stopped */
	EVENT_TIME = 't',   /* the instant given to events_wait came */
};

/* Before any thread is made: they inherit the mask. -1: errno. */
int events_open(void);
/* By the main thread, once all threads are there. */
void events_take_signals(void);
void events_raise(enum event event); /* from any thread, or a signal handler */
/* until_us: monotonic, -1 = for ever. */
enum event events_wait(int64_t until_us);

#endif
