/* Instants as the directory writes them, and ages for people. Pure. */
#ifndef RESTANTE_LIB_WHEN_H
#define RESTANTE_LIB_WHEN_H

#include <stddef.h>
#include <stdint.h>

/* Microseconds since 1970 of a CSN ("20261122053000.123456Z#..."); -1 where it is none. */
int64_t when_csn_us(const char *csn);
/* The same of a GeneralizedTime in UTC ("20261122053000Z", fractions accepted). */
int64_t when_generalized_us(const char *text);
/* "now", "40s", "12m", "5h", "3d": how long ago; "never" for an instant that is not positive. size
 * >= 16. */
const char *when_age(char *buffer, size_t size, int64_t instant_us, int64_t now_us);
/* "2026-11-22 05:30:00Z". size >= 24. */
const char *when_text(char *buffer, size_t size, int64_t instant_us);

/*
 * An instant that a person gives: "2026-11-22", "2026-11-22T05:30", "2026-11-22 05:30:00"; with a Z
 * at its end in UTC, else in local time: of an hour that comes twice the first one. -1 where it is
 * none, before 1970, or a local time that does not occur, since clocks go forward then.
 */
int64_t when_parse(const char *text);

#endif
