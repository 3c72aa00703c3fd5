/*
 * Tells the service manager that the daemon is alive, but only while the threads that it cannot do
 * without make progress: libmilter's listener, which must answer a connection of ours; the hold
 * queue's writer and the consumer of the directory, which must not be at one step for long.
 * Whatever waits for work, a client or a directory server that is down is alive. By the main
 * thread, which shows itself by calling.
 */
#ifndef RESTANTE_MILTER_WATCHDOG_H
#define RESTANTE_MILTER_WATCHDOG_H

#include "milter/front.h"

struct watchdog;

/* NULL where the service manager wants none. Once the milter's socket is open. */
struct watchdog *watchdog_new(struct front *front);
/* When watchdog_tick is due: monotonic microseconds, or -1 = never. */
int64_t watchdog_due_us(const struct watchdog *watchdog);
/* Says WATCHDOG=1, or why not. Takes three seconds at most. */
void watchdog_tick(struct watchdog *watchdog);

#endif
