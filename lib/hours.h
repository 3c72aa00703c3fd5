/*
 * Working hours: "Mon-Fri 07:00-19:00, Sat 08:00-12:00", in local time. A span whose end is not
 * after its begin goes on into the next day; "24:00" is its end; a day without a time is all of it.
 * Without any span it is always open. Pure, but for the time zone.
 */
#ifndef RESTANTE_LIB_HOURS_H
#define RESTANTE_LIB_HOURS_H

#include <stdbool.h>
#include <stdint.h>

bool hours_valid(const char *text);
bool hours_open(const char *text, int64_t wall_us);
/* The first minute from then on that is open; INT64_MAX where there is none within eight days. */
int64_t hours_next(const char *text, int64_t wall_us);

#endif
