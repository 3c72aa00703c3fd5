/*
 * Two clocks. Instants are microseconds since 1970 (wall clock, what is stored and shown);
 * intervals and deadlines are microseconds of CLOCK_MONOTONIC, which no administrator can turn.
 */
#ifndef RESTANTE_LIB_CLOCK_H
#define RESTANTE_LIB_CLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000)
#define CLOCK_MS     INT64_C(1000)

int64_t clock_wall_us(void);
int64_t clock_mono_us(void);
/* As the monotonic one, but it runs on while the machine sleeps: for how old a right is. */
int64_t clock_boot_us(void);
void clock_sleep_us(int64_t us);

/* A condition variable whose timed wait follows the monotonic clock. */
void clock_cond_init(pthread_cond_t *cond);
/* 0, or ETIMEDOUT once clock_mono_us() has reached deadline_us. */
int clock_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_us);

/* GeneralizedTime (RFC 4517) in UTC, seconds: "20261122053000Z". size >= 16. */
const char *clock_generalized(char *buffer, size_t size, int64_t wall_us);
/* RFC 5322 date-time in UTC: "Sun, 22 Nov 2026 05:30:00 +0000". size >= 32. */
const char *clock_rfc5322(char *buffer, size_t size, int64_t wall_us);
/* "1.234 s", "3 min 20 s", "2 d 4 h": for people. size >= 32. */
const char *clock_human(char *buffer, size_t size, int64_t interval_us);

#endif
