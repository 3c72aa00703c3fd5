/*
 * For how long a thread has been at one step of its work, so that another can tell one that is
 * stuck from one that has nothing to do. Thread-safe; an object of zeros is at rest.
 */
#ifndef RESTANTE_LIB_PULSE_H
#define RESTANTE_LIB_PULSE_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/clock.h"

struct pulse {
	_Atomic int64_t since_us; /* monotonic; 0 = at rest */
};

/* A step begins; the one before it, if any, is done. */
static inline void pulse_step(struct pulse *pulse)
{
	atomic_store(&pulse->since_us, clock_mono_us());
}

/* There is something to do; where a step is under way it goes on. */
static inline void pulse_wanted(struct pulse *pulse)
{
	int64_t rest = 0;

	atomic_compare_exchange_strong(&pulse->since_us, &rest, clock_mono_us());
}

static inline void pulse_rest(struct pulse *pulse)
{
	atomic_store(&pulse->since_us, 0);
}

/* Microseconds since the step began; 0 = at rest. */
static inline int64_t pulse_busy_us(const struct pulse *pulse)
{
	int64_t since = atomic_load(&pulse->since_us);

	return since != 0 ? clock_mono_us() - since : 0;
}

#endif
