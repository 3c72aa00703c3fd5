/*
 * systemd's notification protocol (sd_notify(3)) without its library: datagrams to $NOTIFY_SOCKET.
 * Where nobody listens everything here does nothing. One per process; sdnotify may be called from
 * any thread, the rest belongs to the main one.
 */
#ifndef RESTANTE_LIB_SDNOTIFY_H
#define RESTANTE_LIB_SDNOTIFY_H

#include <stdint.h>

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no child
 * speaks for us. Before threads are made.
 */
void sdnotify_open(void);
/* Assignments, a line each: "READY=1\nSTATUS=serving". Waits at most five seconds. */
void sdnotify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1 with its instant; READY=1 ends it. */
void sdnotify_reloading(void);
/* How often WATCHDOG=1 is wanted at least, in microseconds; 0 = not at all. */
int64_t sdnotify_watchdog_us(void);
void sdnotify_close(void);

#endif
